"""How often a view follows a training, so that looking costs the training little."""

from __future__ import annotations

from math import ceil
from time import monotonic, thread_time

from PySide6.QtCore import QObject, QTimer, Signal

SHARE = 0.06  # of the time, that a view's questions and answers may take
DRAWN = 50  # ms from an answer until it has been drawn as well
LONGEST = 5000  # ms


class Pace(QTimer):
    """The pause between an answer and the next question: at least `every` ms, and long enough that what an answer
    costs is no more than `share` of the time from one question to the next.

    What it costs is the processor's time of the thread that answers and of the window's thread until the answer has
    been drawn: nearly all of it is time in which the training waits for Python's lock. Other programs do not count.
    Belongs to the window's thread. `due(name)`: it is time for the next question.
    """

    due = Signal(str)

    def __init__(self, name: str, parent: QObject, every: int = 0) -> None:
        super().__init__(parent, singleShot=True)
        self.name, self.every = name, every
        self.share = SHARE
        self._since = monotonic()  # when it was asked last
        self._cost = 0.0  # seconds
        self._from: float | None = None  # of this thread's time: since then the answer is being drawn
        self.timeout.connect(self._elapsed)

    def ask(self) -> None:
        """It is asked now."""
        self.stop()
        self._since, self._from = monotonic(), None

    def rest(self, seconds: float) -> None:
        """An answer is here, which took so much of its thread's time. To be called before it is shown."""
        self._cost, self._from = seconds, thread_time()
        self.start(DRAWN)

    def _elapsed(self) -> None:
        if self._from is not None:
            self._cost += thread_time() - self._from
            self._from = None
            pause = max(self.every - DRAWN, 1e3 * (self._cost / self.share - (monotonic() - self._since)))
            if pause > 0:
                self.start(ceil(min(pause, LONGEST)))
                return
        self.due.emit(self.name)
