"""What a part of the Compare page is."""

from __future__ import annotations

from typing import ClassVar

from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from widgets.compare.chosen import Chosen
from widgets.theme import SPACE
from widgets.workspace import Workspace


class Part(QWidget):
    """One way to look at the chosen runs. A subclass fills `self.column` and shows them in `refresh`, which is called
    when the part comes into sight and when other runs are chosen while it is there. Out of sight it does nothing."""

    key: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, chosen: Chosen, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.chosen, self.workspace = chosen, workspace
        self.setObjectName(f"compare-{self.key}")
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(SPACE)
        chosen.changed.connect(self._changed)

    def refresh(self) -> None:
        """Show the chosen runs as they are now."""
        raise NotImplementedError

    def rest(self) -> None:
        """The part went out of sight: end what it does."""

    def _changed(self) -> None:
        if self.isVisible():
            self.refresh()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.rest()
