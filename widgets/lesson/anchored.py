"""A page that is read while it grows: what comes above the place that is read does not move it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QScrollArea, QWidget

from widgets.building import frameless


class Anchored(QScrollArea):
    """Scrolls vertically, and holds the block that is read where it is, whatever becomes of the height of others. That
    is the first one that begins in the upper half of what is seen, or else the one that began above it."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, widgetResizable=True)
        self.setObjectName(name)
        frameless(self)
        self._blocks: Sequence[QWidget] = ()
        self._held: QWidget | None = None
        self._above = 0  # px of the block that is held above what is seen; negative below the upper edge
        self._height = 1  # px of it, then
        bar = self.verticalScrollBar()
        bar.valueChanged.connect(self._scrolled)
        bar.rangeChanged.connect(self._hold)

    def show_blocks(self, content: QWidget, blocks: Sequence[QWidget]) -> None:
        """Show another page, from its top. `blocks` are parts of the content from top to bottom."""
        self._blocks, self._held = (), None
        content.setProperty("plain", True)
        self.setWidget(content)
        self.verticalScrollBar().setValue(0)
        self._blocks = blocks

    def _place(self) -> int:
        """The value of the bar at which the block that is held is where it was; what is in a block whose lines break
        elsewhere now is as far down in it as it was."""
        assert self._held is not None
        above = self._above * self._held.height() // self._height if self._above > 0 else self._above
        return self._top(self._held) + above

    def _top(self, block: QWidget) -> int:
        return block.mapTo(self.widget(), QPoint()).y()

    def _scrolled(self, value: int) -> None:
        bar = self.verticalScrollBar()
        if self._held is not None and value == min(max(self._place(), bar.minimum()), bar.maximum()):
            return  # the block that is held is where it was, or as near as can be
        shown = [block for block in self._blocks if block.isVisibleTo(self.widget())]
        tops = [self._top(block) for block in shown]
        half = value + self.viewport().height() // 2
        below = (block for block, top in zip(shown, tops, strict=True) if value <= top < half)
        above = (block for block, top in zip(reversed(shown), reversed(tops), strict=True) if top < value)
        self._held = next(below, None) or next(above, None)
        if self._held is not None:
            self._above, self._height = value - self._top(self._held), max(self._held.height(), 1)

    def _hold(self) -> None:
        """The height of something has changed."""
        if self._held is not None:
            self.verticalScrollBar().setValue(self._place())
