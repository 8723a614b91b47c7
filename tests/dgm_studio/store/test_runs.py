"""What can be done with runs: deleting and bringing back, copying, branching, importing; each survives the file."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stored_project import CONFIG, content, everything, fill, plain, state

from dgm_studio.config import MAX_STEPS, RunConfig, TrainingSettings
from dgm_studio.datasets.sources import load
from dgm_studio.events import Cancelled, Checkpoint, Event, Failed, Finding, Finished, Preview, Progress, Started
from dgm_studio.recording import Recorder
from dgm_studio.store import Project, ProjectError, Run, branch, check, duplicate, import_runs
from dgm_studio.store.records import Best, read_tags
from dgm_studio.store.run import WALL
from dgm_studio.store.trees import flatten
from dgm_studio.store.work import Session, metrics_line
from dgm_studio.training import Resume, TrainingSession
from models.catalog import family
from models.settings import SettingsError

COLLAPSED = Finding("collapse", "The posterior collapsed.", "KL < 0.01 nats", "Anneal the KL.")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Three full runs, saved."""
    with Project.create(tmp_path / "a.dgm") as project:
        for name in ("first", "second", "third"):
            full(project, name)
        project.save()
        yield project


def full(project: Project, name: str) -> Run:
    """A run with everything in it."""
    run = project.new_run(CONFIG, name)
    fill(run)
    run.keep_metrics({WALL: (np.array([5, 10, 19]), np.array([0.5, 1.25, 2.5], np.float32))})
    run.notes, run.tags = f"notes of {name}", ["baseline", name]
    run.provenance = {"data": {"title": "Digits"}, "device": "CPU"}
    run.best = Best(step=10, key="valid/elbo", value=-31.0)
    run.keep_finding(4, COLLAPSED)
    run.keep_finding(15, Finding("chains", "The chains do not mix.", "autocorrelation 0.99"))
    return run


def named(project: Project, name: str) -> Run:
    (run,) = [run for run in (project.runs | project.deleted).values() if run.name == name]
    return run


def again(project: Project) -> Project:
    """The same project, saved, closed and opened."""
    project.save()
    project.close()
    return Project.open(project.path)


def body(run: Run) -> dict[str, Any]:
    """What two copies have in common: all but name, id and where they come from."""
    whole = content(run)
    return {**whole, "record": {k: v for k, v in whole["record"].items() if k not in ("name", "origin", "parent")}}


# Deleting.


def test_a_deleted_run_is_offered_nowhere_and_comes_back_to_its_place_as_it_was(project: Project):
    before, second = everything(project), named(project, "second")
    project.delete_run(second.id)
    assert [run.name for run in project.runs.values()] == ["first", "third"]
    assert list(project.deleted) == [second.id]
    assert project.modified
    with again(project) as later:
        assert [run.name for run in later.runs.values()] == ["first", "third"]
        assert later.deleted[second.id].deleted == second.deleted != ""
        later.restore_run(second.id)
        assert everything(later) == before
        with again(later) as last:
            assert [run.name for run in last.runs.values()] == ["first", "second", "third"]
            assert everything(last) == before


def test_deleted_runs_stay_in_the_order_of_the_file_and_are_listed_in_that_of_deleting(project: Project):
    first, second, third = project.runs.values()
    third.mark_deleted("2026-01-01T00:00:00+00:00")
    first.mark_deleted("2026-01-02T00:00:00+00:00")
    with again(project) as later:
        assert list(later.deleted) == [third.id, first.id]
        later.restore_run(first.id)
        later.restore_run(third.id)
        assert list(later.runs) == [first.id, second.id, third.id]


def test_the_name_of_a_deleted_run_is_free_and_is_numbered_when_it_comes_back(project: Project):
    old = named(project, "second")
    project.delete_run(old.id)
    assert project.new_run(CONFIG, "second").name == "second"
    assert project.restore_run(old.id).name == "second-2"
    with again(project) as later:
        assert sorted(run.name for run in later.runs.values()) == ["first", "second", "second-2", "third"]


def test_deleting_or_restoring_twice_changes_nothing(project: Project):
    run = named(project, "first")
    project.delete_run(run.id)
    run.mark_deleted("2026-01-01T00:00:00+00:00")
    project.delete_run(run.id)
    assert run.deleted == "2026-01-01T00:00:00+00:00"
    project.restore_run(run.id)
    run.name = "other"
    assert project.restore_run(run.id).name == "other"


