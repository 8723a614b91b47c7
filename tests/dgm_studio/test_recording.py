"""A session's events end up in the project, whatever happens, and a stored run goes on as if it had never stopped."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dgm_studio import backlog, journal_backlog, recording
from dgm_studio.circumstances import resume_warnings
from dgm_studio.config import MAX_STEPS, RunConfig, TrainingSettings, default_data
from dgm_studio.datasets.sources import load
from dgm_studio.events import Cancelled, Checkpoint, Event, Failed, Finished, Paused, Preview, Progress, Started
from dgm_studio.recording import Recorder
from dgm_studio.store import Project, ProjectError, Recovery, Run, branch, saving
from dgm_studio.store.format import PART
from dgm_studio.store.recovery import left_in
from dgm_studio.store.trees import flatten
from dgm_studio.store.work import Session, read_journal
from dgm_studio.training import Order, Resume, TrainingSession
from models.catalog import family as family_of

CONFIG = RunConfig(
    family="vae",
    learner="reparameterized-elbo",
    model={"hidden": 32},
    training=TrainingSettings(steps=40, batch_size=50, device="cpu"),
)


@pytest.fixture
def project(tmp_path: Path):
    project = Project.create(tmp_path / "a.dgm")
    yield project
    project.close()


def progress(first: int, count: int = 10, valid: float | None = None) -> Progress:
    steps = np.arange(first, first + count)
    metrics = {"elbo": (steps, steps.astype(np.float32))}
    if valid is not None:
        metrics["valid/elbo"] = (np.array([first + count]), np.array([valid], np.float32))
    return Progress(first + count, 100, 1.0, 1.0, 1.0, "", 0, metrics)


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step, {"step": step, "model": {"w": torch.full((100,), float(step))}})


def preview(step: int) -> Preview:
    return Preview(step, np.full((4, 1, 8, 8), step % 251, np.uint8), True)


STARTED = Started(0, 100, "CPU", 1)


def record(project: Project, run: Run, *events: Event) -> Recorder:
    """Record events, each checkpoint written before the next event comes."""
    recorder = Recorder(project, run)
    for event in events:
        recorder.record(event)
        if isinstance(event, Checkpoint):
            wait_for(lambda: not recorder._states and event.step in run.checkpoint_steps())  # noqa: B023
    recorder.close()
    return recorder


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.001)


def same(a: Any, b: Any) -> bool:
    match a:
        case torch.Tensor():
            return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
        case dict():
            return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
        case list() | tuple():
            return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


# The whole way.


# in full size; at small ones, test_resume.py has a family for each learner, test_contract_sessions.py all
FULL_SIZE = ("rbm", "vae", "gan")


@pytest.mark.parametrize("family", FULL_SIZE)
def test_a_run_that_is_stored_and_resumed_ends_as_an_uninterrupted_one_bit_for_bit(project: Project, family: str):
    chosen = family_of(family)
    config = RunConfig(
        family=family,
        learner=chosen.learners[0],
        data=default_data(chosen),
        training=TrainingSettings(steps=40, batch_size=50, device="cpu"),
    )
    data = load(config.data)
    (whole,) = [e for e in TrainingSession(config, data).events() if isinstance(e, Checkpoint) and e.step == 40]
    run = project.new_run(config)
    session = TrainingSession(config, data)
    recorder = Recorder(project, run, data.provenance)
    session.tell(Order.STEP)
    for event in session.events():
        recorder.record(event)
        if isinstance(event, Paused):
            session.tell(Order.STOP if event.step >= 20 else Order.STEP)
    recorder.close()
    assert (run.status, run.checkpoint_steps()[-1]) == ("stopped", 20)
    project.close()

    with Project.open(project.path) as again:
        run = again.runs[run.id]
        assert resume_warnings(run) == []
        assert run.provenance["data"]["title"] == data.provenance.title
        assert run.config is not None
        torch.manual_seed(12345)
        recorder = Recorder(again, run)
        for event in TrainingSession(run.config, data, Resume(run.checkpoint())).events():
            recorder.record(event)
        recorder.close()
        assert run.status == "finished"
    with Project.open(project.path) as final:
        run = final.runs[run.id]
        assert same(run.checkpoint(), whole.state)
        trained = [steps for key, (steps, _) in run.metrics.items() if "/" not in key]
        assert all(steps.tolist() == list(range(40)) for steps in trained)
        assert run.frame_steps()[0] == 0
        assert run.frame_steps()[-1] == 40
        assert final.recoveries == []
    assert os.listdir(project.path.parent) == ["a.dgm"]


def test_a_resumed_run_is_warned_about_when_something_is_different_here(project: Project):
    run = project.new_run(CONFIG)
    record(project, run, STARTED, checkpoint(0), Finished(0, True))
    assert resume_warnings(run) == []
    run.provenance = {
        **run.provenance,
        "threads": 64,
        "cpu": "AVX9000",
        "versions": {**run.provenance["versions"], "torch": "1.0"},
    }
    warnings = resume_warnings(run)
    assert len(warnings) == 3
    assert "version of PyTorch (1.0; here it is" in warnings[0]
    assert "64" in warnings[1]
    assert "AVX9000" in warnings[2]


def test_what_was_planned_last_is_known_also_after_a_crash(project: Project):
    run = project.new_run(CONFIG)
    first = run.planned_last
    assert first == CONFIG.training.steps
    sessions = (  # its first step, the plan at its start and at its end, and what was asked for last then
        (0, first, first, first),
        (30, first, first, first),  # stopped and resumed
        (35, 135, 135, 100),  # continued before the end of the plan
        (135, 235, 735, 500),  # prolonged in training
        (735, MAX_STEPS, MAX_STEPS, 500),  # an open end is no plan
    )
    for begin, start, end, asked in sessions:
        recorder = Recorder(project, run)
        recorder.record(Started(begin, start, "CPU", 1))
        for plan in (start, end):
            recorder.record(Progress(begin + 2, plan, 1.0, 1.0, 1.0, "", 0, {}))
        recorder.record(checkpoint(begin + 5))
        wait_for(lambda: any(left.states for left in left_in([project.work_folder], project.id)))
        (cut_off,) = left_in([project.work_folder], project.id)
        recovered = Run(project, "recovered", cut_off.first_record(), {})
        cut_off.replayed(recovered, None)
        recorder.record(Finished(begin + 5, True))
        recorder.close()
        assert (run.planned_last, recovered.planned_last) == (asked, asked)
        assert recovered.config == run.config
    run.provenance = {"planned_from": "nonsense"}
    assert run.planned_last == 735


# What is kept.


@pytest.mark.parametrize(
    ("closing", "status", "message"),
    [
        (Finished(30, stopped=False), "finished", ""),
        (Finished(30, stopped=True), "stopped", ""),
        (Failed("diverged", "Training diverged.", 30), "failed", "Training diverged."),
    ],
)
def test_a_closing_event_sets_the_status_and_saves(project: Project, closing: Event, status: str, message: str):
    run = project.new_run(CONFIG)
    recorder = record(project, run, STARTED, progress(0), checkpoint(10), preview(10), closing)
    assert recorder.problems == []
    assert not project.modified
    assert not project.work_folder.exists()
    project.close()
    with Project.open(project.path) as again:
        run = again.runs[run.id]
        assert (run.status, run.message) == (status, message)
        assert run.checkpoint_steps() == [10]
        assert run.frame(10)[0].max() == 10


def test_a_recording_that_is_only_closed_counts_as_interrupted(project: Project):
    run = project.new_run(CONFIG)
    record(project, run, STARTED, progress(0), checkpoint(10))
    assert run.status == "interrupted"
    assert not project.modified


def test_bad_input_before_the_first_state_leaves_no_run_behind(project: Project):
    run = project.new_run(CONFIG)
    record(project, run, Failed("bad input", "model.latent: too large", 0))
    assert run.id not in project.runs


def test_bad_input_before_a_run_goes_on_leaves_it_as_it_was(project: Project):
    run = project.new_run(CONFIG)
    record(project, run, STARTED, checkpoint(0), Finished(10, stopped=True))
    before = run.record
    record(project, run, Failed("bad input", "the data changed", 0))
    assert run.record == before
    assert run.checkpoint_steps() == [0]


def test_bad_input_to_a_run_that_has_gone_on_is_kept_with_its_sentence(project: Project):
    run = project.new_run(CONFIG)
    record(project, run, STARTED, checkpoint(0), Failed("bad input", "a batch of 0", 0))
    assert (run.status, run.message) == ("failed", "a batch of 0")
    assert run.checkpoint_steps() == [0]


def test_what_comes_is_in_the_run_before_it_is_written(project: Project, monkeypatch: pytest.MonkeyPatch):
    hold = threading.Event()
    append = Session.append
    monkeypatch.setattr(Session, "append", lambda self, lines: (hold.wait(60), append(self, lines))[1])
    run = project.new_run(CONFIG)
    recorder = Recorder(project, run)
    started = time.perf_counter()
    for step in range(0, 1000, 10):
        recorder.record(progress(step))
        recorder.record(preview(step + 10))
        recorder.record(checkpoint(step + 10))
    assert time.perf_counter() - started < 50  # nothing waited for the disk
    assert len(run.metrics["elbo"][0]) == 1000
    assert len(run.frame_steps()) == 100
    hold.set()
    recorder.record(Finished(1000, False))
    recorder.close()
    assert run.checkpoint_steps()[-1] == 1000


def test_the_newest_two_states_and_the_best_stay(project: Project):
    run = project.new_run(CONFIG)
    events: list[Event] = [STARTED, checkpoint(0)]
    for i, value in enumerate([-30.0, -20.0, -25.0, -26.0, -27.0]):
        events += [progress(10 * i, valid=value), checkpoint(10 * i + 10)]
    record(project, run, *events, Finished(50, False))
    assert run.checkpoint_steps() == [20, 40, 50]
    assert run.best is not None
    assert (run.best.step, run.best.key, run.best.value) == (20, "valid/elbo", -20.0)


def test_a_state_that_another_run_branched_from_stays(project: Project):
    run = project.new_run(CONFIG)
    record(project, run, STARTED, checkpoint(0), checkpoint(10), Finished(10, True))
    branch(project, run, 10)
    go_on = Started(10, 100, "CPU", 1)
    record(project, run, go_on, *[checkpoint(step) for step in (20, 30, 40)], Finished(40, False))
    assert run.checkpoint_steps() == [10, 30, 40]


def in_files(recorder: Recorder) -> list[int]:
    """Steps of the states in the work folder."""
    files = recorder.folder.glob("checkpoint-*.dgm-part") if recorder.folder is not None else ()
    return sorted(int(file.stem.split("-")[1]) for file in files)


def test_a_history_of_states_stays_as_far_as_there_is_room(project: Project):
    run = project.new_run(CONFIG)
    states = [checkpoint(step) for step in range(0, 1000, 20)]
    states[20] = replace(states[20], demanded=True)
    size = sum(item.nbytes for item in flatten(states[1].state, packed=True).values())  # type: ignore[union-attr]
    kept: list[int] = []
    recorder = Recorder(project, run, room=6 * size + size // 2)
    recorder.kept = kept.append
    recorder.record(STARTED)
    for event in states:
        recorder.record(event)
        wait_for(lambda: event.step in run.checkpoint_steps() == in_files(recorder))  # noqa: B023
    assert kept == run.demanded == [400]
    # six, the newest two, and the one that was demanded
    wait_for(lambda: len(run.checkpoint_steps()) == 6 + 3 and run.checkpoint_steps() == in_files(recorder))
    steps = run.checkpoint_steps()
    assert (steps[0], steps[-2:]) == (0, [960, 980])
    recorder.demand(0)
    wait_for(lambda: not recorder._lines)
    wait_for(
        lambda: recorder.folder and {"demanded": 0}.items() <= read_journal(recorder.folder / "journal")[-1].items()
    )
    (left,) = left_in([project.work_folder], project.id)  # as after a crash now
    elsewhere = Project.create(project.path.with_name("b.dgm"))  # what lies in the work folder will go on changing
    again = elsewhere.new_run(CONFIG)
    left.replayed(again, None)
    assert (again.checkpoint_steps(), again.demanded) == (steps, [0, 400])
    recorder.release(400)
    wait_for(lambda: recorder.folder and "released" in read_journal(recorder.folder / "journal")[-1])
    (left,) = left_in([project.work_folder], project.id)
    third = elsewhere.new_run(CONFIG)
    left.replayed(third, None)
    assert third.demanded == run.demanded == [0]
    elsewhere.close()
    for step in (1000, 1020, 1040):
        recorder.record(checkpoint(step))
        wait_for(lambda: step in run.checkpoint_steps() == in_files(recorder))  # noqa: B023
    wait_for(lambda: len(run.checkpoint_steps()) == 6 + 3)  # that of step 400 counts like any other now
    steps = run.checkpoint_steps()
    recorder.record(Finished(1040, True))
    recorder.close()
    assert run.checkpoint_steps() == steps
    run.rewind(300)
    assert run.demanded == [0]


def test_states_that_are_demanded_are_not_lost_to_newer_ones(project: Project, monkeypatch: pytest.MonkeyPatch):
    hold = threading.Event()
    append = Session.append
    monkeypatch.setattr(Session, "append", lambda self, lines: (hold.wait(60), append(self, lines))[1])
    run = project.new_run(CONFIG)
    recorder = Recorder(project, run, room=10**6)
    for event in (STARTED, progress(0), checkpoint(0), *[checkpoint(step) for step in (1, 2)]):
        recorder.record(event)
    recorder.record(replace(checkpoint(3), demanded=True))
    for step in (4, 5, 6):
        recorder.record(checkpoint(step))
    hold.set()
    recorder.record(Finished(6, True))
    recorder.close()
    assert {0, 3, 6} <= set(run.checkpoint_steps())
    assert run.demanded == [3]


def test_going_on_from_an_earlier_state_replaces_what_followed_it(project: Project):
    run = project.new_run(CONFIG)
    events = [STARTED, progress(0), checkpoint(10), preview(10), progress(10), checkpoint(20), preview(20)]
    record(project, run, *events, Finished(20, False))
    go_on = (Started(10, 100, "CPU", 1), checkpoint(10), progress(10, 3), checkpoint(13))
    record(project, run, *go_on, Finished(13, True))
    assert run.metrics["elbo"][0].tolist() == list(range(13))
    assert run.checkpoint_steps() == [10, 13]
    assert run.frame_steps() == [10]


# Discarding.


def test_discarding_a_new_run_removes_it(project: Project):
    run = project.new_run(CONFIG)
    record(project, run, STARTED, checkpoint(0), progress(0), Cancelled(10))
    assert run.id not in project.runs
    assert not project.work_folder.exists()
    project.close()
    with Project.open(project.path) as again:
        assert not again.runs
        assert again.recoveries == []


def test_discarding_the_continuation_of_a_run_leaves_the_run_as_it_was(project: Project):
    run = project.new_run(CONFIG)
    record(project, run, STARTED, progress(0), checkpoint(0), checkpoint(10), preview(10), Finished(10, False))
    go_on = (Started(0, 100, "CPU", 1), checkpoint(0), progress(0, 5), checkpoint(5), checkpoint(6), checkpoint(7))
    record(project, run, *go_on, Cancelled(7))
    assert (run.status, run.checkpoint_steps(), run.frame_steps()) == ("finished", [0, 10], [10])
    assert run.metrics["elbo"][0].tolist() == list(range(10))
    project.close()
    with Project.open(project.path) as again:
        assert same(again.runs[run.id].checkpoint(), checkpoint(10).state)


def test_a_save_during_training_is_what_discarding_returns_to(project: Project):
    run = project.new_run(CONFIG)
    record(project, run, STARTED, checkpoint(0), Finished(0, True))
    recorder = Recorder(project, run)
    recorder.record(STARTED)
    recorder.record(progress(0))
    recorder.record(checkpoint(10))
    wait_for(lambda: 10 in run.checkpoint_steps())
    project.save()
    recorder.record(progress(10))
    recorder.record(checkpoint(20))
    recorder.record(Cancelled(20))
    recorder.close()
    assert (run.status, run.checkpoint_steps()) == ("stopped", [0, 10])
    assert run.metrics["elbo"][0].tolist() == list(range(10))
    assert same(run.checkpoint(), checkpoint(10).state)


def test_what_was_measured_in_a_discarded_training_does_not_stand_for_what_is_measured_later(project: Project):
    run = project.new_run(CONFIG)
    record(project, run, STARTED, checkpoint(0), Finished(0, True))
    recorder = Recorder(project, run)
    recorder.record(STARTED)
    run.add_evaluation("likelihood", 5, {"value": 1.0})
    assert [report.step for report in run.evaluations] == [5]
    recorder.record(Cancelled(7))
    recorder.close()
    assert run.evaluations == []
    run.add_evaluation("likelihood", 0, {"value": 2.0})
    assert [(report.step, report.tree["value"]) for report in run.evaluations] == [(0, 2.0)]


# When the disk does not take it.


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond ten bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Watched:
    """A recorder that tries again soon, and what it said."""

    def __init__(self, project: Project, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(backlog, "RETRY_EVERY", 0.05)
        monkeypatch.setattr(recording, "WRITE_EVERY", 0.01)
        self.bad: list[str] = []
        self.good: list[str] = []
        self.recorder = Recorder(project, run, report=self.bad.append, relieved=self.good.append)
        self.recorder.record(STARTED)

    def taken(self) -> bool:
        """Whether the writer has looked at all that was recorded."""
        return not self.recorder._lines and not self.recorder._frames and not self.recorder._states


@pytest.mark.parametrize("from_the_start", [True, False])
def test_a_disk_that_is_full_for_a_while_costs_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, from_the_start: bool
):
    run = project.new_run(CONFIG)
    with full_disk() if from_the_start else nullcontext():
        watched = Watched(project, run, monkeypatch)
        recorder = watched.recorder
        wait_for(lambda: watched.bad if from_the_start else list(project.work_folder.glob("*/journal")))
    with full_disk():
        for step in range(0, 50, 10):
            recorder.record(progress(step, valid=-float(step)))
            recorder.record(checkpoint(step + 10))
            recorder.record(preview(step + 10))
            wait_for(watched.taken)
        wait_for(lambda: watched.bad)
        assert same(run.checkpoint(), checkpoint(50).state)
    (text,) = watched.bad
    assert "kept in memory" in text
    assert "File too large" in text or "no room" in text
    wait_for(lambda: watched.good)  # nobody did anything
    assert watched.good == [f"Everything of {run.name} is on the disk again."]
    assert len(watched.bad) == 1
    copy = left_now(project)
    assert copy.rows == 55
    assert copy.steps == run.checkpoint_steps()
    recorder.record(progress(50))
    recorder.record(Finished(60, False))
    recorder.close()
    assert recorder.problems == watched.bad
    project.close()
    with Project.open(project.path) as again:
        run = again.runs[run.id]
        assert run.metrics["elbo"][0].tolist() == list(range(60))
        assert run.checkpoint_steps() == [10, 40, 50]
        assert same(run.checkpoint(), checkpoint(50).state)
        assert run.frame_steps() == [10, 20, 30, 40, 50]


def left_now(project: Project) -> Recovery:
    """What a crash at this moment would leave."""
    (recovery,) = left_in([project.work_folder], project.id)
    return recovery


def test_each_time_the_disk_fills_it_is_said_once_and_each_time_it_is_over(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    run = project.new_run(CONFIG)
    watched = Watched(project, run, monkeypatch)
    for round_ in (1, 2, 3):
        with full_disk():
            for step in range(5):
                watched.recorder.record(checkpoint(10 * round_ + step))
                wait_for(watched.taken)
            wait_for(lambda: len(watched.bad) == round_)  # noqa: B023
        wait_for(lambda: len(watched.good) == round_)  # noqa: B023
    watched.recorder.close()
    assert (len(watched.bad), len(watched.good)) == (3, 3)
    assert watched.bad[1] == watched.bad[2]  # for the same reason


def test_hours_with_a_full_disk_take_no_memory_but_for_the_run_itself(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(journal_backlog, "STEPS_A_LINE", 7_000)
    run = project.new_run(CONFIG)
    watched = Watched(project, run, monkeypatch)
    recorder = watched.recorder
    steps = 1000
    with full_disk():
        for i in range(100):
            recorder.record(progress(steps * i, steps))
            recorder.record(checkpoint(steps * (i + 1)))
            wait_for(watched.taken)
        waiting = recorder._backlog
        wait_for(lambda: watched.bad and waiting._lines.lacks_curves)
        lines = waiting._lines
        wait_for(lambda: len(lines._waiting) < 5 and not any("metrics" in line for line in lines._waiting))
        assert len(waiting._states) <= 3
    wait_for(lambda: watched.good)
    lines = read_journal(next(project.work_folder.glob("*/journal")))
    assert sum("metrics" in line for line in lines) < 20
    recovery = left_now(project)
    assert (recovery.rows, recovery.steps[-1]) == (100 * steps, 100 * steps)
    recorder.close()
    (steps_kept, values) = run.metrics["elbo"]
    assert np.array_equal(steps_kept, np.arange(100 * steps))
    assert np.array_equal(values, steps_kept.astype(np.float32))


def test_the_newest_state_on_the_disk_stays_while_newer_ones_wait_in_memory(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    run = project.new_run(CONFIG)
    watched = Watched(project, run, monkeypatch)
    for step in (10, 20):
        watched.recorder.record(checkpoint(step))
        wait_for(lambda: step in run.checkpoint_steps() and not watched.recorder._backlog._states)  # noqa: B023
    with full_disk():
        for step in range(30, 100, 10):
            watched.recorder.record(checkpoint(step))
            wait_for(watched.taken)
        wait_for(lambda: watched.bad)
        assert left_now(project).step == 20
    wait_for(lambda: watched.good)
    assert left_now(project).steps == [80, 90]
    watched.recorder.close()


def test_a_disk_that_lets_nothing_be_removed_either_ends_no_recording(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    run = project.new_run(CONFIG)
    watched = Watched(project, run, monkeypatch)
    for step in (10, 20, 30):
        watched.recorder.record(checkpoint(step))
        wait_for(lambda: step in run.checkpoint_steps() and not watched.recorder.unwritten)  # noqa: B023
    unlink = Path.unlink

    def read_only(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == PART:
            raise OSError(30, "Read-only file system")
        unlink(path, missing_ok)

    with monkeypatch.context() as mounted, full_disk():
        mounted.setattr(Path, "unlink", read_only)
        for step in range(40, 100, 10):
            watched.recorder.record(checkpoint(step))
            wait_for(watched.taken)
        wait_for(lambda: watched.bad)
    wait_for(lambda: watched.good)
    watched.recorder.record(Finished(90, False))
    watched.recorder.close()
    assert (run.status, run.checkpoint_steps()) == ("finished", [80, 90])
    assert len(watched.recorder.problems) == 1
    assert not project.work_folder.exists()


def test_lines_that_a_failing_disk_did_not_take_are_written_again(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journal_backlog, "SYNC_EVERY", 0.0)
    run = project.new_run(CONFIG)
    watched = Watched(project, run, monkeypatch)
    recorder = watched.recorder
    wait_for(lambda: list(project.work_folder.glob("*/journal")))
    journal = next(project.work_folder.glob("*/journal"))
    wait_for(lambda: len(read_journal(journal)) == 3 and recorder._backlog._lines.patience is None)
    synced = journal.stat().st_size
    fsync = os.fsync
    failed = threading.Event()

    def loses_what_came(file: int) -> None:
        if os.fstat(file).st_ino == journal.stat().st_ino and not failed.is_set():
            os.pwrite(file, bytes(os.fstat(file).st_size - synced), synced)
            failed.set()
            raise OSError(5, "Input/output error")
        fsync(file)

    monkeypatch.setattr(os, "fsync", loses_what_came)
    recorder.record(progress(0))
    wait_for(failed.is_set)
    recorder.record(progress(10))
    wait_for(lambda: watched.good)
    assert left_now(project).rows == 20
    recorder.close()
    assert run.metrics["elbo"][0].tolist() == list(range(20))


def test_a_project_that_cannot_be_saved_is_said_at_the_end_and_everything_is_still_there(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    run = project.new_run(CONFIG)
    recorder = Recorder(project, run)
    recorder.record(STARTED)
    recorder.record(progress(0))
    recorder.record(checkpoint(10))
    wait_for(lambda: list(project.work_folder.glob("*/checkpoint-10.dgm-part")))
    before = project.path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "_reserve", full)
    recorder.record(Finished(10, False))
    with pytest.raises(ProjectError) as caught:
        recorder.close()
    assert caught.value.code == "full"
    assert project.path.read_bytes() == before
    assert run.status == "finished"
    assert project.modified
    monkeypatch.undo()
    project.close()
    with Project.open(project.path) as again:  # the window went away without another save
        (recovery,) = again.recoveries
        assert again.recover(recovery).status == "finished"
        again.save()
        assert again.runs[run.id].checkpoint_steps() == [10]
        assert not again.work_folder.exists()


def test_a_training_whose_last_state_found_no_room_is_found_as_cut_off(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    run = project.new_run(CONFIG)
    recorder = Recorder(project, run)
    recorder.record(STARTED)
    recorder.record(checkpoint(10))
    wait_for(lambda: list(project.work_folder.glob("*/checkpoint-10.dgm-part")))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "_reserve", full)  # there is room for lines of the journal, and not for more
    recorder.record(progress(10))
    recorder.record(checkpoint(20))
    recorder.record(Finished(20, False))
    with pytest.raises(ProjectError, match="no room"):
        recorder.close()
    assert recorder.unwritten == [20]
    monkeypatch.undo()
    project.close()
    with Project.open(project.path) as again:
        (recovery,) = again.recoveries
        assert recovery.rows == 10
        found = again.recover(recovery)
        assert (found.status, found.checkpoint_steps()) == ("interrupted", [10])


def test_an_error_in_the_writer_is_said_at_the_end(project: Project):
    run = project.new_run(CONFIG)
    recorder = Recorder(project, run)
    recorder.record(STARTED)
    recorder.record(Checkpoint(1, {"model": object()}))
    with pytest.raises(ProjectError, match="model is of type object"):
        recorder.close()


def test_a_run_in_training_can_neither_be_deleted_nor_trained_twice(project: Project):
    run = project.new_run(CONFIG)
    recorder = Recorder(project, run)
    for attempt in (
        lambda: project.delete_run(run.id),
        lambda: Recorder(project, run),
        lambda: project.save_as(project.path.with_name("b.dgm")),
        project.close,
    ):
        with pytest.raises(ProjectError) as caught:
            attempt()
        assert caught.value.code == "busy"
    recorder.close()
    with pytest.raises(RuntimeError):
        recorder.record(STARTED)


def test_a_project_that_is_read_only_cannot_be_trained_in(project: Project):
    with Project.open(project.path) as second:
        run = second.new_run(CONFIG)
        with pytest.raises(ProjectError) as caught:
            Recorder(second, run)
        assert caught.value.code == "read-only"


def test_curves_can_be_read_while_they_grow(project: Project):
    run = project.new_run(CONFIG)
    recorder = Recorder(project, run)
    done = threading.Event()
    failures: list[BaseException] = []

    def watch() -> None:
        try:
            while not done.is_set():
                for steps, values in run.metrics.values():
                    assert np.array_equal(steps, np.arange(len(steps)))
                    assert np.array_equal(values, steps)
        except BaseException as error:
            failures.append(error)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for step in range(0, 20_000, 10):
        recorder.record(progress(step))
    done.set()
    watcher.join()
    recorder.close()
    assert not failures
