"""What a session keeps survives being cut off anywhere, and never harms the project."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored_project import CONFIG, everything, plain, state

from dgm_studio import journal_backlog, recording
from dgm_studio.events import Checkpoint, Finished, Progress, Started
from dgm_studio.recording import Recorder
from dgm_studio.store import Project, ProjectError, Recovery, Run, work
from dgm_studio.store.format import work_folder
from dgm_studio.store.lock import lock_path
from dgm_studio.store.trees import flatten
from dgm_studio.store.work import JOURNAL, Session, metrics_line, read_journal, read_metrics


def header(project: Project, run: Run, **other: Any) -> dict[str, Any]:
    record = run.record.model_dump(mode="json")
    return {"project": project.id, "saves": project.saves, "run": run.id, "record": record} | other


def rows(first: int, count: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    steps = np.arange(first, first + count)
    return {"elbo": (steps, -steps.astype(np.float32)), "kl": (steps, steps.astype(np.float32) / 3)}


def cut_off(path: Path, run: Run | None = None, first: int = 0) -> tuple[str, Path]:
    """A session that trains 20 steps from `first` and never ends. Returns the run's id and the session's folder."""
    with Project.open(path) as project:
        run = project.new_run(CONFIG, name="cut") if run is None else project.runs[run.id]
        session = Session(project.work_folder, header(project, run))
        session.append([{"started": first, "provenance": {"device": "CPU"}}])
        for start in (first, first + 10):
            session.append([metrics_line(rows(start, 10))])
            session.checkpoint(start + 10, flatten(state(start + 10)))
            session.frame(start + 10, np.full((4, 1, 8, 8), start, np.uint8), True)
        session.close()
        return run.id, session.folder


def only(project: Project) -> Recovery:
    (recovery,) = project.recoveries
    return recovery


def test_metrics_pass_through_the_journal_bit_for_bit():
    metrics = {
        "a": (np.arange(3), np.array([np.nan, -0.0, 1e-45], np.float32)),
        "valid/b": (np.array([7]), np.array([0.1], np.float32)),
    }
    assert plain(read_metrics(metrics_line(metrics))) == plain(metrics)


def test_a_session_that_was_cut_off_is_offered_and_recovered(project_path: Path, project_bytes: bytes):
    run_id, folder = cut_off(project_path)
    with Project.open(project_path) as project:
        recovery = only(project)
        assert (recovery.run_id, recovery.name, recovery.step, recovery.rows) == (run_id, "cut", 20, 40)
        assert run_id not in project.runs
        assert project_path.read_bytes() == project_bytes
        run = project.recover(recovery)
        assert project.recoveries == []
        assert project.modified
        assert folder.exists()
        assert run.status == "interrupted"
        assert run.provenance == {"device": "CPU"}
        project.save()
        assert not project.work_folder.exists()
        before = everything(project)
    with Project.open(project_path) as project:
        assert project.recoveries == []
        assert everything(project) == before
        run = project.runs[run_id]
        assert run.checkpoint_steps() == [10, 20]
        assert plain(run.checkpoint()) == plain(state(20))
        assert run.metrics["elbo"][0].tolist() == list(range(20))
        assert run.frame_steps() == [10, 20]


def test_nothing_of_a_recovery_is_deleted_before_the_save_that_keeps_it(project_path: Path):
    cut_off(project_path)
    for _ in range(2):
        with Project.open(project_path) as project:
            project.recover(only(project))
    with Project.open(project_path) as project:
        assert only(project).rows == 40


def test_a_session_that_continued_a_saved_run_is_merged_into_it(project_path: Path):
    with Project.open(project_path) as project:
        (run,) = project.runs.values()
    cut_off(project_path, run, first=10)
    with Project.open(project_path) as project:
        again = project.recover(only(project))
        assert again is project.runs[run.id]
        steps, values = again.metrics["elbo"]
        assert steps.tolist() == list(range(30))
        assert values[10:].tolist() == [-float(step) for step in range(10, 30)]
        assert again.checkpoint_steps() == [10, 20, 30]
        assert len(again.evaluations) == 1


def test_the_session_of_the_later_save_and_step_comes_first(project_path: Path):
    cut_off(project_path)
    cut_off(project_path, first=50)
    with Project.open(project_path) as project:
        project.save()
    cut_off(project_path)
    for folder in project_path.with_name("digits.dgm.work").iterdir():
        os.utime(folder / JOURNAL, (0, 0))
    with Project.open(project_path) as project:
        assert [(r.saves, r.step) for r in project.recoveries] == [(2, 20), (1, 70), (1, 20)]


def test_once_a_later_session_is_part_of_the_run_an_older_one_is_not_offered(project_path: Path):
    with Project.open(project_path) as project:
        (run,) = project.runs.values()
    cut_off(project_path, run)
    _, newer = cut_off(project_path, run, first=10)
    with Project.open(project_path) as project:
        assert project.recoveries[0].folder == newer
        project.recover(project.recoveries[0])
        project.save()
    with Project.open(project_path) as project:
        assert project.recoveries == []


def test_a_dismissed_recovery_stays_on_disk_and_is_not_offered(project_path: Path):
    _, folder = cut_off(project_path)
    with Project.open(project_path) as project:
        project.dismiss(only(project))
        assert project.recoveries == []
        project.save()
    with Project.open(project_path) as project:
        assert project.recoveries == []
    assert (folder.with_name(f"dismissed-{folder.name}") / JOURNAL).exists()


def test_a_journal_of_another_project_is_ignored_and_kept(project_path: Path, tmp_path: Path):
    _, folder = cut_off(project_path)
    with Project.create(tmp_path / "other.dgm") as other:
        other.work_folder.mkdir()
        target = other.work_folder / folder.name
        folder.rename(target)
    with Project.open(tmp_path / "other.dgm") as other:
        assert other.recoveries == []
        other.save()
    assert (target / JOURNAL).exists()


def test_a_discarded_session_is_not_offered_and_goes_with_the_next_save(project_path: Path):
    with Project.open(project_path) as project:
        (run,) = project.runs.values()
        session = Session(project.work_folder, header(project, run))
        session.append([{"discarded": True}])
        session.close()
    with Project.open(project_path) as project:
        assert project.recoveries == []
        project.save()
        assert not project.work_folder.exists()


def test_a_journal_cut_at_any_byte_gives_the_lines_before_the_cut(project_path: Path):
    _, folder = cut_off(project_path)
    journal = folder / JOURNAL
    data = journal.read_bytes()
    lines = read_journal(journal)
    assert [next(iter(line)) for line in lines] == ["project", "started", "metrics", "state", "metrics", "state"]
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    for cut in range(len(data) + 1):
        journal.write_bytes(data[:cut])
        assert read_journal(journal) == lines[: sum(end <= cut for end in ends)]


def test_a_journal_cut_anywhere_recovers_what_is_whole(project_path: Path):
    _, folder = cut_off(project_path)
    journal = folder / JOURNAL
    data = journal.read_bytes()
    lines = read_journal(journal)
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    for cut in [*range(0, len(data), 97), *ends, len(data) - 1]:
        journal.write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends)
        with Project.open(project_path) as project:
            if whole == 0:
                assert project.recoveries == []
                continue
            run = project.recover(only(project))
            rows_kept = sum(len(steps) for steps, _ in run.metrics.values())
            assert rows_kept == 20 * sum("metrics" in line for line in lines[:whole])
            assert run.checkpoint_steps() == [10, 20]


def test_a_flipped_byte_in_the_journal_ends_it_there(project_path: Path):
    _, folder = cut_off(project_path)
    journal = folder / JOURNAL
    data = bytearray(journal.read_bytes())
    data[data.index(b"\n") + 12] ^= 1
    journal.write_bytes(data)
    assert len(read_journal(journal)) == 1


@pytest.mark.parametrize("damage", [b"", b"junk", bytes(5000)])
def test_a_damaged_state_is_left_out_and_the_one_before_it_is_recovered(project_path: Path, damage: bytes):
    _, folder = cut_off(project_path)
    (folder / "checkpoint-20.dgm-part").write_bytes(damage)
    with Project.open(project_path) as project:
        recovery = only(project)
        assert recovery.step == 10
        assert "checkpoint-20" in recovery.problems[0]
        assert project.recover(recovery).checkpoint_steps() == [10]


@pytest.mark.parametrize(
    "wrong",
    [
        {"record": {}},
        {"record": None},
        {"saves": "3"},
        {"saves": None},
        {"record": {"name": "x", "status": "odd", "created": "", "config": {}}},
    ],
)
def test_a_recovery_that_makes_no_sense_leaves_the_project_as_it_is(project_path: Path, wrong: dict[str, Any]):
    with Project.open(project_path) as project:
        before = everything(project)
        session = Session(project.work_folder, header(project, project.new_run(CONFIG), **wrong))
        session.close()
    with Project.open(project_path) as project:
        for recovery in list(project.recoveries):
            with pytest.raises(Exception, match="makes no sense"):
                project.recover(recovery)
        assert everything(project) == before
        project.save()
    assert (session.folder / JOURNAL).exists()


@pytest.mark.parametrize("line", [{"metrics": 3}, {"metrics": [["AAAA", {"a": "AA=="}]]}, {"best": {"step": "x"}}])
def test_a_line_that_makes_no_sense_leaves_the_project_as_it_is(project_path: Path, line: dict[str, Any]):
    _, folder = cut_off(project_path)
    with Project.open(project_path) as project:
        before = everything(project)
        session = Session(project.work_folder, header(project, project.new_run(CONFIG)))
        session.append([line])
        session.close()
    with Project.open(project_path) as project:
        for recovery in [r for r in project.recoveries if r.folder == session.folder]:
            with pytest.raises(Exception, match="makes no sense"):
                project.recover(recovery)
        assert everything(project) == before
        assert folder in [r.folder for r in project.recoveries]


def test_stray_files_in_the_work_folder_are_ignored(project_path: Path):
    work = project_path.with_name("digits.dgm.work")
    (work / "empty").mkdir(parents=True)
    (work / "file").write_text("text")
    with Project.open(project_path) as project:
        assert project.recoveries == []
        project.save()
    assert (work / "file").exists()


def test_a_window_that_only_reads_is_offered_no_recovery(project_path: Path):
    cut_off(project_path)
    with Project.open(project_path), Project.open(project_path) as second:
        assert second.recoveries == []


# What a person is told, and can choose.


def test_a_recovery_says_what_there_is_by_step_and_time(project_path: Path):
    before = datetime.now(UTC) - timedelta(seconds=1)
    cut_off(project_path, first=100)
    with Project.open(project_path) as project:
        recovery = only(project)
        assert recovery.steps == [110, 120]
        assert (recovery.step, recovery.rows, recovery.measured) == (120, 40, 119)
        times = [recovery.began, *(state.time for state in recovery.states), recovery.time]
        assert times == sorted(times)
        assert before <= datetime.fromisoformat(times[0]) <= datetime.fromisoformat(times[-1]) <= datetime.now(UTC)
        assert project.held_step(recovery) is None
        run = project.recover(recovery)
        assert project.held_step(recovery) == 120
        assert run.checkpoint_steps() == [110, 120]


@pytest.mark.parametrize("time", [None, 3, "", "yesterday", "2026-11-22", []])
def test_times_are_only_shown(project_path: Path, time: Any):
    _, folder = cut_off(project_path)
    journal = folder / JOURNAL
    lines = read_journal(journal)
    journal.write_bytes(b"".join(work._sealed({**line, "time": time}) for line in lines))
    with Project.open(project_path) as project:
        recovery = only(project)
        assert recovery.time == (time if time == "2026-11-22" else "")
        assert project.recover(recovery).checkpoint_steps() == [10, 20]


def test_a_session_without_a_whole_state_says_so_and_brings_its_curves(project_path: Path):
    _, folder = cut_off(project_path)
    for part in folder.glob("checkpoint-*"):
        part.unlink()
    with Project.open(project_path) as project:
        recovery = only(project)
        assert (recovery.states, recovery.step, recovery.measured) == ((), 0, 19)
        run = project.recover(recovery)
        assert run.checkpoint_steps() == []
        assert len(run.metrics["elbo"][0]) == 20


def test_a_chosen_state_is_recovered_and_what_followed_it_stays_on_disk(project_path: Path):
    run_id, folder = cut_off(project_path)
    with Project.open(project_path) as project:
        recovery = only(project)
        with pytest.raises(ProjectError, match="no whole state of step 15"):
            project.recover(recovery, 15)
        run = project.recover(recovery, 10)
        assert run.checkpoint_steps() == [10]
        assert run.metrics["elbo"][0].tolist() == list(range(11))
        assert run.frame_steps() == [10]
        assert "step 10" in run.message
        assert project.recoveries == []
        project.save()
        assert folder.exists()
    with Project.open(project_path) as project:
        assert project.recoveries == []
        (rest,) = project.dismissed()
        whole = project.recover(project.restore(rest))
        assert whole.id != run_id
        assert whole.checkpoint_steps() == [10, 20]
        assert project.runs[run_id].checkpoint_steps() == [10]
        project.save()
    with Project.open(project_path) as project:
        assert (project.recoveries, project.dismissed()) == ([], [])
        assert plain(project.runs[whole.id].checkpoint()) == plain(state(20))
    assert os.listdir(project_path.parent) == [project_path.name]


def test_choosing_the_newest_state_recovers_everything(project_path: Path):
    _, folder = cut_off(project_path)
    with Project.open(project_path) as project:
        run = project.recover(only(project), 20)
        assert len(run.metrics["elbo"][0]) == 20
        project.save()
        assert not folder.exists()


def test_a_dismissed_recovery_can_be_restored_in_the_same_window_and_in_the_next(project_path: Path):
    _, folder = cut_off(project_path)
    with Project.open(project_path) as project:
        project.dismiss(only(project))
        (dismissed,) = project.dismissed()
        assert dismissed.steps == [10, 20]
        project.restore(dismissed)
        assert only(project).folder == folder
        project.dismiss(only(project))
    with Project.open(project_path) as project:
        (dismissed,) = project.dismissed()
        run = project.recover(project.restore(dismissed))
        assert plain(run.checkpoint()) == plain(state(20))
        project.save()
    assert os.listdir(project_path.parent) == [project_path.name]


def test_a_window_that_only_reads_lists_nothing_that_was_dismissed(project_path: Path):
    cut_off(project_path)
    with Project.open(project_path) as project:
        project.dismiss(only(project))
        with Project.open(project_path) as second:
            assert second.dismissed() == []


def test_two_sessions_of_one_run_can_both_be_recovered_in_either_order(project_path: Path, project_bytes: bytes):
    for order in ([0, 1], [1, 0]):
        project_path.write_bytes(project_bytes)
        with Project.open(project_path) as project:
            (run,) = project.runs.values()
        cut_off(project_path, run, first=10)
        cut_off(project_path, run, first=20)
        with Project.open(project_path) as project:
            both = project.recoveries
            assert [recovery.step for recovery in both] == [40, 30]
            ends = [project.recover(both[i]) for i in order]
            assert ends[0] is project.runs[run.id]
            assert ends[1] is not ends[0]
            project.save()
        with Project.open(project_path) as project:
            assert sorted(run.checkpoint_steps()[-1] for run in project.runs.values()) == [30, 40]
            assert (project.recoveries, project.dismissed()) == ([], [])


def test_a_session_that_went_on_from_an_earlier_state_does_not_replace_a_later_one(project_path: Path):
    with Project.open(project_path) as project:
        (run,) = project.runs.values()
        project.runs[run.id].keep_checkpoint(500, flatten(state(500)))
        project.save()
    cut_off(project_path, run, first=10)
    with Project.open(project_path) as project:
        recovery = only(project)
        assert project.held_step(recovery) == 500
        again = project.recover(recovery)
        assert again.id != run.id
        assert again.checkpoint_steps() == [10, 20, 30]
        assert project.runs[run.id].checkpoint_steps()[-1] == 500
        project.save()
    with Project.open(project_path) as project:
        assert project.recoveries == []
        assert len(project.runs) == 2


def test_an_older_session_is_listed_and_recovered_as_a_run_of_its_own(project_path: Path):
    with Project.open(project_path) as project:
        (run,) = project.runs.values()
    cut_off(project_path, run, first=10)
    with Project.open(project_path) as project:
        run = project.runs[run.id]
        recorder = Recorder(project, run)
        recorder.record(Started(20, 100, "CPU", 1))
        recorder.record(Checkpoint(70, state(70)))
        recorder.record(Finished(70, False))
        recorder.close()
    with Project.open(project_path) as project:
        assert project.recoveries == []
        (older,) = project.dismissed()
        new = project.recover(project.restore(older))
        assert new.checkpoint_steps() == [20, 30]
        assert project.runs[run.id].checkpoint_steps() == [20, 70]


def test_a_run_in_training_is_not_recovered_into(project_path: Path):
    with Project.open(project_path) as project:
        (run,) = project.runs.values()
    cut_off(project_path, run, first=10)
    with Project.open(project_path) as project:
        recorder = Recorder(project, project.runs[run.id])
        with pytest.raises(ProjectError) as caught:
            project.recover(only(project))
        assert caught.value.code == "busy"
        recorder.close()


# Copies and names.


@pytest.mark.parametrize("lock_left", [True, False])
def test_a_project_that_was_renamed_after_a_crash_is_still_offered_what_was_left(project_path: Path, lock_left: bool):
    cut_off(project_path)
    if lock_left:
        lock_path(project_path).write_text('{"pid": 1, "host": "here"}')
    renamed = project_path.with_name("renamed.dgm")
    project_path.rename(renamed)
    with Project.open(renamed) as project:
        run = project.recover(only(project))
        project.save()
    with Project.open(renamed) as project:
        assert project.recoveries == []
        assert project.runs[run.id].checkpoint_steps() == [10, 20]
    assert os.listdir(project_path.parent) == ["renamed.dgm"]


def test_a_copy_beside_the_original_leaves_it_what_is_its_own(project_path: Path):
    cut_off(project_path)
    copy = project_path.with_name("copy.dgm")
    shutil.copy(project_path, copy)
    with Project.open(copy) as project:
        assert project.recoveries == []
        project.save()
    with Project.open(project_path) as project:
        assert only(project).step == 20


def test_a_renamed_project_leaves_alone_what_a_window_still_writes(project_path: Path):
    with Project.open(project_path) as first:
        recorder = Recorder(first, first.new_run(CONFIG))
        recorder.record(Started(0, 10, "CPU", 1))
        while not list(first.work_folder.glob("*/journal")):
            time.sleep(0.001)
        renamed = project_path.with_name("renamed.dgm")
        project_path.rename(renamed)
        with Project.open(renamed) as second:
            assert second.recoveries == []
            second.save()
        assert list(first.work_folder.glob("*/journal"))
        with pytest.raises(ProjectError):
            recorder.close()


def test_a_copy_taken_elsewhere_with_its_work_folder_is_offered_what_was_left(project_path: Path, tmp_path: Path):
    cut_off(project_path)
    (tmp_path / "stick").mkdir()
    copy = tmp_path / "stick" / project_path.name
    shutil.copy(project_path, copy)
    shutil.copytree(work_folder(project_path), work_folder(copy))
    for path in (copy, project_path):
        with Project.open(path) as project:
            project.recover(only(project))
            project.save()
        with Project.open(path) as project:
            assert project.recoveries == []
            assert len(project.runs) == 2


# Odd things in the work folder.


def test_what_is_not_ours_in_a_merged_session_stays(project_path: Path):
    _, folder = cut_off(project_path)
    (folder / "notes.txt").write_text("mine")
    (folder / "folder").mkdir()
    (folder / "checkpoint-20.dgm-part.1-2.tmp").write_text("half")
    with Project.open(project_path) as project:
        project.recover(only(project))
        project.save()
    assert sorted(os.listdir(folder)) == ["folder", "notes.txt"]
    with Project.open(project_path) as project:
        assert project.recoveries == []


def make_a_folder(path: Path) -> None:
    path.mkdir()


def make_a_loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [make_a_folder, make_a_loop, lambda path: path.write_bytes(b"\xff" * 99)])
def test_a_project_opens_whatever_stands_in_its_work_folder(project_path: Path, make: Callable[[Path], object]):
    _, folder = cut_off(project_path)
    work_place = work_folder(project_path)
    (work_place / "other").mkdir()
    make(work_place / "other" / JOURNAL)
    make(work_place / "one")
    make(folder / "checkpoint-30.dgm-part")
    make(folder / "frame-30.dgm-part")
    with Project.open(project_path) as project:
        recovery = only(project)
        assert recovery.steps == [10, 20]
        assert len(recovery.problems) == 2
        project.recover(recovery)
        project.save()
    assert (work_place / "one").exists() or (work_place / "one").is_symlink()


@pytest.mark.parametrize("make", [lambda path: path.write_text("mine"), make_a_loop])
def test_something_else_in_the_place_of_the_work_folder_stops_neither_opening_nor_training(
    project_path: Path, make: Callable[[Path], object]
):
    make(work_folder(project_path))
    with Project.open(project_path) as project:
        assert project.recoveries == []
        run = project.new_run(CONFIG)
        recorder = Recorder(project, run)
        recorder.record(Started(0, 10, "CPU", 1))
        recorder.record(Checkpoint(10, state(10)))
        recorder.record(Finished(10, False))
        recorder.close()
        assert len(recorder.problems) == 1
    with Project.open(project_path) as project:
        assert project.runs[run.id].checkpoint_steps() == [10]


def test_a_session_that_cannot_begin_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            Session(tmp_path / "a.dgm.work", {"project": "x"})
    assert os.listdir(tmp_path) == []


# What a power cut leaves.


def test_what_is_written_reaches_the_disk_in_the_order_that_a_power_cut_needs(
    project_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whatever is only in the system's memory can be lost, in any order: so a file is brought to the disk before it
    takes its name, the folder after that, and a session's folder goes when the project that holds it is there."""
    happened: list[tuple[str, str]] = []
    real = {name: getattr(os, name) for name in ("fsync", "replace", "pwrite", "unlink")}

    def name_of(file: int) -> str:
        return os.readlink(f"/proc/self/fd/{file}")

    def note(what: str, name: Callable[..., str]) -> None:
        def noted(*args: Any, **more: Any) -> Any:
            happened.append((what, name(*args)))
            return real[what](*args, **more)

        monkeypatch.setattr(os, what, noted)

    note("fsync", name_of)
    note("pwrite", lambda file, *rest: name_of(file))
    note("replace", lambda source, target: f"{source} {target}")
    note("unlink", str)
    with Project.open(project_path) as project:
        recorder = Recorder(project, project.new_run(CONFIG))
        recorder.record(Started(0, 10, "CPU", 1))
        recorder.record(Checkpoint(10, state(10)))
        while recorder._states or recorder._backlog._states:
            time.sleep(0.001)
        recorder.record(Finished(10, False))
        recorder.close()
        folder, work_place = project_path.parent, project.work_folder
    journal = next(name for what, name in happened if name.endswith(JOURNAL))
    session = str(Path(journal).parent)
    begun = [happened.index(("fsync", name)) for name in (journal, session, str(work_place), str(folder))]
    assert begun == sorted(begun)
    assert happened.index(("pwrite", journal)) < begun[0]
    replaced = [(i, *name.split(" ")) for i, (what, name) in enumerate(happened) if what == "replace"]
    assert [Path(target).name for _, _, target in replaced] == ["checkpoint-10.dgm-part", project_path.name]
    for i, source, target in replaced:
        of_source = [j for j, (_, name) in enumerate(happened) if name == source and j < i]
        assert happened[of_source[-1]][0] == "fsync", "written to after it was brought to the disk"
        assert ("fsync", str(Path(target).parent)) in happened[i:]
    saved = replaced[-1][0]
    on_disk = saved + happened[saved:].index(("fsync", str(folder)))
    gone = [
        i
        for i, (what, name) in enumerate(happened)
        if what == "unlink" and name.startswith(session) and ".tmp" not in name
    ]
    assert gone
    assert min(gone) > on_disk
    assert happened[max(gone)][1] == journal


