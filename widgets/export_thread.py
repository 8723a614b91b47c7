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
from PySide6.QtCore import QObject, QThread, Signal

from dgm_studio.datasets.base import BadData
from dgm_studio.exporting.whole import Cancelled, NotWritten, Part, Source, write
from dgm_studio.store.errors import ProjectError

TELL_EVERY = 0.05  # seconds
_called_off: set[ExportThread] = set()  # and not yet at their end


def wait_for_all() -> None:
    """Wait for the threads of exports that were called off: before the project that they read is closed."""
    for thread in list(_called_off):
        thread.wait()
        _gone(thread)


def _gone(thread: ExportThread) -> None:
    if thread in _called_off:
        _called_off.remove(thread)
        thread.deleteLater()


class ExportThread(QThread):
    """`told(fraction, what)` while it writes; at the end one of `done(Exported)`, `failed(text, details)` and
    `cancelled()`. `prepare` is called in this thread and may read files."""

    told = Signal(float, str)
    done = Signal(object)
    failed = Signal(str, str)
    cancelled = Signal()

    def __init__(
        self, prepare: Callable[[], Source], parts: Sequence[Part], folder: Path, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("export")
        self._prepare, self._parts, self._folder = prepare, parts, folder
        self._lock, self._put = threading.Lock(), False  # in its place, or about to be

    def call_off(self) -> bool:
        """Write nothing any more, and tell no more; it may take seconds until the thread ends, for which nobody need
        wait: see `wait_for_all`. Returns whether that could be: False when all is written."""
        with self._lock:
            if self._put:
                return False
            self.requestInterruption()
        for signal in (self.told, self.done, self.failed, self.cancelled):
            signal.disconnect()
        self.setParent(None)
        _called_off.add(self)
        self.finished.connect(partial(_gone, self))
        if self.isFinished():
            _gone(self)
        return True

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
                self.told.emit(fraction, what)

        try:
            tell(0.0, "Reading the run and its data …")
            source = replace(self._prepare(), called_off=self.isInterruptionRequested)
            self.done.emit(write(source, self._parts, self._folder, tell))
        except Cancelled:
            self.cancelled.emit()
        except (NotWritten, BadData, ProjectError) as error:
            self.failed.emit(str(error), "")
        except Exception as error:
            text = f"The export failed: {error or type(error).__name__}. Nothing was written."
            self.failed.emit(text, traceback.format_exc())
