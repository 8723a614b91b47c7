"""What a person holds of chains: pixels, hidden units, a class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject, Signal

from dgm_studio.questions.chains import Hold
from widgets.past import Past


class Holding(QObject):
    """What is held now, and was before: changes by hand can be taken back. `changed(Hold)`; `remembered()` when there
    is more to take back, as a stroke begins."""

    changed = Signal(object)
    remembered = Signal()

    def __init__(self, shape: tuple[int, ...], parent: QObject) -> None:
        """`shape`: of an example."""
        super().__init__(parent)
        self.now = Hold.nothing(shape)
        self._past: Past[Hold] = Past()

    @property
    def can_undo(self) -> bool:
        return self._past.can_undo

    def undo(self) -> None:
        if self._past.can_undo:
            self.become(self._past.undo(self.now))

    def remember(self) -> None:
        """What changes from now on is one step that can be taken back."""
        self._past.leave(self.now)
        self.remembered.emit()

    def change(self, hold: Hold) -> None:
        """Hold something else, by hand."""
        self.remember()
        self.become(hold)

    def become(self, hold: Hold) -> None:
        """Hold something else, as part of what was remembered last or from elsewhere."""
        self.now = hold
        self.changed.emit(hold)

    def begin(self, layers: tuple[tuple[int, ...], ...]) -> None:
        """The model has hidden layers of these shapes: none of their units is held, and no change can be taken back."""
        self._past.clear()
        self.become(replace(self.now, units=tuple(np.full(shape, np.nan, np.float32) for shape in layers)))

    def forget_pixels(self) -> None:
        """Other chains begin: their pixels are free. It can be taken back, but nothing changes that is shown."""
        if self.now.pixels.any():
            self.remember()
            self.now = self.now.without_pixels(np.ones(self.now.pixels.shape[-2:], bool))

    def toggle_unit(self, layer: int, unit: int, off: float) -> None:
        """Free, on, off, and free again."""
        units = self.now.units[layer].copy()
        flat = units.reshape(-1)
        flat[unit] = 1 if np.isnan(flat[unit]) else off if flat[unit] == 1 else np.nan
        self.change(self.now.with_layer(layer, units))

    def hold_layer(self, layer: int, units: np.ndarray) -> None:
        """Hold all units of a hidden layer as `units` says, in any shape."""
        self.change(self.now.with_layer(layer, units.reshape(self.now.units[layer].shape)))

    def let_all_go(self) -> None:
        units = tuple(np.full_like(u, np.nan) for u in self.now.units)
        nothing = Hold.nothing(self.now.pixels.shape)
        self.change(replace(nothing, units=units, everywhere=self.now.everywhere))
