"""Beside the latent map: what the handle decodes to, and a slider for every dimension."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QScrollArea,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from dgm_studio.number_texts import indexed, thousands
from dgm_studio.questions.arrays import Bounds
from dgm_studio.questions.latent import Plane, PriorView
from widgets.explorers.map_points import PointGroup
from widgets.explorers.map_view import MapView
from widgets.explorers.parts import Caption, HeadedCard, button, check, fill
from widgets.explorers.slider_row import SliderRow
from widgets.picture_view import PictureView
from widgets.theme import SPACE, look, px

PRINCIPAL = -1  # stands for the principal plane where a dimension is chosen
SIDE = 264  # px, the column beside the map


class Outcome(QWidget):
    """A generated example: a picture, or a point among samples."""

    def __init__(self, is_picture: bool) -> None:
        super().__init__()
        layout = QStackedLayout(self)
        self.picture = PictureView(minimum=96)
        self.picture.setObjectName("decoded")
        self.plane = MapView(self)
        self.plane.setObjectName("decodedPoint")
        self.plane.setAccessibleName("Where the decoded point lies")
        self.is_picture = is_picture
        layout.addWidget(self.picture)
        layout.addWidget(self.plane)
        layout.setCurrentWidget(self.picture if is_picture else self.plane)
        self._samples = np.zeros((0, 2), np.float32)
        look.changed.connect(self._restyle)

    def show_example(self, x: np.ndarray) -> None:
        """(C, H, W) or (2,)."""
        if self.is_picture:
            self.picture.show_picture(x)
        else:
            self.plane.put_handle(*x.tolist())

    def show_samples(self, points: np.ndarray, bounds: Bounds) -> None:
        """What the model generates altogether: (N, 2)."""
        self._samples = points
        self._restyle()
        self.plane.look_at(bounds)

    def _restyle(self) -> None:
        self.plane.points.set_groups([PointGroup(self._samples, look.theme.muted)])


class DatumLine(QWidget):
    """A training example that the handle was moved to. Hidden while there is none."""

    def __init__(self, is_picture: bool) -> None:
        super().__init__(visible=False)
        self._picture = PictureView(minimum=40)
        self._picture.setFixedSize(48, 48)
        self._picture.setVisible(is_picture)
        self._caption = Caption(name="datumCaption")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._picture)
        row.addWidget(self._caption, 1)

    def announce(self, index: int, title: str) -> None:
        """Say which example it is, before its picture is there."""
        self._picture.show_picture(None)
        self._caption.setText(f"training example {thousands(index)}\n{title}")
        self.show()

    def show_picture(self, picture: np.ndarray) -> None:
        self._picture.show_picture(picture)


class DimensionSliders(QScrollArea):
    """One slider for each latent dimension, the most informative first. `moved(dimension, value)` by hand only."""

    moved = Signal(int, float)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("sliders")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._content = QWidget()
        self._content.setProperty("plain", True)
        self._column = QVBoxLayout(self._content)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.setWidget(self._content)
        self.rows: list[SliderRow] = []
        self._order = np.zeros(0, np.int64)  # the dimension that each row shows
        self._prior: PriorView | None = None
        self._z = np.zeros(0, np.float32)
        self._kl: np.ndarray | None = None

    def set_space(self, prior: PriorView, with_kl: bool) -> None:
        """Make the sliders. They reach some standard deviations of the prior to each side, where it has a density."""
        self._prior, self._z = prior, prior.mean
        self._order = np.arange(len(prior.mean))
        for row in self.rows:
            self._column.removeWidget(row)
            row.deleteLater()
        widths = {"name_width": 18 + 8 * len(str(len(prior.mean))), "note_width": 62 if with_kl else 0}
        self.rows = [SliderRow("", -1, 1, 0, **widths) for _ in self._order]
        for place, row in enumerate(self.rows):
            row.setObjectName(f"slider{place}")
            row.changed.connect(lambda value, place=place: self._moved(place, value))
            self._column.addWidget(row)
        self.setMinimumHeight(min(len(self.rows), 4) * px(SliderRow.HEIGHT))
        self.setMaximumHeight(len(self.rows) * px(SliderRow.HEIGHT))
        self._bind()

    def set_z(self, z: np.ndarray) -> None:
        self._z = z
        for dimension, row in zip(self._order.tolist(), self.rows, strict=True):
            row.set_value(float(z[dimension]))

    def set_kl(self, kl: np.ndarray | None) -> None:
        """Show KL per dimension (L,) in nats. Rows change places only while no one is at them."""
        self._kl = kl
        busy = self.underMouse() or any(row.hasFocus() for row in self.rows)
        if kl is not None and len(self.rows) > 2 and not busy:
            self._order = np.argsort(-kl, kind="stable")
        self._bind()

    def _bind(self) -> None:
        assert self._prior is not None
        for dimension, row in zip(self._order.tolist(), self.rows, strict=True):
            note = "" if self._kl is None else f"KL {self._kl[dimension]:.2f}"
            row.set_name(indexed("z", dimension), note)
            row.set_range(float(self._prior.low[dimension]), float(self._prior.high[dimension]))
        self.set_z(self._z)

    def _moved(self, place: int, value: float) -> None:
        self.moved.emit(int(self._order[place]), value)


class PlaneChoice(QWidget):
    """Which plane through the latent space the map shows. Hidden where there is only one. `changed` by hand only."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__(visible=False)
        self._across, self._up = QComboBox(objectName="across"), QComboBox(objectName="up")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE // 2)
        for box, axis in ((self._across, "horizontal"), (self._up, "vertical")):
            box.setToolTip(f"What the {axis} axis shows")
            box.setAccessibleName(f"{axis} axis")
            box.activated.connect(self._choose)
            row.addWidget(box)

    def set_space(self, size: int, with_principal: bool) -> None:
        """Offer the dimensions of a space, and the principal plane of encoded data, which is then the first choice."""
        for box in (self._across, self._up):
            box.clear()
        if with_principal and size > 2:
            self._across.addItem("PCA plane", PRINCIPAL)
        for i in range(size):
            self._across.addItem(indexed("z", i), i)
            self._up.addItem(indexed("z", i), i)
        self._up.setCurrentIndex(min(1, size - 1))
        self._up.setVisible(not self.is_principal)
        self.setVisible(size > 2)

    def choices(self) -> list[int]:
        """What the two axes show."""
        return [self._across.currentData(), self._up.currentData()]

    def restore(self, choices: object) -> None:
        """Show what was chosen, as far as it is there."""
        if not isinstance(choices, list) or len(choices) != 2:
            return
        for box, chosen in zip((self._across, self._up), choices, strict=True):
            place = box.findData(chosen)
            if place >= 0:
                box.setCurrentIndex(place)
        self._up.setVisible(not self.is_principal)

    @property
    def is_principal(self) -> bool:
        """Whether the plane of largest variance is meant."""
        return self._across.currentData() == PRINCIPAL

    def plane(self, principal: Plane | None) -> tuple[Plane, str, str]:
        """The plane, and what its axes are called. The first two dimensions until `principal` is known."""
        size = self._up.count()
        if self.is_principal and principal is not None:
            return principal, "first principal direction", "second principal direction"
        i, j = (0, 1) if self.is_principal else (self._across.currentData(), self._up.currentData())
        return Plane.axes(size, i, j), indexed("z", i), indexed("z", j) if i != j else ""

    def _choose(self) -> None:
        self._up.setVisible(not self.is_principal)
        self.changed.emit()


