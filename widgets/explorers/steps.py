"""Where a handle was before a person moved it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

KEPT = 100  # steps that can be taken back
RESTS = 400  # ms after a move until the next one is a step of its own, unless a button of the mouse is held


class Steps(QObject):
    """A history of places (L,). One drag is one step, and so are moves by keys in quick succession."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._past: list[np.ndarray] = []
        self._future: list[np.ndarray] = []
        self._begun = False  # a step that further moves belong to
        self._rest = QTimer(self, singleShot=True, interval=RESTS)
        self._rest.timeout.connect(self._rested)

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        return bool(self._future)

    def clear(self) -> None:
        self._past, self._future = [], []
        self.end()

    def leave(self, place: np.ndarray, whole: bool = False) -> None:
        """A person moves away from here; `whole`: the move is a step by itself."""
        if whole or not self._begun:
            self._past = [*self._past[1 - KEPT :], place.copy()]
        self._future = []
        self._begun = not whole
        self._rest.start()

    def end(self) -> None:
        """Whatever comes next is a new step."""
        self._begun = False
        self._rest.stop()

    def undo(self, place: np.ndarray) -> np.ndarray:
        """The place before this one."""
        self.end()
        self._future.append(place.copy())
        return self._past.pop()

    def redo(self, place: np.ndarray) -> np.ndarray:
        """The place that was left by `undo`."""
        self.end()
        self._past.append(place.copy())
        return self._future.pop()

    def _rested(self) -> None:
        if QApplication.mouseButtons():
            self._rest.start()
        else:
            self._begun = False
