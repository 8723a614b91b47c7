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
        return steps if self.wall is None else _between(steps, self.wall.steps, self.wall.values)

    def places(self, steps: Sequence[float] | np.ndarray) -> np.ndarray:
        """Plot coordinates, (N,). Step 0 has no place on a logarithmic axis: it stands at its beginning."""
        amounts = self.amounts(steps)
        return np.log10(amounts.clip(1)) if self.logarithmic else amounts

    def ends(self, last: float) -> tuple[float, float]:
        """The places between which amounts up to `last` are shown, with room for a mark at either end."""
        return (0.0, 1.01 * math.log10(last)) if self.logarithmic else (-0.01 * last, 1.015 * last)

    def step(self, place: float) -> float:
        """The step at a plot coordinate; infinity beyond the last that was timed."""
        if self.wall is not None:
            steps, seconds = self.wall.steps, self.wall.values
            return math.inf if place > seconds[-1] else float(_between(np.array([place]), seconds, steps)[0])
        return float(10 ** min(place, LAST_DECADE)) if self.logarithmic else place


def _between(at: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The y of each `at` on the line through (0, 0) and all points (x, y), x growing; beyond the last, its y. As
    np.interp, which would copy all of x and y each time: after some hours they are hundreds of thousands."""
    above = np.searchsorted(x, at.astype(x.dtype), side="right").clip(max=len(x) - 1)
    x0, y0 = (np.where(above == 0, 0.0, values[above - 1].astype(np.float64)) for values in (x, y))
    part = (at - x0) / np.maximum(x[above] - x0, 1e-9)  # not 0, where two are equal
    return y0 + part.clip(0, 1) * (y[above] - y0)
