"""A brush over the pixels of a picture."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QPainter, QPen
from PySide6.QtWidgets import QWidget

from widgets.canvas import dropped_picture, offers_picture
from widgets.picture_view import PictureView
from widgets.theme import look


class PixelBrush(PictureView):
    """A picture whose pixels are marked with a brush. `brushed(mask)` carries the pixels (H, W, bool) that the brush
    touched since the last event; `began` comes before the first of a stroke. Where `setAcceptDrops` says so,
    `dropped(QImage)` is emitted for a picture, or `refused(why)`."""

    began = Signal()
    brushed = Signal(object)
    dropped = Signal(object)
    refused = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, minimum=160)
        self.radius = 1.0  # in pixels
        self.edge: np.ndarray | None = None
        self._last: QPointF | None = None
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.pressed.connect(self._begin)
        self.moved.connect(self._go_on)
        self.released.connect(lambda place: self._end())

    def mark(self, edge: np.ndarray | None) -> None:
        """Which pixels (H, W) are outlined."""
        self.edge = edge
        self.update()

    def paint_over(self, painter: QPainter, target: QRectF) -> None:
        painter.setPen(QPen(QColor(look.theme.border), 1))  # a white picture ends somewhere on a white card
        painter.drawRect(target.adjusted(-0.5, -0.5, 0.5, 0.5))
        if self.edge is not None and self.edge.any():
            outline(painter, target, self.edge)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if offers_picture(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        image = dropped_picture(event, self.refused, "The picture was kept.")
        if image is not None:
            self.dropped.emit(image)

    def _begin(self, place: QPointF) -> None:
        self._last = place
        self.began.emit()
        self._go_on(place)

    def _go_on(self, place: QPointF) -> None:
        if self._last is None or self.picture is None:
            return
        mask = brushed_pixels(self._last, place, self.radius, self.picture.shape[1:])
        self._last = place
        if mask.any():
            self.brushed.emit(mask)

    def _end(self) -> None:
        self._last = None


def outline(painter: QPainter, target: QRectF, mask: np.ndarray) -> None:
    """The border of the marked pixels (H, W, bool) of a picture that lies in `target`, in the accent colour."""
    height, width = mask.shape
    step_x, step_y = target.width() / width, target.height() / height
    padded = np.pad(mask, 1)
    painter.setPen(QPen(QColor(look.theme.accent), 2))
    for y, x in np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1]).tolist():
        left, at = target.x() + x * step_x, target.y() + y * step_y
        painter.drawLine(QPointF(left, at), QPointF(left + step_x, at))
    for y, x in np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1]).tolist():
        at, top = target.x() + x * step_x, target.y() + y * step_y
        painter.drawLine(QPointF(at, top), QPointF(at, top + step_y))


def brushed_pixels(start: QPointF, end: QPointF, radius: float, shape: tuple[int, ...]) -> np.ndarray:
    """The pixels of a picture (H, W) whose centres lie within `radius` of the segment, and the pixel at its end:
    (H, W) bool."""
    height, width = shape
    y, x = np.mgrid[:height, :width] + 0.5
    along = np.array([end.x() - start.x(), end.y() - start.y()])
    length = float(along @ along)
    offset_x, offset_y = x - start.x(), y - start.y()
    share = np.clip((offset_x * along[0] + offset_y * along[1]) / length, 0, 1) if length else 0.0
    mask = np.hypot(offset_x - share * along[0], offset_y - share * along[1]) <= radius
    row, column = int(np.floor(end.y())), int(np.floor(end.x()))
    if 0 <= row < height and 0 <= column < width:
        mask[row, column] = True
    return mask
