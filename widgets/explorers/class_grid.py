"""Classes: what a code becomes as an example of each class."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout

from dgm_studio.questions.latent import PriorView
from widgets.explorers.latent_tools import LatentTool
from widgets.explorers.picture_rows import FOOT, PictureRows
from widgets.theme import SPACE

COLUMNS = 16
SMALLEST = 20.0  # px, a picture and its margin: many classes shall have room


class ClassGrid(LatentTool):
    """A row for each class and a column for each code: where the handle is, then draws of the prior.

    `chosen(class)`: a person goes to another class with it."""

    key = "class-grid"
    title = "Classes"
    tip = "The same codes as examples of every class: a row for each class (C)"
    chosen = Signal(int)

    def __init__(self, class_names: tuple[str, ...]) -> None:
        super().__init__()
        self._names = class_names
        self.label = 0  # that the handle's picture is of
        self.grid = PictureRows(COLUMNS, "classGrid", "Classes: a row for each, a column for each code")
        self.grid.setToolTip("Click: go to that code and class. Arrow keys go through rows and columns.")
        self.grid.smallest, self.grid.fitted = SMALLEST, len(class_names)
        self.grid.picked.connect(self._pick)
        self.grid.resized.connect(self._ask_if_others_fit)
        self._shown = np.zeros(0, np.int64)  # classes, as asked
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addWidget(self.grid, 1)

    def wanted_height(self, width: int, most: int) -> int:
        return min(most, round(len(self._names) * self.grid.cell_for(width) + 0.5) + FOOT)

    def follow(self, z: np.ndarray) -> None:
        super().follow(z)
        if self.isVisible():
            self.changed.emit()

    def set_label(self, label: int) -> None:
        """The handle's picture is of another class."""
        self.label = label
        self.changed.emit()

    @property
    def classes(self) -> np.ndarray:
        """Those there is room for, the handle's among them."""
        count = min(len(self._names), self.grid.rows())
        begin = int(np.clip(self.label - count // 2, 0, len(self._names) - count))
        return np.arange(begin, begin + count)

    def codes(self, prior: PriorView) -> np.ndarray:
        """(COLUMNS, L)."""
        return np.concatenate([self.z[None], prior.draws[: COLUMNS - 1]])

    def places(self) -> np.ndarray | None:
        if self.prior is None:
            return None
        self._shown = self.classes
        return np.tile(self.codes(self.prior), (len(self._shown), 1))

    def labels(self) -> np.ndarray:
        return np.repeat(self._shown, COLUMNS)

    def show_decoded(self, x: np.ndarray) -> None:
        self.grid.labels = [(self._names[k], "") for k in self._shown.tolist()]
        self.grid.marks = [0 if k == self.label else -1 for k in self._shown.tolist()]
        self.grid.foot = ["here"]
        self.grid.show_rows(x.reshape(-1, COLUMNS, *x.shape[1:]))
        self._ask_if_others_fit()

    def _pick(self, row: int, column: int) -> None:
        if self.prior is not None:
            self.chosen.emit(int(self._shown[row]))
            self.moved.emit(self.codes(self.prior)[column])

    def _ask_if_others_fit(self) -> None:
        if not np.array_equal(self._shown, self.classes):
            self.changed.emit()
