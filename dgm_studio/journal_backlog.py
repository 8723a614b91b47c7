"""The lines that a training session's journal does not have yet."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from dgm_studio.store.run import Run
from dgm_studio.store.work import Line, Session, metrics_line, read_metrics

SYNC_EVERY = 2.0  # seconds between fsyncs: what a power cut loses
STEPS_A_LINE = 50_000  # of curves that are written to the journal late


class JournalBacklog:
    """Lines wait here until they are written, and once more until they are on the disk. Curves are not kept twice: when
    they cannot be written, only the step is noted from which on the run has them and the journal has not."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting: list[Line] = []
        self._missing: int | None = None  # the journal lacks the curves from this step on
        self._unsynced: list[Line] = []  # written, but perhaps not on the disk
        self._synced = time.monotonic()

    @property
    def patience(self) -> float | None:
        """Seconds until what is written should be brought to the disk; None when all of it is there."""
        return SYNC_EVERY if self._unsynced else None

    @property
    def lacks_curves(self) -> bool:
        """Whether the journal lacks curves that only the run has."""
        return self._missing is not None

    def add(self, *lines: Line) -> None:
        self._waiting += lines

    def sync_next(self) -> None:
        """Bring everything to the disk at the next writing, however short a time has passed since the last."""
        self._synced = -float("inf")

    def write(self, session: Session) -> None:
        """Raises OSError."""
        if self._missing is not None:
            self.leave_curves_to_the_run()
        if self._waiting:
            session.append(self._waiting)
            self._unsynced += self._waiting
            self._waiting = []
        for step, line in self._missing_lines():
            self._missing = step
            session.append([line])
            session.sync()
        self._missing = None
        if self._unsynced and time.monotonic() - self._synced >= SYNC_EVERY:
            self._sync(session)

    def leave_curves_to_the_run(self) -> None:
        """Keep no curves twice while they cannot be written."""
        for line in self._waiting:
            if "metrics" in line:
                first = min(int(steps[0]) for steps, _ in read_metrics(line).values() if len(steps))
                self._missing = first if self._missing is None else min(first, self._missing)
        self._waiting = [line for line in self._waiting if "metrics" not in line]

    def _sync(self, session: Session) -> None:
        """Raises OSError; what was written since the last time is to be written again then."""
        try:
            session.sync()
        except OSError:
            self._waiting[:0] = self._unsynced
            raise
        finally:
            self._unsynced, self._synced = [], time.monotonic()

    def _missing_lines(self) -> Iterator[tuple[int, Line]]:
        """The curves that the journal lacks, with the step at which each line begins. Steps that come again replace."""
        if self._missing is None:
            return
        curves = self._run.curves_from(self._missing)
        last = max((int(steps[-1]) for steps, _ in curves.values() if len(steps)), default=-1)
        for first in range(self._missing, last + 1, STEPS_A_LINE):
            ends = {key: np.searchsorted(steps, (first, first + STEPS_A_LINE)) for key, (steps, _) in curves.items()}
            part = {
                key: (steps[slice(*ends[key])], values[slice(*ends[key])]) for key, (steps, values) in curves.items()
            }
            yield first, metrics_line({key: curve for key, curve in part.items() if len(curve[0])})
