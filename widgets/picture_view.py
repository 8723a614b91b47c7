"""A picture, as large as it fits."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.pictures import to_image
from widgets.theme import look


class PictureView(QWidget):
    """Shows one picture (C, H, W), values in 0…1 or uint8, with its aspect kept.

    Pixels stay square and sharp: the scale is a whole number of device pixels where the room allows at least two of
    them per pixel. With `smooth` the picture is interpolated instead. Signals: `pressed`, `moved` and `released` carry
    the place in picture coordinates (x to the right, y down, in pixels); it may lie outside when a drag left the
    picture.
    """

    pressed = Signal(QPointF)
    moved = Signal(QPointF)
    released = Signal(QPointF)
    painted = Signal()

    def __init__(self, parent: QWidget | None = None, minimum: int = 64) -> None:
        super().__init__(parent)
        self._picture: np.ndarray | None = None
        self._image = to_image(np.zeros((1, 1, 1), np.uint8))
        self._smooth = False
        self.setMinimumSize(minimum, minimum)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setSizePolicy(policy)
        look.changed.connect(self.update)

    @property
    def picture(self) -> np.ndarray | None:
        """What is shown; None before the first picture."""
        return self._picture

    def show_picture(self, picture: np.ndarray | None) -> None:
        """Show (C, H, W), or nothing."""
        self._picture = picture
        if picture is not None:
            self._image = to_image(picture)
        self.update()

    @property
    def smooth(self) -> bool:
        return self._smooth

    def set_smooth(self, smooth: bool) -> None:
        """Interpolate between pixels, or show each as a square."""
        self._smooth = smooth
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(224, 224)

    def target(self) -> QRectF:
        """Where the picture lies in the widget, in logical pixels."""
        ratio = self.devicePixelRatioF()
        width, height = self._image.width(), self._image.height()
        scale = min(self.width() * ratio / width, self.height() * ratio / height)
        if not self._smooth and scale >= 2:
            scale = int(scale)
        w, h = width * scale / ratio, height * scale / ratio
        # whole device pixels, or the edges of a sharp picture blur
        left = int((self.width() - w) / 2 * ratio) / ratio
        top = int((self.height() - h) / 2 * ratio) / ratio
        return QRectF(left, top, w, h)

    def place(self, position: QPointF) -> QPointF:
        """A point of the widget in picture coordinates."""
        target = self.target()
        return QPointF(
            (position.x() - target.x()) / target.width() * self._image.width(),
            (position.y() - target.y()) / target.height() * self._image.height(),
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self._picture is None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(look.theme.border), 1))
            side = min(self.width(), self.height()) - 1
            painter.drawRoundedRect(QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side), 4, 4)
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._smooth)
        target = self.target()
        painter.drawImage(target, self._image)
        self.paint_over(painter, target)
        self.painted.emit()

    def paint_over(self, painter: QPainter, target: QRectF) -> None:
        """For subclasses that mark something on the picture."""

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self.pressed.emit(self.place(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.moved.emit(self.place(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self.released.emit(self.place(event.position()))
