"""Where the steps of a run stand on the horizontal axis of its curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from widgets.history import Series

LAST_DECADE = 18  # no step has more digits: they are 64-bit integers


@dataclass(frozen=True)
class StepAxis:
    """Steps as they are, by their logarithm, or by the seconds of training until each (`wall`). An axis shows amounts,
    of steps or seconds; a place on it is an amount or its logarithm."""

    logarithmic: bool = False
    wall: Series | None = None

    @property
    def title(self) -> str:
        return "steps" if self.wall is None else "seconds of training"

    @property
    def least(self) -> float:
        """The amount that is shown at least."""
        return 10.0 if self.wall is None else 1.0

    def amounts(self, steps: Sequence[float] | np.ndarray) -> np.ndarray:
        """Steps or seconds, (N,)."""
        steps = np.asarray(steps, np.float64)
        return steps if self.wall is None else np.interp(steps, *_timed(self.wall))

    def places(self, steps: Sequence[float] | np.ndarray) -> np.ndarray:
        """Plot coordinates, (N,). Step 0 has no place on a logarithmic axis: it stands at its beginning."""
        amounts = self.amounts(steps)
        return np.log10(amounts.clip(1)) if self.logarithmic else amounts

    def ends(self, last: float) -> tuple[float, float]:
        """The places between which amounts up to `last` are shown."""
        return (0.0, math.log10(last)) if self.logarithmic else (-0.01 * last, last)

    def step(self, place: float) -> float:
        """The step at a plot coordinate; infinity beyond the last that was timed."""
        if self.wall is not None:
            steps, seconds = _timed(self.wall)
            return float(np.interp(place, seconds, steps, right=math.inf))
        return float(10 ** min(place, LAST_DECADE)) if self.logarithmic else place


def _timed(wall: Series) -> tuple[np.ndarray, np.ndarray]:
    """Steps and seconds, from the start of the run on."""
    return np.concatenate([[0], wall.steps]), np.concatenate([[0], wall.values])
