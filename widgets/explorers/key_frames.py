"""The key frames of a path, as a row of pictures of which one is chosen."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from widgets.pictures import to_image
from widgets.theme import look, px, tabular

WIDTH, HEIGHT = 40, 48  # px of one; the last row of pixels says how long its leg takes


class KeyFrameRow(QWidget):
    """`chosen(index)` by a click or the arrow keys; `removed(index)` by Delete."""

    chosen = Signal(int)
    removed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("keyFrames")
        self.setAccessibleName("Key frames")
        self.setToolTip("The pins, in order, and the seconds to the next. Click: choose and go there. Delete: remove.")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFixedHeight(HEIGHT)
        self.setMinimumWidth(2 * WIDTH)
        self.pictures: np.ndarray | None = None  # (N, C, H, W), as far as they are known
        self.notes: list[str] = []
        self.index = -1
        look.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(8 * WIDTH, HEIGHT)

    def show_frames(self, notes: list[str], index: int) -> None:
        """One note for each key frame, and which is chosen; -1 for none."""
        self.notes, self.index = notes, index
        self.update()

    def show_pictures(self, pictures: np.ndarray) -> None:
        self.pictures = pictures
        self.update()

    def step(self) -> float:
        """The width of one, in pixels: less where there are many."""
        return min(float(WIDTH), self.width() / max(1, len(self.notes)))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        font = tabular(self.font())
        font.setPixelSize(min(px(10), 12))
        painter.setFont(font)
        theme, step = look.theme, self.step()
        side = min(step - 4, HEIGHT - 16)
        for i, note in enumerate(self.notes):
            place = QRectF(i * step + 2, 2, side, side)
            if self.pictures is not None and i < len(self.pictures):
                image = to_image(self.pictures[i])
                scale = side / max(image.width(), image.height())
                width, height = image.width() * scale, image.height() * scale
                inside = QRectF(place.x() + (side - width) / 2, place.y() + (side - height) / 2, width, height)
                painter.drawImage(inside, image)
            else:
                painter.setPen(QColor(theme.text))
                painter.drawText(place, Qt.AlignmentFlag.AlignCenter, str(i + 1))
            chosen = i == self.index
            painter.setPen(QPen(QColor(theme.accent if chosen else theme.border), 2 if chosen else 1))
            painter.drawRect(place)
            painter.setPen(QColor(theme.accent if chosen and self.hasFocus() else theme.muted))
            painter.drawText(QRectF(i * step, HEIGHT - 14, step, 14), Qt.AlignmentFlag.AlignCenter, note)

    def event(self, event: QEvent) -> bool:
        # before the window's own Delete, which takes a run away
        if event.type() is QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and _removes(event):
            event.accept()
            return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self._choose(int(event.position().x() // self.step()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._choose(self.index + (1 if key is Qt.Key.Key_Right else -1))
        elif _removes(event):
            if self.index >= 0:
                self.removed.emit(self.index)
        else:
            super().keyPressEvent(event)

    def _choose(self, index: int) -> None:
        if 0 <= index < len(self.notes):
            self.chosen.emit(index)


def _removes(event: QKeyEvent) -> bool:
    return Qt.Key(event.key()) in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
