"""What is shown of runs: their curves and pictures, and the inference line of the selected one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QImage

from dgm_studio.config import RunConfig
from dgm_studio.datasets.base import BadData, Dataset
from dgm_studio.datasets.identity import same_data
from dgm_studio.events import Event, Preview, Progress, Started, Turn
from dgm_studio.moved_data import places, recorded
from dgm_studio.store import ProjectError, Run
from dgm_studio.training import Order
from widgets.background import Background, Problem
from widgets.data_cache import DataCache
from widgets.history import History
from widgets.kept_states import KeptStates
from widgets.live import Live
from widgets.moments import Moments
from widgets.notices import Log, Notice, Remedy
from widgets.opened_run import OpenedRun, Sources
from widgets.thumbnails import thumbnail
from widgets.trainer import Phase, Trainer

Stored = tuple[History, Preview | None]


@dataclass
class Shown:
    """What the window keeps of a run, to show it without reading the file again."""

    history: History | None = None  # None: not read yet
    preview: Preview | None = None
    thumbnail: QImage | None = None
    progress: Progress | None = None
    device: str = ""  # where it trains, as a person knows it
    begin: int | None = None  # step from which it trains, or trained last, in this window


class Viewing(QObject):
    """Reads what stored runs have to show, keeps what training runs tell, and makes the selected run answer.

    Signals: `shown(run id)` curves and pictures were read, `pictured(run id)` there is another small picture,
    `live_changed(Live | None)`, `find_wanted(Run, folder?)` a person wants to say where the data of a run lies.
    """

    shown = Signal(str)
    pictured = Signal(str)
    live_changed = Signal(object)
    find_wanted = Signal(object, bool)

    def __init__(self, files: Background, trainer: Trainer, data: DataCache, log: Log, parent: QObject) -> None:
        super().__init__(parent)
        self._files, self._trainer, self._data, self._log = files, trainer, data, log
        self.readers = Background("data", self)
        self.states = KeptStates(self)
        self.moments = Moments(self, log)
        self.moments.moved.connect(self._move)
        self.runs: dict[str, Shown] = {}
        self._run: Run | None = None  # the selected one
        self._opened: OpenedRun | None = None  # it, if it answers or is about to
        self._followers: list[OpenedRun] = []  # others that are to say what the training of their run says
        self._astray: Notice | None = None  # what was said when its data was not found, or was other data
        self._sources = Sources(self.states, data, self.readers, log)
        self._pulse = QTimer(self)
        self._pulse.timeout.connect(self._want_snapshot)
        trainer.prepared.connect(self._prepared)
        trainer.changed.connect(self._tell_steerable)

    def of(self, run_id: str) -> Shown:
        """What is kept of a run; empty at first."""
        return self.runs.setdefault(run_id, Shown())

    @property
    def live(self) -> Live | None:
        """The line that answers of the selected run."""
        return self._opened.live if self._opened is not None else None

    def open(self, run: Run, step: int | None = None) -> OpenedRun:
        """Make a run answer, whatever else is selected, as it was at a kept state (see OpenedRun.look_at). It must have
        settings that this studio knows, and a kept state. To be closed by whoever opened it."""
        assert run.config is not None
        opened = OpenedRun(run, run.config, self._sources, self)
        opened.look_at(step)
        return opened

    def trains(self, run: Run | None) -> bool:
        """Whether this run is in training, and has its data."""
        active = self._trainer.active
        phases = (Phase.TRAINING, Phase.PAUSED)
        return run is not None and active is not None and active.run == run.id and self._trainer.phase in phases

    def follow(self, opened: OpenedRun) -> None:
        """From now on an opened run, which answers already, answers from what its training publishes."""
        opened.follow()
        if opened not in self._followers:
            self._followers.append(opened)
        self._connect_live()

    def leave(self, opened: OpenedRun) -> None:
        """An opened run no longer follows a training."""
        if opened in self._followers:
            self._followers.remove(opened)
            self._connect_live()

    def select(self, run: Run | None) -> None:
        """Show this run, and no other."""
        self._run, self._astray = run, None
        self._drop_live()
        self.moments.show_run(run)
        if run is None:
            return
        if self.of(run.id).history is None:
            self.read(run)
        else:
            self.shown.emit(run.id)
        self.open_live()

    def record(self, run_id: str, event: Event) -> None:
        """Keep what a training run tells."""
        view = self.of(run_id)
        if isinstance(event, Started):
            self.states.forget(run_id)
            view.device, view.begin = event.device, event.step
            if view.history is not None:
                view.history.begin(event.step)
        elif isinstance(event, Progress):
            if view.history is not None:
                view.history.record(event)
            view.progress = event
        elif isinstance(event, Preview):
            view.preview, view.thumbnail = event, thumbnail(event.samples)
            self.pictured.emit(run_id)
        elif isinstance(event, Turn) and self.live is not None and self._run is not None and self._run.id == run_id:
            self.live.turned.emit(event)

    def read_thumbnail(self, run: Run) -> None:
        """Read the small picture of a stored run and its results, which spares the window's thread the file."""

        def work() -> np.ndarray | None:
            with suppress(ProjectError):  # the Evaluate page says so when it shows them
                _ = run.evaluations
            return run.thumbnail

        def done(samples: np.ndarray | None) -> None:
            self.of(run.id).thumbnail = None if samples is None else thumbnail(samples)
            self.pictured.emit(run.id)

        failed = partial(self._log.say_problem, f"The pictures of {run.name} cannot be read.")
        self._files.submit(work, done, failed)

    def watch_every(self, milliseconds: int) -> None:
        """How often views want newer weights of the run in training; 0 never."""
        if milliseconds:
            self._pulse.start(milliseconds)
        else:
            self._pulse.stop()

    def clear(self) -> None:
        """Forget every run."""
        self.runs.clear()

    def close(self) -> None:
        """End all threads of this object."""
        self._pulse.stop()
        self._drop_live()
        for live in self.findChildren(Live):  # also those that were retired inside a long question
            live.close()
        self._data.close()
        self.readers.close()
        self.states.close()

    def open_live(self) -> None:
        """Make the selected run answer, unless it does: from the session if it trains, from its checkpoint if not."""
        run, active = self._run, self._trainer.active
        trains = run is not None and active is not None and active.run == run.id
        if run is None or (self._opened is not None and (trains or self.live is None or self.live.newest is not None)):
            return
        if self._opened is not None:  # a training that was over before the line could be given anything
            self._opened.look_at(self.moments.step)
            return
        if active is not None and active.run == run.id:
            dataset = self._data.newest(active.config.data)
            if dataset is not None:
                self._prepared(run.id, dataset)
            return
        if run.config is not None and run.checkpoint_steps():
            self._open(run, run.config).look_at(self.moments.step)

    def _open(self, run: Run, config: RunConfig) -> OpenedRun:
        self._drop_live()
        self._opened = opened = OpenedRun(run, config, self._sources, self)
        opened.opened.connect(self._tell_opened)
        opened.failed.connect(partial(self._not_opened, run))
        return opened

    def _tell_opened(self, live: Live) -> None:
        assert self._run is not None
        active = self._trainer.active
        if active is None or active.run != self._run.id:  # a training looks at its data itself
            changed = same_data(recorded(self._run), live.dataset)
            if changed:
                self.say_astray(self._run, Notice("warn", changed))
        live.step_wanted.connect(self._step)
        self._tell_steerable()
        self.live_changed.emit(live)

    def _not_opened(self, run: Run, problem: Problem) -> None:
        text = f"{run.name} can be looked at, but not explored."
        if self.live is None:
            self._drop_live()
        if isinstance(problem.error, BadData):
            self.say_astray(run, Notice("bad", f"{text} {problem.text}"))
        else:
            self._log.say_problem(text, problem)

    # Data that is not where it was.

    @property
    def astray(self) -> Run | None:
        """The selected run, if its data is not where it was, or is other data."""
        return self._run if self._astray is not None else None

    def say_astray(self, run: Run, notice: Notice) -> None:
        """Say what became of the data of a run, and offer to find it if it came from a place that can be named."""
        if run.config is not None and places(run.config.data):
            notice = replace(notice, remedies=self.ways_to_find(run))
            if run is self._run:
                self._astray = notice
        self._log.say(notice)

    def ways_to_find(self, run: Run) -> tuple[Remedy, ...]:
        """Offers to choose where the data of a run lies now. Without a suffix it may have been a file or a folder."""
        assert run.config is not None
        file = all(Path(path).suffix for path in places(run.config.data).values())
        titles = ["Find it …"] if file else ["Find the file …", "… the folder"]
        wants = [partial(self.find_wanted.emit, run, number > 0) for number in range(len(titles))]
        return tuple(Remedy(title, want) for title, want in zip(titles, wants, strict=True))

    def found_again(self) -> None:
        """Read the data of the selected run anew, from where it lies now."""
        if self._astray is not None:
            self._log.take_back(self._astray)
        self.select(self._run)

    def read(self, run: Run) -> None:
        """Read the curves and pictures of a stored run."""

        def work() -> Stored:
            steps = run.frame_steps()
            preview = Preview(steps[-1], *run.frame(steps[-1])) if steps else None
            return History(run.metrics, run.wall), preview

        def done(result: Stored) -> None:
            view = self.of(run.id)
            view.history, view.preview = result
            if view.begin is not None:
                view.history.begin(view.begin)
            self.shown.emit(run.id)

        self._files.submit(work, done, partial(self._log.say_problem, f"{run.name}'s curves cannot be read."))

    def _prepared(self, run_id: str, dataset: Dataset) -> None:
        """The training thread has its data: from now on it can be watched."""
        active = self._trainer.active
        if self._run is None or self._run.id != run_id or active is None:
            return
        opened = self._opened or self._open(self._run, active.config)
        opened.train(dataset)
        self._move(self.moments.step)

    def _move(self, step: int | None) -> None:
        """Another moment is looked at. Now is what the training says, where there is one."""
        self._connect_live()
        trains = self._trainer.active is not None and self._run is not None and self._trainer.active.run == self._run.id
        if self._opened is not None and not (trains and step is None):
            self._opened.look_at(step)
        elif self._opened is not None:
            self._opened.follow()

    def _tell_steerable(self) -> None:
        if self.live is not None:
            self.live.let_step(self.trains(self._run))

    def _step(self, movers: object) -> None:
        if self.trains(self._run):
            self._trainer.tell(Order.STEP, movers)

    def _connect_live(self) -> None:
        thread, active = self._trainer.thread_in_use, self._trainer.active
        if thread is not None and active is not None:
            mine = self._run is not None and self._run.id == active.run
            lives = [self.live if mine and self.moments.step is None else None]
            lives += [opened.live for opened in self._followers if opened.run.id == active.run]
            thread.watch(*(live for live in lives if live is not None))

    def _drop_live(self) -> None:
        if self._opened is None:
            return
        told = self._opened.live is not None
        opened, self._opened = self._opened, None
        self._connect_live()
        if told:
            self.live_changed.emit(None)
        opened.close()

    def _want_snapshot(self) -> None:
        thread = self._trainer.thread_in_use
        if thread is not None and self._trainer.phase is Phase.TRAINING:
            thread.want_snapshot()
