"""The thread that trains: what it tells the window, what it keeps, and how it ends."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from explorer_runs import Bench, pictures, recipe
from PySide6.QtCore import QEvent, QObject, QThread, QTimer
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot
from shiboken6 import isValid
from test_main_window import Person
from torch import Tensor

from dgm_studio import device as devices
from dgm_studio.config import DataChoice, RunConfig, TrainingSettings
from dgm_studio.datasets import sources
from dgm_studio.datasets.base import BadData, Dataset, Report
from dgm_studio.datasets.sources import load
from dgm_studio.events import CLOSING, Cancelled, Event, Failed, Finished, Preview, Progress, Snapshot, Started
from dgm_studio.exporting.weights import Weights
from dgm_studio.recording import Recorder
from dgm_studio.store import Project, ProjectError, Run
from dgm_studio.subject import Subject
from dgm_studio.training import Order
from models import catalog
from models.catalog import FAMILIES, Recipe
from models.learning.base import Learner
from models.spec import Batch
from models.vae import Vae, VaeSettings
from widgets.background import Background, Problem
from widgets.export_dialog import ExportDialog
from widgets.export_thread import exporting
from widgets.live import Live
from widgets.loading import warm_up
from widgets.preferences import Preferences
from widgets.trainer import Phase
from widgets.training_thread import Job, TrainingThread

PATIENCE = 60_000  # ms


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


def test_snapshots_go_to_whoever_watches(qtbot: QtBot, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    class Line:
        def __init__(self) -> None:
            self.steps: list[int] = []
            self.inference = self

        def publish(self, snapshot: Snapshot) -> None:
            self.steps.append(snapshot.step)

    line = Line()
    made, _ = job(project, config(200))
    watched = Watched(qtbot, made)
    watching = threading.Event()
    at_step(monkeypatch, config(), lambda *_: watching.wait(60))
    watched.thread.prepared.connect(lambda _: (watched.thread.watch(line), watching.set()))  # type: ignore[arg-type]
    watched.thread.happened.connect(lambda _: watched.thread.want_snapshot())
    watched.run()
    assert line.steps == sorted(line.steps)
    assert line.steps[-1] == 200


# What a failed run leaves behind.


class Alive:
    """The learners that were built, and whatever tensors they hold."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._all: list[weakref.ref[Any]] = []
        build = Recipe.build

        def watched(recipe: Recipe, *given: Any) -> Learner:
            made = build(recipe, *given)
            self._all += [weakref.ref(made), *(weakref.ref(tensor) for tensor in made.parameters())]
            return made

        monkeypatch.setattr(Recipe, "build", watched)

    def count(self) -> int:
        return sum(ref() is not None for ref in self._all)


@pytest.fixture
def without_collector() -> Iterator[None]:
    """No cyclic garbage collection, as in the window between two of its timer's ticks."""
    warm_up()  # the first step of an optimiser imports, and leaves cycles
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def at_step(monkeypatch: pytest.MonkeyPatch, wanted: RunConfig, act: Callable[[int, Learner, Batch], None]) -> None:
    """Call `act(steps done, learner, batch)` before each step."""
    learner = catalog.learning(wanted.learner).learner
    step, done = learner.step, Counter[str]()

    def acting(self: Learner, batch: Batch) -> dict[str, Tensor]:
        act(done["steps"], self, batch)
        done["steps"] += 1
        return step(self, batch)

    monkeypatch.setattr(learner, "step", acting)


def test_an_exception_in_a_step_is_a_sentence_and_keeps_no_tensor_alive(
    qtbot: QtBot, project: Project, monkeypatch: pytest.MonkeyPatch, without_collector: None
) -> None:
    def act(done: int, learner: Learner, batch: Batch) -> None:
        if done == 7:
            raise RuntimeError("the seventh step is cursed")

    alive = Alive(monkeypatch)
    at_step(monkeypatch, config(), act)
    made, run = job(project, config())
    watched = Watched(qtbot, made)
    watched.run()
    event = watched.events[-1]
    assert isinstance(event, Failed)
    assert "the seventh step is cursed" in event.text
    assert "The state of step 0 was kept." in event.text
    assert run.status == "failed"
    assert run.checkpoint_steps() == [0]
    assert alive.count() == 0


