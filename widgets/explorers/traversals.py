"""Traversals: what each dimension of a latent space does."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from dgm_studio.questions.latent import Embedding
from widgets.explorers.latent_tools import LatentTool
from widgets.explorers.parts import Caption, Choice, subscript
from widgets.pictures import to_image
from widgets.theme import SPACE, look, tabular

STEPS = np.linspace(-3, 3, 9)  # scales to each side
LABEL = 68  # px, beside each row
FOOT = 16  # px, what the columns are
LEAST = 36  # px, a picture
MOST_ROWS = 12


class TraversalGrid(QWidget):
    """Pictures in rows (dimensions) and columns (values). `picked(row, column)` by a click or the arrow keys."""

    picked = Signal(int, int)
    resized = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("traversalGrid")
        self.setAccessibleName("Traversals: a row for each dimension")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(FOOT)
        self.pictures = np.zeros((0, len(STEPS), 1, 1, 1), np.float32)
        self.labels: list[tuple[str, str]] = []
        self.marks: list[int] = []  # of each row the column that the handle is nearest to
        self.foot: list[str] = []
        self.row = 0
        look.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(LABEL + LEAST * len(STEPS), 4 * (LEAST + 2) + FOOT)

    def cell_for(self, width: int) -> float:
        """The side of a picture and its margin, in pixels."""
        return max(8.0, min((width - LABEL) / len(STEPS), 64.0))

    def cell(self) -> float:
        return self.cell_for(self.width())

    def rows(self) -> int:
        """How many rows there is room for."""
        return int(np.clip((self.height() - FOOT) // self.cell(), 1, MOST_ROWS))

    def show_rows(self, pictures: np.ndarray) -> None:
        """(rows, columns, C, H, W)."""
        self.pictures = pictures
        self.row = min(self.row, max(0, len(pictures) - 1))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        font = tabular(self.font())
        font.setPixelSize(12)
        painter.setFont(font)
        cell, theme = self.cell(), look.theme
        middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        for row, (pictures, (name, note)) in enumerate(zip(self.pictures, self.labels, strict=False)):
            top = row * cell
            chosen = self.hasFocus() and row == self.row
            painter.setPen(QColor(theme.accent if chosen else theme.text))
            split = cell / 2 if note else cell
            painter.drawText(QRectF(0, top, LABEL, split), middle, name)
            painter.setPen(QColor(theme.muted))
            painter.drawText(QRectF(0, top + split, LABEL, cell - split), middle, note)
            for column, picture in enumerate(pictures):
                image = to_image(picture)
                scale = (cell - 4) / max(image.width(), image.height())
                scale = int(scale) if scale >= 3 else scale  # sharp, where that costs little room
                width, height = image.width() * scale, image.height() * scale
                left = LABEL + column * cell
                at = QRectF(left + (cell - width) / 2, top + (cell - height) / 2, width, height)
                painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, scale < 1)
                painter.drawImage(at, image)
                near = row < len(self.marks) and column == self.marks[row]
                painter.setPen(QPen(QColor(theme.accent if near else theme.border), 2 if near else 1))
                painter.drawRect(at.adjusted(-1, -1, 0, 0))
        painter.setPen(QColor(theme.muted))
        below = len(self.pictures) * cell
        for column, text in enumerate(self.foot):
            place = QRectF(LABEL + column * cell, below, cell, FOOT)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            place = event.position()
            self._pick(int(place.y() // self.cell()), int((place.x() - LABEL) // self.cell()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        rows, row = len(self.pictures), self.row
        column = self.marks[row] if row < len(self.marks) else len(STEPS) // 2
        key = Qt.Key(event.key())
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and rows:
            self.row = (row + (1 if key is Qt.Key.Key_Down else -1)) % rows
            self.update()
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._pick(row, column + (1 if key is Qt.Key.Key_Right else -1))
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.resized.emit()

    def _pick(self, row: int, column: int) -> None:
        if 0 <= row < len(self.pictures) and 0 <= column < len(STEPS):
            self.row = row
            self.update()
            self.picked.emit(row, column)


class Traversals(LatentTool):
    """A row for each of the dimensions with most KL; the others stay where the handle is."""

    key = "traversals"
    title = "Traversals"
    tip = "What each dimension does: a row of pictures for each, those with most KL first (T)"

    def __init__(self, with_kl: bool) -> None:
        super().__init__()
        self.grid = TraversalGrid()
        self.grid.setToolTip("Click: move the handle there. Arrow keys go through rows and values.")
        self.grid.picked.connect(self._pick)
        self.grid.resized.connect(self._resized)
        self._rows = 0
        self._shown: list[tuple[int, np.ndarray]] = []  # dimensions and their values, as asked
        self._scale = Choice(
            [
                ("prior", "p(z)", "From -3 to 3 standard deviations of p(z) around its mean"),
                (
                    "posterior",
                    "q(z|x)",
                    "From -3 to 3 standard deviations of q(z | x), averaged over the data, around the handle",
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
        self.grid.labels = [(f"z{subscript(d + 1)}", "" if kl is None else f"KL {kl[d]:.2f}") for d, _ in self._shown]
        self.grid.marks = [int(np.abs(values - self.z[d]).argmin()) for d, values in self._shown]
        around = self._scale.key == "posterior" and self._has_spread
        self.grid.foot = [f"{step:+g}" if step else ("here" if around else "mean") for step in STEPS]
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
