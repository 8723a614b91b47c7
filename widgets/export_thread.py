"""The thread that writes an export, while the window goes on and runs train."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from PySide6.QtCore import QThread, Signal

from dgm_studio.datasets.base import BadData
from dgm_studio.exporting.whole import Cancelled, NotWritten, Part, Source, write
from dgm_studio.store.errors import ProjectError

TELL_EVERY = 0.05  # seconds
_threads: set[ExportThread] = set()  # that have begun and not ended


def exporting() -> list[ExportThread]:
    """The threads of exports that have not ended, those that were called off as well."""
    return list(_threads)


class ExportThread(QThread):
    """`told(fraction, what)` while it writes; at the end one of `done(Exported)`, `failed(text, details)` and
    `cancelled()`. `prepare` is called in this thread and may read files. From `begin` on it belongs to itself."""

    told = Signal(float, str)
    done = Signal(object)
    failed = Signal(str, str)
    cancelled = Signal()
    _came = Signal(object)  # one of those, to be emitted in the window's thread

    def __init__(self, prepare: Callable[[], Source], parts: Sequence[Part], folder: Path) -> None:
        super().__init__()
        self.setObjectName("export")
        self._prepare, self._parts, self._folder = prepare, parts, folder
        self._lock, self._put = threading.Lock(), False  # in its place, or about to be
        self._heard = True
        self._came.connect(self._deliver)
        self.finished.connect(self._forget)

    def begin(self) -> None:
        _threads.add(self)
        self.start()

    def call_off(self) -> bool:
        """Write nothing any more, and tell no more; it may take seconds until the thread ends, for which nobody waits.
        Returns whether that could be: False when all is written."""
        with self._lock:
            if self._put:
                return False
            self.requestInterruption()
        self._heard = False
        return True

    def leave(self) -> None:
        """Nobody listens any more; what is written, or about to be, stays."""
        self._heard = False

    def _deliver(self, tell: Callable[[], None]) -> None:
        if self._heard:
            tell()

    def _forget(self) -> None:
        _threads.discard(self)
        self.deleteLater()

    def run(self) -> None:
        torch.set_num_threads(1)  # a core stays with the window and with training
        last = 0.0

        def tell(fraction: float, what: str) -> None:
            nonlocal last
            with self._lock:
                if self.isInterruptionRequested():
                    raise Cancelled
                self._put = fraction >= 1
            if time.monotonic() - last >= TELL_EVERY:
                last = time.monotonic()
                self._came.emit(partial(self.told.emit, fraction, what))

        try:
            tell(0.0, "Reading the run and its data …")
            source = replace(self._prepare(), called_off=self.isInterruptionRequested)
            self._came.emit(partial(self.done.emit, write(source, self._parts, self._folder, tell)))
        except Cancelled:
            self._came.emit(self.cancelled.emit)
        except (NotWritten, BadData, ProjectError) as error:
            self._came.emit(partial(self.failed.emit, str(error), ""))
        except Exception as error:
            text = f"The export failed: {error or type(error).__name__}. Nothing was written."
            self._came.emit(partial(self.failed.emit, text, traceback.format_exc()))