def test_a_line_is_on_the_disk_soon_after_it_was_written(project_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journal_backlog, "SYNC_EVERY", 0.2)
    monkeypatch.setattr(recording, "WRITE_EVERY", 0.02)
    unsynced, syncs = False, 0
    append, sync = Session.append, Session.sync

    def noted_append(session: Session, lines: list[work.Line]) -> None:
        nonlocal unsynced
        append(session, lines)
        unsynced = True

    def noted_sync(session: Session) -> None:
        nonlocal unsynced, syncs
        sync(session)
        unsynced, syncs = False, syncs + 1

    monkeypatch.setattr(Session, "append", noted_append)
    monkeypatch.setattr(Session, "sync", noted_sync)
    with Project.open(project_path) as project:
        recorder = Recorder(project, project.new_run(CONFIG))
        recorder.record(Started(0, 10, "CPU", 1))
        lines, end = 0, time.monotonic() + 60
        while syncs < 3 and time.monotonic() < end:  # while more lines come, and not only once none does
            recorder.record(Progress(lines + 1, 10**6, 1.0, 1.0, 1.0, "", 0, rows(lines, 1)))
            lines += 1
            time.sleep(0.05)
        assert syncs >= 3
        assert lines < 300  # 12 of them are 3 syncs apart; counted, because a busy machine slows both
        while unsynced and time.monotonic() < end:  # the last one, after which nothing comes
            time.sleep(0.01)
        assert not unsynced
        recorder.close()
