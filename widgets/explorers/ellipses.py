"""Ellipses: the Gaussians of a mixture over its data, at every step of learning."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import QComboBox, QWidget

from dgm_studio.inference import Answer
from dgm_studio.number_texts import indexed, percent, thousands
from dgm_studio.questions.components import AskPoints, AskWay, PlanePoints, Way
from models.capabilities import HasComponents, KeepsFrames
from models.spec import DataSpec, Layout
from widgets.explorers.base import Explorer
from widgets.explorers.ellipse_items import EllipsesItem, WeightBars, ellipses, shade
from widgets.explorers.map_points import PointGroup, PointsItem, class_groups
from widgets.explorers.map_view import square_around, still_map
from widgets.explorers.parts import Caption, HeadedCard, Segments, check, fill
from widgets.explorers.way_bar import WayBar
from widgets.live import Live
from widgets.theme import SPACE, look, px

SIDE = 220  # px, the column beside the map
LARGEST = 1024  # coordinates of an example
SMALL = 0.01  # weight of a component that hardly matters


class EllipsesView(Explorer):
    """The 2σ ellipse of each component, as visible as its weight; a slider over the steps that learning went through,
    and what it reported at each in a curve below."""

    key = "ellipses"
    title = "Ellipses"
    links = "The same coordinates and the same step in both"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        self._way: Way | None = None
        self._points: PlanePoints | None = None
        self._shown = 0  # frame
        self._at_end = True  # what is newest stays shown
        self._names = coordinates(live.spec)
        self.map = still_map("plane", "Data and ellipses")
        self.map.getPlotItem().setContentsMargins(0, SPACE, 0, 0)  # the highest number has room
        self.ellipses = EllipsesItem()
        self.ellipses.setZValue(5)
        self.points = PointsItem(size=4.0, opacity=0.5)
        for item in (self.points, self.ellipses):
            self.map.addItem(item, ignoreBounds=True)
        self.way_bar = WayBar(self._quantity(unit=True), issubclass(live.learner_class, KeepsFrames))
        self.way_bar.chosen.connect(self.show_step)
        self.body.addWidget(self._map_card(), 1)
        self._side = self._side_card()
        self.body.addWidget(self._side)
        look.changed.connect(self._repaint)
        self._title_axes()

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        few = 2 <= spec.dimensions <= LARGEST and spec.layout is not Layout.SEQUENCE
        return issubclass(model, HasComponents) and few

    def narrow(self) -> None:
        super().narrow()
        self._side.narrow()
        self.map.setMinimumHeight(px(SIDE))

    # What is asked, and what comes back.

    def begin(self) -> None:
        self.follow("way", lambda: AskWay(*self._pair()), 150)
        self._ask_points()

    def receive(self, name: str, answer: Answer) -> None:
        if name == "way":
            step = None if self._way is None or self._at_end else int(self._way.steps[self._shown])
            self._way = answer.value
            frames = len(self._way.steps)
            self._shown = frames - 1 if step is None else int(np.abs(self._way.steps - step).argmin())
            self.way_bar.show_way(self._way)
            self._show_frame()
            self._ask_points()
        elif name == "points":
            self._points = answer.value
            self._look_around()
            self._repaint()

    def _pair(self) -> tuple[int, int]:
        return self._across.currentIndex(), self._up.currentIndex()

    def _ask_points(self) -> None:
        step = -1 if self._way is None else int(self._way.steps[self._shown])
        self.ask("points", AskPoints(*self._pair(), step))

    # What is shown.

    def _show_frame(self) -> None:
        way, at = self._way, self._shown
        if way is None:
            return
        self.way_bar.stand_at(at)
        step = int(way.steps[at])
        value = "" if np.isnan(way.values[at]) else f" · {self._quantity()} {way.values[at]:.4f}"
        total, used = way.weights.shape[1], np.count_nonzero(way.weights[at] > SMALL)
        kept = f" · {used} of {total} components above {percent(SMALL)}" if total > 1 else ""
        self._status.setText(f"step {thousands(step)}{value}{kept}")
        self.bars.set_weights(way.weights[at])
        if not self._ellipses_box.isChecked():
            self.ellipses.clear()
            return
        self.ellipses.set_components(
            way.weights[at],
            way.means[at],
            way.covariances[at],
            way.mean_covariances[at] if self._means_box.isChecked() else None,
            way.means[: at + 1] if self._trails_box.isChecked() else None,
        )

    def _repaint(self) -> None:
        points = self._points
        if points is None or self._colours.key == "none":
            self.points.set_groups([])
        elif self._colours.key == "class":
            self.points.set_groups(class_groups(points.points, points.y, ()))
        else:
            each = [(int(k), points.component == k) for k in np.unique(points.component)]
            self.points.set_groups([PointGroup(points.points[chosen], shade(k)) for k, chosen in each])
        self._show_frame()

    def _look_around(self) -> None:
        """Keep the data and the newest ellipses visible, until a person chooses what is."""
        if self._points is None:
            return
        low, high = np.quantile(self._points.points, [0.002, 0.998], axis=0)
        if self._way is not None:
            heavy = self._way.weights[-1] > SMALL
            ends = ellipses(self._way.means[-1, heavy], self._way.covariances[-1, heavy]).reshape(-1, 2)
            room = high - low  # an ellipse that is far larger than the data does not make them a dot
            low = np.minimum(low, np.maximum(ends.min(0, initial=np.inf), low - room))
            high = np.maximum(high, np.minimum(ends.max(0, initial=-np.inf), high + room))
        self.map.look_at(square_around(low, high))

    def _title_axes(self) -> None:
        self.map.set_titles(self._across.currentText(), self._up.currentText())

    def _quantity(self, unit: bool = False) -> str:
        """What the learner reports first."""
        reported = self.live.learner_class.quantities  # type: ignore[attr-defined]
        if not reported:
            return ""
        return f"{reported[0].title} ({reported[0].unit})" if unit and reported[0].unit else reported[0].title

    # What a person does.

    def show_step(self, frame: int) -> None:
        """Show this frame; the last one stays the newest."""
        if self._way is None:
            return
        last = len(self._way.steps) - 1
        self._shown = min(max(frame, 0), last)
        self._at_end = self._shown == last
        self._show_frame()
        self._ask_points()
        self.shared_changed.emit()

    def shared(self) -> Any:
        """What the coordinates are called, which two are shown, and the step; None for the newest."""
        step = None if self._way is None or self._at_end else int(self._way.steps[self._shown])
        return self._names, self._pair(), step

    def share(self, state: Any) -> str:
        names, pair, step = state
        if names != self._names:
            return "The coordinates stay each run's own: their examples are of other shapes."
        if pair != self._pair():
            for box, at in zip((self._across, self._up), pair, strict=True):
                with QSignalBlocker(box):
                    box.setCurrentIndex(at)
            self._turn()
        if self._way is not None:
            self.way_bar.rest()
            steps = self._way.steps
            self.show_step(len(steps) - 1 if step is None else int(np.abs(steps - step).argmin()))
        return ""

    def _turn(self) -> None:
        """Other coordinates were chosen."""
        self._title_axes()
        self.map.by_hand = False
        self._points = None
        if self.isVisible():
            self.begin()
        self.shared_changed.emit()

    # How it is put together.

    def _map_card(self) -> HeadedCard:
        card = HeadedCard()
        self._across, self._up = QComboBox(objectName="across"), QComboBox(objectName="up")
        self._across.setAccessibleName("Coordinate across")
        self._up.setAccessibleName("Coordinate up")
        for box, at in zip((self._across, self._up), self._widest(), strict=True):
            box.addItems(self._names)
            box.setCurrentIndex(at)
            box.setMaxVisibleItems(20)
            box.setToolTip("Which coordinate of an example this axis shows")
            box.currentIndexChanged.connect(self._turn)
            box.setVisible(len(self._names) > 2)
        fill(card.head, self._across, self._up)
        card.head.addStretch(1)
        card.column.addWidget(self.map, 1)
        self._status = Caption(name="ellipsesStatus")
        fill(card.column, self._status, self.way_bar)
        return card

    def _widest(self) -> list[int]:
        """The two coordinates that vary most in the data, in their order; both if there are two."""
        some = self.live.dataset.train.x[:1000].flatten(1)
        return sorted(some.std(0).topk(2).indices.tolist())

    def _side_card(self) -> HeadedCard:
        card = HeadedCard("Points")
        card.setFixedWidth(px(SIDE))
        options = [
            ("component", "By component", "The colour of the component that is most responsible, at the shown step"),
            ("class", "By class", "The colour of the class, which learning does not see"),
            ("none", "None", "Only the ellipses"),
        ]
        if not self.live.spec.classes:
            del options[1]
        self._colours = Segments(options, "colours", vertical=True)
        self._colours.chosen.connect(lambda _: self._repaint())
        self._ellipses_box = check("2σ ellipses", "ellipses2", "Visible as their weights", True, self._tick)
        tip = "2σ of the posterior of each mean: how well it is known"
        self._means_box = check("Uncertainty of means", "means", tip, False, self._tick)
        self._trails_box = check("Ways of the means", "trails", "Where each mean has been", True, self._tick)
        card.column.addWidget(self._colours)
        card.column.addSpacing(SPACE)
        card.column.addWidget(Caption("Components", heading=True))
        fill(card.column, self._ellipses_box, self._means_box, self._trails_box)
        card.column.addSpacing(SPACE)
        card.column.addWidget(Caption("Weights", heading=True))
        self.bars = WeightBars()
        card.column.addWidget(self.bars, 1)
        return card

    def _tick(self, on: bool) -> None:
        self._show_frame()


def coordinates(spec: DataSpec) -> list[str]:
    """What the coordinates of a flattened example are called."""
    if spec.layout is not Layout.IMAGE:
        return [indexed("x", i) for i in range(spec.dimensions)]
    channels, height, width = spec.event_shape
    names = []
    for channel in range(channels):
        of = f", channel {channel + 1}" if channels > 1 else ""
        names += [f"row {y + 1}, column {x + 1}{of}" for y in range(height) for x in range(width)]
    return names
