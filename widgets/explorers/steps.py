"""Where a handle was before a person moved it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from widgets.past import Past

KEPT = 100  # steps that can be taken back
RESTS = 400  # ms after a move until the next one is a step of its own, unless a button of the mouse is held


class Steps(QObject):
    """A history of places (L,). One drag is one step, and so are moves by keys in quick succession."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._past: Past[np.ndarray] = Past(KEPT)
        self._begun = False  # a step that further moves belong to
        self._rest = QTimer(self, singleShot=True, interval=RESTS)
        self._rest.timeout.connect(self._rested)

    @property
    def can_undo(self) -> bool:
        return self._past.can_undo

    @property
    def can_redo(self) -> bool:
        return self._past.can_redo

    def clear(self) -> None:
        self._past.clear()
        self.end()

    def leave(self, place: np.ndarray, whole: bool = False) -> None:
        """A person moves away from here; `whole`: the move is a step by itself."""
        if whole or not self._begun:
            self._past.leave(place.copy())
        self._begun = not whole
        self._rest.start()

    def end(self) -> None:
        """Whatever comes next is a new step."""
        self._begun = False
        self._rest.stop()

    def undo(self, place: np.ndarray) -> np.ndarray:
        """The place before this one."""
        self.end()
        return self._past.undo(place.copy())

    def redo(self, place: np.ndarray) -> np.ndarray:
        """The place that was left by `undo`."""
        self.end()
        return self._past.redo(place.copy())

    def _rested(self) -> None:
        if QApplication.mouseButtons():
            self._rest.start()
        else:
            self._begun = False
