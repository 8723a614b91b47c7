"""Pictures beside each other, of which a person picks one."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, Signal

from widgets.picture_view import PictureView
from widgets.pictures import tile

HEIGHT = 44  # px


class PictureStrip(PictureView):
    """One row. `picked(place)` when a person clicks on a picture."""

    picked = Signal(int)

    def __init__(self, name: str, title: str, tip: str) -> None:
        super().__init__(minimum=40)
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setToolTip(tip)
        self.setFixedHeight(HEIGHT)
        self._count = 0
        self.pressed.connect(self._pick)

    def show_pictures(self, pictures: np.ndarray) -> None:
        """(N, C, H, W), values in 0…1 or uint8."""
        self._count = len(pictures)
        self.show_picture(tile(pictures, self._count, gap=max(1, pictures.shape[-1] // 12)))

    def _pick(self, place: QPointF) -> None:
        if self.picture is None:
            return
        share = place.x() / self.picture.shape[2]
        if 0 <= share < 1:
            self.picked.emit(int(share * self._count))
