"""Play, pause, and a slider over something that comes about bit by bit."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QWidget

from widgets.explorers.parts import button, row_of
from widgets.explorers.slider_row import SliderRow
from widgets.theme import SPACE, px

FRAME = 33  # ms


class Player(QWidget):
    """`done` of `size` parts are there. `moved` follows each change. The slider shows `stands(done)`, as a rule how
    many parts are done."""

    moved = Signal()

    def __init__(
        self,
        size: int,
        tip: str,
        counts: str,
        counts_tip: str,
        shortcut: str = "",
        stands: Callable[[float], float] = float,
    ) -> None:
        """`tip` says what the button does, `counts` and `counts_tip` what the slider is over."""
        super().__init__()
        self.size, self.done = size, 0.0
        self._stands = stands
        self._clock = QTimer(self, interval=FRAME)
        self._clock.timeout.connect(self._advance)
        self._shortcut = shortcut
        self._button = button("Pause", "play", tip, self.switch, shortcut)
        self._button.setFixedWidth(px(72))
        self.slider = SliderRow("", 0, size, 0, "{:.0f}", name_width=0)
        self.slider.setObjectName("turn")
        self.slider.key_step = 1
        self.slider.setAccessibleName(counts)
        self.slider.setToolTip(counts_tip)
        self.slider.changed.connect(self.go_to)
        self.duration = SliderRow("Takes", 0.1, 10, 1.5, "{:.1f} s", name_width=44)
        self.duration.setObjectName("duration")
        row = row_of(self._button)
        row.addWidget(self.slider, 5)
        row.addSpacing(SPACE)
        row.addWidget(self.duration, 4)
        row.setContentsMargins(0, 0, 0, 0)
        self.setLayout(row)
        self._tell()

    @property
    def playing(self) -> bool:
        return self._clock.isActive()

    def resize_to(self, size: int) -> None:
        """There are so many parts."""
        if size != self.size:
            self.size, self.done = size, min(self.done, float(size))
            self.slider.set_range(0, size)
            self._tell()

    def restart(self) -> None:
        """Play from the beginning."""
        self.done = 0.0
        self._clock.start()
        self._tell()

    def stop(self) -> None:
        self._clock.stop()
        self._tell()

    def rewind(self) -> None:
        """Stand at the beginning."""
        self.done = 0.0
        self.stop()

    def switch(self) -> None:
        """Play or pause; from the beginning where the end was reached."""
        if self.playing:
            self.stop()
        elif self.done >= self.size:
            self.restart()
        else:
            self._clock.start()
            self._tell()

    def go_to(self, done: float) -> None:
        """Stand at a whole number of parts; the nearest that there is."""
        self._clock.stop()
        self.done = float(min(max(round(done), 0), self.size))
        self._tell()

    def _advance(self) -> None:
        self.done = min(float(self.size), self.done + self.size * FRAME / 1000 / self.duration.value)
        if self.done >= self.size:
            self._clock.stop()
        self._tell()

    def _tell(self) -> None:
        self._button.setText("Pause" if self.playing else "Play")
        if self._shortcut:
            self._button.setShortcut(self._shortcut)  # which a new text takes away
        self.slider.set_value(self._stands(self.done))
        self.moved.emit()
