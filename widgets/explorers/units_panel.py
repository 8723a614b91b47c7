"""The hidden units of a chain, what the one that is pointed at does, and what the strongest do."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, Signal
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QComboBox, QGridLayout, QWidget

from dgm_studio.number_texts import percent, thousands
from dgm_studio.questions.hidden_units import FilterSheet, UnitPictures
from widgets.colormaps import diverging
from widgets.explorers.parts import Caption, HeadedCard, Segments, button, row_of
from widgets.explorers.unit_grid import UnitGrid, unit_name
from widgets.picture_grid import PictureGrid
from widgets.picture_view import PictureView
from widgets.theme import SPACE, look

LATELY = 0.05  # share of the newest frame in the mean of a unit's states
STATE, MEAN = "state", "mean"


def signed(pictures: np.ndarray) -> np.ndarray:
    """(N, C, H, W), each on a scale of its own that is symmetric about 0, in diverging colours: (N, 3, H, W) uint8."""
    grey = pictures.mean(1)
    largest = np.abs(grey).max(axis=(1, 2), keepdims=True)
    n, height, width = grey.shape
    share = 0.5 + 0.5 * grey / np.maximum(largest, 1e-12)
    return diverging(share.reshape(n * height, width)).reshape(3, n, height, width).transpose(1, 0, 2, 3)


class FramedPicture(PictureView):
    """A picture whose middle colour is that of the card."""

    def paint_over(self, painter: QPainter, target: QRectF) -> None:
        painter.setPen(QPen(QColor(look.theme.border), 1))
        painter.drawRect(target.adjusted(0.5, 0.5, -0.5, -0.5))


class LayerChoice(QComboBox):
    """Which hidden layer is looked at; hidden where there is one."""

    def __init__(self, name: str) -> None:
        super().__init__(objectName=name, toolTip="Which hidden layer is looked at, counted from the pixels")
        self.setAccessibleName("Hidden layer")
        self.hide()

    def set_layers(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        self.clear()
        for number, shape in enumerate(shapes, start=1):
            self.addItem(f"layer {number} · {'×'.join(map(thousands, shape))}")
        self.setVisible(len(shapes) > 1)


class UnitsPanel(HeadedCard):
    """The hidden units of the first chain, and what the one that is pointed at does.

    Signals: `toggled(unit)`; `looked()` at another unit or layer; `held(values)`, a whole layer as it shall be
    held, NaN for a unit that is free, flat.
    """

    toggled = Signal(int)
    looked = Signal()
    held = Signal(object)

    def __init__(self) -> None:
        super().__init__("Hidden units", "press: on, off, free")
        self._shapes: tuple[tuple[int, ...], ...] = ()
        self._off = 0.0
        self._states: list[np.ndarray] = []  # of the first chain
        self._means: list[np.ndarray] = []  # lately
        self._marks: tuple[np.ndarray, ...] = ()
        self._pictures: UnitPictures | None = None
        self._random = np.random.default_rng(0)
        self.layers = LayerChoice("unitLayer")
        self.layers.activated.connect(lambda _: self._change_layer())
        self.grid = UnitGrid()
        self.grid.chosen.connect(lambda unit: self._look())
        self.grid.toggled.connect(self.toggled)
        self._what = Segments(
            [(STATE, "State", "The states that were drawn"), (MEAN, "Mean", "The mean of their states lately")],
            "unitValue",
        )
        self._what.chosen.connect(lambda key: self._show())
        self.alone, self.effect = FramedPicture(minimum=64), FramedPicture(minimum=64)
        self.alone.setObjectName("unitFilter")
        self.effect.setObjectName("unitEffect")
        self._alone, self._effect = Caption(name="filterCaption"), Caption("effect", "effectCaption")
        self.alone.setToolTip("Blue: more, red: less")
        self.effect.setToolTip("E[x | the unit is on] − E[x | it is off], the rest of its layer as it is in the chain")
        self._name = Caption(name="unitName")
        pictures = QGridLayout()
        pictures.setSpacing(SPACE // 2)
        for column, (view, caption) in enumerate(((self.alone, self._alone), (self.effect, self._effect))):
            pictures.addWidget(view, 0, column)
            pictures.addWidget(caption, 1, column)
        pictures.setRowStretch(0, 1)
        self.column.addLayout(row_of(self.layers, self._what, stretch=True))
        self.column.addWidget(self.grid, 3)
        self._holding = QWidget(enabled=False)  # until it is known which layers there are
        self._holding.setLayout(
            row_of(
                button("Hold", "holdLayer", "Hold every unit of this layer as it is now", self._hold_as_it_is),
                button("Random", "randomLayer", "Hold a random state: units on as often as lately", self._hold_random),
                button("Let go", "freeLayer", "Hold no unit of this layer", self._let_go),
            )
        )
        self._holding.layout().setContentsMargins(0, 0, 0, 0)
        self.column.addWidget(self._holding)
        self.column.addWidget(self._name)
        self.column.addLayout(pictures, 2)
        look.changed.connect(self._show_pictures)

    def set_layers(self, shapes: tuple[tuple[int, ...], ...], off: float = 0.0) -> None:
        self._shapes, self._off = shapes, off
        self._states = [np.zeros(shape, np.float32) for shape in shapes]
        self._means = [np.full(shape, np.nan, np.float32) for shape in shapes]
        self.layers.set_layers(shapes)
        self.grid.set_layer(shapes[0] if shapes else (0,))
        self._holding.setEnabled(bool(shapes))

    @property
    def layer(self) -> int:
        return max(0, self.layers.currentIndex())

    @property
    def unit(self) -> int:
        return self.grid.unit

    @property
    def state(self) -> np.ndarray:
        """The layer that is looked at, in the first chain: (*layer)."""
        return self._states[self.layer]

    def look_at(self, layer: int, unit: int) -> None:
        """Go to a unit."""
        if layer != self.layer:
            self.layers.setCurrentIndex(layer)
            self._change_layer()
        self.grid.choose(unit)

    def take(self, hidden: tuple[np.ndarray, ...]) -> None:
        """States of all chains, a frame further."""
        for i, (h, old) in enumerate(zip(hidden, self._means, strict=False)):
            self._means[i] = np.where(np.isnan(old), h[0], (1 - LATELY) * old + LATELY * h[0])
        self.states(hidden)

    def states(self, hidden: tuple[np.ndarray, ...]) -> None:
        """States of all chains, as they became by hand."""
        self._states[: len(hidden)] = [h[0] for h in hidden]
        if self.isVisible():
            self._show()

    def mark(self, units: tuple[np.ndarray, ...]) -> None:
        """Which units are held, layer by layer."""
        self._marks = units
        self._show()

    def show_unit(self, pictures: UnitPictures) -> None:
        self._pictures = pictures
        self._show_pictures()

    def _show(self) -> None:
        if not self._shapes:
            return
        values = self._states if self._what.key == STATE else self._means
        marks = self._marks[self.layer] if len(self._marks) > self.layer else None
        self.grid.show_units(values[self.layer], marks, self._off)
        mean = float(self._means[self.layer].reshape(-1)[self.unit])
        bits = bool(np.isin(self._states[self.layer], (0, 1)).all())  # units of a tanh, say, are not just on or off
        said = f"on in {percent(mean)} of the last frames" if bits else f"{mean:.2f} on average lately"
        name = unit_name(self.unit, self._shapes[self.layer])
        self._name.setText(name if np.isnan(mean) else f"{name} · {said}")

    def _show_pictures(self) -> None:
        found = self._pictures
        if found is None:
            return
        alone, effect = signed(np.stack([found.alone])), signed(np.stack([found.effect]))
        self.alone.show_picture(alone[0])
        self.effect.show_picture(effect[0])
        self._alone.setText(f"{'weights' if found.are_weights else 'alone'} ±{np.abs(found.alone).max():.2g}")
        self._effect.setText(f"effect ±{np.abs(found.effect).max():.2g}")
        self.alone.setToolTip(
            "The weights of the unit" if found.are_weights else "E[x | the unit alone is on] − E[x | none is on]"
        )

    def _change_layer(self) -> None:
        self.grid.set_layer(self._shapes[self.layer])
        self._look()

    def _look(self) -> None:
        self._show()
        self.looked.emit()

    def _hold_as_it_is(self) -> None:
        self.held.emit(self.state.reshape(-1).copy())

    def _hold_random(self) -> None:
        means = self._means[self.layer].reshape(-1)
        often = np.nan_to_num((means - self._off) / (1 - self._off), nan=0.5)
        self.held.emit(np.where(self._random.random(often.size) < often, 1, self._off).astype(np.float32))

    def _let_go(self) -> None:
        self.held.emit(np.full(self.state.size, np.nan, np.float32))


class FiltersPanel(HeadedCard):
    """What the strongest units of a layer do, as a grid. `changed()` when another layer is looked at, `chosen(unit)`
    when one of the pictures is pressed."""

    changed = Signal()
    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__("Filters")
        self.sheet: FilterSheet | None = None
        self.layers = LayerChoice("filterLayer")
        self.layers.activated.connect(lambda _: self.changed.emit())
        self.head.addWidget(self.layers)
        self.grid = PictureGrid(minimum=96)
        self.grid.setObjectName("filters")
        self.grid.setToolTip("The strongest first, each on a scale of its own: blue more, red less")
        self.grid.pressed.connect(self._press)
        self._caption = Caption(name="filtersCaption")
        self._caption.setWordWrap(True)
        self.column.addWidget(self.grid, 1)
        self.column.addWidget(self._caption)
        look.changed.connect(self._show)

    @property
    def layer(self) -> int:
        return max(0, self.layers.currentIndex())

    def take(self, sheet: FilterSheet) -> None:
        self.sheet = sheet
        self._show()

    def _show(self) -> None:
        if self.sheet is None:
            return
        self.grid.show_pictures(signed(self.sheet.pictures))
        many = f"{len(self.sheet.pictures)} strongest units"
        self._caption.setText(
            f"Weights of the {many}." if self.sheet.are_weights else f"E[x | one unit on] − E[x | none], the {many}."
        )

    def _press(self, place: int) -> None:
        if self.sheet is not None and place < len(self.sheet.units) and self.sheet.units[place] >= 0:
            self.chosen.emit(int(self.sheet.units[place]))
