"""The curves of a run: appended to by one thread while others read."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np

from dgm_studio.store import format as fmt
from dgm_studio.store.saving import Item
from dgm_studio.store.trees import array_of

Curve = tuple[np.ndarray, np.ndarray]  # steps int64, values float32; steps grow


class _Series:
    """Steps and values in buffers that double. What was handed out is never written to again."""

    def __init__(self, steps: np.ndarray, values: np.ndarray) -> None:
        self._steps, self._values = steps, values
        self.length = len(steps)

    def append(self, steps: np.ndarray, values: np.ndarray) -> None:
        self.cut(int(steps[0]))
        end = self.length + len(steps)
        if end > len(self._steps):
            room = max(end, 2 * self.length) - self.length
            self._steps = np.concatenate([self._steps[: self.length], np.zeros(room, np.int64)])
            self._values = np.concatenate([self._values[: self.length], np.zeros(room, np.float32)])
        self._steps[self.length : end], self._values[self.length : end] = steps, values
        self.length = end

    def cut(self, first: int) -> None:
        """Forget what was measured at step `first` and later."""
        length = int(np.searchsorted(self._steps[: self.length], first))
        if length < self.length:
            self._steps, self._values, self.length = self._steps[:length].copy(), self._values[:length].copy(), length

    def curve(self) -> Curve:
        steps, values = self._steps[: self.length], self._values[: self.length]
        steps.flags.writeable = values.flags.writeable = False
        return steps, values


class Metrics:
    """Curves by key. Those of a stored run are read when they are first asked for."""

    def __init__(self, stored: Mapping[str, Item]) -> None:
        """`stored`: "step/KEY" and "value/KEY", as `items` gives them."""
        self._lock = threading.Lock()  # for a moment: a save takes it, and the window waits for that
        self._reading = threading.Lock()  # while the file is read; taken first
        self._stored = dict(stored)
        self._series: dict[str, _Series] | None = None

    def append(self, new: Mapping[str, Curve]) -> None:
        """Add to the ends of the curves; a step that comes again replaces what followed from it before."""
        series = self._loaded()
        with self._lock:
            for key, (steps, values) in new.items():
                if len(steps):
                    empty = _Series(np.zeros(0, np.int64), np.zeros(0, np.float32))
                    series.setdefault(key, empty).append(steps, values)
            self._stored = {}

    def cut(self, after: int) -> None:
        """Forget what was measured after step `after`."""
        loaded = self._loaded()
        with self._lock:
            for series in loaded.values():
                series.cut(after + 1)
            self._stored = {}

    def curves(self) -> dict[str, Curve]:
        loaded = self._loaded()
        with self._lock:
            return {key: series.curve() for key, series in loaded.items() if series.length}

    def items(self) -> dict[str, Item]:
        """What is to be saved: the datasets as they are stored, or the arrays where something changed."""
        with self._lock:
            if self._stored or self._series is None:
                return dict(self._stored)
            result: dict[str, Item] = {}
            for key, series in self._series.items():
                name = fmt.escaped(key)
                result[f"step/{name}"], result[f"value/{name}"] = series.curve()
            return result

    def moved(self, before: Mapping[str, Item], after: Mapping[str, Item]) -> None:
        """What was saved from `before` lies in another file now."""
        with self._lock:
            self._stored = {
                path: after[path] if before.get(path) is item else item for path, item in self._stored.items()
            }

    def _loaded(self) -> dict[str, _Series]:
        with self._reading:
            if self._series is None:
                with self._lock:
                    stored = dict(self._stored)
                self._series = _read(stored)
            return self._series


def _read(stored: Mapping[str, Item]) -> dict[str, _Series]:
    series: dict[str, _Series] = {}
    shared: np.ndarray | None = None  # most curves of a run have the same steps
    for path, item in stored.items():
        kind, name = path.split("/", 1)
        if kind == "step":
            steps, values = array_of(item), array_of(stored[f"value/{name}"])
            if shared is not None and np.array_equal(shared, steps):
                steps = shared
            shared = steps
            series[fmt.unescaped(name)] = _Series(steps, values)
    return series
