"""Traversals: what each dimension of a latent space does."""

from __future__ import annotations

import numpy as np
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from dgm_studio.number_texts import indexed
from dgm_studio.questions.latent import Embedding
from widgets.explorers.latent_tools import LatentTool
from widgets.explorers.parts import Caption, Segments
from widgets.explorers.picture_rows import FOOT, MOST_ROWS, PictureRows
from widgets.theme import SPACE

STEPS = np.linspace(-3, 3, 9)  # scales to each side


class Traversals(LatentTool):
    """A row for each of the dimensions with most KL; the others stay where the handle is."""

    key = "traversals"
    title = "Traversals"
    tip = "What each dimension does: a row of pictures for each, those with most KL first (T)"

    def __init__(self, with_kl: bool) -> None:
        super().__init__()
        self.grid = PictureRows(len(STEPS), "traversalGrid", "Traversals: a row for each dimension")
        self.grid.setToolTip("Click: move the handle there. Arrow keys go through rows and values.")
        self.grid.picked.connect(self._pick)
        self.grid.resized.connect(self._resized)
        self._rows = 0
        self._shown: list[tuple[int, np.ndarray]] = []  # dimensions and their values, as asked
        self._scale = Segments(
            [
                ("prior", "p(z)", "From −3 to 3 standard deviations of p(z) around its mean"),
                (
                    "posterior",
                    "q(z|x)",
                    "From −3 to 3 standard deviations of q(z | x), averaged over the data, around the handle",
                ),
            ],
            "traversalScale",
        )
        self._scale.chosen.connect(lambda key: self.changed.emit())
        self._scales = scale = QWidget(visible=with_kl)
        row = QHBoxLayout(scale)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE)
        row.addWidget(Caption("Standard deviations of"))
        row.addWidget(self._scale)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addWidget(scale)
        column.addWidget(self.grid, 1)

    def wanted_height(self, width: int, most: int) -> int:
        above = self.sizeHint().height() - self.grid.sizeHint().height()
        cell = self.grid.cell_for(width)
        rows = max(1, min(len(self.z), MOST_ROWS, int((most - above - FOOT) // cell)))
        return above + round(rows * cell + 0.5) + FOOT

    def learn(self, embedding: Embedding) -> None:
        super().learn(embedding)
        self._scales.setVisible(self._has_spread)
        self.changed.emit()

    def follow(self, z: np.ndarray) -> None:
        super().follow(z)
        if self.isVisible():
            self.changed.emit()

    @property
    def _has_spread(self) -> bool:
        """Whether data are encoded to more than points."""
        return self.embedding is not None and bool(self.embedding.scale.any())

    @property
    def dimensions(self) -> np.ndarray:
        """Those in view, the most informative first."""
        size = len(self.z)
        kl = None if self.embedding is None else self.embedding.kl
        order = np.arange(size) if kl is None else np.argsort(-kl, kind="stable")
        return order[: self.grid.rows()]

    def values(self, dimension: int) -> np.ndarray:
        """The values along one dimension, where the prior has a density: (STEPS,)."""
        assert self.prior is not None
        if self._scale.key == "posterior" and self.embedding is not None and self._has_spread:
            values = self.z[dimension] + STEPS * self.embedding.scale[dimension]
        else:
            values = self.prior.mean[dimension] + STEPS * self.prior.scale[dimension]
        return np.clip(values, self.prior.lowest[dimension], self.prior.highest[dimension])

    def places(self) -> np.ndarray | None:
        if self.prior is None:
            return None
        self._shown = [(int(d), self.values(int(d))) for d in self.dimensions]
        places = np.tile(self.z, (len(self._shown), len(STEPS), 1))
        for row, (dimension, values) in enumerate(self._shown):
            places[row, :, dimension] = values
        return places.reshape(-1, len(self.z))

    def show_decoded(self, x: np.ndarray) -> None:
        kl = None if self.embedding is None else self.embedding.kl
        self.grid.labels = [(indexed("z", d), "" if kl is None else f"KL {kl[d]:.2f}") for d, _ in self._shown]
        self.grid.marks = [int(np.abs(values - self.z[d]).argmin()) for d, values in self._shown]
        around = self._scale.key == "posterior" and self._has_spread
        middle = "here" if around else "mean"
        self.grid.foot = [f"{step:+g}".replace("-", "−") if step else middle for step in STEPS]
        self.grid.show_rows(x.reshape(-1, len(STEPS), *x.shape[1:]))

    def _pick(self, row: int, column: int) -> None:
        dimension, values = self._shown[row]
        z = self.z.copy()
        z[dimension] = values[column]
        self.moved.emit(z)

    def _resized(self) -> None:
        if self.grid.rows() != self._rows:
            self._rows = self.grid.rows()
            self.changed.emit()
