"""Drawing with the mouse: a canvas of fine strokes, and a brush over the pixels of a picture."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QMimeData, QPointF, QRectF, QSize, Qt, Signal, SignalInstance
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDropEvent,
    QImage,
    QImageReader,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QWidget

from widgets.picture_view import PictureView
from widgets.pictures import to_image
from widgets.theme import look

FINE = 256  # px, the longer side of a canvas
UNDO = 50


class Canvas(QWidget):
    """A picture of the given shape (C, H, W), drawn much finer than it will be seen by a model.

    Black is empty; grey or colour is ink. The left button draws, the right one erases. A picture file or an image
    that is dropped replaces the drawing. `changed` follows each change.
    """

    changed = Signal()
    refused = Signal(str)  # why something that was dropped cannot be shown

    def __init__(self, shape: tuple[int, int, int], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.channels, height, width = shape
        scale = FINE / max(height, width)
        self._image = QImage(round(width * scale), round(height * scale), QImage.Format.Format_RGB32)
        self._image.fill(Qt.GlobalColor.black)
        self._undo: list[QImage] = []
        self._last: QPointF | None = None
        self._erasing = False
        self.brush = 0.1  # diameter, as a share of the longer side
        self.ink = QColor("white")
        self.eraser = False
        self.is_empty = True
        self.setAcceptDrops(True)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setMinimumSize(160, 160)
        look.changed.connect(self.update)

    def picture(self) -> np.ndarray:
        """The drawing, (C, height, width) float32 in 0…1, at its fine resolution."""
        return picture_of(self._image, self.channels)

    def load(self, picture: np.ndarray) -> None:
        """Replace the drawing by (C, H, W) in 0…1, each pixel a square."""
        self._keep()
        painter = QPainter(self._image)
        painter.drawImage(QRectF(self._image.rect()), to_image(picture))
        painter.end()
        self._redrawn(is_empty=False)

    def clear(self) -> None:
        self._keep()
        self._image.fill(Qt.GlobalColor.black)
        self._redrawn(is_empty=True)

    def undo(self) -> None:
        """Take the last stroke, clearing or loading back."""
        if self._undo:
            self._image = self._undo.pop()
            self._redrawn(is_empty=not self.picture().any())

    @property
    def can_undo(self) -> bool:
        return bool(self._undo)

    def sizeHint(self) -> QSize:
        return QSize(280, 280)

    def target(self) -> QRectF:
        """Where the drawing lies in the widget."""
        scale = min(self.width() / self._image.width(), self.height() / self._image.height())
        width, height = self._image.width() * scale, self._image.height() * scale
        return QRectF((self.width() - width) / 2, (self.height() - height) / 2, width, height)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.SmoothPixmapTransform | QPainter.RenderHint.Antialiasing)
        target = self.target()
        painter.drawImage(target, self._image)
        painter.setPen(QPen(QColor(look.theme.border), 1))
        painter.drawRect(target.adjusted(0.5, 0.5, -0.5, -0.5))
        if self.is_empty:
            painter.setPen(QColor("#9aa0ab"))  # on the canvas, which is black in every theme
            painter.drawText(target, Qt.AlignmentFlag.AlignCenter, "Draw here,\nor drop a picture")

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton):
            self._keep()
            self._erasing = self.eraser or event.button() is Qt.MouseButton.RightButton
            self._last = self._place(event.position())
            self._stroke(self._last)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._last is not None:
            self._stroke(self._place(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._last = None

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if offers_picture(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        image = dropped_picture(event, self.refused, "The drawing was kept.")
        if image is None:
            return
        self._keep()
        self._image.fill(Qt.GlobalColor.black)
        size = QSize(image.size()).scaled(self._image.size(), Qt.AspectRatioMode.KeepAspectRatio)
        target = QRectF(
            (self._image.width() - size.width()) / 2,
            (self._image.height() - size.height()) / 2,
            size.width(),
            size.height(),
        )
        painter = QPainter(self._image)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(target, image)
        painter.end()
        self._redrawn(is_empty=False)

    def _place(self, position: QPointF) -> QPointF:
        target = self.target()
        scale = self._image.width() / target.width()
        return QPointF((position.x() - target.x()) * scale, (position.y() - target.y()) * scale)

    def _stroke(self, to: QPointF) -> None:
        assert self._last is not None
        painter = QPainter(self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        shade = QColor("black") if self._erasing else self.ink
        width = self.brush * max(self._image.width(), self._image.height())
        painter.setPen(QPen(shade, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
        # a line without length is not drawn by every paint engine
        if to == self._last:
            painter.drawPoint(to)
        else:
            painter.drawLine(self._last, to)
        painter.end()
        self._last = to
        self._redrawn(is_empty=False)

    def _keep(self) -> None:
        self._undo = [*self._undo[1 - UNDO :], self._image.copy()]

    def _redrawn(self, is_empty: bool) -> None:
        self.is_empty = is_empty
        self.update()
        self.changed.emit()


def offers_picture(data: QMimeData) -> bool:
    """Whether what is dragged may be a picture."""
    return data.hasImage() or any(url.isLocalFile() for url in data.urls())


def dropped_picture(event: QDropEvent, refused: SignalInstance, kept: str) -> QImage | None:
    """The picture that was dropped, or None: then `refused` says why the file cannot be read as one, and what was
    `kept`."""
    data = event.mimeData()
    if data.hasImage():
        image = QImage(data.imageData())
    else:
        path = next(url.toLocalFile() for url in data.urls() if url.isLocalFile())
        reader = QImageReader(path)
        reader.setAutoTransform(True)
        image = reader.read()
        if image.isNull():
            refused.emit(f"{path} cannot be read as a picture: {reader.errorString()}. {kept}")
            return None
    event.acceptProposedAction()
    return image


def picture_of(image: QImage, channels: int) -> np.ndarray:
    """An image as (channels, H, W) float32 in 0…1: grey unless there are three channels."""
    rgb = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(rgb.constBits(), np.uint8).reshape(rgb.height(), rgb.bytesPerLine())
    pixels = rows[:, : 3 * rgb.width()].reshape(rgb.height(), rgb.width(), 3).astype(np.float32) / 255
    if channels == 3:
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))
    grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)  # luma, ITU-R BT.601
    return np.repeat(grey[None], channels, axis=0)


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
