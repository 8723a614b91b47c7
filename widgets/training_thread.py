"""The thread that owns device, model, learner and data while a run trains."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from PySide6.QtCore import QObject, QThread, Signal

from dgm_studio import device as devices
from dgm_studio.config import DataChoice, RunConfig
from dgm_studio.datasets.base import BadData, Dataset, Provenance, Report
from dgm_studio.datasets.identity import same_data
from dgm_studio.events import CLOSING, Cancelled, Checkpoint, Event, Failed, Snapshot, Tree
from dgm_studio.inference import Inference
from dgm_studio.recording import Recorder
from dgm_studio.store import ProjectError
from dgm_studio.training import CHECKPOINT_EVERY, Order, Resume, TrainingSession
from models.settings import SettingsError
from widgets.live import Live

Load = Callable[[DataChoice, Report], Dataset]
Say = Callable[[str], None]
MakeRecorder = Callable[[Provenance | None, Say, Say], Recorder]


@dataclass(frozen=True)
class Job:
    """A run to be trained. `recorder` (given where the data came from, whom to tell what cannot be written, and whom
    that it could be after all) and `state` (a checkpoint to go on from) are called in the training thread, because
    they touch files. `data` is the record of the data that the run was trained on so far. `checkpoint_seconds` pass
    between the states that are kept while it trains; those of its history may take `room` bytes."""

    run: str
    name: str
    config: RunConfig
    recorder: MakeRecorder
    state: Callable[[], Tree] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    checkpoint_seconds: float = CHECKPOINT_EVERY
    room: int = 0


class _Cancelled(Exception):
    """The data need not be read to the end."""


class TrainingThread(QThread):
    """Trains one run. The window only sends requests; what it receives are copies.

    Signals, all delivered in the window's thread: `loading(fraction, text)` while data is read, `prepared(dataset)`,
    `happened(event)` for all but snapshots (they go to the inference line) and checkpoints (to the recorder), with
    exactly one closing event after everything was kept, `unkept(text, details)` if something could not be,
    `relieved(text)` when it could be after all, and `demanded(step)` when a state that was asked for is part of the
    run.
    """

    loading = Signal(float, str)
    prepared = Signal(object)
    happened = Signal(object)
    unkept = Signal(str, str)
    relieved = Signal(str)
    demanded = Signal(object)

    def __init__(self, job: Job, load: Load, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("training")
        self._job, self._load = job, load
        self._lock = threading.Lock()
        self._session: TrainingSession | None = None
        self._recorder: Recorder | None = None
        self._order = Order.RUN
        self._movers: Collection[str] | None = None
        self._lines: tuple[Inference, ...] = ()

    # Requests, from the window's thread.

    def tell(self, order: Order, movers: Collection[str] | None = None) -> None:
        """Run, pause, step, stop and keep, or discard; also while data is still being read. `movers`: who moves at the
        single step, see TrainingSession."""
        with self._lock:
            if self._order not in (Order.STOP, Order.DISCARD):
                self._order, self._movers = order, movers
            if self._session is not None:
                self._session.tell(order, movers)

    def extend(self, steps: int) -> None:
        """Train for `steps` more than planned."""
        with self._lock:
            if self._session is not None:
                self._session.extend(steps)

    def watch(self, *lives: Live) -> None:
        """Where snapshots go from now on. Only what knows no Qt is kept of them: the window may delete one at any
        moment."""
        self._lines = tuple(live.inference for live in lives)
        self.want_snapshot()

    def want_snapshot(self) -> None:
        """Ask for newer weights, if anybody looks at them."""
        with self._lock:
            if self._session is not None and self._lines:
                self._session.want_snapshot()

    def want_state(self) -> None:
        """Keep a state of the run as it is now."""
        with self._lock:
            if self._session is not None:
                self._session.want_state()

    def mark(self, step: int, keep: bool) -> bool:
        """Keep a state that the run has, whatever else is let go of, or let go of it again. Returns whether that could
        be noted here."""
        with self._lock:
            if self._recorder is not None:
                (self._recorder.demand if keep else self._recorder.release)(step)
            return self._recorder is not None

    # The thread itself.

    def run(self) -> None:
        recorder: Recorder | None = None
        try:
            torch.set_num_threads(devices.training_threads())
            dataset, problem = self._read()
            recorder = self._job.recorder(dataset.provenance if dataset else None, self._not_kept, self._kept)
            recorder.kept = self._tell_demanded
            with self._lock:
                self._recorder = recorder
            if dataset is None:
                closing = problem
                recorder.record(closing)
            else:
                closing = self._train(recorder, dataset)
        except Exception as error:
            closing = Failed("error", f"Training could not start: {error}", 0, traceback.format_exc())
            if recorder is not None:
                recorder.record(closing)
        with self._lock:
            self._recorder = None
        if recorder is not None:
            try:
                recorder.close()
            except ProjectError as error:
                self.unkept.emit(str(error), traceback.format_exc())
        with self._lock:
            self._session = None  # with the data and the last state, which whoever tries again needs the memory of
        self.happened.emit(closing)

    def _read(self) -> tuple[Dataset | None, Event]:
        """The data; or None and the closing event that says why there is none."""
        try:
            dataset = self._load(self._job.config.data, self._report)
            changed = same_data(self._job.data, dataset)
            if changed:
                return None, Failed("bad input", changed, 0)
            return dataset, Cancelled(0)
        except _Cancelled:
            return None, Cancelled(0)
        except (BadData, SettingsError) as error:
            return None, Failed("bad input", str(error), 0)

    def _train(self, recorder: Recorder, dataset: Dataset) -> Event:
        resume = Resume(self._job.state()) if self._job.state is not None else None
        session = TrainingSession(
            self._job.config, dataset, resume, self._job.checkpoint_seconds, history=self._job.room > 0
        )
        del resume
        with self._lock:
            self._session = session
            if self._order is not Order.RUN:
                session.tell(self._order, self._movers)
        self.prepared.emit(dataset)
        for event in session.events():
            recorder.record(event)
            if isinstance(event, CLOSING):
                return event
            if isinstance(event, Snapshot):
                for line in self._lines:
                    line.publish(event)
            elif not isinstance(event, Checkpoint):
                self.happened.emit(event)
        raise AssertionError("a session ends with a closing event")

    def _not_kept(self, text: str) -> None:
        self.unkept.emit(text, "")

    def _tell_demanded(self, step: int) -> None:
        self.demanded.emit(step)

    def _kept(self, text: str) -> None:
        self.relieved.emit(text)

    def _report(self, fraction: float, text: str) -> None:
        if self._order in (Order.STOP, Order.DISCARD):
            raise _Cancelled
        self.loading.emit(fraction, text)
