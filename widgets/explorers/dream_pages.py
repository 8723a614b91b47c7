"""The right side of Dream: a page for each of the things that a model's chains let one see."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedLayout, QVBoxLayout, QWidget

from models.capabilities import BoundsFreeEnergy, HasFilters, HasFreeEnergy, HasHiddenLayers, LearnsInPhases
from models.spec import DataSpec
from widgets.explorers.dream_parts import ClassBars, Trace
from widgets.explorers.parts import HeadedCard, Segments
from widgets.explorers.units_panel import FiltersPanel, UnitsPanel
from widgets.picture_grid import PictureGrid
from widgets.theme import SPACE

CHAINS, UNITS, FILTERS, TRACES = "chains", "units", "filters", "traces"
TIPS = {
    CHAINS: "The other chains",
    UNITS: "The hidden units of the first chain",
    FILTERS: "What hidden units do, as a grid",
    TRACES: "Energy and free energy of the chains",
}


class DreamPages(QWidget):
    """The other chains and the class; hidden units; filters; traces. Only what the model has. `turned()` when another
    page is seen."""

    turned = Signal()

    def __init__(self, model: type, spec: DataSpec) -> None:
        super().__init__()
        self._has_filters = issubclass(model, HasFilters)
        self.others = PictureGrid(minimum=120)
        self.others.setObjectName("chains")
        self.bars = ClassBars(spec.class_names)
        self.units = UnitsPanel() if issubclass(model, HasHiddenLayers) else None
        self.filters = FiltersPanel() if issubclass(model, (HasFilters, HasHiddenLayers)) else None
        self.traces = _traces(model)
        chains = HeadedCard("Other chains")
        chains.column.addWidget(self.others, 1)
        self._class_card = HeadedCard("Class", "P(class | x) of the first chain")
        self._class_card.column.addWidget(self.bars)
        self._class_card.hide()
        made: dict[str, tuple[str, QWidget]] = {CHAINS: ("Chains", _column((chains, 1), (self._class_card, 0)))}
        if self.units is not None:
            made[UNITS] = ("Units", self.units)
        if self.filters is not None:
            made[FILTERS] = ("Filters", self.filters)
            self.filters.chosen.connect(self._go_to_unit)
        if self.traces:
            made[TRACES] = ("Traces", _column(*((trace, 1) for trace in self.traces)))
        self._choice = Segments([(key, title, TIPS[key]) for key, (title, _) in made.items()], "page")
        self._choice.chosen.connect(self.turn)
        self._choice.setVisible(len(made) > 1)
        self._page_of = {key: page for key, (_, page) in made.items()}
        self._stack = QStackedLayout()
        for page in self._page_of.values():
            self._stack.addWidget(page)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addWidget(self._choice)
        column.addLayout(self._stack, 1)

    @property
    def keys(self) -> list[str]:
        return list(self._page_of)

    def turn(self, key: str) -> None:
        """Show a page."""
        self._choice.choose(key)
        self._stack.setCurrentWidget(self._page_of[key])
        self.turned.emit()

    def set_layers(self, shapes: tuple[tuple[int, ...], ...], off: float) -> None:
        """The hidden layers of the model that was built, which may have none, and the value of units that are off."""
        if self.units is not None:
            self._choice.offer(UNITS, bool(shapes))
            self.units.set_layers(shapes, off)
        if self.filters is not None:
            self._choice.offer(FILTERS, bool(shapes) or self._has_filters)
            self.filters.layers.set_layers(shapes)

    def show_classes(self, probabilities: np.ndarray | None) -> None:
        """P(class | x) of the first chain; None where the model says nothing of classes."""
        if probabilities is not None:
            self.bars.show_values(probabilities)
        self._class_card.setVisible(probabilities is not None)

    def _go_to_unit(self, unit: int) -> None:
        if self.units is not None and self.filters is not None:
            self.turn(UNITS)
            self.units.look_at(self.filters.layer, unit)


def _column(*parts: tuple[QWidget, int]) -> QWidget:
    """Widgets with their stretch below each other."""
    page = QWidget()
    column = QVBoxLayout(page)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(SPACE)
    for part, stretch in parts:
        column.addWidget(part, stretch)
    return page


def _traces(model: type) -> list[Trace]:
    traces = []
    if issubclass(model, LearnsInPhases) and issubclass(model, HasHiddenLayers):
        traces.append(Trace("Energy", "energy", "E(v, h), nats", lambda frame: frame.energy))
    if issubclass(model, HasFreeEnergy):
        traces.append(Trace("Free energy", "freeEnergy", "F(x), nats", lambda frame: frame.free_energy))
    elif issubclass(model, BoundsFreeEnergy):
        traces.append(Trace("Free energy bound", "freeEnergy", "F(x) at most, nats", lambda frame: frame.free_energy))
    return traces
