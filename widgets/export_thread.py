"""The thread that writes an export, while the window goes on and runs train."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PySide6.QtCore import QObject, QThread, Signal

from dgm_studio.datasets.base import BadData
from dgm_studio.exporting.whole import Cancelled, NotWritten, Part, Source, write
from dgm_studio.store.errors import ProjectError

TELL_EVERY = 0.05  # seconds


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

    def run(self) -> None:
        torch.set_num_threads(1)  # a core stays with the window and with training
        last = 0.0

        def tell(fraction: float, what: str) -> None:
            nonlocal last
            if self.isInterruptionRequested():
                raise Cancelled
            if time.monotonic() - last >= TELL_EVERY:
                last = time.monotonic()
                self.told.emit(fraction, what)

        try:
            tell(0.0, "Reading the run and its data …")
            self.done.emit(write(self._prepare(), self._parts, self._folder, tell))
        except Cancelled:
            self.cancelled.emit()
        except (NotWritten, BadData, ProjectError) as error:
            self.failed.emit(str(error), "")
        except Exception as error:
            text = f"The export failed: {error or type(error).__name__}. Nothing was written."
            self.failed.emit(text, traceback.format_exc())
