"""How often a view follows a training, so that looking costs the training little."""

from __future__ import annotations

from math import ceil
from time import monotonic, process_time, thread_time

from PySide6.QtCore import QObject, QTimer, Signal

SHARE = 0.06  # of the time, that a view's questions and answers may take
DRAWN = 50  # ms from an answer until it has been drawn as well
SLOWEST = 4.0  # times that a pause may be lengthened because other programs have the processors
LONGEST = 5.0  # seconds


class Pace(QTimer):
    """The pause between an answer and the next question: at least `every` ms, and long enough that what an answer
    costs is no more than `share` of the time from one question to the next.

    What it costs is the processor's time of the thread that answers and of the window's thread until the answer has
    been drawn: nearly all of it is time in which the training waits for Python's lock. Where other programs have the
    processors as well, the time is what this one got of it. Belongs to the window's thread. `due(name)`: it is time for
    the next question.
    """

    due = Signal(str)

    def __init__(self, name: str, parent: QObject, every: int = 0) -> None:
        super().__init__(parent, singleShot=True)
        self.name, self.every = name, every
        self.share = SHARE
        self._asked = self._answered = monotonic()
        self._used = 0.0  # of the processors, until it was asked last
        self._cost = 0.0  # seconds
        self._from: float | None = None  # of this thread's time: since then the answer is being drawn
        self.timeout.connect(self._elapsed)

    def ask(self) -> None:
        """It is asked now."""
        self.stop()
        self._asked, self._used = monotonic(), process_time()
        self._cost, self._from = 0.0, None

    def rest(self, seconds: float) -> None:
        """An answer is here, which took so much of its thread's time. To be called before it is shown."""
        self._answered, self._cost, self._from = monotonic(), seconds, thread_time()
        self.start(DRAWN)

    def _elapsed(self) -> None:
        if self._from is not None:
            self._cost += thread_time() - self._from
            self._from = None
        now = monotonic()
        got = min(now - self._asked, max(process_time() - self._used, (now - self._asked) / SLOWEST))
        pause = min(self._cost / self.share - got, self._asked + LONGEST - now)
        pause = max(pause, self._answered + 1e-3 * self.every - now)
        if pause > 0:
            self.start(ceil(1e3 * pause))
        else:
            self.due.emit(self.name)