def test_cleaning_up_removes_deleted_runs_alone_and_frees_their_space(project: Project):
    first, second, third = project.runs.values()
    for run in (first, second):
        project.delete_run(run.id)
    kept, size = content(third), project.path.stat().st_size
    project.clean_up([first.id, third.id])
    assert list(project.runs) == [third.id]
    assert list(project.deleted) == [second.id]
    project.clean_up()
    freed = first.nbytes + second.nbytes
    project.save()
    assert project.path.stat().st_size <= size - freed
    with again(project) as later:
        assert later.deleted == {}
        assert {run_id: content(run) for run_id, run in later.runs.items()} == {third.id: kept}
    check(project.path)


def test_a_run_in_training_is_not_deleted_and_a_deleted_one_is_not_trained(project: Project):
    run = named(project, "first")
    project.begin_training(run)
    for forbidden in (project.delete_run, project.remove_run):
        with pytest.raises(ProjectError, match="Stop it first") as caught:
            forbidden(run.id)
        assert caught.value.code == "busy"
    project.end_training(run)
    project.delete_run(run.id)
    with pytest.raises(ProjectError, match="first was deleted"):
        Recorder(project, run)
    assert run.status == "finished"


def test_check_names_deleted_runs_and_finds_damage_in_them(project: Project):
    project.delete_run(named(project, "second").id)
    project.save()
    assert check(project.path)[-1].startswith("deleted, and kept until they are removed for good: second (")
    project.close()
    data = bytearray(project.path.read_bytes())
    weight = state(20)["model"]["encoder.0.weight"].numpy().tobytes()
    data[data.index(weight, data.index(weight) + 1)] ^= 1  # the second of three runs
    project.path.write_bytes(data)
    with pytest.raises(ProjectError, match="differs"):
        check(project.path)


def test_a_training_that_kept_nothing_is_removed_and_not_among_the_deleted(project: Project):
    for closing in (Cancelled(3), Failed("bad input", "No such file.", 0)):
        run = project.new_run(CONFIG)
        recorder = Recorder(project, run)
        recorder.record(Started(0, 100, "CPU", 1))
        recorder.record(closing)
        recorder.close()
    with again(project) as later:
        assert [run.name for run in later.runs.values()] == ["first", "second", "third"]
        assert later.deleted == {}


def test_recovering_a_training_of_a_run_that_was_deleted_brings_the_run_back(project: Project):
    run = named(project, "second")
    header = {
        "project": project.id,
        "saves": project.saves,
        "run": run.id,
        "record": run.record.model_dump(mode="json"),
    }
    session = Session(project.work_folder, header)
    session.append([{"started": 20, "provenance": {}}, {"planned": 900, "device": "cpu"}])
    session.append([metrics_line({"elbo": (np.array([20]), np.array([-3], np.float32))})])
    session.append([{"finding": vars(COLLAPSED), "step": 20}])
    session.close()
    project.delete_run(run.id)
    with again(project) as later:
        (recovery,) = later.recoveries
        back = later.recover(recovery)
        assert list(later.runs)[1] == run.id == back.id
        assert back.deleted == ""
        assert back.metrics["elbo"][1][-1] == -3
        assert back.config is not None
        assert (back.config.training.steps, back.config.training.device) == (900, "cpu")


# Copying.


def test_a_duplicate_is_equal_in_all_but_name_and_id_and_needs_the_original_no_more(project: Project):
    run = named(project, "second")
    copy = duplicate(project, run)
    assert (copy.name, copy.id != run.id) == ("second-2", True)
    assert body(copy) == body(run)
    with again(project) as later:
        assert body(later.runs[copy.id]) == body(later.runs[run.id])
        before = content(later.runs[copy.id])
        later.delete_run(run.id)
        later.clean_up()
        with again(later) as last:
            assert content(last.runs[copy.id]) == before


def test_what_is_done_to_a_duplicate_leaves_the_original_alone(project: Project):
    run = named(project, "first")
    before = content(run)
    copy = duplicate(project, run)
    copy.keep_metrics({"elbo": (np.array([3]), np.array([7], np.float32))})
    copy.rewind(10)
    copy.notes, copy.tags = "", []
    copy.drop_checkpoint(10)
    copy.replan(7, "cuda")
    assert content(run) == before
    with again(project) as later:
        assert content(later.runs[run.id]) == before
        assert later.runs[copy.id].metrics["elbo"][0].tolist() == [0, 1, 2, 3]


