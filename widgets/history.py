"""The curves of a run as the window keeps them: values to append to, made small enough to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dgm_studio.clock import Clock

if TYPE_CHECKING:
    from dgm_studio.events import Progress  # torch comes with it

Curve = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Drawn:
    """A curve for a plot of limited width: at most two points per bucket for the range, one for the mean."""

    x: np.ndarray  # (2 B,) steps of the lowest and highest values, in pairs
    y: np.ndarray  # (2 B,) those values
    mean_x: np.ndarray  # (B,)
    mean_y: np.ndarray  # (B,) running means


class Series:
    """Steps and values of one quantity, with running sums so that any mean costs two look-ups."""

    def __init__(self) -> None:
        self._steps = np.zeros(1024, np.int64)
        self._values = np.zeros(1024, np.float32)
        self._sums = np.zeros(1025, np.float64)  # _sums[i] is the sum of the first i values
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def steps(self) -> np.ndarray:
        return self._steps[: self._length]

    @property
    def values(self) -> np.ndarray:
        return self._values[: self._length]

    def append(self, steps: np.ndarray, values: np.ndarray) -> None:
        """Add to the end. A step that comes again replaces what followed from it before (after going back)."""
        if not len(steps):
            return
        if not self._length and _lasting(steps, np.int64) and _lasting(values, np.float32):
            self._steps, self._values, self._length = steps, values, len(steps)
            self._sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
            return
        begin = int(np.searchsorted(self.steps, steps[0]))
        end = begin + len(steps)
        if end > len(self._steps) or not self._steps.flags.writeable:
            room = max(end, 2 * len(self._steps))
            self._steps, self._values = _grown(self._steps, room), _grown(self._values, room)
            self._sums = _grown(self._sums, room + 1)
        self._steps[begin:end], self._values[begin:end] = steps, values
        self._sums[begin + 1 : end + 1] = self._sums[begin] + np.cumsum(values, dtype=np.float64)
        self._length = end

    def at(self, step: float) -> tuple[int, float] | None:
        """The step measured nearest to `step`, and its value."""
        if not self._length:
            return None
        right = int(np.searchsorted(self.steps, step))
        near = min((i for i in (right - 1, right) if 0 <= i < self._length), key=lambda i: abs(self._steps[i] - step))
        return int(self._steps[near]), float(self._values[near])

    def best(self, goal: str) -> tuple[int, float] | None:
        """The step and value that are best by `goal` ("higher" or "lower"); None without one."""
        if not self._length or goal not in ("higher", "lower"):
            return None
        place = int(np.argmax(self.values) if goal == "higher" else np.argmin(self.values))
        return int(self._steps[place]), float(self._values[place])

    def drawn(self, first: float, last: float, buckets: int, smoothing: float, logarithmic: bool = False) -> Drawn:
        """What lies in first…last (and one point on each side), in at most `buckets` buckets of equally many values;
        `logarithmic` ones hold more and more values, as many as a logarithmic axis has room for.

        `smoothing` in 0…1 is the share of all values that each running mean spans, squared so that a slider is fine
        at its beginning; 0 spans one bucket.
        """
        low = max(0, int(np.searchsorted(self.steps, first)) - 1)
        high = min(self._length, int(np.searchsorted(self.steps, last, side="right")) + 1)
        count = high - low
        if count <= 0:
            empty = np.zeros(0)
            return Drawn(empty, empty, empty, empty)
        places = (
            np.geomspace(1, count + 1, buckets + 1) - 1
            if logarithmic
            else np.linspace(0, count, min(buckets, count) + 1)
        )
        edges = low + np.unique(np.round(places).astype(np.int64))
        starts, stops = edges[:-1], edges[1:]
        values, steps = self._values[low:high], self._steps[low:high]
        lowest = np.minimum.reduceat(values, starts - low)
        highest = np.maximum.reduceat(values, starts - low)
        centres = (steps[starts - low] + steps[stops - 1 - low]) / 2
        half = smoothing**2 * self._length / 2
        # the window shrinks at the ends, so that it stays centred and the mean has no lag
        centre_index = (starts + stops - 1) / 2
        reach = np.minimum(half, np.minimum(centre_index, self._length - 1 - centre_index))
        left = np.minimum(starts, np.floor(centre_index - reach)).clip(0).astype(np.int64)
        right = np.maximum(stops, np.ceil(centre_index + reach) + 1).clip(max=self._length).astype(np.int64)
        mean = (self._sums[right] - self._sums[left]) / (right - left)
        return Drawn(np.repeat(centres, 2), np.stack([lowest, highest], 1).ravel().astype(np.float64), centres, mean)


class History:
    """All curves of one run, by key; and in `wall` the seconds of training until each step, as far as they are known
    from its start."""

    def __init__(self, stored: Mapping[str, Curve] | None = None, wall: Curve | None = None) -> None:
        self.series: dict[str, Series] = {}
        self.wall = Series()
        self._clock: Clock | None = None  # while it trains
        self.append(stored or {})
        if wall is not None:
            self.wall.append(*wall)

    def append(self, metrics: Mapping[str, Curve]) -> None:
        for key, (steps, values) in metrics.items():
            self.series.setdefault(key, Series()).append(steps, values)

    def begin(self, step: int) -> None:
        """A training of the run goes on from `step`."""
        self._clock = Clock((self.wall.steps, self.wall.values), step)

    def record(self, event: Progress) -> None:
        """Add what that training has brought."""
        self.append(event.metrics)
        time = self._clock.point(event) if self._clock is not None and event.metrics else None
        if time is not None:
            self.wall.append(*time)

    def last(self, key: str) -> float | None:
        """The newest value of `key`."""
        series = self.series.get(key)
        return float(series.values[-1]) if series else None


def _lasting(array: np.ndarray, kind: type[np.generic]) -> bool:
    """Whether an array is never written to again, and can be kept as it is: a long run has millions of values."""
    return array.dtype == kind and not array.flags.writeable


def _grown(array: np.ndarray, length: int) -> np.ndarray:
    result = np.zeros(length, array.dtype)
    result[: len(array)] = array
    return result
