"""A dialog in which a distribution is drawn."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPushButton, QSlider, QVBoxLayout, QWidget

from dgm_studio.datasets.drawn import HEAVIEST, patches, read_drawing, write_drawing
from widgets.building import label
from widgets.drawing_pad import DrawingPad
from widgets.explorers.parts import Segments, button
from widgets.theme import SPACE

BRUSHES = {"fine": 1.0, "medium": 3.0, "broad": 6.0}  # diameters in cells


class DrawingDialog(QDialog):
    """Draws, and hands the drawing as text to `use` when it is accepted. It does not block the window."""

    def __init__(self, parent: QWidget, text: str, accept: str, use: Callable[[str], None]) -> None:
        super().__init__(parent)
        self.setObjectName("drawingDialog")
        self.setWindowTitle("Draw a distribution")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._use = use
        self.pad = DrawingPad(read_drawing(text))
        self.pad.changed.connect(self._follow)
        tips = {"fine": "One cell", "medium": "Three cells wide", "broad": "Six cells wide"}
        self._brush = Segments([(key, key.capitalize(), tips[key]) for key in BRUSHES], "brush")
        self._brush.choose("medium")
        self._brush.chosen.connect(self._take_brush)
        self._mode = Segments(
            [
                ("paint", "Paint", "The left button paints"),
                ("erase", "Erase", "The left button erases, too"),
            ],
            "mode",
        )
        self._mode.chosen.connect(self._take_brush)
        self._weight = QSlider(Qt.Orientation.Horizontal, objectName="weight")
        self._weight.setRange(1, HEAVIEST)
        self._weight.setValue(HEAVIEST)
        self._weight.setFixedWidth(12 * SPACE)
        self._weight.setAccessibleName("Weight")
        self._weight.setToolTip(f"How much probability a cell gets, 1 to {HEAVIEST}, compared with others")
        self._weight.valueChanged.connect(self._take_brush)
        self._undo = button("Undo", "undoStroke", "Take back the last stroke (Ctrl+Z)", self.pad.undo)
        self._redo = button("Redo", "redoStroke", "Draw it again (Ctrl+Shift+Z)", self.pad.redo)
        self._clear = button("Clear", "clearDrawing", "Begin with nothing", self.pad.clear)
        tools, end = QHBoxLayout(), QHBoxLayout()
        for part in (self._mode, self._brush, label("weight", "muted"), self._weight):
            tools.addWidget(part)
        tools.addStretch(1)
        self._about = label("", "small", "drawingAbout", wrap=True)
        self._accept = QPushButton(accept, objectName="useDrawing")
        self._accept.setProperty("primary", True)
        self._accept.clicked.connect(self.accept)
        cancel = QPushButton("Cancel")
        cancel.clicked.connect(self.reject)
        for part in (self._undo, self._redo, self._clear):
            end.addWidget(part)
        end.addStretch(1)
        end.addWidget(cancel)
        end.addWidget(self._accept)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        column.setSpacing(SPACE)
        column.addLayout(tools)
        column.addWidget(self.pad, 1)
        column.addWidget(self._about)
        column.addLayout(end)
        for keys, act in (
            (QKeySequence.StandardKey.Undo, self.pad.undo),
            (QKeySequence.StandardKey.Redo, self.pad.redo),
        ):
            QShortcut(keys, self).activated.connect(act)
        self._take_brush()
        self._follow()
        self.pad.setFocus()

    def accept(self) -> None:
        self._use(write_drawing(self.pad.weights))
        super().accept()

    def _take_brush(self, _: object = None) -> None:
        self.pad.brush, self.pad.erases = BRUSHES[self._brush.key], self._mode.key == "erase"
        self.pad.weight = self._weight.value()
        self.pad.update()

    def _follow(self) -> None:
        self._undo.setEnabled(self.pad.can_undo)
        self._redo.setEnabled(self.pad.can_redo)
        weights = self.pad.weights
        drawn = int((weights > 0).sum())
        self._clear.setEnabled(drawn > 0)
        self._accept.setEnabled(drawn > 0)
        many = int(patches(weights).max())
        self._about.setText(
            f"A mixture of {drawn} round Gaussians, one at each cell, in {many} connected "
            f"{'patch' if many == 1 else 'patches'}: its density is known exactly."
            if drawn
            else "Nothing is drawn yet."
        )


def show_drawing(parent: QWidget, text: str, accept: str, use: Callable[[str], None]) -> DrawingDialog:
    """Draw, beginning with `text`; `accept` is what the button says that hands it to `use`."""
    dialog = DrawingDialog(parent.window(), text, accept, use)
    dialog.resize(520, 620)
    dialog.show()
    return dialog
