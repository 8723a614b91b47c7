"""What stands below the latent map when it is asked for: paths, traversals, attributes."""

from __future__ import annotations

from time import monotonic
from typing import ClassVar

import numpy as np
from PySide6.QtCore import QEvent, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QStackedWidget, QWidget

from dgm_studio.questions.latent import DecodeMany, Embedding, PriorView
from widgets.explorers.base import Explorer
from widgets.theme import SPACE

SHARE = 0.42  # of the card's height, the most that a tool takes from the map
SOONEST, LATEST = 30, 400  # ms between two questions of the tool in view, by how long an answer takes


class LatentTool(QWidget):
    """One of them. It says which places it wants decoded and is shown what they decode to, in the same order.

    `changed`: other places; `moved(z)`: a person goes to z with it."""

    key: ClassVar[str]
    title: ClassVar[str]
    tip: ClassVar[str]
    changed = Signal()
    moved = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName(self.key)
        self.prior: PriorView | None = None
        self.embedding: Embedding | None = None
        self.z = np.zeros(0, np.float32)

    def enter(self, prior: PriorView) -> None:
        """The latent space is known now."""
        self.prior, self.z = prior, prior.mean

    def learn(self, embedding: Embedding) -> None:
        """Where data lie in it, newly."""
        self.embedding = embedding

    def follow(self, z: np.ndarray) -> None:
        """The handle has moved, by whatever."""
        self.z = z

    def places(self) -> np.ndarray | None:
        """What is to be decoded: (N, L); None for nothing."""
        raise NotImplementedError

    def labels(self) -> np.ndarray | None:
        """Of which class each place is to be, (N,); None: of the class that the handle's picture is of."""
        return None

    def show_decoded(self, x: np.ndarray) -> None:
        """What the places that were asked last decode to: (N, *event), pictures in 0…1."""
        raise NotImplementedError

    def close_tool(self) -> None:
        """It is no longer in view."""

    def wanted_height(self, width: int, most: int) -> int:
        """In pixels, where `most` leaves enough room for the map."""
        return self.sizeHint().height()


class ToolBench(QStackedWidget):
    """The tools, of which one is in view or none. `switch` holds a button for each that makes sense; pressing the one
    that is down closes it. `wanted` asks for the places of the tool in view to be decoded, as often as
    answers can follow."""

    wanted = Signal()
    opened = Signal(object)  # the tool, or None

    def __init__(self, tools: dict[LatentTool, bool]) -> None:
        """`tools`: whether each makes sense here."""
        super().__init__()
        self.setObjectName("tools")
        self.tools = [tool for tool, offered in tools.items() if offered]
        self.switch = QWidget()
        row = QHBoxLayout(self.switch)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE // 2)
        self._group = QButtonGroup(self)
        self._group.setExclusive(False)
        self._due = QTimer(self, singleShot=True, interval=SOONEST)
        self._due.timeout.connect(self.wanted)
        self._asked = 0.0
        self.places: np.ndarray | None = None  # that were asked last
        for tool in tools:
            self.addWidget(tool)
        for index, tool in enumerate(self.tools):
            button = QPushButton(tool.title, objectName=f"tool.{tool.key}", checkable=True, toolTip=tool.tip)
            button.setProperty("segment", True)
            self._group.addButton(button, index)
            button.clicked.connect(lambda down, tool=tool: self.open(tool if down else None))
            row.addWidget(button)
            tool.changed.connect(lambda tool=tool: self._ask_of(tool))
        self.hide()

    @property
    def current(self) -> LatentTool | None:
        """The tool in view."""
        tool = self.currentWidget()
        return tool if self.isVisibleTo(self.parentWidget()) and isinstance(tool, LatentTool) else None

    def open(self, tool: LatentTool | None) -> None:
        """Bring a tool into view, or none."""
        before = self.current
        if before is not None and before is not tool:
            before.close_tool()
        for index, other in enumerate(self.tools):
            self._group.button(index).setChecked(other is tool)
        if tool is not None:
            self.setCurrentWidget(tool)
        self.setVisible(tool is not None)
        self.fit()
        self.opened.emit(tool)
        if tool is not None:
            self._ask_of(tool)

    def open_key(self, key: str) -> None:
        """Bring the tool of that key into view; another key closes."""
        self.open(next((tool for tool in self.tools if tool.key == key), None))

    def event(self, event: QEvent) -> bool:
        done = super().event(event)
        if event.type() is QEvent.Type.LayoutRequest:
            self.fit()
        return done

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit()

    def fit(self) -> None:
        """As high as the tool in view needs."""
        tool, parent = self.current, self.parentWidget()
        if tool is not None and parent is not None:
            height = tool.wanted_height(self.width(), int(SHARE * parent.height()))
            if height != self.height():
                self.setFixedHeight(height)
            tool.setGeometry(self.contentsRect())  # Qt may lay it out only at the next change

    def follow(self, z: np.ndarray) -> None:
        for tool in self.tools:
            tool.follow(z)

    def ask(self, explorer: Explorer, label: int | None) -> None:
        """Let `explorer` ask, as "tool", what the places of the tool in view decode to, of class `label` where it names
        none itself."""
        tool = self.current
        self.places = None if tool is None or tool.prior is None else tool.places()
        if tool is None or self.places is None or not explorer.isVisible():
            explorer.forget("tool")
            return
        self._asked = monotonic()
        labels = tool.labels()
        explorer.ask("tool", DecodeMany(self.places, label if labels is None else labels), standing=True)

    def take(self, z: np.ndarray, x: np.ndarray) -> LatentTool | None:
        """The answer: z (N, L) decode to x (N, *event), in 0…1. Returns the tool that shows it; None where other places
        are wanted by now. The longer it took, the longer the next question waits, so that the handle comes first."""
        if self._asked:
            took = 1000 * (monotonic() - self._asked)
            self._due.setInterval(int(min(max(SOONEST, 2 * took), LATEST)))
        self._asked = 0.0
        tool = self.current
        if tool is None or z is not self.places:
            return None
        tool.show_decoded(x)
        return tool

    def _ask_of(self, tool: LatentTool) -> None:
        if tool is self.current and not self._due.isActive():
            self._due.start()
