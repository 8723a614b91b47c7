"""The thread that trains: what it tells the window, what it keeps, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pytestqt.qtbot import QtBot

from dgm_studio.config import DataChoice, RunConfig, TrainingSettings
from dgm_studio.datasets.base import BadData, Dataset, Report
from dgm_studio.datasets.sources import load
from dgm_studio.events import CLOSING, Cancelled, Event, Failed, Finished, Preview, Progress, Snapshot, Started
from dgm_studio.recording import Recorder
from dgm_studio.store import Project, ProjectError, Run
from dgm_studio.training import Order
from models.catalog import FAMILIES
from widgets.training_thread import Job, TrainingThread

PATIENCE = 30_000  # ms


@pytest.fixture
def project(tmp_path: Path):  # type: ignore[no-untyped-def]
    with Project.create(tmp_path / "p.dgm") as made:
        yield made


def config(steps: int = 60, **data: Any) -> RunConfig:
    family = FAMILIES[0]
    choice = DataChoice(source=family.data, binarization=family.binarization, **data)
    training = TrainingSettings(steps=steps, batch_size=20)
    return RunConfig(family=family.key, learner=family.learners[0], data=choice, training=training)


class Watched:
    """A thread and all it said."""

    def __init__(self, qtbot: QtBot, job: Job, read: Callable[[DataChoice, Report], Dataset] = load) -> None:
        self.qtbot = qtbot
        self.events: list[Event] = []
        self.prepared: list[Dataset] = []
        self.unkept: list[str] = []
        self.thread = TrainingThread(job, read)
        self.thread.happened.connect(self.events.append)
        self.thread.prepared.connect(self.prepared.append)
        self.thread.unkept.connect(lambda text, details: self.unkept.append(text))

    def run(self) -> None:
        with self.qtbot.waitSignal(self.thread.finished, timeout=PATIENCE):
            self.thread.start()
        self.qtbot.waitUntil(lambda: bool(self.events) and isinstance(self.events[-1], CLOSING))


def job(project: Project, wanted: RunConfig) -> tuple[Job, Run]:
    run = project.new_run(wanted)
    return Job(run.id, run.name, wanted, partial(Recorder, project, run)), run


def test_a_run_is_trained_told_and_kept(qtbot: QtBot, project: Project) -> None:
    made, run = job(project, config())
    watched = Watched(qtbot, made)
    watched.run()
    kinds = [type(event) for event in watched.events]
    assert kinds[0] is Started
    assert {Progress, Preview} <= set(kinds)
    assert [kind for kind in kinds if kind in CLOSING] == [Finished]
    assert Snapshot not in kinds
    assert run.status == "finished"
    assert run.checkpoint_steps()[-1] == 60
    assert not project.modified  # everything is in the file before the closing event
    assert len(watched.prepared) == 1


def test_training_in_the_window_gives_the_bits_of_training_without_it(qtbot: QtBot, project: Project) -> None:
    from dgm_studio.events import Checkpoint
    from dgm_studio.training import TrainingSession

    made, run = job(project, config(30))
    Watched(qtbot, made).run()
    bare = TrainingSession(config(30), load(config().data))
    *_, last = (event for event in bare.events() if isinstance(event, Checkpoint))
    kept = run.checkpoint()
    assert last.step == kept["step"] == 30
    for key, value in last.state["model"].items():
        assert torch.equal(value, kept["model"][key]), key


def test_a_step_while_paused_is_one_step(qtbot: QtBot, project: Project) -> None:
    made, _ = job(project, config(10_000))
    watched = Watched(qtbot, made)
    watched.thread.tell(Order.PAUSE)  # before there is a session
    paused: list[int] = []
    watched.thread.happened.connect(lambda e: paused.append(e.step) if type(e).__name__ == "Paused" else None)
    watched.thread.start()
    qtbot.waitUntil(lambda: len(paused) == 1, timeout=PATIENCE)
    watched.thread.tell(Order.STEP)
    qtbot.waitUntil(lambda: len(paused) == 2, timeout=PATIENCE)
    assert paused == [0, 1]
    with qtbot.waitSignal(watched.thread.finished, timeout=PATIENCE):
        watched.thread.tell(Order.STOP)
    qtbot.waitUntil(lambda: isinstance(watched.events[-1], Finished))
    assert watched.events[-1] == Finished(1, stopped=True)


def test_discarding_a_new_run_takes_it_out_of_the_project(qtbot: QtBot, project: Project) -> None:
    made, run = job(project, config(10_000))
    watched = Watched(qtbot, made)
    watched.thread.happened.connect(lambda e: watched.thread.tell(Order.DISCARD) if isinstance(e, Progress) else None)
    watched.run()
    assert isinstance(watched.events[-1], Cancelled)
    assert run.id not in project.runs


def test_reading_data_can_be_called_off(qtbot: QtBot, project: Project) -> None:
    made, run = job(project, config())
    watched: Watched

    def slow(choice: DataChoice, report: Report) -> Dataset:
        watched.thread.tell(Order.STOP)
        report(0.5, "reading")
        raise AssertionError("the report should have ended this")

    watched = Watched(qtbot, made, slow)
    watched.run()
    assert isinstance(watched.events[-1], Cancelled)
    assert run.id not in project.runs


def test_bad_data_is_a_sentence_and_leaves_no_run(qtbot: QtBot, project: Project) -> None:
    def missing(choice: DataChoice, report: Report) -> Dataset:
        raise BadData("digits.csv is empty.")

    made, run = job(project, config())
    watched = Watched(qtbot, made, missing)
    watched.run()
    assert watched.events == [Failed("bad input", "digits.csv is empty.", 0)]
    assert run.id not in project.runs


def test_an_exception_that_nobody_expected_ends_in_a_failed_event(qtbot: QtBot, project: Project) -> None:
    def broken(choice: DataChoice, report: Report) -> Dataset:
        raise RuntimeError("boom")

    made, _ = job(project, config())
    watched = Watched(qtbot, made, broken)
    watched.run()
    (event,) = watched.events
    assert isinstance(event, Failed)
    assert "boom" in event.text
    assert "Traceback" in event.details


def test_a_run_is_not_continued_on_other_data(qtbot: QtBot, project: Project) -> None:
    made, _ = job(project, config())
    other = Job(made.run, made.name, made.config, made.recorder, data={"title": "Digits", "files": [["a.csv", "00"]]})
    watched = Watched(qtbot, other)
    watched.run()
    (event,) = watched.events
    assert isinstance(event, Failed)
    assert "not the data this run was made with" in event.text


def test_what_cannot_be_kept_is_said(qtbot: QtBot, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Project) -> None:
        raise ProjectError("disk-full", self.path, "the disk is full.")

    monkeypatch.setattr(Project, "save", full)
    made, run = job(project, config(20))
    watched = Watched(qtbot, made)
    watched.run()
    qtbot.waitUntil(lambda: bool(watched.unkept))
    assert "the disk is full" in watched.unkept[0]
    assert run.checkpoint_steps()[-1] == 20  # in memory, to be saved again


def test_snapshots_go_to_whoever_watches(qtbot: QtBot, project: Project) -> None:
    class Line:
        def __init__(self) -> None:
            self.steps: list[int] = []
            self.inference = self

        def publish(self, snapshot: Snapshot) -> None:
            self.steps.append(snapshot.step)

    line = Line()
    made, _ = job(project, config(200))
    watched = Watched(qtbot, made)
    watched.thread.prepared.connect(lambda _: watched.thread.watch(line))  # type: ignore[arg-type]
    watched.thread.happened.connect(lambda _: watched.thread.want_snapshot())
    watched.run()
    assert line.steps == sorted(line.steps)
    assert line.steps[-1] == 200
