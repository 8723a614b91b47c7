"""Drawing with the mouse: a canvas of fine strokes."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QMimeData, QPointF, QRectF, QSize, Qt, Signal, SignalInstance
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QImage,
    QImageReader,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QWidget

from widgets.past import Past
from widgets.pictures import to_image
from widgets.theme import look

FINE = 256  # px, the longer side of a canvas
KEPT = "The drawing was kept."


class Canvas(QWidget):
    """A picture of the given shape (C, H, W), drawn much finer than it will be seen by a model.

    Black is empty; grey or colour is ink. The left button draws, the right one erases. A picture that is dropped,
    opened or pasted replaces the drawing. `changed` follows each change.
    """

    changed = Signal()
    refused = Signal(str)  # why something that was dropped cannot be shown

    def __init__(self, shape: tuple[int, int, int], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.channels, height, width = shape
        scale = FINE / max(height, width)
        self._image = QImage(round(width * scale), round(height * scale), QImage.Format.Format_RGB32)
        self._image.fill(Qt.GlobalColor.black)
        self._past: Past[QImage] = Past()
        self._last: QPointF | None = None
        self._erasing = False
        self.brush = 0.1  # diameter, as a share of the longer side
        self.ink = QColor("white")
        self.eraser = False
        self.is_empty = True
        self.setAcceptDrops(True)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)  # the right button erases
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
        if self._past.can_undo:
            self._take(self._past.undo(self._image))

    def redo(self) -> None:
        """Do again what was taken back last."""
        if self._past.can_redo:
            self._take(self._past.redo(self._image))

    @property
    def can_undo(self) -> bool:
        return self._past.can_undo

    @property
    def can_redo(self) -> bool:
        return self._past.can_redo

    def invert(self) -> None:
        """Make ink of what was empty: for dark writing on white paper."""
        self._keep()
        self._image.invertPixels()
        self._redrawn(is_empty=not self.picture().any())

    def open_file(self, path: str) -> None:
        """Replace the drawing by a picture file, or say why it cannot be read."""
        image = picture_file(path, self.refused, KEPT)
        if image is not None:
            self.put(image)

    def paste(self) -> None:
        """Replace the drawing by the picture in the clipboard."""
        data = QGuiApplication.clipboard().mimeData()
        image = None
        if data is None or not offers_picture(data):
            self.refused.emit(f"There is no picture in the clipboard. {KEPT}")
        else:
            image = offered_picture(data, self.refused, KEPT)
        if image is not None:
            self.put(image)

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
            painter.drawText(target, Qt.AlignmentFlag.AlignCenter, "Draw here, or drop\nor paste a picture")

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
        image = dropped_picture(event, self.refused, KEPT)
        if image is not None:
            self.put(image)

    def put(self, image: QImage) -> None:
        """Replace the drawing by the whole image, as large as fits, on black."""
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
        self._past.leave(self._image.copy())

    def _take(self, image: QImage) -> None:
        self._image = image
        self._redrawn(is_empty=not self.picture().any())

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
    image = offered_picture(event.mimeData(), refused, kept)
    if image is not None:
        event.acceptProposedAction()
    return image


def offered_picture(data: QMimeData, refused: SignalInstance, kept: str) -> QImage | None:
    """The picture in what `offers_picture`, or None as above."""
    if data.hasImage():
        return QImage(data.imageData())
    return picture_file(next(url.toLocalFile() for url in data.urls() if url.isLocalFile()), refused, kept)


def picture_file(path: str, refused: SignalInstance, kept: str) -> QImage | None:
    """The picture in a file, or None as above."""
    reader = QImageReader(path)
    reader.setAutoTransform(True)
    image = reader.read()
    if image.isNull():
        refused.emit(f"{path} cannot be read as a picture: {reader.errorString()}. {kept}")
        return None
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