def test_out_of_memory_leaves_nothing_behind_for_the_smaller_batch(
    qtbot: QtBot, project: Project, monkeypatch: pytest.MonkeyPatch, without_collector: None
) -> None:
    def act(done: int, learner: Learner, batch: Batch) -> None:
        if len(batch.x) > 10 * learner.minibatches:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    alive = Alive(monkeypatch)
    at_step(monkeypatch, config(), act)
    made, _ = job(project, config())
    first = Watched(qtbot, made)
    first.run()
    event = first.events[-1]
    assert isinstance(event, Failed)
    assert event.kind == "memory"
    assert "Try batches of 10." in event.text
    assert alive.count() == 0
    smaller = config().training.model_copy(update={"batch_size": 10})
    made, run = job(project, config().model_copy(update={"training": smaller}))
    second = Watched(qtbot, made)
    second.run()
    assert second.events[-1] == Finished(60, stopped=False)
    assert run.checkpoint_steps()[-1] == 60
    assert alive.count() == 0


def test_a_run_that_diverges_ends_with_the_last_good_state_in_the_file(
    qtbot: QtBot, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(done: int, learner: Learner, batch: Batch) -> None:
        if done == 9:
            with torch.no_grad():
                next(learner.parameters()).fill_(float("nan"))

    at_step(monkeypatch, config(), act)
    made, run = job(project, config())
    watched = Watched(qtbot, replace(made, checkpoint_seconds=0.0))
    watched.run()
    event = watched.events[-1]
    assert isinstance(event, Failed)
    assert event.kind == "diverged"
    assert run.status == "failed"
    assert run.checkpoint_steps()[-1] == event.step <= 9
    assert all(value.isfinite().all() for value in run.checkpoint()["model"].values() if value.is_floating_point())


# What the thread is told, and tells.


def test_the_thread_sets_its_number_of_threads_itself(
    qtbot: QtBot, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: set[int] = set()
    at_step(monkeypatch, config(), lambda done, learner, batch: counts.add(torch.get_num_threads()))
    monkeypatch.setattr(devices, "training_threads", lambda: 2)
    here = torch.get_num_threads()
    Watched(qtbot, job(project, config())[0]).run()
    torch.set_num_threads(here)
    assert counts == {2}


@pytest.mark.parametrize(("seconds", "kept"), [(0.0, True), (1000.0, False)])
def test_states_are_kept_as_often_as_the_job_says(
    qtbot: QtBot, project: Project, monkeypatch: pytest.MonkeyPatch, seconds: float, kept: bool
) -> None:
    at_step(monkeypatch, config(), lambda done, learner, batch: time.sleep(0.004))
    monkeypatch.setattr("dgm_studio.training.Allowance.due", lambda self: self._pause < 1000)  # whatever it costs
    made, _ = job(project, config())
    seen: list[int] = []
    keep = Run.keep_checkpoint
    monkeypatch.setattr(Run, "keep_checkpoint", lambda self, step, data: (seen.append(step), keep(self, step, data)))
    Watched(qtbot, replace(made, checkpoint_seconds=seconds)).run()
    assert any(0 < step < 60 for step in seen) is kept


class Scripted:
    """A session that says what it is told to."""

    def __init__(self, said: list[Event]) -> None:
        self._said = said

    def events(self) -> Iterator[Event]:
        while self._said:
            yield self._said.pop(0)


class Unkept:
    """A recorder that keeps nothing."""

    def record(self, event: Event) -> None: ...
    def close(self) -> None: ...


def scripted(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, said: list[Event]) -> Watched:
    monkeypatch.setattr("widgets.training_thread.TrainingSession", lambda *given, **options: Scripted(said))
    wanted = config()
    return Watched(qtbot, Job("run", "A run", wanted, lambda *given: Unkept()), lambda *given: load(wanted.data))  # type: ignore[arg-type, return-value]


def a_progress(step: int) -> Progress:
    return Progress(step, 2**40, 1.0, 1.0, 1.0, "", 0, {})


def test_ten_thousand_events_arrive_in_order_and_none_stays(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    first = 2**31 - 5000  # a step beyond what 32 bits hold is delivered as it is
    said: list[Event] = [*(a_progress(first + n) for n in range(10_000)), Finished(first + 10_000, False)]
    alive = [weakref.ref(event) for event in said]
    watched = scripted(qtbot, monkeypatch, said)
    watched.run()
    assert [event.step for event in watched.events] == list(range(first, first + 10_001))  # type: ignore[union-attr]
    watched.events.clear()
    gc.collect()
    assert sum(ref() is not None for ref in alive) == 0


def test_a_view_that_closes_with_events_on_their_way_hurts_nobody(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    class View(QWidget):
        def __init__(self) -> None:
            super().__init__()
            self.seen = 0

        def take(self, event: object) -> None:
            self.seen += 1
            if self.seen == 100:
                self.deleteLater()
            self.setWindowTitle(str(self.seen))  # which a dead widget cannot do

    watched = scripted(qtbot, monkeypatch, [*(a_progress(n) for n in range(5000)), Finished(5000, False)])
    view = View()
    watched.thread.happened.connect(view.take)
    watched.run()
    assert len(watched.events) == 5001
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    assert not isValid(view)


def test_a_line_that_the_window_deletes_while_it_is_published_to(qtbot: QtBot, project: Project) -> None:
    wanted = config(10**7)
    made, _ = job(project, wanted)
    watched = Watched(qtbot, made)
    recipe = Recipe.read(wanted.family, wanted.learner, wanted.model, wanted.learning)
    parent = QObject()
    lines: list[Live] = []

    def another() -> None:
        lines.append(Live(wanted, recipe, watched.prepared[0], torch.device("cpu"), parent))
        watched.thread.watch(lines[-1])

    watched.thread.start()
    qtbot.waitUntil(lambda: bool(watched.prepared), timeout=PATIENCE)
    for _ in range(30):
        another()
        inference = lines[-1].inference
        qtbot.waitUntil(lambda inference=inference: inference.newest is not None, timeout=PATIENCE)
        lines[-1].retire()
        watched.thread.want_snapshot()  # to one that is being deleted
        QApplication.processEvents()
    qtbot.waitUntil(lambda: not any(isValid(line) for line in lines), timeout=PATIENCE)
    before = inference.newest
    watched.thread.want_snapshot()  # to one that is gone
    qtbot.waitUntil(lambda: inference.newest is not before, timeout=PATIENCE)
    watched.thread.tell(Order.STOP)
    assert watched.thread.wait(PATIENCE)
    qtbot.waitUntil(lambda: isinstance(watched.events[-1], CLOSING))


def test_a_retired_line_says_nothing_more(qtbot: QtBot) -> None:
    bench = Bench(recipe(Vae, VaeSettings(hidden=4, layers=1)), pictures())
    said: list[object] = []
    bench.live.moved.connect(said.append)
    bench.live.answered.connect(said.append)
    big = 2**40
    bench.publish(big)
    qtbot.waitUntil(lambda: said == [big])
    bench.live.ask("a", lambda subject: subject.step)
    bench.publish(2)
    qtbot.wait(50)  # both are on their way or were delivered
    said.clear()
    bench.live.ask("b", lambda subject: subject.step)
    thread = bench.live._thread
    bench.live.retire()
    assert thread.wait(PATIENCE)
    QApplication.processEvents()
    assert said == []


# The thread for everything else.


def test_results_are_delivered_in_order_and_nothing_after_the_end(qtbot: QtBot) -> None:
    background = Background("jobs")
    got: list[int] = []
    for n in range(1000):
        background.submit(lambda n=n: n, got.append)
    qtbot.waitUntil(lambda: len(got) == 1000)
    assert got == list(range(1000))
    assert not background.busy
    done = threading.Event()
    background.submit(done.set, lambda _: got.append(-1))
    assert done.wait(60)
    background.close()  # the result is on its way
    QApplication.processEvents()
    assert len(got) == 1000


def test_what_a_job_holds_is_freed_by_the_thread_that_gave_it(qtbot: QtBot) -> None:
    freed_in: list[int] = []

    class Held:
        def __del__(self) -> None:
            freed_in.append(threading.get_ident())

    background = Background("jobs")
    for _ in range(200):
        background.submit(partial(id, Held()), partial(max, Held(), key=lambda _: 0))
    qtbot.waitUntil(lambda: not background.busy)
    background.close()
    assert len(freed_in) == 400
    assert set(freed_in) == {threading.get_ident()}


def test_a_job_that_fails_keeps_nothing_of_its_frames_alive(qtbot: QtBot, without_collector: None) -> None:
    class Large:
        pass

    alive: list[weakref.ref[Large]] = []

    def fails() -> None:
        large = Large()
        alive.append(weakref.ref(large))
        try:
            raise ValueError("inside")
        except ValueError as error:
            raise RuntimeError("outside") from error

    background = Background("jobs")
    problems: list[Problem] = []
    background.submit(fails, failed=problems.append)
    qtbot.waitUntil(lambda: bool(problems))
    background.close()
    assert problems[0].text == "outside"
    assert "inside" in problems[0].details
    assert alive[0]() is None


def test_the_window_closes_with_everything_at_once_and_waits_for_no_thread(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training, a queue, an evaluation, an export, a download and a long question."""
    endless = DataChoice(split_seed=77)
    reading, asked, written, leave = (threading.Event() for _ in range(4))
    read = sources.load

    def slow(choice: DataChoice, report: Report) -> Dataset:
        while choice == endless:  # a download that trickles
            reading.set()
            report(0.5, "downloading")
            time.sleep(0.01)
        return read(choice, report)

    def long_question(subject: Subject) -> None:
        asked.set()
        leave.wait(PATIENCE / 1000)

    def long_part(*given: object) -> list[str]:
        written.set()
        leave.wait(PATIENCE / 1000)
        return []

    monkeypatch.setattr(sources, "load", slow)
    monkeypatch.setattr(Weights, "write", long_part)
    preferences = Preferences()
    preferences._settings.clear()
    person = Person(qtbot, tmp_path)
    person.click_card()
    person.until(lambda: person.phase is Phase.TRAINING and person.step > 5)
    desk = person.desk
    workspace = desk.workspace
    first = workspace.run
    desk.draft.set_field("training", "batch_size", 10)
    desk.control.train_draft()
    person.until(lambda: len(workspace.trainer.queued) == 1 and workspace.run is not first)
    workspace.select(first)
    person.until(lambda: workspace.viewing.live is not None and workspace.viewing.live.newest is not None)
    person.do("pageEvaluate")
    desk.area.evaluate._ask_all()
    person.until(lambda: desk.area.evaluate.busy)
    workspace.viewing.readers.submit(lambda: workspace.data.load(endless))
    line = workspace.viewing.live
    assert line is not None
    line.ask("long", long_question)
    person.until(lambda: reading.is_set() and asked.is_set())
    desk.exports.take(tmp_path / "none.safetensors")  # waits behind the download
    person.until(lambda: first.checkpoint_steps())
    person.do("export")
    dialog = person.window.findChild(ExportDialog)
    dialog._name.setText("out")
    dialog.begin()
    person.until(written.is_set)
    workspace.select(list(workspace.project.runs.values())[-1])  # retires the line inside its question
    path = workspace.project.path
    threads = [*person.window.findChildren(QThread), *exporting()]
    assert sum(thread.isRunning() for thread in threads) >= 6
    # what takes long ends when the window says so, which it cannot while it waits
    workspace.project_file.replaced.connect(lambda: QTimer.singleShot(300, leave.set))
    person.window.close_unasked()  # else a person is asked what is to become of the export
    person.close()
    assert leave.is_set()
    assert not any(isValid(thread) and thread.isRunning() for thread in threads)
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name]
    with Project.open(path) as project:
        assert not project.recoveries
        trained, waited = project.runs.values()
        assert trained.status == "stopped"
        assert trained.checkpoint_steps()[-1] > 5
        assert waited.checkpoint_steps() == []
