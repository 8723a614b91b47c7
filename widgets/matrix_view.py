"""A small table of numbers as a heat map."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.colormaps import viridis
from widgets.pictures import to_image
from widgets.theme import look, px, tabular

SIDE, TOP = 24, 16  # px of the names of rows and columns
WIDE, HIGH = 30, 14  # px of a cell from which its number is written in it
HIGHEST = 36  # px of a cell


class MatrixView(QWidget):
    """Rows and columns have names. Values in 0…1 are cells of a colour, any others numbers alone."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.values: np.ndarray | None = None  # (rows, columns)
        self._columns: tuple[str, ...] = ()
        self._coloured = True
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(120, 60)
        font = tabular(self.font())
        font.setPixelSize(px(11))
        self.setFont(font)
        look.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(200, 140)

    def show_values(self, values: np.ndarray, columns: tuple[str, ...], coloured: bool = True) -> None:
        """Rows are numbered from 1."""
        self.values, self._columns, self._coloured = values, columns, coloured
        self.setMaximumHeight(TOP + HIGHEST * len(values))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.values is None:
            return
        painter = QPainter(self)
        rows, columns = self.values.shape
        area = QRectF(SIDE, TOP, self.width() - SIDE, self.height() - TOP)
        wide, high = area.width() / columns, area.height() / rows
        if self._coloured:
            painter.drawImage(area, to_image(viridis(self.values)))
        painter.setPen(QColor(look.theme.muted))
        for row in range(0, rows, max(1, int(np.ceil(HIGH / high)))):
            at = QRectF(0, TOP + row * high, SIDE - 6, high)
            painter.drawText(at, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, str(row + 1))
        metrics = painter.fontMetrics()
        widest = max(metrics.horizontalAdvance(name) for name in self._columns)
        for column in range(0, columns, max(1, int(np.ceil((min(widest, wide * 0.98) + 2) / wide)))):
            name = metrics.elidedText(self._columns[column], Qt.TextElideMode.ElideRight, int(max(wide, widest)))
            at = QRectF(SIDE + column * wide, 0, wide, TOP)
            painter.drawText(at, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextDontClip, name)
        if wide < WIDE or high < HIGH:
            return
        for row in range(rows):
            for column in range(columns):
                value = float(self.values[row, column])
                ink = look.theme.text if not self._coloured else "#000000" if value > 0.6 else "#ffffff"
                painter.setPen(QColor(ink))
                at = QRectF(SIDE + column * wide, TOP + row * high, wide, high)
                painter.drawText(at, Qt.AlignmentFlag.AlignCenter, f"{value:.2f}".replace("-", "−"))
