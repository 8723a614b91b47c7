"""A dock in the window's look."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QToolButton, QWidget

from widgets.building import section
from widgets.icons import dress
from widgets.theme import SPACE


class Dock(QDockWidget):
    """A panel that moves, floats and closes, under a small heading."""

    def __init__(self, title: str, name: str, content: QWidget, parent: QWidget, width: int) -> None:
        super().__init__(title, parent)
        self.setObjectName(name)
        self.setWidget(content)
        content.setMinimumWidth(width)  # also where text is larger: the room is the pages'
        bar = QWidget()
        row = QHBoxLayout(bar)
        row.setContentsMargins(SPACE // 2, 0, 0, SPACE // 2)
        row.setSpacing(0)
        row.addWidget(section(title))
        row.addStretch(1)
        for icon, tip, do in (
            ("float", f"Put {title} in a window of its own, or back", lambda: self.setFloating(not self.isFloating())),
            ("discard", f"Close {title} (the View menu shows it again)", self.close),
        ):
            button = QToolButton(toolTip=tip, focusPolicy=Qt.FocusPolicy.NoFocus)
            button.setAccessibleName(tip)
            button.setIconSize(QSize(12, 12))
            dress(button, icon, "muted")
            button.clicked.connect(lambda _=False, do=do: do())
            row.addWidget(button)
        self.setTitleBarWidget(bar)
