"""Markov chains as a film: computed a little ahead, shown by the clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from dgm_studio.questions.chains import ChainFrame, Chains

FRAME = 33  # ms
AHEAD = 2  # frames that are kept ready, so that the clock decides when the next one is shown


class ChainReel(QObject):
    """Chains as they are `shown`, and the `newest` states, with which the next transitions begin. At rest both are the
    same, so that a person acts on the states that are seen.

    `wanted(steps)` asks for so many transitions of the newest states, None for as many as a frame has; who hears it
    brings the answer to `take`. `appeared(frame)` when the clock has come to a frame.
    """

    wanted = Signal(object)
    appeared = Signal(object)

    def __init__(self, nothing: Chains, parent: QObject) -> None:
        super().__init__(parent)
        self.shown = self.newest = nothing
        self.transitions = 0  # since the start, up to what is shown
        self.playing = True
        self.waiting = False  # for an answer
        self._since = 0.0  # when it was asked for
        self._ready: deque[ChainFrame] = deque()  # computed, not shown yet
        self._clock = QTimer(self, interval=FRAME, timerType=Qt.TimerType.PreciseTimer)
        self._clock.timeout.connect(self._tick)

    @property
    def working(self) -> float:
        """For how many seconds an answer has been waited for; 0 when none is."""
        return monotonic() - self._since if self.waiting else 0.0

    def run(self) -> None:
        """It is seen; what was asked for before is not answered any more."""
        self.waiting = False
        self._clock.start()

    def halt(self) -> None:
        """It is not seen."""
        self._clock.stop()

    def play(self, on: bool) -> None:
        """Go on, or rest: what was computed ahead is then thrown away."""
        self.playing = on
        if not on:
            self.waiting = False
            self._ready.clear()
            self.newest = self.shown

    def restart(self, chains: Chains) -> None:
        """Go on from other states."""
        self.waiting = False
        self._ready.clear()
        self.transitions = 0
        self.newest = chains

    def go_on(self, steps: int | None = None) -> None:
        """Have the next states computed."""
        if len(self.newest.x):
            self.waiting, self._since = True, monotonic()
            self.wanted.emit(steps)

    def take(self, frame: ChainFrame) -> None:
        """The answer."""
        self.waiting = False
        self.newest = frame.chains
        if self.playing:
            self._ready.append(frame)
            self._keep_ahead()
        else:  # a single step
            self.appeared.emit(frame)

    def see(self, frame: ChainFrame, chains: Chains) -> None:
        """This frame is shown, with its chains in these states."""
        self.shown = chains
        self.transitions += frame.steps

    def change(self, changed: Callable[[Chains], Chains]) -> None:
        """A person changes the states."""
        self.shown, self.newest = changed(self.shown), changed(self.newest)

    def _tick(self) -> None:
        """Show the next frame if it is there, and keep some ahead."""
        if self.playing and self._ready:
            self.appeared.emit(self._ready.popleft())
        self._keep_ahead()

    def _keep_ahead(self) -> None:
        if self.playing and not self.waiting and len(self._ready) < AHEAD:
            self.go_on()
