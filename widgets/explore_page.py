"""The explorers that the selected run admits, one at a time."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from widgets.empty import Empty
from widgets.explorers.base import Explorer
from widgets.explorers.catalog import EXPLORERS
from widgets.live import Live
from widgets.theme import SPACE, look
from widgets.workspace import Workspace


class ExplorePage(QWidget):
    """A switch with one segment per explorer. An explorer is made when it is first looked at. `draw_wanted()`: data
    are to be drawn for another run like the selected one."""

    draw_wanted = Signal()

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("explorePage")
        self._live: Live | None = None
        self._kinds: list[type[Explorer]] = []
        self._made: dict[type[Explorer], Explorer] = {}
        self._preferred = ""
        self._choices = workspace.preferences.explored  # of each explorer
        self.switch = QWidget()
        self.switch.setObjectName("explorerSwitch")
        self._segments = QHBoxLayout(self.switch)
        self._segments.setContentsMargins(0, 0, 0, 0)
        self._segments.setSpacing(SPACE // 2)
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self._group.idClicked.connect(self.show_explorer)
        self._empty = Empty(
            "Nothing to explore yet",
            "Train a run or select a trained one. What it learned can be dragged through here, also while it trains.",
            "explore",
        )
        self._stack = QStackedLayout()
        self._stack.addWidget(self._empty)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self._stack)
        workspace.viewing.live_changed.connect(self._follow)
        look.scaled.connect(self._lay_out_again)
        self._follow(workspace.viewing.live)

    @property
    def current(self) -> Explorer | None:
        """The explorer in view."""
        widget = self._stack.currentWidget()
        return widget if isinstance(widget, Explorer) else None

    @property
    def keys(self) -> list[str]:
        """The explorers that the selected run admits."""
        return [kind.key for kind in self._kinds]

    def show_explorer(self, index: int) -> None:
        """Show the explorer of the segment `index`."""
        assert self._live is not None
        kind = self._kinds[index]
        self._preferred = kind.key
        if kind not in self._made:
            self._made[kind] = kind(self._live)
            self._made[kind].leads.connect(self._lead)
            self._made[kind].draw_wanted.connect(self.draw_wanted)
            self._made[kind].restore(self._choices.get(kind.key, {}))
            self._stack.addWidget(self._made[kind])
        for made in self._made.values():  # one out of sight must not decide how small the window can be
            policy = QSizePolicy.Policy.Preferred if made is self._made[kind] else QSizePolicy.Policy.Ignored
            made.setSizePolicy(policy, policy)
        self._stack.setCurrentWidget(self._made[kind])
        self._group.button(index).setChecked(True)

    def choices(self) -> dict[str, dict[str, Any]]:
        """What was chosen in each explorer, as far as it holds for other runs too."""
        for explorer in self._made.values():
            self._choices.setdefault(explorer.key, {}).update(explorer.choices())
        return self._choices

    def _lead(self, key: str, thing: object) -> None:
        """One explorer leads to another."""
        self.show_explorer(self.keys.index(key))
        if self.current is not None:
            self.current.arrive(thing)

    def _lay_out_again(self) -> None:
        """Explorers are laid out by the size of text. (A method: a function would outlive this page.)"""
        self._follow(self._live)

    def _follow(self, live: Live | None) -> None:
        self._live = live
        self._stack.setCurrentWidget(self._empty)
        self.choices()
        for explorer in self._made.values():
            self._stack.removeWidget(explorer)
            explorer.hide()
            explorer.deleteLater()
        self._made = {}
        for button in self._group.buttons():
            self._group.removeButton(button)
            self._segments.removeWidget(button)
            button.hide()
            button.deleteLater()
        self._kinds = []
        if live is None:
            return
        self._kinds = [kind for kind in EXPLORERS if kind.admits(live.model_class, live.learner_class, live.spec)]
        for index, kind in enumerate(self._kinds):
            button = QPushButton(kind.title, checkable=True)
            button.setObjectName(f"segment-{kind.key}")
            button.setProperty("helpPage", f"explorer:{kind.key}")
            button.setProperty("segment", True)
            button.setCursor(Qt.CursorShape.PointingHandCursor)
            self._group.addButton(button, index)
            self._segments.addWidget(button)
        if self._kinds:
            self.show_explorer(self.keys.index(self._preferred) if self._preferred in self.keys else 0)
