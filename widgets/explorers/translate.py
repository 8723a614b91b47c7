"""Translate: examples of one domain as examples of the other, and what comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtWidgets import QHBoxLayout, QWidget

from dgm_studio.inference import Answer
from dgm_studio.questions.translations import AskTranslations, Translations
from models.capabilities import Translates
from models.spec import DataSpec, Layout
from widgets.explorers.base import Explorer
from widgets.explorers.map_points import PointGroup, PointsItem, class_groups
from widgets.explorers.map_view import MapView
from widgets.explorers.parts import Caption, Card, Choice, button
from widgets.explorers.translation_rows import TranslationRows
from widgets.live import Live
from widgets.theme import look

COLUMNS = 8
POINTS = 400
EVERY = 150  # ms
THERE, BACK = "there", "back"


class Translate(Explorer):
    """Pictures in columns: the original, its translation, and what that is translated back to. Points in two planes:
    the same colour is the same class, and rings are what came back."""

    key = "translate"
    title = "Translate"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        self._begin_at = {THERE: 0, BACK: 0}
        self._found: Translations | None = None
        self._specs = [domain.spec for domain in live.dataset.domains]
        titles = [domain.provenance.title for domain in live.dataset.domains]
        names = titles if titles[0] != titles[1] else ["First domain", "Second domain"]
        self.planes = all(spec.layout is Layout.POINTS for spec in self._specs)
        self._direction = Choice(
            [
                (THERE, f"{names[0]} → {names[1]}", f"Examples of the first domain ({titles[0]}), there and back"),
                (BACK, f"{names[1]} → {names[0]}", f"Examples of the second domain ({titles[1]}), there and back"),
            ],
            "direction",
        )
        self._direction.chosen.connect(lambda _: self._turn())
        self._next = button("Next examples", "nextExamples", "Other held-out examples (N)", self._other, "N")
        card = Card()
        card.head.addWidget(self._direction)
        card.head.addStretch(1)
        card.head.addWidget(self._next)
        if self.planes:
            card.column.addLayout(self._two_planes(), 1)
        else:
            self.rows = TranslationRows()
            self.rows.setObjectName("translationRows")
            card.column.addWidget(self.rows, 1)
        self.status = Caption(name="translateStatus")
        self.status.setToolTip(
            "Cycle error: mean absolute difference per value between an example and what comes back. It says that "
            "nothing is lost, not that the translation is the right one."
        )
        card.column.addWidget(self.status)
        self.body.addWidget(card, 1)
        look.changed.connect(self._repaint)

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        return issubclass(model, Translates) and spec.other is not None

    # What is asked, and what comes back.

    def begin(self) -> None:
        self.follow("translations", self._question, EVERY)

    def receive(self, name: str, answer: Answer) -> None:
        self._found = answer.value
        self._repaint()
        self.status.setText(
            f"step {answer.step:,}  ·  cycle error {self._found.mean_error:.3g} per value over held-out examples"
        )

    def _question(self) -> AskTranslations:
        way = self._direction.key
        return AskTranslations(POINTS if self.planes else COLUMNS, self._begin_at[way], way == BACK)

    # What is shown.

    def _repaint(self) -> None:
        found = self._found
        if found is None:
            return
        here, there = self._specs[::-1] if self._direction.key == BACK else self._specs
        if self.planes:
            self._show_planes(found, here.class_names)
            return
        rows = (_pictures(found.x, here), _pictures(found.made, there), _pictures(found.again, here))
        self.rows.show_rows(rows, [f"{error:.3f}" for error in found.error])

    def _show_planes(self, found: Translations, names: tuple[str, ...]) -> None:
        first, second = self.live.dataset.domains[::-1] if self._direction.key == BACK else self.live.dataset.domains
        for plane, domain in ((self.here, first), (self.there, second)):
            data = domain.train.x[:2000].cpu().numpy()
            plane.cloud.set_groups([PointGroup(data, look.theme.muted)])
            if not plane.by_hand:
                reach = float(np.abs(data).max()) * 1.15
                plane.look_at((-reach, -reach, reach, reach))
        for item, points in (
            (self.here.points, found.x),
            (self.there.points, found.made),
            (self.rings, found.again),
        ):
            # without tags, which would hide what they name
            item.set_groups([replace(group, tag="") for group in class_groups(points, found.y, names)])

    # What a person does.

    def _turn(self) -> None:
        self._found = None
        if self.planes:
            for plane in (self.here, self.there):
                plane.by_hand = False
        self._ask_again()

    def _other(self) -> None:
        """Other held-out examples."""
        way = self._direction.key
        test = self.live.dataset.domains[int(way == BACK)].test
        self._begin_at[way] = (self._begin_at[way] + (POINTS if self.planes else COLUMNS)) % len(test)
        self._ask_again()

    def _ask_again(self) -> None:
        if self.isVisible():
            self.forget("translations")
            self.begin()

    # How it is put together.

    def _two_planes(self) -> QHBoxLayout:
        self.here, self.there = MapView(dots=6.0), MapView(dots=6.0)
        self.rings = PointsItem(size=9.0, hollow=True)
        self.rings.setZValue(2)
        self.here.addItem(self.rings, ignoreBounds=True)
        row = QHBoxLayout()
        for plane, name, tip in (
            (self.here, "originals", "Dots: the originals. Rings of their colour: what came back."),
            (self.there, "translated", "Dots: the translations, in the colour of the original. Grey: data."),
        ):
            plane.setObjectName(name)
            plane.setToolTip(tip)
            plane.handle.hide()
            plane.points.setZValue(1)  # before the data
            plane.set_titles("x₁", "x₂")
            row.addWidget(plane, 1)
        return row


def _pictures(x: np.ndarray, spec: DataSpec) -> np.ndarray:
    """As pictures (N, C, H, W) with values in 0…1; what is no picture as one row of pixels."""
    if spec.layout is Layout.IMAGE:
        return (x / spec.brightest).clip(0, 1)
    flat = x.reshape(len(x), 1, 1, -1)
    return 1 / (1 + np.exp(-flat))