def around(plane: Plane, prior: PriorView, data: np.ndarray | None) -> Bounds:
    """The part of the plane with the prior's mass and that of projected data (N, 2)."""
    low, high = prior.mean - 3.3 * prior.scale, prior.mean + 3.3 * prior.scale
    middle = (np.maximum(low, prior.lowest) + np.minimum(high, prior.highest)) / 2
    half = np.minimum(high, prior.highest) - middle
    weight = np.abs(plane.u) / np.abs(plane.u).sum()
    centre, reach = plane.project(middle), float(weight @ half)
    lowest, highest = centre - reach, centre + reach
    if not plane.v.any():  # a line, over which classes are a row each
        lowest[1], highest[1] = -0.75, 0.75
    if data is not None:
        ends = np.quantile(data, [0.002, 0.998], axis=0)
        margin = 0.05 * reach * np.array([1.0, float(plane.v.any())])
        lowest, highest = np.minimum(lowest, ends[0] - margin), np.maximum(highest, ends[1] + margin)
    return (*lowest.tolist(), *highest.tolist())


def side_card(
    card: HeadedCard,
    outcome: Outcome,
    datum: DatumLine,
    sliders: DimensionSliders,
    actions: tuple[Callable[[], None], Callable[[], None], Callable[[], None], Callable[[], None]],
    encodes: bool,
) -> HeadedCard:
    """Fill `card` with what stands beside the map. `actions`: reset, random, nearest, pin."""
    card.setFixedWidth(px(SIDE))
    if outcome.is_picture:
        smooth = ("Smooth", "smooth", "Interpolate between pixels")
        card.head.addWidget(check(*smooth, False, outcome.picture.set_smooth))
    outcome.setFixedHeight(SIDE - 3 * SPACE)
    buttons = QGridLayout()
    buttons.setSpacing(SPACE // 2)
    parts = (
        button("Reset", "reset", "Back to the prior's mean, with everything in view (Home)", actions[0]),
        button("Random", "random", "A draw from the prior (R)", actions[1]),
        button("Nearest", "snap", "Move to the nearest training example (N)", actions[2]),
        button("Pin", "pin", "Mark this place; the way between pins is shown (P)", actions[3]),
    )
    parts[2].setEnabled(encodes)
    for i, part in enumerate(parts):
        buttons.addWidget(part, i // 2, i % 2)
    fill(card.column, outcome, datum)
    card.column.addWidget(sliders, 1000)
    card.column.addLayout(buttons)
    card.column.addStretch(1)
    return card
