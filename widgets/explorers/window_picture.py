"""A picture with a window of attention on it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from widgets.picture_view import PictureView

EDGE, GROUND = "#ff5a4f", "#000000"  # on a picture, whose colours are those of no theme
DOTS = 12  # places along a side of a window; of larger ones only the frame is drawn


class WindowPicture(PictureView):
    """The places of the window are dots; its frame goes round their pixels."""

    def __init__(self, minimum: int = 120) -> None:
        super().__init__(minimum=minimum)
        self._window: np.ndarray | None = None
        self._size = 0

    @property
    def window_shown(self) -> np.ndarray | None:
        return self._window

    def show_window(self, window: np.ndarray | None, size: int) -> None:
        """A window (centre x, centre y, stride, σ) with `size` places along a side, or none."""
        self._window, self._size = window, size
        self.update()

    def frame(self) -> QRectF:
        """The frame in picture coordinates, where the middle of the upper left pixel is at ½."""
        assert self._window is not None
        x, y, stride, _ = self._window.tolist()
        half = (self._size - 1) / 2 * stride + 0.5
        return QRectF(x + 0.5 - half, y + 0.5 - half, 2 * half, 2 * half)

    def paint_over(self, painter: QPainter, target: QRectF) -> None:
        if self._window is None or self.picture is None:
            return
        _, height, width = self.picture.shape
        across, down = target.width() / width, target.height() / height
        at = self.frame()
        frame = QRectF(
            target.x() + at.x() * across, target.y() + at.y() * down, at.width() * across, at.height() * down
        )
        x, y, stride, _ = self._window.tolist()
        steps = (np.arange(self._size) - (self._size - 1) / 2) * stride + 0.5
        dots = [
            QPointF(target.x() + (x + right) * across, target.y() + (y + below) * down)
            for right in steps
            for below in steps
        ]
        dots = [dot for dot in dots if target.adjusted(-1, -1, 1, 1).contains(dot)]
        painter.save()
        painter.setClipRect(target.adjusted(-3, -3, 3, 3))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for colour, line, dot in ((GROUND, 4, 7), (EDGE, 2, 5)):
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colour), line))
            painter.drawRect(frame)
            if self._size <= DOTS:
                painter.setPen(QPen(QColor(colour), dot, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
                painter.drawPoints(dots)
        painter.restore()
