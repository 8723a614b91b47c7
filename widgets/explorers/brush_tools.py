"""Tools for marking pixels of an example: which are held, at which value, and which are free."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from widgets.explorers.parts import Choice, SliderRow
from widgets.theme import SPACE

KEEP, WHITE, BLACK, FREE = "keep", "white", "black", "free"


class BrushTools(QWidget):
    """What the brush does, and how large it is. `resized(radius)` in pixels."""

    resized = Signal(float)

    def __init__(self, side: int, tips: dict[str, str]) -> None:
        """`side`: pixels along the longer side of a picture; `tips`: what each tool does, the first is chosen."""
        super().__init__()
        titles = {KEEP: "Keep", WHITE: "White", BLACK: "Black", FREE: "Free"}
        self._choice = Choice([(key, titles[key], tip) for key, tip in tips.items()], "tool")
        self.radius = max(0.5, side / 16)
        size = SliderRow("Brush", 0.5, max(2.0, side / 4), self.radius, "{:.1f} px", name_width=44)
        size.setObjectName("brush")
        size.changed.connect(self._resize)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addWidget(self._choice)
        column.addWidget(size)

    @property
    def tool(self) -> str:
        return self._choice.key

    def choose(self, tool: str) -> None:
        self._choice.choose(tool)

    def _resize(self, radius: float) -> None:
        self.radius = radius
        self.resized.emit(radius)
