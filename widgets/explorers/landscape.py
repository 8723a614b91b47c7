"""Landscape: a model of points in the plane, laid over its data."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QCheckBox, QWidget

from dgm_studio.inference import Answer
from dgm_studio.questions.landscapes import WEIGHTED_DRAWS, AskLandscape, DataPoints, Field, Landscape
from models.capabilities import Decodes, HasDiscriminator, HasFreeEnergy, Samples, ScoresExactly, WeighsEvidence
from models.spec import DataSpec, Layout
from widgets.colormaps import diverging, rgba, viridis
from widgets.explorers.base import Explorer
from widgets.explorers.map_points import PointGroup, PointsItem
from widgets.explorers.map_view import MapView
from widgets.explorers.parts import Caption, Card, Choice, ColourBar, check, fill
from widgets.live import Live
from widgets.plots import pen
from widgets.theme import CATEGORICAL, DARK, SPACE, look

SIDE = 200  # px, the column of layers
SAMPLES, ARROWS = 1000, 150
NOTHING = "nothing"
DENSITIES = (Field.DATA, Field.MODEL, Field.ENERGY, Field.ESTIMATE)


class LandscapeView(Explorer):
    """One field of numbers behind, and points, arrows and the warped latent grid before it; all live."""

    key = "landscape"
    title = "Landscape"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        self._data: np.ndarray | None = None
        self._answer: Landscape | None = None
        self.map = MapView(dots=3.0)
        self.map.setObjectName("plane")
        self.map.setToolTip("Wheel: zoom. Drag with the middle button: pan.")
        self.map.handle.hide()
        self.samples = PointsItem(size=4.0)
        self.samples.setZValue(3)
        self.warp = pg.PlotCurveItem(antialias=True, connect="finite")
        self.warp.setZValue(2)
        self.arrows = pg.PlotCurveItem(antialias=True, connect="pairs")
        self.arrows.setZValue(4)
        for item in (self.warp, self.samples, self.arrows):
            self.map.addItem(item, ignoreBounds=True)
        self.map.set_titles("x₁", "x₂")
        self.map.looked_elsewhere.connect(self._ask)
        card = Card()
        card.column.addWidget(self.map, 1)
        self._status = Caption(name="landscapeStatus")
        card.column.addWidget(self._status)
        self.body.addWidget(card, 1)
        self.body.addWidget(self._layers_card())
        look.changed.connect(self._repaint)

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        shows = (Samples, Decodes, ScoresExactly, HasFreeEnergy)
        return spec.layout is Layout.POINTS and (any(issubclass(model, c) for c in shows) or offers(learner))

    # What is asked, and what comes back.

    def begin(self) -> None:
        if self._data is None:
            self.ask("data", DataPoints())
        else:
            self._ask()

    def receive(self, name: str, answer: Answer) -> None:
        if name == "data":
            self._data, bounds = answer.value
            self.map.look_at(bounds)
            self._repaint()
            self._ask()
        elif name == "landscape":
            self._answer = answer.value
            self._show_layers()
            self._status.setText(f"weights of step {answer.step:,}")

    def _ask(self) -> None:
        if self._data is not None and self.isVisible():
            self.follow("landscape", self._question, 40)

    def _question(self) -> AskLandscape:
        return AskLandscape(
            self.map.bounds(),
            None if self._field.key == NOTHING else Field(self._field.key),
            samples=SAMPLES if self._samples_box.isChecked() or self._arrows_box.isChecked() else 0,
            arrows=ARROWS if self._arrows_box.isChecked() else 0,
            warp=self._warp_box.isChecked(),
        )

    # What is shown.

    def _repaint(self) -> None:
        # viridis is dark in every theme
        ink = DARK.text if self._field.key in DENSITIES else look.theme.text
        shown = self._data is not None and self._data_box.isChecked()
        self.map.points.set_groups([PointGroup(self._data, ink)] if shown else [])
        self.warp.setPen(pen(ink, 1, opacity=0.6))
        self.arrows.setPen(pen(ink, 1.2))
        self._show_layers()

    def _show_layers(self) -> None:
        self._show_field()
        self._show_samples()
        self._show_warp()

    def _show_field(self) -> None:
        shown = self._answer is not None and self._answer.kind == self._field.key
        field = self._answer.field if shown and self._answer is not None else None
        self._bar.setVisible(field is not None)
        if field is None or self._answer is None:
            self.map.set_veil(None)
            return
        if self._answer.kind is Field.DISCRIMINATOR:
            self.map.set_veil(rgba(diverging(field)), self._answer.bounds)
            self._bar.explain(diverging, "0 generated", "0.5", "1 real")
            return
        # a few weights of an estimate may be far too large; they would leave the rest in the dark
        is_estimate = self._answer.kind is Field.ESTIMATE
        highest = float(np.quantile(field, 0.995) if is_estimate else field.max())
        self.map.set_veil(rgba(viridis(field / highest if highest > 0 else field)), self._answer.bounds)
        self._bar.explain(viridis, "0", "", f"{'≥ ' if is_estimate else ''}{highest:.3g}")

    def _show_samples(self) -> None:
        samples = None if self._answer is None else self._answer.samples
        shown = samples is not None and self._samples_box.isChecked()
        self.samples.set_groups([PointGroup(samples, CATEGORICAL[1])] if shown else [])
        gradients = None if self._answer is None else self._answer.gradients
        if samples is None or gradients is None or not self._arrows_box.isChecked():
            self.arrows.setData([], [])
            self._longest.setText("")
            return
        longest = float(np.linalg.norm(gradients, axis=1).max())
        left, _, right, _ = self.map.bounds()
        scale = 0.08 * (right - left) / longest if longest > 0 else 0.0
        lines = arrow_lines(samples[: len(gradients)], gradients * scale)
        self.arrows.setData(lines[:, 0], lines[:, 1])
        self._longest.setText(f"longest arrow: |∇D| = {longest:.2g}")

    def _show_warp(self) -> None:
        warp = None if self._answer is None else self._answer.warp
        if warp is None or not self._warp_box.isChecked():
            self.warp.setData([], [])
            return
        ended = np.concatenate([warp, np.full((*warp.shape[:2], 1, 2), np.nan, np.float32)], axis=2).reshape(-1, 2)
        self.warp.setData(ended[:, 0], ended[:, 1])

    # How it is put together.

    def _layers_card(self) -> Card:
        live = self.live
        card = Card("Behind")
        card.setFixedWidth(SIDE)
        fields = [(NOTHING, "Nothing", "Only what lies before")]
        if live.dataset.density is not None:
            fields.insert(0, (Field.DATA.value, "Data density", "The exact density that the data were drawn from"))
        if issubclass(live.model_class, HasFreeEnergy):
            tip = "exp −F(x), divided by its sum over a grid around the data"
            fields.insert(0, (Field.ENERGY.value, "Model density", tip))
        elif issubclass(live.model_class, ScoresExactly):
            fields.insert(0, (Field.MODEL.value, "Model density", "exp log p(x) of the model"))
        elif issubclass(live.model_class, WeighsEvidence):
            tip = f"p(x) estimated by importance weights of {WEIGHTED_DRAWS} draws from q(z|x): unbiased, and noisy"
            fields.insert(0, (Field.ESTIMATE.value, "Model density (est.)", tip))
        if offers(live.learner_class):
            fields.insert(0, (Field.DISCRIMINATOR.value, "Discriminator", "D(x): how real a point looks"))
        self._field = Choice(fields, "field", vertical=True)
        self._field.chosen.connect(self._switch)
        self._bar = ColourBar(viridis, "", "", "")
        fill(card.column, self._field, self._bar)
        card.column.addSpacing(SPACE)
        card.column.addWidget(Caption("Before", heading=True))
        samples, decodes = issubclass(live.model_class, Samples), issubclass(live.model_class, Decodes)
        plays = samples and offers(live.learner_class)
        self._data_box = self._layer("Data", "data", "Training points", True, True)
        tip = "Drawn from the same noise each time, so that they move as the model does"
        self._samples_box = self._layer("Samples", "samples", tip, True, samples)
        tip = "∇D at samples: where a generator is pushed. Where it vanishes, a generator learns nothing"
        self._arrows_box = self._layer("Gradient of D", "arrows", tip, False, plays)
        tip = "Where a regular grid of a 2-D latent space goes: the middle 95 % of the prior"
        self._warp_box = self._layer("Warped grid", "warp", tip, False, decodes)
        fill(card.column, self._data_box, self._samples_box, self._arrows_box, self._warp_box)
        self._longest = Caption(name="longest")
        self._longest.setWordWrap(True)
        card.column.addWidget(self._longest)
        card.column.addStretch(1)
        return card

    def _layer(self, text: str, name: str, tip: str, on: bool, possible: bool) -> QCheckBox:
        box = check(text, name, tip, on and possible, self._switch)
        box.setVisible(possible)
        return box

    def _switch(self, _: object) -> None:
        """Another layer was chosen: show what is known of it, and ask."""
        self._repaint()
        self._ask()


def offers(learner: type) -> bool:
    """Whether a learner plays a game whose discriminator can be looked at."""
    return issubclass(learner, HasDiscriminator)


def arrow_lines(tails: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Arrows as separate lines, two points each: (k, 2), (k, 2) -> (6k, 2)."""
    heads = tails + vectors
    turned = np.stack([-vectors[:, 1], vectors[:, 0]], axis=1)
    left, right = heads - 0.3 * vectors + 0.2 * turned, heads - 0.3 * vectors - 0.2 * turned
    return np.stack([tails, heads, heads, left, heads, right], axis=1).reshape(-1, 2)
