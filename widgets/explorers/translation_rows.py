"""Examples in columns: the original, what it was translated to, what came back, and how far off that is."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.pictures import to_image
from widgets.theme import SPACE, look, tabular

GAP = 6  # px
NAMES = ("Original", "Translated", "And back")
LINE = 20  # px, of a text
BESIDE = 84  # px, for the names of the rows


class TranslationRows(QWidget):
    """Three rows of pictures with values in 0…1, (N, C, H, W) each; a number under each column. Those of a person's own
    come first, and are framed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("translationRows")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(BESIDE + 200, 240)
        self.setFont(tabular(self.font()))
        self._rows: tuple[list[QImage], ...] = ()
        self.numbers: list[str] = []
        self.own = 0  # columns
        look.changed.connect(self.update)

    def show_rows(self, rows: tuple[np.ndarray, ...], numbers: list[str], own: int = 0) -> None:
        self._rows = tuple([to_image(picture) for picture in row] for row in rows)
        self.numbers, self.own = numbers, own
        self.setAccessibleName(f"Translations; cycle errors {', '.join(numbers)}")
        self.update()

    @property
    def count(self) -> int:
        """How many columns are shown."""
        return len(self._rows[0]) if self._rows else 0

    def sizeHint(self) -> QSize:
        return QSize(900, 420)

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self.count:
            return
        across = (self.width() - BESIDE - GAP * (self.count - 1)) / self.count
        down = (self.height() - LINE - SPACE - GAP * (len(self._rows) - 1)) / len(self._rows)
        side = min(across, down)
        left = BESIDE + max(0.0, (self.width() - BESIDE - self.count * (side + GAP)) / 2)
        top = max(0.0, (self.height() - LINE - SPACE - len(self._rows) * (side + GAP)) / 2)
        with QPainter(self) as painter:
            for number, (row, name) in enumerate(zip(self._rows, NAMES, strict=True)):
                above = top + number * (side + GAP)
                painter.setPen(QColor(look.theme.muted))
                place = QRectF(left - BESIDE, above, BESIDE - SPACE, side)
                painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, name)
                for column, image in enumerate(row):
                    place = _within(QRectF(left + column * (side + GAP), above, side, side), image)
                    painter.drawImage(place, image)
                    if column < self.own:
                        painter.setPen(QPen(QColor(look.theme.accent), 2))
                        painter.drawRect(place)
            painter.setPen(QColor(look.theme.text))
            below = top + len(self._rows) * (side + GAP)
            for column, text in enumerate(self.numbers):
                place = QRectF(left + column * (side + GAP), below, side, LINE)
                painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)
            painter.setPen(QColor(look.theme.muted))
            place = QRectF(left - BESIDE, below, BESIDE - SPACE, LINE)
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, "Error")


def _within(place: QRectF, image: QImage) -> QRectF:
    """As large as an image fits into a square, in its middle."""
    scale = place.width() / max(image.width(), image.height())
    width, height = image.width() * scale, image.height() * scale
    return QRectF(place.center().x() - width / 2, place.center().y() - height / 2, width, height)