def test_a_run_in_training_is_duplicated_as_far_as_it_is_kept(project: Project):
    run = project.new_run(CONFIG, "live")
    recorder = Recorder(project, run)
    recorder.record(Started(0, 100, "CPU", 1))
    for step in (10, 20, 30):
        steps = np.arange(step - 10, step)
        values = {"elbo": (steps, steps.astype(np.float32))}
        recorder.record(Progress(step, 100, 1.0, 1.0, 1.0, "", 0, values))
        recorder.record(Preview(step, np.full((4, 1, 8, 8), step, np.uint8), True))
        recorder.record(Checkpoint(step, state(step)))
        wait_until(recorder, run, step)
        if step == 10:
            copy = duplicate(project, run)
        if step == 20:
            early = branch(project, copy, 10)
    recorder.record(Finished(30, True))
    recorder.close()
    assert run.checkpoint_steps() == [20, 30]
    with again(project) as later:
        for of_step_10 in (later.runs[copy.id], later.runs[early.id]):
            assert of_step_10.status == "stopped"
            assert of_step_10.checkpoint_steps() == [10]
            assert plain(of_step_10.checkpoint()) == plain(state(10))
            assert of_step_10.frame(10)[0].max() == 10
            assert of_step_10.metrics["elbo"][0].tolist() == list(range(10))
    assert os.listdir(project.path.parent) == ["a.dgm"]


def wait_until(recorder: Recorder, run: Run, step: int) -> None:
    end = time.monotonic() + 60
    while recorder._states or step not in run.checkpoint_steps() or recorder._frames:
        assert time.monotonic() < end
        time.sleep(0.002)


# Branching.


def test_a_branch_holds_the_state_and_what_led_to_it(project: Project):
    run = named(project, "second")
    new = branch(project, run, 10)
    assert (new.name, new.parent, new.status, new.notes) == ("second-2", (run.id, 10), "stopped", "")
    assert new.tags == run.tags
    assert new.config == run.config
    assert new.provenance == run.provenance
    with again(project) as later:
        new = later.runs[new.id]
        assert new.checkpoint_steps() == [10]
        assert plain(new.checkpoint()) == plain(state(10))
        steps, values = new.metrics["elbo"]
        assert steps.tolist() == list(range(11))
        assert values.tobytes() == run.metrics["elbo"][1][:11].tobytes()
        assert new.wall is not None
        assert new.wall[1].tolist() == [0.5, 1.25]
        assert new.frame_steps() == [10]
        assert [finding.step for finding in new.findings] == [4]
        assert new.best == run.best
        assert new.evaluations == []


def test_a_branch_of_a_later_state_also_holds_the_best_one(project: Project):
    new = branch(project, named(project, "first"), 20)
    assert new.checkpoint_steps() == [10, 20]
    assert new.best is not None
    assert new.best.step == 10


def test_a_branch_from_a_step_that_is_not_kept_is_refused_and_leaves_nothing(project: Project):
    with pytest.raises(ProjectError, match="keeps no state of step 15"):
        branch(project, named(project, "first"), 15)
    assert len(project.runs) == 3


def test_a_branch_goes_on_by_other_settings_of_learner_and_training(project: Project):
    changed = CONFIG.model_copy(
        update={"learning": {"learning_rate": 1e-4}, "training": TrainingSettings(steps=77, batch_size=10)}
    )
    new = branch(project, named(project, "first"), 10, changed)
    with again(project) as later:
        assert later.runs[new.id].config == changed


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("model", {"model": {"hidden": 7}}),
        ("family", {"family": "rbm", "learner": "contrastive-divergence"}),
        ("data", {"data": CONFIG.data.model_copy(update={"split_seed": 1})}),
        ("learning_rate", {"learning": {"learning_rate": -1}}),
    ],
)
def test_a_branch_with_settings_that_do_not_fit_the_state_is_refused(project: Project, part: str, change: Any):
    with pytest.raises(SettingsError, match=part):
        branch(project, named(project, "first"), 10, CONFIG.model_copy(update=change))
    assert len(project.runs) == 3


def test_settings_that_are_written_out_count_as_the_same_model(project: Project):
    run = named(project, "first")
    written_out = CONFIG.model_copy(update={"model": {"hidden": family("vae").settings.model_fields["hidden"].default}})
    assert branch(project, run, 10, written_out).config == written_out


def test_a_branch_resumes_bit_for_bit_as_its_parent_would_also_when_the_parent_is_gone(tmp_path: Path):
    config = RunConfig(
        family="vae",
        learner="reparameterized-elbo",
        model={"hidden": 16},
        training=TrainingSettings(steps=10, batch_size=50, device="cpu"),
    )
    data = load(config.data)
    with Project.create(tmp_path / "a.dgm") as project:
        parent = project.new_run(config)
        train(project, parent, TrainingSession(config, data))
        middle = parent.checkpoint(10)
        longer = config.model_copy(update={"training": config.training.model_copy(update={"steps": 20})})
        new = branch(project, parent, 10, longer)
        train(project, parent, TrainingSession(longer, data, Resume(middle)))
        expected, curves = plain(parent.checkpoint(20)), values_of(parent)
        project.delete_run(parent.id)
        project.save()
        project.clean_up()
        with again(project) as later:
            (new,) = later.runs.values()
            assert new.parent == (parent.id, 10)
            assert new.config is not None
            torch.manual_seed(99)
            train(later, new, TrainingSession(new.config, data, Resume(new.checkpoint())))
            assert plain(new.checkpoint(20)) == expected
            assert values_of(new) == curves
    with Project.open(project.path) as last:
        assert plain(last.runs[new.id].checkpoint(20)) == expected


