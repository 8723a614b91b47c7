"""A way through a latent space: pins, and pictures on the way between them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PySide6.QtCore import QPointF, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from dgm_studio.questions.latent import interpolate
from widgets.explorers.parts import Choice, button
from widgets.picture_view import PictureView
from widgets.pictures import tile
from widgets.theme import SPACE

PICTURES = 10
FINE = 32  # places on each leg


class Walk(QWidget):
    """The pins and a strip of pictures. With one pin the way leads from it to the handle, with more through the pins.

    Hidden while there is no pin. `changed` follows each change of the way by hand; `picked(z)` is a place that was
    clicked in the strip of a way between pins.
    """

    changed = Signal()
    picked = Signal(object)

    def __init__(self, with_pictures: bool) -> None:
        super().__init__(visible=False)
        self.setObjectName("walk")
        self.pins: list[np.ndarray] = []
        self._choice = Choice(
            [("lerp", "lerp", "Along the straight line"), ("slerp", "slerp", "Along the great arc (White, 2016)")],
            "way",
        )
        self._choice.chosen.connect(lambda key: self.changed.emit())
        self.strip = PictureView(minimum=40)
        self.strip.setObjectName("strip")
        self.strip.setToolTip("What the way between the pins decodes to. With two pins or more: click to go there.")
        self.strip.setFixedHeight(44)
        self.strip.setVisible(with_pictures)
        self.strip.pressed.connect(self._pick)
        clear: QPushButton = button("Clear", "unpin", "Take all pins away", self.clear)
        clear.setProperty("flat", True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE)
        row.addWidget(self._choice)
        row.addWidget(self.strip, 1)
        row.addWidget(clear)

    def add(self, z: np.ndarray) -> None:
        self.pins.append(z.copy())
        self.show()
        self.changed.emit()

    def clear(self) -> None:
        self.pins.clear()
        self.hide()
        self.changed.emit()

    def way(self, handle: np.ndarray) -> np.ndarray:
        """The way, finely: (N, L); at least one pin is needed."""
        stops = self.pins if len(self.pins) > 1 else [*self.pins, handle]
        spherical = self._choice.key == "slerp"
        legs = [interpolate(a, b, FINE + 1, spherical)[:-1] for a, b in pairwise(stops)]
        return np.concatenate([*legs, stops[-1][None]])

    def stations(self, handle: np.ndarray) -> np.ndarray:
        """The places whose pictures the strip shows: (PICTURES, L)."""
        way = self.way(handle)
        return way[np.linspace(0, len(way) - 1, PICTURES).round().astype(int)]

    def show_pictures(self, pictures: np.ndarray) -> None:
        """(PICTURES, C, H, W)."""
        self.strip.show_picture(tile(pictures, PICTURES, gap=max(1, pictures.shape[-1] // 12)))

    def _pick(self, place: QPointF) -> None:
        if len(self.pins) < 2 or self.strip.picture is None:
            return
        share = place.x() / self.strip.picture.shape[2]
        if 0 <= share < 1:
            stations = self.stations(self.pins[-1])
            self.picked.emit(stations[int(share * PICTURES)])
