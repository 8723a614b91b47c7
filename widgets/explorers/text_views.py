"""Texts whose characters are coloured by their surprise, and bars of what could come next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.theme import SPACE, look, mixed, px, tabular

MOST = 6.0  # nats at which the colour is full
FULL = 0.6  # of the theme's red, then
BREAK = "\u21b5"  # where a line of the text ends
BLANK = "\u2423"


def mono(font: QFont, pixels: int = 13) -> QFont:
    result = QFont(font)
    result.setFamilies(["DejaVu Sans Mono", "Consolas", "Menlo", "monospace"])
    result.setStyleHint(QFont.StyleHint.Monospace)
    result.setPixelSize(pixels)
    return result


def surprise_colours(shares: np.ndarray) -> np.ndarray:
    """Shares of MOST in 0…1 (H, W) as (3, H, W) uint8: from the panel's colour to as much of the theme's red as lets
    text before it be read."""
    low, high = (np.array(QColor(c).getRgb()[:3], float) for c in (look.theme.panel, look.theme.bad))
    share = FULL * np.clip(np.nan_to_num(shares), 0, 1)
    return (low[:, None, None] * (1 - share) + high[:, None, None] * share).round().astype(np.uint8)


def shown_as(symbol: str) -> str:
    """A symbol on its own: what leaves no mark is given one."""
    return {"\n": BREAK, " ": BLANK, "\t": "\u21e5"}.get(symbol, symbol)


@dataclass(frozen=True)
class Passage:
    """One text: `surprise` of each character in nats, how many were given, (begin, length) of what is underlined."""

    text: str
    surprise: np.ndarray
    known: int
    marked: tuple[int, int] = (0, 0)


class SurpriseText(QWidget):
    """Passages below each other, wrapped at the width, with what was given in bold. `clicked(passage, place)` of a
    character; arrow keys go on."""

    clicked = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.setFont(mono(self.font()))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Continuations, coloured by surprise")
        self.passages: list[Passage] = []
        self.chosen: tuple[int, int] | None = None
        self._revealed = 0
        self._cells: list[list[QRectF]] = []
        look.changed.connect(self.update)

    def show_passages(self, passages: list[Passage]) -> None:
        self.passages = passages
        self._lay_out()

    def reveal(self, count: int) -> None:
        """Show only the first `count` characters of each passage."""
        self._revealed = count
        self.update()

    @property
    def revealed(self) -> int:
        return self._revealed

    def cell(self, passage: int, place: int) -> QRectF:
        """Where a character stands."""
        return self._cells[passage][place]

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self._lay_out()

    def sizeHint(self) -> QSize:
        return QSize(320, self.minimumHeight())

    def _lay_out(self) -> None:
        metrics = QFontMetricsF(self.font())
        wide, high = metrics.horizontalAdvance("m"), metrics.height() + 2
        columns = max(1, int((self.width() - SPACE) / wide))
        top, self._cells = SPACE / 2, []
        for passage in self.passages:
            cells, column = [], 0
            for sign in passage.text:
                if column >= columns:
                    column, top = 0, top + high
                cells.append(QRectF(SPACE / 2 + column * wide, top, wide, high))
                column += 1
                if sign == "\n":
                    column, top = 0, top + high
            top += high + SPACE
            self._cells.append(cells)
        self.setMinimumHeight(round(top))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # signs stand before their numbers
        written, given = self.font(), self.font()
        given.setBold(True)
        theme = look.theme
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        for number, (passage, cells) in enumerate(zip(self.passages, self._cells, strict=True)):
            if number:
                painter.setPen(QPen(QColor(theme.border), 1))
                above = cells[0].top() - SPACE / 2 if cells else 0
                painter.drawLine(QPointF(0, above), QPointF(self.width(), above))
            shown = max(self._revealed, passage.known)
            colours = surprise_colours(passage.surprise[None, :shown] / MOST)[:, 0].T
            begin, length = passage.marked
            for place, (sign, cell, colour) in enumerate(zip(passage.text, cells, colours.tolist(), strict=False)):
                painter.fillRect(cell, QColor(*colour))
                painter.setFont(given if place < passage.known else written)
                painter.setPen(QColor(theme.muted if sign == "\n" else theme.text))
                painter.drawText(cell, Qt.AlignmentFlag.AlignCenter, BREAK if sign == "\n" else sign)
                if begin <= place < begin + length:
                    painter.setPen(QPen(QColor(theme.warn), 1.5))
                    painter.drawLine(cell.bottomLeft() - QPointF(0, 1), cell.bottomRight() - QPointF(0, 1))
        if self.chosen is not None and self.chosen[0] < len(self._cells):
            cells = self._cells[self.chosen[0]]
            if self.chosen[1] < len(cells):
                painter.setPen(QPen(QColor(theme.accent), 2))
                painter.drawRect(cells[self.chosen[1]])

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            for number, cells in enumerate(self._cells):
                for place, cell in enumerate(cells):
                    if cell.contains(event.position()) and place < max(self._revealed, self.passages[number].known):
                        self.clicked.emit(number, place)
                        return

    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1), Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0)}
        move = moves.get(Qt.Key(event.key()))
        if move is None or self.chosen is None:
            super().keyPressEvent(event)
            return
        number, place = self.chosen[0] + move[0], self.chosen[1] + move[1]
        if 0 <= number < len(self.passages) and 0 <= place < max(self._revealed, self.passages[number].known):
            self.clicked.emit(number, place)


class SymbolBars(QWidget):
    """The most probable symbols as bars, and the one that stands there."""

    ROW = 20

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(160, 6 * self.ROW)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.rows: list[tuple[str, float, bool]] = []  # symbol, probability, whether it stands there
        self._log_p: np.ndarray | None = None
        self._symbols: tuple[str, ...] = ()
        self._actual: int | None = None
        look.changed.connect(self.update)

    def show_distribution(self, log_p: np.ndarray | None, symbols: tuple[str, ...], actual: int | None = None) -> None:
        """log p of each symbol in nats (K,), and the number of the one that stands there, if one does."""
        self._log_p, self._symbols, self._actual = log_p, symbols, actual
        self._choose()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._choose()

    def _choose(self) -> None:
        self.rows = []
        if self._log_p is not None:
            room = max(1, self.height() // self.ROW)
            best = np.argsort(-self._log_p, kind="stable")[:room].tolist()
            if self._actual is not None and self._actual not in best:
                best[-1] = self._actual  # at the end, however improbable
            self.rows = [(self._symbols[k], float(np.exp(self._log_p[k])), k == self._actual) for k in best]
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # signs stand before their numbers
        theme, side = look.theme, 28.0
        numbers = tabular(self.font())
        numbers.setPixelSize(px(11))
        wide = QFontMetricsF(numbers).horizontalAdvance("100.0 %") + SPACE
        across = self.width() - side - wide
        for row, (symbol, p, actual) in enumerate(self.rows):
            top = row * self.ROW
            painter.setFont(mono(self.font()))
            painter.setPen(QColor(theme.accent if actual else theme.text))
            painter.drawText(QRectF(0, top, side - SPACE, self.ROW), Qt.AlignmentFlag.AlignCenter, shown_as(symbol))
            painter.fillRect(QRectF(side, top + 4, across, self.ROW - 8), QColor(theme.raised))
            painter.fillRect(
                QRectF(side, top + 4, max(1.0, p * across), self.ROW - 8),
                QColor(theme.accent) if actual else mixed(theme.accent, theme.panel, 0.5),
            )
            painter.setFont(numbers)
            painter.setPen(QColor(theme.muted))
            place = QRectF(self.width() - wide, top, wide, self.ROW)
            text = f"{100 * p:.1f} %" if p >= 0.0005 else "< 0.1 %"
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