def train(project: Project, run: Run, session: TrainingSession) -> None:
    recorder = Recorder(project, run, session.dataset.provenance)
    for event in session.events():
        recorder.record(event)
    recorder.close()
    assert run.status == "finished"


def values_of(run: Run) -> dict[str, Any]:
    """What was measured of each step; held-out figures are measured when there is time for it."""
    return {key: plain(curve) for key, curve in run.metrics.items() if not key.startswith("valid/")}


# Importing.


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another project, closed, with a run and its branch, and a deleted run."""
    path = tmp_path / "other.dgm"
    with Project.create(path) as project:
        parent = full(project, "first")
        branch(project, parent, 10).name = "branch"
        project.delete_run(full(project, "gone").id)
        project.save()
    return path


def test_imported_runs_are_equal_and_say_where_they_come_from(project: Project, other: Path):
    before = other.read_bytes()
    with Project.open(other, read_only=True) as source:
        ids, source_id = list(source.runs), source.id
        bodies = [body(run) for run in source.runs.values()]
    mine = everything(project)
    parent, child = import_runs(project, other, ids)
    assert (parent.name, child.name) == ("first-2", "branch")
    assert parent.origin is not None
    assert parent.origin.model_dump() == {"project": source_id, "file": "other.dgm", "run": ids[0], "name": "first"}
    assert child.parent == (parent.id, 10)
    assert other.read_bytes() == before
    other.unlink()  # nothing depends on it any more
    with again(project) as later:
        assert [body(later.runs[run.id]) for run in (parent, child)] == bodies
        rest = everything(later)
        assert {i: rest["runs"][i] for i in mine["runs"]} == mine["runs"]
        assert list(rest["runs"])[3:] == [parent.id, child.id]
    check(project.path)


def test_a_run_that_is_imported_twice_is_there_twice(project: Project, other: Path):
    with Project.open(other, read_only=True) as source:
        run_id = next(iter(source.runs))
    (one,), (two,) = (import_runs(project, other, [run_id, run_id]) for _ in range(2))
    assert (one.name, two.name, one.id != two.id) == ("first-2", "first-3", True)
    with again(project) as later:
        assert body(later.runs[one.id]) == body(later.runs[two.id])


def test_the_same_project_and_one_of_another_window_can_be_imported_from(project: Project, other: Path):
    (copy,) = import_runs(project, project.path, [named(project, "second").id])
    assert copy.name == "second-2"
    with Project.open(other) as held:
        assert not held.read_only
        assert len(import_runs(project, other, held.runs)) == 2


def test_nothing_is_imported_from_a_damaged_project(project: Project, other: Path):
    with Project.open(other, read_only=True) as source:
        ids = list(source.runs)
    data = bytearray(other.read_bytes())
    weight = state(20)["model"]["encoder.0.weight"].numpy().tobytes()
    data[data.index(weight)] ^= 1
    other.write_bytes(data)
    before = everything(project), project.path.read_bytes()
    with pytest.raises(ProjectError, match=r"other\.dgm: .*encoder\.0\.weight differs") as caught:
        import_runs(project, other, ids)
    assert caught.value.code == "damaged"
    other.write_bytes(bytes(data)[: len(data) // 2])
    with pytest.raises(ProjectError, match=r"other\.dgm: "):
        import_runs(project, other, ids)
    assert (everything(project), project.path.read_bytes()) == before
    assert not project.modified
    (intact,) = [run_id for run_id in ids if run_id == ids[1]]
    other.write_bytes(bytes(data))
    assert import_runs(project, other, [intact])[0].name == "branch"  # its own state of step 10 is whole


@pytest.mark.parametrize("run_id", ["nothing", "gone"])
def test_a_run_that_is_not_there_or_was_deleted_is_not_imported(project: Project, other: Path, run_id: str):
    with Project.open(other, read_only=True) as source:
        (deleted,) = source.deleted
        ids = [*source.runs, deleted if run_id == "gone" else run_id]
    with pytest.raises(ProjectError, match="there is no run") as caught:
        import_runs(project, other, ids)
    assert caught.value.code == "missing"
    assert len(project.runs) == 3


def test_a_run_of_a_format_1_project_is_imported(project: Project):
    old = Path(__file__).parent / "fixtures" / "format-1.dgm"
    with Project.open(old, read_only=True) as source:
        (run_id,) = source.runs
        expected = body(source.runs[run_id])
    (new,) = import_runs(project, old, [run_id])
    with again(project) as later:
        assert body(later.runs[new.id]) == expected


# Plan, time, findings, tags.


def test_the_plan_of_a_run_is_what_it_was_trained_by_last(project: Project):
    run = named(project, "first")
    record(project, run, Started(20, 500, "CPU", 1), Finished(20, True), device="cpu")
    with again(project) as later:
        config = later.runs[run.id].config
        assert config is not None
        assert (config.training.steps, config.training.device) == (500, "cpu")
        assert config.model_copy(update={"training": CONFIG.training}) == CONFIG


def test_a_training_that_is_prolonged_changes_the_plan(project: Project):
    run = named(project, "first")
    record(project, run, Started(20, 500, "CPU", 1), progress(30, 900, 1.0), Finished(30, True))
    assert run.config is not None
    assert run.config.training.steps == 900


def test_an_open_end_is_no_plan_and_a_discarded_training_had_none(project: Project):
    run = named(project, "first")
    record(project, run, Started(20, MAX_STEPS + 20, "CPU", 1), Finished(20, True))
    assert run.config == CONFIG
    record(project, run, Started(20, 500, "CPU", 1), Cancelled(20), device="cpu")
    assert run.config == CONFIG


def test_a_curve_tells_the_seconds_of_training_over_all_sessions(project: Project):
    run = project.new_run(CONFIG)
    record(project, run, Started(0, 50, "CPU", 1), progress(10, 50, 2.0), checkpoint(10), Finished(10, True))
    record(project, run, Started(10, 50, "CPU", 1), progress(20, 50, 3.5), checkpoint(20), Finished(20, True))
    with again(project) as later:
        run = later.runs[run.id]
        assert run.wall is not None
        assert run.wall[0].tolist() == [10, 20]
        assert run.wall[1].tolist() == [2.0, 5.5]
        assert set(run.metrics) == {"elbo"}  # time is no quantity of the model
        record(later, run, Started(10, 50, "CPU", 1), progress(12, 50, 0.25), Finished(12, True))
        assert run.wall[1].tolist() == [2.0, 2.25]  # what was gone back from does not count


def test_a_run_that_was_not_timed_from_its_start_has_no_time(project: Project):
    run = project.new_run(CONFIG)
    run.keep_checkpoint(10, flatten(state(10)))
    record(project, run, Started(10, 50, "CPU", 1), progress(20, 50, 3.5), Finished(20, True))
    assert run.wall is None


def test_findings_are_kept_once_and_go_with_what_they_were_found_in(project: Project):
    run = project.new_run(CONFIG)
    record(project, run, Started(0, 50, "CPU", 1), progress(10, 50, 2.0), COLLAPSED, COLLAPSED, checkpoint(10))
    with again(project) as later:
        (noted,) = later.runs[run.id].findings
        assert noted.model_dump() == {"step": 10, **vars(COLLAPSED)}
        later.runs[run.id].rewind(5)
        assert later.runs[run.id].findings == []


def test_discarding_keeps_the_words_of_the_person_and_forgets_what_the_training_found(project: Project):
    run = named(project, "first")
    recorder = Recorder(project, run)
    recorder.record(Started(20, 50, "CPU", 1))
    recorder.record(Finding("late", "Something new.", "somehow"))
    run.tags, run.notes, run.name = ["mine"], "seen", "renamed"
    recorder.record(Cancelled(20))
    recorder.close()
    assert (run.tags, run.notes, run.name) == (["mine"], "seen", "renamed")
    assert [finding.kind for finding in run.findings] == ["collapse", "chains"]


def test_tags_are_read_from_text_between_commas():
    assert read_tags(" baseline,, large  β , baseline,") == ["baseline", "large β"]
    assert read_tags("") == []


def record(project: Project, run: Run, *events: Event, device: str = "") -> None:
    recorder = Recorder(project, run, device=device)
    for event in events:
        recorder.record(event)
    recorder.close()


def progress(step: int, steps: int, seconds: float) -> Progress:
    measured = np.arange(step - 1, step)
    return Progress(step, steps, seconds, 1.0, 1.0, "", 0, {"elbo": (measured, measured.astype(np.float32))})


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step, state(step))
