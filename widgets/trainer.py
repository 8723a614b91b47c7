"""The queue of runs that train, one at a time."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum, auto

from PySide6.QtCore import QObject, Signal

from dgm_studio.datasets.base import Dataset
from dgm_studio.events import CLOSING, Event, Paused, Progress, Started
from dgm_studio.training import Order
from widgets.training_thread import Job, Load, TrainingThread


class Phase(Enum):
    """What the trainer is doing."""

    IDLE = auto()
    LOADING = auto()
    TRAINING = auto()
    PAUSED = auto()
    ENDING = auto()


class Trainer(QObject):
    """Trains jobs in order, each in a thread of its own.

    Signals carry the run's id: `loading(run, fraction, text)`, `prepared(run, dataset)`, `happened(run, event)`,
    `unkept(run, text, details)`, `relieved(run, text)`, `demanded(run, step)`; `changed()` when the phase
    or the queue is another.
    """

    loading = Signal(str, float, str)
    prepared = Signal(str, object)
    happened = Signal(str, object)
    unkept = Signal(str, str, str)
    relieved = Signal(str, str)
    demanded = Signal(str, object)
    changed = Signal()

    def __init__(self, load: Load, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._load = load
        self._queue: list[Job] = []
        self._job: Job | None = None
        self._thread: TrainingThread | None = None
        self._closing: Event | None = None
        self._phase = Phase.IDLE

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def active(self) -> Job | None:
        """The job in training."""
        return self._job

    @property
    def thread_in_use(self) -> TrainingThread | None:
        return self._thread

    @property
    def queued(self) -> tuple[Job, ...]:
        return tuple(self._queue)

    def trains(self, run: str) -> bool:
        """Whether the run is the one in training."""
        return self._job is not None and self._job.run == run

    def waits(self, run: str) -> bool:
        """Whether the run is in the queue."""
        return any(job.run == run for job in self._queue)

    def add(self, job: Job) -> None:
        """Train `job` when those before it are done."""
        self._queue.append(job)
        if self._job is None:
            self._next()
        else:
            self.changed.emit()

    def remove(self, run: str) -> None:
        """Take a waiting run out of the queue."""
        self._queue = [job for job in self._queue if job.run != run]
        self.changed.emit()

    def clear(self) -> None:
        """Take every waiting run out of the queue."""
        self._queue = []
        self.changed.emit()

    def tell(self, order: Order, movers: Collection[str] | None = None) -> None:
        """Pass an order to the run in training; `movers`: who moves at a single step."""
        if self._thread is None:
            return
        self._thread.tell(order, movers)
        if order in (Order.STOP, Order.DISCARD):
            self._enter(Phase.ENDING)
        elif order is Order.RUN and self._phase is Phase.PAUSED:
            self._enter(Phase.TRAINING)

    def extend(self, steps: int) -> None:
        """Train the run in training for `steps` more than planned."""
        if self._thread is not None:
            self._thread.extend(steps)

    def want_state(self) -> None:
        """Keep a state of the run in training as it is now."""
        if self._thread is not None:
            self._thread.want_state()

    def _next(self) -> None:
        if not self._queue:
            self._enter(Phase.IDLE)
            return
        self._job = job = self._queue.pop(0)
        self._thread = thread = TrainingThread(job, self._load, self)
        thread.loading.connect(self._loading)
        thread.prepared.connect(self._prepared)
        thread.happened.connect(self._happened)
        thread.unkept.connect(self._unkept)
        thread.relieved.connect(self._relieved)
        thread.demanded.connect(self._demanded)
        thread.finished.connect(self._ended)
        self._enter(Phase.LOADING)
        thread.start()

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self.changed.emit()

    def _loading(self, fraction: float, text: str) -> None:
        assert self._job is not None
        self.loading.emit(self._job.run, fraction, text)

    def _prepared(self, dataset: Dataset) -> None:
        assert self._job is not None
        self.prepared.emit(self._job.run, dataset)

    def _unkept(self, text: str, details: str) -> None:
        assert self._job is not None
        self.unkept.emit(self._job.run, text, details)

    def _relieved(self, text: str) -> None:
        assert self._job is not None
        self.relieved.emit(self._job.run, text)

    def _demanded(self, step: int) -> None:
        if self._job is not None:
            self.demanded.emit(self._job.run, step)

    def _happened(self, event: Event) -> None:
        assert self._job is not None
        if isinstance(event, Paused):
            self._enter(Phase.PAUSED)
        elif isinstance(event, Started) or (isinstance(event, Progress) and self._phase is Phase.LOADING):
            self._enter(Phase.TRAINING)
        elif isinstance(event, CLOSING):
            self._closing = event  # told when the thread has ended, so that the run no longer counts as in training
            self._enter(Phase.ENDING)
            return
        self.happened.emit(self._job.run, event)

    def _ended(self) -> None:
        assert self._thread is not None
        assert self._job is not None
        assert self._closing is not None
        run, event = self._job.run, self._closing
        self._thread.deleteLater()
        self._thread = self._job = self._closing = None
        self._phase = Phase.IDLE
        self.happened.emit(run, event)
        if self._job is None:
            self._next()
