"""A square of the plane to draw a distribution on."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from dgm_studio.datasets.drawn import HEAVIEST, REACH, SIDE, SIGMA
from widgets.colormaps import viridis
from widgets.past import Past
from widgets.pictures import to_image
from widgets.plots import colour, pen
from widgets.theme import DARK, look, px

UNDO = 1000  # strokes
FINE = 160  # pixels to a side in which the density is shown
ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}


class DrawingPad(QWidget):
    """The left button paints with a round brush, the right one erases; arrow keys move the brush, Space paints and Del
    erases. What is shown is the density itself. `changed()` after each stroke begins to act, and each undo."""

    changed = Signal()

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.weights = weights.copy()
        self.brush = 3.0  # its diameter in cells
        self.weight = HEAVIEST
        self.erases = False
        self._past: Past[np.ndarray] = Past(UNDO)
        self._at: tuple[float, float] | None = None  # the brush, in cells from the lower left corner
        self._stroke = False
        self.setObjectName("drawingPad")
        self.setAccessibleName("Drawing of a distribution")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setMinimumSize(320, 320)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        look.changed.connect(self.update)

    # What is drawn.

    def stamp(self, x: float, y: float, erase: bool = False) -> None:
        """Put the brush down at (x, y), in cells from the lower left corner."""
        centre = np.arange(SIDE) + 0.5
        near = (centre[None, :] - x) ** 2 + (centre[:, None] - y) ** 2 <= max(self.brush / 2, 0.5) ** 2
        if 0 <= x < SIDE and 0 <= y < SIDE:
            near[int(y), int(x)] = True  # the smallest brush marks the cell below it, wherever in it that is
        self.weights[near] = 0 if erase or self.erases else self.weight

    def begin_stroke(self) -> None:
        """What is drawn from now on is one step of undo."""
        self._past.leave(self.weights.copy())

    def clear(self) -> None:
        self.begin_stroke()
        self.weights[:] = 0
        self._drawn()

    @property
    def can_undo(self) -> bool:
        return self._past.can_undo

    @property
    def can_redo(self) -> bool:
        return self._past.can_redo

    def undo(self) -> None:
        if self._past.can_undo:
            self._take(self._past.undo(self.weights))

    def redo(self) -> None:
        if self._past.can_redo:
            self._take(self._past.redo(self.weights))

    def _take(self, weights: np.ndarray) -> None:
        self._stroke = False
        self.weights = weights
        self._drawn()

    def _drawn(self) -> None:
        self.update()
        self.changed.emit()

    # The hand.

    def place(self, point: QPointF) -> tuple[float, float]:
        """In cells from the lower left corner."""
        square = self.square()
        side = square.width() / SIDE
        return (point.x() - square.left()) / side, (square.bottom() - point.y()) / side

    def square(self) -> QRectF:
        side = min(self.width(), self.height())
        return QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton):
            self.begin_stroke()
            self._stroke = True
            self._at = self.place(event.position())
            self.stamp(*self._at, erase=event.button() is Qt.MouseButton.RightButton)
            self._drawn()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        before, self._at = self._at, self.place(event.position())
        held = event.buttons() & (Qt.MouseButton.LeftButton | Qt.MouseButton.RightButton)
        if self._stroke and held and before is not None:
            erase = bool(event.buttons() & Qt.MouseButton.RightButton)
            (x, y), (left, low) = self._at, before
            steps = max(1, int(2 * max(abs(x - left), abs(y - low))))  # a fast hand leaves no gaps
            for k in range(1, steps + 1):
                self.stamp(left + (x - left) * k / steps, low + (y - low) * k / steps, erase)
            self._drawn()
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._stroke = False

    def leaveEvent(self, event: object) -> None:
        self._at = None
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        x, y = self._at or (SIDE / 2 + 0.5, SIDE / 2 + 0.5)
        key = Qt.Key(event.key())
        if key in ARROWS:
            right, up = ARROWS[key]
            self._at = (min(max(x + right, 0.5), SIDE - 0.5), min(max(y + up, 0.5), SIDE - 0.5))
            self.update()
        elif key in (Qt.Key.Key_Space, Qt.Key.Key_Delete):
            self.begin_stroke()
            self._at = (x, y)
            self.stamp(x, y, erase=key is Qt.Key.Key_Delete)
            self._drawn()
        else:
            super().keyPressEvent(event)

    # What is seen.

    def sizeHint(self) -> QSize:
        return QSize(440, 440)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        square = self.square()
        painter.drawImage(square, to_image(viridis(density_picture(self.weights))))
        side = square.width()
        font = self.font()
        font.setPixelSize(px(11))
        painter.setFont(font)
        for value in (-1, 0, 1):
            share = (value + REACH) / (2 * REACH)
            x, y = square.left() + share * side, square.bottom() - share * side
            painter.setPen(pen(DARK.text, 1, 0.14))
            painter.drawLine(QPointF(x, square.top()), QPointF(x, square.bottom()))
            painter.drawLine(QPointF(square.left(), y), QPointF(square.right(), y))
            painter.setPen(colour(DARK.text, 0.6))
            painter.drawText(QRectF(x - 20, square.bottom() - 16, 40, 14), Qt.AlignmentFlag.AlignCenter, f"{value}")
            if value:
                painter.drawText(QRectF(square.left() + 4, y - 7, 30, 14), Qt.AlignmentFlag.AlignVCenter, f"{value}")
        if self._at is not None:
            cell = side / SIDE
            radius = max(self.brush / 2, 0.5) * cell
            centre = QPointF(square.left() + self._at[0] * cell, square.bottom() - self._at[1] * cell)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(pen(DARK.text, 1.5))
            painter.drawEllipse(centre, radius, radius)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QColor(look.theme.accent if self.hasFocus() else look.theme.border))
        painter.drawRect(square.adjusted(0.5, 0.5, -0.5, -0.5))


def density_picture(weights: np.ndarray) -> np.ndarray:
    """The density of a drawing over the square, divided by its highest value: (FINE, FINE), the highest row first."""
    cells = (np.arange(SIDE) + 0.5) * (2 * REACH / SIDE) - REACH
    places = (np.arange(FINE) + 0.5) * (2 * REACH / FINE) - REACH
    kernel = np.exp(-0.5 * ((places[:, None] - cells) / SIGMA) ** 2)
    density = (kernel @ weights @ kernel.T)[::-1]
    return density / max(float(density.max()), 1e-12)
