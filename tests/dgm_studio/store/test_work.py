"""What a session keeps survives being cut off anywhere, and never harms the project."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored_project import CONFIG, everything, plain, state

from dgm_studio.store import Project, Recovery, Run
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
        assert again.checkpoint_steps() == [20, 30]
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
    assert len(lines) == 4
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    for cut in range(len(data) + 1):
        journal.write_bytes(data[:cut])
        assert read_journal(journal) == lines[: sum(end <= cut for end in ends)]


def test_a_journal_cut_anywhere_recovers_what_is_whole(project_path: Path):
    _, folder = cut_off(project_path)
    journal = folder / JOURNAL
    data = journal.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    for cut in [*range(0, len(data), 61), *ends, len(data) - 1]:
        journal.write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends)
        with Project.open(project_path) as project:
            if whole == 0:
                assert project.recoveries == []
                continue
            run = project.recover(only(project))
            assert sum(len(steps) for steps, _ in run.metrics.values()) == 20 * max(0, whole - 2)
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
