"""Pictures in rows and columns that a person can point at."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QWidget

from widgets.pictures import to_image
from widgets.theme import look, px, tabular

LABEL = 68  # px, beside each row
FOOT = 16  # px, what the columns are
LEAST = 36  # px, a picture
LARGEST = 64.0
MOST_ROWS = 12
WORD = 40  # px, what stands below a column at least


class PictureRows(QWidget):
    """Pictures in named rows and columns. `picked(row, column)` by a click or the arrow keys."""

    picked = Signal(int, int)
    resized = Signal()

    def __init__(self, columns: int, name: str, title: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(FOOT)
        self.columns = columns
        self.smallest = 8.0  # px, a picture and its margin
        self.fitted = 0  # rows that are to have room, where pictures may be smaller for it; 0 for any number
        self.pictures = np.zeros((0, columns, 1, 1, 1), np.float32)
        self.labels: list[tuple[str, str]] = []
        self.marks: list[int] = []  # of each row the column that the handle is nearest to
        self.foot: list[str] = []
        self.row = 0
        look.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(LABEL + LEAST * self.columns, 4 * (LEAST + 2) + FOOT)

    def cell_for(self, width: int) -> float:
        """The side of a picture and its margin, in pixels."""
        return max(self.smallest, min((width - LABEL) / self.columns, LARGEST))

    def cell(self) -> float:
        cell = self.cell_for(self.width())
        return max(self.smallest, min(cell, (self.height() - FOOT) / self.fitted)) if self.fitted else cell

    def rows(self) -> int:
        """How many rows there is room for."""
        return int(np.clip((self.height() - FOOT) / self.cell() + 1e-6, 1, max(MOST_ROWS, self.fitted)))

    def show_rows(self, pictures: np.ndarray) -> None:
        """(rows, columns, C, H, W), the columns being those of the grid."""
        self.pictures = pictures
        self.row = min(self.row, max(0, len(pictures) - 1))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        font = tabular(self.font())
        font.setPixelSize(px(12))
        painter.setFont(font)
        cell, theme = self.cell(), look.theme
        middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        for row, (pictures, (name, note)) in enumerate(zip(self.pictures, self.labels, strict=False)):
            top = row * cell
            chosen = self.hasFocus() and row == self.row
            painter.setPen(QColor(theme.accent if chosen else theme.text))
            split = cell / 2 if note else cell
            painter.drawText(QRectF(0, top, LABEL, split), middle, name)
            painter.setPen(QColor(theme.muted))
            painter.drawText(QRectF(0, top + split, LABEL, cell - split), middle, note)
            for column, picture in enumerate(pictures):
                image = to_image(picture)
                scale = (cell - 4) / max(image.width(), image.height())
                scale = int(scale) if scale >= 3 else scale  # sharp, where that costs little room
                width, height = image.width() * scale, image.height() * scale
                left = LABEL + column * cell
                at = QRectF(left + (cell - width) / 2, top + (cell - height) / 2, width, height)
                painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, scale < 1)
                painter.drawImage(at, image)
                near = row < len(self.marks) and column == self.marks[row]
                painter.setPen(QPen(QColor(theme.accent if near else theme.border), 2 if near else 1))
                painter.drawRect(at.adjusted(-1, -1, 0, 0))
        painter.setPen(QColor(theme.muted))
        font.setPixelSize(px(10))  # columns may be no wider than what they are
        painter.setFont(font)
        below = len(self.pictures) * cell
        for column, text in enumerate(self.foot):
            width = max(cell, WORD)
            place = QRectF(LABEL + (column + 0.5) * cell - width / 2, below, width, FOOT)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            place = event.position()
            self._pick(int(place.y() // self.cell()), int((place.x() - LABEL) // self.cell()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        rows, row = len(self.pictures), self.row
        column = self.marks[row] if row < len(self.marks) else self.columns // 2
        key = Qt.Key(event.key())
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and rows:
            self.row = (row + (1 if key is Qt.Key.Key_Down else -1)) % rows
            self.update()
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._pick(row, column + (1 if key is Qt.Key.Key_Right else -1))
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.resized.emit()

    def _pick(self, row: int, column: int) -> None:
        if 0 <= row < len(self.pictures) and 0 <= column < self.columns:
            self.row = row
            self.update()
            self.picked.emit(row, column)
