"""Samples of text, below each other."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QTextBlockFormat, QTextCursor
from PySide6.QtWidgets import QSizePolicy, QTextEdit, QWidget

from widgets.theme import SPACE, look

SHOWN = 64  # texts at most
LINE = "\u2028"  # breaks a line within a paragraph


class TextSamples(QTextEdit):
    """Texts in a font of equal widths, every second one on a shaded ground, so that it is seen where one ends."""

    def __init__(self, minimum: int = 64, parent: QWidget | None = None) -> None:
        super().__init__(parent, readOnly=True)
        self.setProperty("mono", True)
        self.setMinimumSize(minimum, minimum)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setUndoRedoEnabled(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)  # that of the view of samples opens
        self._texts: list[str] = []
        look.changed.connect(self._lay_out)

    def show_texts(self, texts: list[str]) -> None:
        """Show these, scrolled to where the last ones were."""
        if texts[:SHOWN] != self._texts:
            self._texts = texts[:SHOWN]
            self._lay_out()

    def _lay_out(self) -> None:
        bar = self.verticalScrollBar()
        at = bar.value()
        self.clear()
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        for place, text in enumerate(self._texts):
            form = QTextBlockFormat()
            form.setTopMargin(SPACE // 2)
            form.setBottomMargin(SPACE // 2)
            if place % 2:
                form.setBackground(QColor(look.theme.panel))
            if place:
                cursor.insertBlock(form)
            else:
                cursor.setBlockFormat(form)
            cursor.insertText(text.rstrip().replace("\n", LINE))
        cursor.endEditBlock()
        bar.setValue(at)
