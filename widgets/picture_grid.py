"""Many small pictures, as large as they fit together."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.pictures import to_image
from widgets.saving import Offer, open_menu, sample_offers
from widgets.theme import look

GAP = 3  # px
LOSS = 0.85  # of the size that whole pixels may leave
FULL = 0.7  # of the size that a last row may cost which is as long as the others


class PictureGrid(QWidget):
    """Pictures (N, C, H, W) in rows. The number of columns is the one that shows them largest, or nearly so where all
    rows are then of one length.

    Pixels are squares of a whole number of device pixels where that does not make them much smaller. `pressed` carries
    the number of a picture.
    """

    pressed = Signal(int)

    def __init__(self, minimum: int = 64, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(minimum, minimum)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._pictures: np.ndarray | None = None
        self._sheet: QImage | None = None  # all of them below each other
        self._count = 0
        self._marked: int | None = None
        look.changed.connect(self.update)

    def show_pictures(self, pictures: np.ndarray | None) -> None:
        """Show these, or nothing."""
        self._pictures, self._sheet, self._count = pictures, None, 0
        if pictures is not None and len(pictures):
            n, channels, height, width = pictures.shape
            self._sheet = to_image(pictures.transpose(1, 0, 2, 3).reshape(channels, n * height, width))
            self._count = n
        self.update()

    @property
    def marked(self) -> int | None:
        return self._marked

    def mark(self, number: int | None) -> None:
        """Frame a picture, or none."""
        self._marked = number
        self.update()

    @property
    def count(self) -> int:
        """How many pictures are shown."""
        return self._count

    def sizeHint(self) -> QSize:
        return QSize(280, 280)

    def layout_for(self, width: float, height: float) -> tuple[int, float]:
        """Columns, and the factor by which pictures are enlarged, in an area of this many pixels."""
        assert self._sheet is not None
        wide, high = self._sheet.width(), self._sheet.height() // self._count
        columns = np.arange(1, self._count + 1)
        rows = -(-self._count // columns)
        across = (width - GAP * (columns - 1)) / columns / wide
        down = (height - GAP * (rows - 1)) / rows / high
        scale = np.minimum(across, down)
        whole = np.floor(scale)
        scale = np.where(whole > LOSS * scale, whole, scale)
        full = (self._count % columns == 0) & (scale >= FULL * scale.max())
        wanted = np.where(full, scale, -np.inf) if full.any() else scale
        best = len(scale) - 1 - int(np.argmax(wanted[::-1]))  # of equals the widest, which leaves less room empty
        return best + 1, float(scale[best])

    def places(self) -> list[QRectF]:
        """Where each picture lies, in logical pixels."""
        if self._sheet is None:
            return []
        ratio = self.devicePixelRatioF()
        columns, scale = self.layout_for(self.width() * ratio, self.height() * ratio)
        wide, high = self._sheet.width() * scale, self._sheet.height() // self._count * scale
        right, down = (wide + GAP) / ratio, (high + GAP) / ratio
        return [
            QRectF(place % columns * right, place // columns * down, wide / ratio, high / ratio)
            for place in range(self._count)
        ]

    def offers(self) -> list[Offer]:
        """What can be done with the pictures shown."""
        if self._pictures is None or not len(self._pictures):
            return []
        return sample_offers(self, self.accessibleName() or "samples", self._pictures)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        open_menu(self, event.globalPos())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            for number, place in enumerate(self.places()):
                if place.contains(event.position()):
                    self.pressed.emit(number)
                    return

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            sheet = self._sheet
            if sheet is None:
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                painter.setPen(QColor(look.theme.border))
                side = min(self.width(), self.height()) - 1
                painter.drawRoundedRect(QRectF(0, 0, side, side), 6, 6)
                return
            wide, high = sheet.width(), sheet.height() // self._count
            for number, place in enumerate(self.places()):
                painter.drawImage(place, sheet, QRectF(0, number * high, wide, high))
                painter.setPen(QColor(look.theme.border))  # an edge, for pictures that are white or black
                painter.drawRect(place.adjusted(-0.5, -0.5, 0.5, 0.5))
                if number == self._marked:
                    painter.setPen(QPen(QColor(look.theme.accent), 2))
                    painter.drawRect(place.adjusted(1, 1, -1, -1))
