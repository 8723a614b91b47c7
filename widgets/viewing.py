"""Lines that answer of runs: of the selected one, at the moment that is looked at, and of others that are opened."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, QThread, QTimer, Signal

from dgm_studio.config import RunConfig
from dgm_studio.datasets.base import BadData, Dataset
from dgm_studio.datasets.identity import same_data
from dgm_studio.events import Event, Started, Turn
from dgm_studio.moved_data import recorded
from dgm_studio.store import Run
from dgm_studio.training import Order
from widgets.astray_data import AstrayData
from widgets.background import Background, Problem
from widgets.data_cache import DataCache
from widgets.kept_states import KeptStates
from widgets.live import Live
from widgets.moments import Moments
from widgets.notices import Log, Notice
from widgets.opened_run import OpenedRun, Sources
from widgets.shown_runs import ShownRuns
from widgets.trainer import Phase, Trainer


class Viewing(QObject):
    """Opens lines, and connects them with the training of their run while there is one.

    `live_changed(Live | None)`: another line answers of the selected run, or none.
    """

    live_changed = Signal(object)

    def __init__(self, shown: ShownRuns, trainer: Trainer, data: DataCache, log: Log, parent: QObject) -> None:
        super().__init__(parent)
        self._shown, self._trainer, self._data, self._log = shown, trainer, data, log
        self.readers = Background("data", self)
        self.states = KeptStates(self)
        self.moments = Moments(shown, self.states, log, self)
        self.moments.moved.connect(self._move)
        self.astray = AstrayData(log, self)
        self._run: Run | None = None  # the selected one
        self._opened: OpenedRun | None = None  # it, if it answers or is about to
        self._followers: list[OpenedRun] = []  # others that are to say what the training of their run says
        self._sources = Sources(self.states, data, self.readers, log)
        self._pulse = QTimer(self)
        self._pulse.timeout.connect(self._want_snapshot)
        trainer.prepared.connect(self._prepared)
        trainer.changed.connect(self._tell_steerable)

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

    def publishes(self, run: Run | None) -> bool:
        """Whether a training of this run publishes: it has its data."""
        phases = (Phase.TRAINING, Phase.PAUSED)
        return run is not None and self._trainer.trains(run.id) and self._trainer.phase in phases

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
        self._run = run
        self.astray.select(run)
        self._drop_live()
        self.moments.show_run(run)
        if run is None:
            return
        self._shown.show(run)
        self.open_live()

    def hear(self, run_id: str, event: Event) -> None:
        """What a training run tells."""
        if isinstance(event, Started):
            self.states.forget(run_id)
        elif isinstance(event, Turn) and self.live is not None and self._run is not None and self._run.id == run_id:
            self.live.turned.emit(event)

    def watch_every(self, milliseconds: int) -> None:
        """How often views want newer weights of the run in training; 0 never."""
        if milliseconds:
            self._pulse.start(milliseconds)
        else:
            self._pulse.stop()

    def clear(self) -> None:
        """Let go of the states and the data of all runs: the project is closed."""
        self.states.clear()
        self._data.clear()

    def end(self) -> list[QThread]:
        """Have all threads of this object end. Returns them."""
        self._pulse.stop()
        self._drop_live()
        self._data.close()
        self.readers.end()
        lines = [live.end() for live in self.findChildren(Live)]  # also those that were retired inside a long question
        return [*lines, self.readers, self.states.end()]

    def open_live(self) -> None:
        """Make the selected run answer, unless it does: from the session if it trains, from its checkpoint if not."""
        run, active = self._run, self._trainer.active
        trains = run is not None and self._trainer.trains(run.id)
        if run is None or (self._opened is not None and (trains or self.live is None or self.live.newest is not None)):
            return
        if self._opened is not None:  # a training that was over before the line could be given anything
            self._opened.look_at(self.moments.step)
            return
        if active is not None and trains:
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
        if not self._trainer.trains(self._run.id):  # a training looks at its data itself
            changed = same_data(recorded(self._run), live.dataset)
            if changed:
                self.astray.say(self._run, Notice("warn", changed))
        live.step_wanted.connect(self._step)
        self._tell_steerable()
        self.live_changed.emit(live)

    def _not_opened(self, run: Run, problem: Problem) -> None:
        text = f"{run.name} can be looked at, but not explored."
        if self.live is None:
            self._drop_live()
        if isinstance(problem.error, BadData):
            self.astray.say(run, Notice("bad", f"{text} {problem.text}"))
        else:
            self._log.say_problem(text, problem)

    def found_again(self) -> None:
        """Read the data of the selected run anew, from where it lies now."""
        self.astray.take_back()
        self.select(self._run)

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
        trains = self._run is not None and self._trainer.trains(self._run.id)
        if self._opened is not None and not (trains and step is None):
            self._opened.look_at(step)
        elif self._opened is not None:
            self._opened.follow()

    def _tell_steerable(self) -> None:
        if self.live is not None:
            self.live.let_step(self.publishes(self._run))

    def _step(self, movers: object) -> None:
        if self.publishes(self._run):
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
