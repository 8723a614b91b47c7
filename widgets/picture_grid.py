"""Many small pictures, as large as they fit together."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.pictures import to_image
from widgets.theme import look

GAP = 3  # px


class PictureGrid(QWidget):
    """Pictures (N, C, H, W) in rows. The number of columns is the one that shows them largest.

    Pixels are squares of a whole number of device pixels where there is room for that.
    """

    def __init__(self, minimum: int = 64, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(minimum, minimum)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._images: list[QImage] = []
        look.changed.connect(self.update)

    def show_pictures(self, pictures: np.ndarray | None) -> None:
        """Show these, or nothing."""
        self._images = [] if pictures is None else [to_image(picture) for picture in pictures]
        self.update()

    @property
    def count(self) -> int:
        return len(self._images)

    def sizeHint(self) -> QSize:
        return QSize(280, 280)

    def layout_for(self, width: float, height: float) -> tuple[int, float]:
        """Columns, and the factor by which pictures are enlarged, in an area of this many pixels."""
        picture = self._images[0].size()
        best = (1, 0.0)
        for columns in range(1, len(self._images) + 1):
            rows = -(-len(self._images) // columns)
            across = (width - GAP * (columns - 1)) / columns / picture.width()
            down = (height - GAP * (rows - 1)) / rows / picture.height()
            scale = min(across, down)
            if scale >= 2:
                scale = float(int(scale))
            if scale > best[1]:
                best = (columns, scale)
        return best

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            if not self._images:
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                painter.setPen(QColor(look.theme.border))
                side = min(self.width(), self.height()) - 1
                painter.drawRoundedRect(QRectF(0, 0, side, side), 6, 6)
                return
            ratio = self.devicePixelRatioF()
            columns, scale = self.layout_for(self.width() * ratio, self.height() * ratio)
            width = self._images[0].width() * scale / ratio
            height = self._images[0].height() * scale / ratio
            gap = GAP / ratio
            for place, image in enumerate(self._images):
                row, column = divmod(place, columns)
                painter.drawImage(QRectF(column * (width + gap), row * (height + gap), width, height), image)
