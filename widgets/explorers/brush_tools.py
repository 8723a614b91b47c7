"""Tools for marking pixels of an example: which are held, at which value, and which are free."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QColorDialog, QSizePolicy, QVBoxLayout, QWidget

from models.spec import DataSpec, Support
from widgets.explorers.parts import Segments, button, row_of
from widgets.explorers.slider_row import SliderRow
from widgets.theme import SPACE, look, px

KEEP, WHITE, BLACK, DRAW, FREE = "keep", "white", "black", "draw", "free"
TITLES = {KEEP: "Keep", WHITE: "White", BLACK: "Black", DRAW: "Draw", FREE: "Free"}


class BrushTools(QWidget):
    """What the brush does, and how large it is. `resized(radius)` in pixels."""

    resized = Signal(float)

    def __init__(self, side: int, tips: dict[str, str]) -> None:
        """`side`: pixels along the longer side of a picture; `tips`: what each tool does, the first is chosen."""
        super().__init__()
        self._choice = Segments([(key, TITLES[key], tip) for key, tip in tips.items()], "tool")
        self.radius = max(0.5, side / 16)
        self.size_row = SliderRow("Brush", 0.5, max(2.0, side / 4), self.radius, "{:.1f} px", name_width=44)
        self.size_row.setObjectName("brush")
        self.size_row.changed.connect(self._resize)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addWidget(self._choice)
        column.addWidget(self.size_row)

    @property
    def tool(self) -> str:
        return self._choice.key

    def choose(self, tool: str) -> None:
        self._choice.choose(tool)

    def _resize(self, radius: float) -> None:
        self.radius = radius
        self.resized.emit(radius)


class GreyInk(SliderRow):
    """The grey that is drawn with: a slider over the levels of the data, or over 0…1."""

    def __init__(self, spec: DataSpec) -> None:
        whole = spec.support is Support.LEVELS
        top = spec.brightest
        super().__init__("Grey", 0, top, top, "{:.0f}" if whole else "{:.2f}", name_width=44)
        self._whole, self.key_step = whole, 1.0 if whole else 0.0
        self._channels = spec.event_shape[0]
        self.setObjectName("ink")

    def ink(self) -> np.ndarray:
        """(C,) in units of the data."""
        value = round(self.value) if self._whole else self.value
        return np.full(self._channels, value, np.float32)


class ColourInk(QWidget):
    """The colour that is drawn with: the corners of the colour cube and a grey, or any other. `changed` when another is
    chosen."""

    changed = Signal(float)
    CORNERS = (
        "#000000", "#ffffff", "#808080", "#ff0000", "#ffff00", "#00ff00", "#00ffff", "#0000ff", "#ff00ff",
    )  # fmt: skip

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.setObjectName("ink")
        self._spec = spec
        self._colour = QColor("white")
        self._dialog = QColorDialog(self)
        self._dialog.currentColorChanged.connect(self.choose)
        self._swatches = _Swatches(self.CORNERS)
        self._swatches.chosen.connect(self.choose)
        more = button("More…", "moreColours", "Any other colour", self._dialog.open)
        row = row_of(self._swatches, more)
        row.setContentsMargins(0, 0, 0, 0)
        self.setLayout(row)
        self.choose(self._colour)

    def choose(self, colour: QColor) -> None:
        self._colour = colour
        self._swatches.frame(colour)
        self.changed.emit(0)

    def ink(self) -> np.ndarray:
        """(3,) in units of the data: the nearest levels."""
        value = np.array(self._colour.getRgbF()[:3], np.float32) * self._spec.brightest
        return np.floor(value + 0.5) if self._spec.support in (Support.LEVELS, Support.BITS) else value


class _Swatches(QWidget):
    """Squares of colour, of which one is framed."""

    chosen = Signal(QColor)

    def __init__(self, colours: tuple[str, ...]) -> None:
        super().__init__()
        self._colours = [QColor(colour) for colour in colours]
        self._framed: QColor | None = None
        self.setFixedHeight(px(24))
        self.setMinimumWidth(len(colours) * 20)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName("Colour")
        self.setToolTip("The colour that is drawn with")
        look.changed.connect(self.update)

    def frame(self, colour: QColor) -> None:
        self._framed = colour
        self.update()

    def places(self) -> list[QRectF]:
        """Where each colour lies."""
        step = min(30.0, self.width() / len(self._colours))
        return [QRectF(i * step + 2, 3, step - 4, 18) for i in range(len(self._colours))]

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for colour, place in zip(self._colours, self.places(), strict=True):
            framed = colour == self._framed
            edge = look.theme.accent if framed else look.theme.border
            painter.setPen(QPen(QColor(edge), 3 if framed else 1))
            painter.setBrush(colour)
            painter.drawRoundedRect(place, 3, 3)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        for colour, place in zip(self._colours, self.places(), strict=True):
            if place.contains(event.position()):
                self.chosen.emit(colour)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
            return
        at = self._colours.index(self._framed) if self._framed in self._colours else 0
        self.chosen.emit(self._colours[(at + step) % len(self._colours)])
