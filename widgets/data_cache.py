"""Data sets that were read, kept while runs of them are looked at."""

from __future__ import annotations

import threading
from collections import OrderedDict

from PySide6.QtCore import QThread

from dgm_studio.config import DataChoice
from dgm_studio.datasets import sources
from dgm_studio.datasets.base import BadData, Dataset, Report, joined

KEPT, KEPT_BYTES = 3, 256 * 2**20  # of the older ones, beside the newest


def while_wanted(fraction: float, text: str) -> None:
    """A report that ends the reading when the thread that reads, one of Qt's, has been asked to end."""
    if QThread.currentThread().isInterruptionRequested():
        raise BadData("Reading was called off.")


class DataCache:
    """The newest few data sets, as far as they are not large. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._sets: OrderedDict[str, Dataset] = OrderedDict()

    def newest(self, choice: DataChoice) -> Dataset | None:
        """What `choice` gave when it was last read, if that is still kept; of two domains, each by itself."""
        with self._lock:
            kept = [self._sets.get(domain.model_dump_json()) for domain in choice.domains]
        domains = [domain for domain in kept if domain is not None]
        return joined(*domains) if len(domains) == len(kept) else None

    def load(self, choice: DataChoice, report: Report = lambda fraction, text: None) -> Dataset:
        """The kept data set, or read now. Raises BadData or SettingsError."""
        return joined(*(self.newest(domain) or self.load_fresh(domain, report) for domain in choice.domains))

    def load_fresh(self, choice: DataChoice, report: Report) -> Dataset:
        """Read now, because files may have changed. Raises BadData or SettingsError."""

        def go_on(fraction: float, text: str) -> None:
            if self._closed.is_set():
                raise BadData("Reading was called off: the window closes.")
            report(fraction, text)

        dataset = sources.load(choice, go_on)
        with self._lock:
            newest = [domain.model_dump_json() for domain in choice.domains]
            for key, domain in zip(newest, dataset.domains, strict=True):
                self._sets[key] = domain
                self._sets.move_to_end(key)
            older = [other for other in self._sets if other not in newest]
            while len(older) >= KEPT or sum(self._sets[other].nbytes for other in older) > KEPT_BYTES:
                del self._sets[older.pop(0)]
        return dataset

    def clear(self) -> None:
        """Let go of all of them: the project is closed."""
        with self._lock:
            self._sets.clear()

    def close(self) -> None:
        """Call off what is being read or downloaded, at its next report."""
        self._closed.set()
