"""Text that changes often. It never asks for another size, so that a change costs one small repaint and no layout."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontInfo, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from widgets.theme import look, tabular

SMALLER = 2  # px


class Readout(QWidget):
    """One line of parts in colours; the whole is the tool tip. A single part is cut off with an ellipsis where it does
    not fit; of several, the last ones are left out whole.

    `role` is that of a colour of the theme; "small" and "strong" are as in resources/style.qss.
    """

    def __init__(self, name: str = "", role: str = "text", right: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._role = {"small": "muted", "strong": "text"}.get(role, role)
        self._right = right
        self._parts: tuple[tuple[str, str], ...] = ()
        self._small = role == "small"
        font = tabular(self.font())
        font.setBold(role == "strong")
        self.setFont(font)
        self._fit()
        look.scaled.connect(self._fit)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        look.changed.connect(self.update)

    def _fit(self) -> None:
        """Be as large as text is now."""
        if self._small:
            font = self.font()
            font.setPixelSize(max(10, QFontInfo(QApplication.font()).pixelSize() - SMALLER))
            self.setFont(font)
        self.updateGeometry()

    def set_text(self, text: str) -> None:
        """Show one text in the colour of the role."""
        self.set_parts([(text, "")] if text else [])

    def set_parts(self, parts: Sequence[tuple[str, str]]) -> None:
        """Show texts, each in a colour ("#rrggbb"); "" is the colour of the role."""
        if tuple(parts) == self._parts:
            return
        self._parts = tuple(parts)
        self.setToolTip(self.text())
        self.setAccessibleName(self.text())
        self.update()

    def text(self) -> str:
        """All parts in one."""
        return "".join(text for text, _ in self._parts)

    def sizeHint(self) -> QSize:
        return QSize(80, self.fontMetrics().height() + 2)

    def paintEvent(self, event: QPaintEvent) -> None:
        metrics, whole = self.fontMetrics(), self.text()
        fits = metrics.horizontalAdvance(whole) <= self.width()
        at_right = self._right != self.isRightToLeft()
        with QPainter(self) as painter:
            painter.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # signs stand before their numbers
            if not fits and len(self._parts) == 1:
                painter.setPen(QColor(self._colour(self._parts[0][1])))
                text = metrics.elidedText(whole, Qt.TextElideMode.ElideRight, self.width())
                painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter, text)
                return
            parts, exact = self._fitting(), QFontMetricsF(self.font())  # rounded widths would add up to more
            parts, room = list(parts), float(self.width())
            for place, (text, colour) in enumerate(parts):  # the last two may be too long even so
                if exact.horizontalAdvance(text) > room + 1:
                    parts[place] = metrics.elidedText(text, Qt.TextElideMode.ElideRight, round(room)), colour
                room = max(0.0, room - exact.horizontalAdvance(text))
            used = sum(exact.horizontalAdvance(text) for text, _ in parts)
            left = max(0.0, self.width() - used) if at_right else 0.0
            for text, colour in parts:
                width = exact.horizontalAdvance(text)
                painter.setPen(QColor(self._colour(colour)))
                painter.drawText(QRectF(left, 0, width + 1, self.height()), Qt.AlignmentFlag.AlignVCenter, text)
                left += width

    def _fitting(self) -> Sequence[tuple[str, str]]:
        """The first parts, in pairs of a mark and its value, that there is room for."""
        metrics, parts = self.fontMetrics(), self._parts
        while len(parts) > 2 and metrics.horizontalAdvance("".join(text for text, _ in parts)) > self.width():
            parts = parts[:-2]
        return parts

    def _colour(self, colour: str) -> str:
        return colour or str(getattr(look.theme, self._role))
