"""What a page says when it has nothing to show."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QToolButton, QVBoxLayout, QWidget

from widgets.building import label
from widgets.icons import dress
from widgets.theme import SPACE

READABLE = 72  # characters in a line of the text


class Empty(QWidget):
    """What a page says when it has nothing to show: what to do."""

    def __init__(self, title: str, text: str, icon: str = "curves", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        picture = QToolButton(focusPolicy=Qt.FocusPolicy.NoFocus)
        picture.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        picture.setIconSize(QSize(40, 40))
        dress(picture, icon, "muted")
        self.title = label(title, "heading")
        self.text = label(text, "muted", wrap=True)
        self.text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._column = column = QVBoxLayout(self)
        column.addStretch(1)
        for part in (picture, self.title):
            column.addWidget(part, 0, Qt.AlignmentFlag.AlignHCenter)
        line = QHBoxLayout()  # between stretches: a layout gives aligned text no room for a second line
        line.addStretch(1)
        line.addWidget(self.text, 1000)
        line.addStretch(1)
        column.addLayout(line)
        column.addStretch(1)

    def offer(self, button: QPushButton) -> None:
        """Put what to press below the words."""
        self._column.insertSpacing(self._column.count() - 1, SPACE)
        self._column.insertWidget(self._column.count() - 1, button, 0, Qt.AlignmentFlag.AlignHCenter)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.text.setMaximumWidth(READABLE * self.fontMetrics().averageCharWidth())
