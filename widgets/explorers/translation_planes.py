"""Points of two planes: the originals with what came back, and their translations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtWidgets import QHBoxLayout, QWidget

from dgm_studio.datasets.base import Dataset
from dgm_studio.number_texts import indexed
from dgm_studio.questions.translations import Translations
from widgets.explorers.map_points import PointGroup, PointsItem, class_groups
from widgets.explorers.map_view import MapView, still_map
from widgets.theme import look

DATA = 2000  # points of each domain that are shown behind


class TranslationPlanes(QWidget):
    """The same colour is the same class of original; rings are what came back, grey dots the data."""

    def __init__(self) -> None:
        super().__init__()
        self.here = self._plane("originals", "Originals", "Dots: the originals. Rings of their colour: what came back.")
        tip = "Dots: the translations, in the colour of the original. Grey: data."
        self.there = self._plane("translated", "Translations", tip)
        self.rings = PointsItem(size=9.0, hollow=True)
        self.rings.setZValue(2)
        self.here.addItem(self.rings, ignoreBounds=True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for plane in (self.here, self.there):
            row.addWidget(plane, 1)

    def show_found(self, found: Translations, here: Dataset, there: Dataset) -> None:
        """Translations of examples of `here` to `there`."""
        for plane, domain in ((self.here, here), (self.there, there)):
            data = domain.train.x[:DATA].cpu().numpy()
            plane.cloud.set_groups([PointGroup(data, look.theme.muted)])
            reach = float(np.abs(data).max()) * 1.15
            plane.look_at((-reach, -reach, reach, reach))
        for item, points in (
            (self.here.points, found.x),
            (self.there.points, found.made),
            (self.rings, found.again),
        ):
            # without tags, which would hide what they name
            groups = class_groups(points, found.y, here.spec.class_names)
            item.set_groups([replace(group, tag="") for group in groups])

    def look_anew(self) -> None:
        """What is visible is of the data again, and no longer what a person chose."""
        for plane in (self.here, self.there):
            plane.by_hand = False

    def _plane(self, name: str, title: str, tip: str) -> MapView:
        plane = still_map(name, title, dots=6.0)
        plane.setToolTip(tip)
        plane.points.setZValue(1)  # before the data
        plane.set_titles(indexed("x", 0), indexed("x", 1))
        return plane
