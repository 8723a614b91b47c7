"""What is shown of runs: their curves and pictures."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from dgm_studio.events import Event, Preview, Progress, Started
from dgm_studio.store import ProjectError, Run
from widgets.background import Background
from widgets.history import History
from widgets.notices import Log
from widgets.thumbnails import thumbnail

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


class ShownRuns(QObject):
    """Reads what stored runs have to show, in the thread `files`, and keeps what training runs tell.

    Signals: `ready(run id)` curves and pictures can be shown, `pictured(run id)` there is another small picture.
    """

    ready = Signal(str)
    pictured = Signal(str)

    def __init__(self, files: Background, log: Log, parent: QObject) -> None:
        super().__init__(parent)
        self._files, self._log = files, log
        self._runs: dict[str, Shown] = {}

    def of(self, run_id: str) -> Shown:
        """What is kept of a run; empty at first."""
        return self._runs.setdefault(run_id, Shown())

    def get(self, run_id: str) -> Shown | None:
        """What is kept of a run, if anything is."""
        return self._runs.get(run_id)

    def show(self, run: Run) -> None:
        """Have its curves and pictures shown, once they are read."""
        if self.of(run.id).history is None:
            self.read(run)
        else:
            self.ready.emit(run.id)

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
            self.ready.emit(run.id)

        self._files.submit(work, done, partial(self._log.say_problem, f"{run.name}'s curves cannot be read."))

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

    def record(self, run_id: str, event: Event) -> None:
        """Keep what a training run tells."""
        view = self.of(run_id)
        if isinstance(event, Started):
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

    def forget(self, run_id: str) -> None:
        """Keep nothing of this run."""
        self._runs.pop(run_id, None)

    def clear(self) -> None:
        """Keep nothing of any run."""
        self._runs.clear()
