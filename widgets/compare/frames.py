"""Pictures that runs kept while they learned, read in a thread, and the moments at which they were kept."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PySide6.QtCore import QObject

from dgm_studio.events import Preview
from dgm_studio.store import Run
from widgets.kept_states import KeptStates

KEPT_BYTES = 64 * 2**20  # of frames in memory

Pace = Literal["share", "steps", "time"]


@dataclass(frozen=True)
class Moments:
    """When a run kept a picture of itself: steps in order, and the seconds of training until each, where known."""

    steps: tuple[int, ...]
    seconds: tuple[float, ...] = ()

    def amounts(self, pace: Pace) -> tuple[float, ...]:
        """Where each lies on a slider: as a share of the run's last one, in steps, or in seconds."""
        if pace == "steps":
            return tuple(map(float, self.steps))
        if pace == "time":
            return self.seconds
        last = max(self.steps, default=1) or 1
        return tuple(step / last for step in self.steps)

    def at(self, amount: float, pace: Pace) -> int | None:
        """The newest step at or before a place on the slider, or the first of all; None where there is none."""
        amounts = self.amounts(pace)
        if not amounts:
            return None
        return self.steps[max(0, bisect_right(amounts, amount * (1 + 1e-9)) - 1)]


def ticks(moments: Sequence[Moments], pace: Pace) -> list[float]:
    """Every place of the slider at which something changes."""
    return sorted({amount for one in moments for amount in one.amounts(pace)})


class Frames(QObject):
    """Reads frames: of each run one at a time, and what was asked for last is read next."""

    def __init__(self, states: KeptStates, parent: QObject) -> None:
        super().__init__(parent)
        self._states = states
        self._kept: OrderedDict[tuple[str, int], np.ndarray] = OrderedDict()
        self._reading: dict[str, int] = {}
        self._wanted: dict[str, tuple[Run, int, Callable[[int, np.ndarray], None]]] = {}

    def show(self, run: Run, step: int, then: Callable[[int, np.ndarray], None]) -> None:
        """Call `then(step, samples)` now or when the frame was read, unless another one is asked for meanwhile."""
        found = self._kept.get((run.id, step))
        if found is not None:
            self._kept.move_to_end((run.id, step))
            self._wanted.pop(run.id, None)
            then(step, found)
            return
        self._wanted[run.id] = (run, step, then)
        if run.id not in self._reading:
            self._read(run, step)

    def forget(self, run_id: str = "") -> None:
        """Ignore what still comes and keep nothing, of one run or of all: it may hold other frames from now on."""
        for one in [one for one in self._wanted if run_id in ("", one)]:
            del self._wanted[one]
        for one, step in [key for key in self._kept if run_id in ("", key[0])]:
            del self._kept[one, step]

    def _read(self, run: Run, step: int) -> None:
        self._reading[run.id] = step
        self._states.read_frame(run, step, lambda frame: self._came(run, frame), lambda problem: self._failed(run))

    def _came(self, run: Run, frame: Preview) -> None:
        step = frame.step
        self._kept[run.id, step] = frame.samples
        while len(self._kept) > 1 and sum(one.nbytes for one in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        self._go_on(run, step)

    def _failed(self, run: Run) -> None:
        self._wanted.pop(run.id, None)
        self._reading.pop(run.id, None)

    def _go_on(self, run: Run, step: int) -> None:
        self._reading.pop(run.id, None)
        wanted = self._wanted.pop(run.id, None)
        if wanted is not None:
            self.show(*wanted) if wanted[1] != step else wanted[2](step, self._kept[run.id, step])
