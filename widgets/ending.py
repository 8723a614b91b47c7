"""The end of threads, awaited while the window goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QThread, QTimer
from shiboken6 import isValid


class Ending(QObject):
    """Does `then` once, when all of these threads have ended, which somebody has told them to. The window's thread asks
    from time to time: one that waited would stand still for as long as a thread takes over what it has in work."""

    LOOK_EVERY = 10  # ms

    def __init__(self, threads: Sequence[QThread], then: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self._threads, self._then = threads, then
        self._timer = QTimer(self, interval=self.LOOK_EVERY)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def _look(self) -> None:
        if any(isValid(thread) and thread.isRunning() for thread in self._threads):  # some delete themselves
            return
        self._timer.stop()
        self.deleteLater()
        self._then()
