"""Data sets that were read, kept while runs of them are looked at."""

from __future__ import annotations

import threading
from collections import OrderedDict

from dgm_studio.config import DataChoice
from dgm_studio.datasets import sources
from dgm_studio.datasets.base import BadData, Dataset, Report

KEPT, KEPT_BYTES = 3, 256 * 2**20  # of the older ones, beside the newest


class DataCache:
    """The newest few data sets, as far as they are not large. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._sets: OrderedDict[str, Dataset] = OrderedDict()

    def newest(self, choice: DataChoice) -> Dataset | None:
        """What `choice` gave when it was last read, if that is still kept."""
        with self._lock:
            return self._sets.get(choice.model_dump_json())

    def load(self, choice: DataChoice, report: Report = lambda fraction, text: None) -> Dataset:
        """The kept data set, or read now. Raises BadData or SettingsError."""
        return self.newest(choice) or self.load_fresh(choice, report)

    def load_fresh(self, choice: DataChoice, report: Report) -> Dataset:
        """Read now, because files may have changed. Raises BadData or SettingsError."""

        def go_on(fraction: float, text: str) -> None:
            if self._closed.is_set():
                raise BadData("Reading was called off: the window closes.")
            report(fraction, text)

        dataset = sources.load(choice, go_on)
        with self._lock:
            key = choice.model_dump_json()
            self._sets[key] = dataset
            self._sets.move_to_end(key)
            older = [other for other in self._sets if other != key]
            while len(older) >= KEPT or sum(self._sets[other].nbytes for other in older) > KEPT_BYTES:
                del self._sets[older.pop(0)]
        return dataset

    def close(self) -> None:
        """Call off what is being read or downloaded, at its next report."""
        self._closed.set()
