"""Domains: the examples of two domains on one map, by their features and, in the plane, by themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtWidgets import QLabel, QWidget

from dgm_studio.inference import Answer
from dgm_studio.number_texts import percent, thousands
from dgm_studio.questions.domains import AskDomains, AskPlane, DomainMap, PlaneField, turned_like
from models.capabilities import Classifies, ExtractsFeatures, TellsDomains
from models.spec import DataSpec, Layout
from widgets.building import listed
from widgets.colormaps import blended, diverging, rgba
from widgets.explorers.base import Explorer
from widgets.explorers.map_points import PointsItem, class_groups
from widgets.explorers.map_view import square_around, still_map
from widgets.explorers.parts import Caption, ColourBar, HeadedCard, Segments, check, fill
from widgets.live import Live
from widgets.picture_view import PictureView
from widgets.theme import CATEGORICAL, SPACE, look, px

SIDE = 220  # px, the column beside the map
PICTURE = 150  # px
REACH = 14  # px from the pointer to the example that it means
EVERY = 150  # ms
FEATURES, PLANE = "features", "plane"
CLASSES, DOMAIN, NOTHING = "classes", "domain", "nothing"


class DomainsView(Explorer):
    """Dots are the first domain, whose labels are learned from; rings are the second. Where rings lie on dots of their
    colour, the classifier works for both."""

    key = "domains"
    title = "Domains"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        self._map: DomainMap | None = None
        self._points: np.ndarray | None = None  # as they are shown: (N, 2)
        self._field: PlaneField | None = None
        self._meant: int | None = None  # the example under the pointer
        self.map = still_map("domainsMap", "Map of both domains")
        self.rings = PointsItem(size=8.0, hollow=True)
        self.rings.setZValue(-1)  # around dots, below the tags of these
        self.map.addItem(self.rings, ignoreBounds=True)
        self.map.scene().sigMouseMoved.connect(self._point)
        self.map.looked_elsewhere.connect(self._ask_field)
        card = HeadedCard()
        self._card_head(card)
        card.column.addWidget(self.map, 1)
        self._status = Caption(name="domainsStatus")
        self._status.setWordWrap(True)
        card.column.addWidget(self._status)
        self.body.addWidget(card, 1)
        self.body.addWidget(self._side_card())
        look.changed.connect(self._repaint)
        self._title_axes()

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        return issubclass(model, ExtractsFeatures) and issubclass(model, Classifies) and spec.other is not None

    # What is asked, and what comes back.

    def begin(self) -> None:
        self.follow("map", AskDomains, EVERY)
        self._ask_field()

    def receive(self, name: str, answer: Answer) -> None:
        if name == "map":
            found: DomainMap = answer.value
            self._map = found
            before = self._points if self._where.key == FEATURES else None
            self._points = turned_like(found.points, before) if self._where.key == FEATURES else found.inputs
            self._look_around()
            self._repaint()
            self._report(answer.step)
        elif name == "field":
            self._field = answer.value
            self._show_field()

    def _ask_field(self) -> None:
        if not self.isVisible():
            return
        if self._where.key == PLANE and self._behind.key != NOTHING:
            self.follow("field", self._field_question, EVERY)
        else:
            self.forget("field")

    def _field_question(self) -> AskPlane:
        return AskPlane(self.map.bounds(), "domain" if self._behind.key == DOMAIN else "classes")

    # What is shown.

    def _repaint(self) -> None:
        found, points = self._map, self._points
        if found is None or points is None:
            return
        names = self.live.spec.class_names
        colours = found.y if self._colours.key == "label" else found.taken_for
        for domain, item, box in ((0, self.map.points, self._first_box), (1, self.rings, self._second_box)):
            chosen = (found.domain == domain) & box.isChecked()
            groups = class_groups(points[chosen], colours[chosen], names)
            item.set_groups([replace(group, tag="") for group in groups] if domain else groups)
        self._show_field()
        self._describe()

    def _show_field(self) -> None:
        wanted = self._behind.key if self._where.key == PLANE else NOTHING
        self._bar.setVisible(wanted == DOMAIN)
        field = self._field
        if field is None or field.of != wanted:
            self.map.set_veil(None)
            return
        colours = diverging(1 - field.values) if wanted == DOMAIN else blended(field.values, CATEGORICAL)
        self.map.set_veil(rgba(colours), field.bounds)

    def _report(self, step: int) -> None:
        found = self._map
        assert found is not None
        said = [f"step {thousands(step)}"]
        for domain, name in enumerate(("source", "target")):
            right, of = found.accuracy(domain)
            said.append(f"{name} {percent(right / of, 1)} right" if of else f"{name} without labels")
        if not np.isnan(found.of_second).any():
            told = [(found.of_second[found.domain == k] > 0.5) == bool(k) for k in (0, 1)]
            said.append(f"domains told apart {percent((told[0].mean() + told[1].mean()) / 2, 1)}")
        if self._where.key == FEATURES:
            said.append(f"axes hold {percent(found.explained)} of the variance")
        self._status.setText(listed(said))
        self._status.setToolTip("Counted on the held-out examples that are shown. Domains told apart: ½ means alike.")

    def _look_around(self) -> None:
        """Make all points visible; what is visible changes only when it has to."""
        points = self._points
        if points is None or not len(points):
            return
        low, high = np.quantile(points, [0.002, 0.998], axis=0)
        wanted = square_around(low, high)
        left, bottom, right, top = self.map.bounds()
        inside = (low >= (left, bottom)).all() and (high <= (right, top)).all()
        if inside and min(right - left, top - bottom) < 1.6 * (wanted[2] - wanted[0]):
            return
        self.map.look_at(wanted)

    def _title_axes(self) -> None:
        features = self._where.key == FEATURES
        self.map.set_titles(*(("first axis of the features", "second axis") if features else ("x₁", "x₂")))

    # What a person does.

    def _point(self, place: object) -> None:
        """The pointer moved: take the nearest example within reach."""
        if self._points is None or self._map is None or not len(self._points):
            return
        shown = np.where(self._map.domain == 0, self._first_box.isChecked(), self._second_box.isChecked())
        at = self.map.box.mapSceneToView(place)
        width, height = self.map.box.viewPixelSize()
        away = np.hypot((self._points[:, 0] - at.x()) / width, (self._points[:, 1] - at.y()) / height)
        away[~shown] = np.inf
        nearest = int(away.argmin())
        meant = nearest if away[nearest] <= REACH else None
        if meant != self._meant:
            self._meant = meant
            self._describe()

    def _describe(self) -> None:
        """Show the example under the pointer."""
        found, meant = self._map, self._meant
        self._picture.setVisible(self.live.spec.layout is Layout.IMAGE)
        if found is None or meant is None:
            self._picture.show_picture(None)
            self._said.setText("Point at an example.")
            return
        names = self.live.spec.class_names
        domain, label = int(found.domain[meant]), int(found.y[meant])
        example = self.live.dataset.domains[domain].test.x[int(found.index[meant])].cpu().numpy()
        self._picture.show_picture(example if example.ndim == 3 else None)
        lines = [f"<b>{('source', 'target')[domain]}</b>, {names[label] if label >= 0 else 'no label'}"]
        right = "" if label < 0 or label == found.taken_for[meant] else ", wrongly"
        lines.append(f"taken for {names[found.taken_for[meant]]}{right} ({percent(found.certainty[meant])})")
        if not np.isnan(found.of_second[meant]):
            lines.append(f"P(target) {percent(found.of_second[meant])}")
        self._said.setText("<br>".join(lines))

    def _turn(self, _: object = None) -> None:
        """The other map was chosen."""
        self.map.by_hand = False
        self._points = None
        self._behind.setVisible(self._where.key == PLANE)
        self._behind_title.setVisible(self._where.key == PLANE)
        self._title_axes()
        if self._map is not None:
            self._points = self._map.points if self._where.key == FEATURES else self._map.inputs
            self._look_around()
            self._repaint()
        if self.isVisible():
            self.begin()

    def _switch(self, _: object = None) -> None:
        self._ask_field()
        self._repaint()

    # How it is put together.

    def _card_head(self, card: HeadedCard) -> None:
        tip = "Features of both domains, on the two axes along which they vary most together"
        options = [(FEATURES, "Features", tip)]
        if self.live.spec.layout is Layout.POINTS:
            options.append((PLANE, "Plane", "The examples themselves, and what is said of every place"))
        self._where = Segments(options, "where")
        self._where.chosen.connect(self._turn)
        self._where.setVisible(len(options) > 1)
        card.head.addWidget(self._where)
        card.head.addStretch(1)

    def _side_card(self) -> HeadedCard:
        card = HeadedCard("Domains")
        card.setFixedWidth(px(SIDE))
        first, *second = self.live.dataset.domains
        titles = [domain.provenance.title for domain in (first, *second)]
        self._first_box = check("● Source", "source", f"{titles[0]}: its labels are learned from", True, self._switch)
        tip = f"{titles[-1]}: its labels are only looked at here"
        self._second_box = check("○ Target", "target", tip, True, self._switch)
        fill(card.column, self._first_box, self._second_box)
        card.column.addSpacing(SPACE)
        card.column.addWidget(Caption("Colour", heading=True))
        self._colours = Segments(
            [
                ("label", "Class", "The label; without one, grey"),
                ("taken", "Taken for", "The class that the classifier finds most probable"),
            ],
            "colours",
        )
        self._colours.chosen.connect(self._switch)
        card.column.addWidget(self._colours)
        card.column.addSpacing(SPACE)
        self._behind_title = Caption("Background", heading=True)
        fields = [
            (CLASSES, "Classes", "The class that every place is taken for, paler where that is not sure"),
            (NOTHING, "Nothing", "Only the examples"),
        ]
        if issubclass(self.live.learner_class, TellsDomains):
            fields.insert(1, (DOMAIN, "Domain", "P(target) by the discriminator, of the features of every place"))
        self._behind = Segments(fields, "behind", vertical=True)
        self._behind.chosen.connect(self._switch)
        self._bar = ColourBar(diverging, "1 target", "0.5", "0")
        self._behind.hide()
        self._behind_title.hide()
        self._bar.hide()
        fill(card.column, self._behind_title, self._behind, self._bar)
        card.column.addStretch(1)
        card.column.addWidget(Caption("Under the pointer", heading=True))
        self._picture = PictureView(minimum=PICTURE)
        self._picture.setObjectName("example")
        self._picture.setFixedHeight(PICTURE)
        self._said = QLabel("Point at an example.", objectName="exampleText", wordWrap=True)
        self._said.setMinimumHeight(3 * 18)
        fill(card.column, self._picture, self._said)
        return card
