"""Landscape: a model of points in the plane, laid over its data."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QVBoxLayout, QWidget

from dgm_studio.events import Turn
from dgm_studio.inference import Answer
from dgm_studio.questions.landscapes import WEIGHTED_DRAWS, AskLandscape, DataPoints, Field, Landscape
from dgm_studio.questions.optimum import CELLS, AskGap, AskOptimum, Optimum
from models.capabilities import (
    Decodes,
    DecodesOfClass,
    HasCritic,
    HasDiscriminator,
    HasFreeEnergy,
    Samples,
    SamplesOfClass,
    ScoresExactly,
    TakesTurns,
    WeighsEvidence,
)
from models.spec import DataSpec, Layout
from widgets.building import scrolled
from widgets.colormaps import diverging, viridis
from widgets.explorers.base import Explorer
from widgets.explorers.landscape_figures import Figures
from widgets.explorers.landscape_items import SAMPLES, WARP, PlaneMap, Together, full_density
from widgets.explorers.parts import ANY_CLASS, Caption, Card, Choice, ColourBar, button, check, class_choice, fill
from widgets.explorers.turns_panel import TurnsPanel
from widgets.live import Live
from widgets.status import percent, thousands
from widgets.theme import DARK, SPACE, look, mixed, px

SIDE = 196  # px, the column of layers
MAP_HEIGHT = 260  # px, in a narrow place
DRAWN, ARROWS = 1000, 150
NOTHING = "nothing"
DENSITIES = (Field.DATA, Field.MODEL, Field.ENERGY, Field.ESTIMATE)
# ms from an answer to the next question, and the share of the time that it may take while the run trains
PACE = {"landscape": (60, 0.03), "optimum": (400, 0.005), "gap": (1500, 0.005)}
FINE = 7  # px of the map for each number of a field, which is interpolated
LAYERS = ("data", "samples", "arrows", "warp", "averaged", "optimum", "figures")


class LandscapeView(Explorer):
    """One field of numbers behind, and points, arrows and the warped latent grid before it. Beside it, where the data's
    density is known, the best discriminator that there could be, and below how far model and data are apart. In a game
    single steps can be taken, of one player or both. All of it follows the training."""

    key = "landscape"
    title = "Landscape"
    links = "Both show the same part of the plane"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        self._data: np.ndarray | None = None
        self._classes: np.ndarray | None = None  # of the data
        self._answer: Landscape | None = None
        self._optimum: Optimum | None = None
        self.plane, self.best = PlaneMap("plane"), PlaneMap("best")
        self.map = self.plane.map
        self._together = Together(self.map, self.best.map)
        self.best.caption.setText("Best D* = p / (p + q); grey: neither is there")
        self.map.looked_elsewhere.connect(self._ask)
        self.map.chosen_by_hand.connect(self.shared_changed)
        self.figures = Figures(self._expected_figures())
        self.turns = None
        if issubclass(live.learner_class, TakesTurns):
            judge = "critic" if issubclass(live.learner_class, HasCritic) else "discriminator"
            self.turns = TurnsPanel(live.learner_class.quantities, judge)
        maps = QHBoxLayout()
        maps.setSpacing(SPACE // 2)
        maps.addWidget(self.plane, 1)
        maps.addWidget(self.best, 1)
        card = Card()
        card.column.addLayout(maps, 1)
        self._status = Caption(name="landscapeStatus")
        card.column.addWidget(self._status)
        main = QVBoxLayout()
        main.setSpacing(SPACE)
        main.addWidget(card, 1)
        if self.turns is not None:
            main.addWidget(self.turns)
            self.turns.step_wanted.connect(live.step_wanted)
            self.turns.allow(live.can_step)
            live.steerable.connect(self.turns.allow)
            live.turned.connect(self._turned)
        main.addWidget(self.figures)
        self.body.addLayout(main, 1)
        layers = self._layers_card()
        layers.column.setContentsMargins(0, 0, SPACE, 0)
        self._column = Card()
        self._column.column.setContentsMargins(SPACE, SPACE, 0, SPACE)
        self._column.column.addWidget(scrolled(layers, "landscapeLayers"))
        self._column.setFixedWidth(px(SIDE))
        self.body.addWidget(self._column)
        look.changed.connect(self._repaint)

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        shows = (Samples, Decodes, ScoresExactly, HasFreeEnergy)
        return spec.layout is Layout.POINTS and (any(issubclass(model, c) for c in shows) or offers(learner))

    def choices(self) -> dict[str, Any]:
        return {name: self._boxes[name].isChecked() for name in LAYERS if not self._boxes[name].isHidden()}

    def restore(self, choices: dict[str, Any]) -> None:
        for name, on in choices.items():
            if name in self._boxes and not self._boxes[name].isHidden():
                self._boxes[name].setChecked(bool(on))

    def narrow(self) -> None:
        super().narrow()
        for layer in ("optimum", "figures"):
            self._boxes[layer].setChecked(False)
        if self.turns is not None:
            self.turns.hide()
        self.plane.setMinimumHeight(px(MAP_HEIGHT))
        self._column.setMinimumWidth(0)
        self._column.setMaximumWidth(self.maximumWidth())
        self._column.setMinimumHeight(px(SIDE))

    def shared(self) -> Any:
        """What a person made visible of the plane."""
        return self.map.bounds() if self.map.by_hand else None

    def share(self, state: Any) -> str:
        self.map.show_part(state)
        return ""

    # What is asked, and what comes back.

    def begin(self) -> None:
        if self._data is None:
            self.ask("data", DataPoints())
        else:
            self._ask()

    def receive(self, name: str, answer: Answer) -> None:
        if name == "data":
            self._data, self._classes, bounds = answer.value
            self.map.look_at(bounds)
            self._repaint()
            self._ask()
        elif name == "landscape":
            self._answer = answer.value
            self._show_layers()
            self._status.setText(f"weights of step {thousands(answer.step)}")
        elif name == "optimum":
            self._optimum = answer.value
            self._show_optimum()
        elif name == "gap":
            self.figures.show_figures(answer.value)

    def _turned(self, turn: Turn) -> None:
        if self.turns is not None and self.isVisible():
            self.turns.show_turn(turn)

    def _ask(self) -> None:
        if self._data is None or not self.isVisible():
            return
        averaged = self._on("averaged")
        # what is asked last is answered first: distances take a second the first time
        self._keep_asking("figures", lambda: AskGap(averaged), "gap")
        self._keep_asking("optimum", lambda: AskOptimum(self.map.bounds(), averaged))
        self.follow("landscape", self._question, *PACE["landscape"])

    def _keep_asking(self, layer: str, question: Any, channel: str = "") -> None:
        channel = channel or layer
        if self._on(layer):
            self.follow(channel, question, *PACE[channel])
        elif self.followed(channel):
            self.forget(channel)

    def _question(self) -> AskLandscape:
        return AskLandscape(
            self.map.bounds(),
            None if self._field.key == NOTHING else Field(self._field.key),
            resolution=int(np.clip(self.map.width() / FINE, 48, 80)),
            samples=DRAWN if self._on("samples") or self._on("arrows") else 0,
            arrows=ARROWS if self._on("arrows") else 0,
            warp=self._on("warp"),
            averaged=self._on("averaged"),
            label=self._label,
        )

    @property
    def _label(self) -> int | None:
        """The class that is looked at; None for all of them."""
        return None if self.of_class.currentData() in (None, ANY_CLASS) else int(self.of_class.currentData())

    def _on(self, layer: str) -> bool:
        return self._boxes[layer].isChecked()

    # What is shown.

    @property
    def _ink(self) -> str:
        # viridis is dark in every theme
        return DARK.text if self._field.key in DENSITIES else look.theme.text

    def _repaint(self) -> None:
        self.best.setVisible(self._on("optimum"))
        self.figures.setVisible(self._on("figures"))
        texts = {key: text for key, text, _ in self._fields}
        self.plane.caption.setText("" if self._field.key == NOTHING else texts[self._field.key])
        self._boxes["data"].setIcon(swatch(self._ink))
        self._show_layers()
        self._show_optimum()

    def _show_layers(self) -> None:
        answer = self._answer
        self._show_field()
        data = self._data if self._on("data") else None
        if data is not None and self._label is not None:
            data = data[self._classes == self._label]
        samples = None if answer is None else answer.samples
        self.plane.show_points(data, samples if self._on("samples") else None, self._ink)
        gradients = answer.gradients if answer is not None and self._on("arrows") else None
        self._longest.setVisible(gradients is not None)
        if samples is not None and gradients is not None:
            self.plane.show_arrows(samples[: len(gradients)], gradients, self._ink)
            self._longest.setText(f"longest arrow: |∇{self._letter}| = {np.linalg.norm(gradients, axis=1).max():.2g}")
        else:
            self.plane.show_arrows(None, None, self._ink)
        self._show_warp()

    def _show_field(self) -> None:
        answer = self._answer
        field = answer.field if answer is not None and answer.kind == self._field.key else None
        self._bar.setVisible(field is not None)
        if field is None or answer is None:
            self.plane.show_field(None, None, viridis)
        elif answer.kind is Field.DISCRIMINATOR:
            self.plane.show_field(field, answer.bounds, diverging)
            self._bar.explain(diverging, "0 sample", "½", "1 data")
        elif answer.kind is Field.CRITIC:
            low, high = float(field.min()), float(field.max())
            self.plane.show_field((field - low) / max(high - low, 1e-9), answer.bounds, diverging)
            self._bar.explain(diverging, "sample", f"rises by {high - low:.3g}", "data")
        else:
            # a few weights of an estimate may be far too large; they would leave the rest in the dark
            is_estimate = answer.kind is Field.ESTIMATE
            highest = float(np.quantile(field, 0.995) if is_estimate else field.max())
            self.plane.show_field(field / highest if highest > 0 else field, answer.bounds, viridis)
            self._bar.explain(viridis, "0", "", f"{'≥ ' if is_estimate else ''}{highest:.3g}")

    def _show_optimum(self) -> None:
        found = self._optimum if self._on("optimum") else None
        self.best.show_field(None if found is None else found.best, None if found is None else found.bounds, diverging)

    def _show_warp(self) -> None:
        warp = self._answer.warp if self._answer is not None and self._on("warp") else None
        self.plane.warp.show_warp(warp)
        self._dense.setVisible(warp is not None)
        self._folds.setVisible(warp is not None)
        if warp is not None:
            self._dense.explain(_warp_colours, "0", "density of G(z)", f"≥ {full_density(warp):.2g}")
            turned = int(warp.folded.sum())
            self._folds.setText(
                f"{turned} of {warp.cells} cells are turned over (hatched): {percent(warp.folds)} of the probability "
                "lies in folds"
                if turned
                else f"none of {warp.cells} cells is turned over"
            )

    # How it is put together.

    def _layers_card(self) -> Card:
        live = self.live
        card = Card("Background")
        self._fields = self._possible_fields()
        self._field = Choice(self._fields, "field", vertical=True)
        self._field.chosen.connect(self._switch)
        self._bar = ColourBar(viridis, "", "", "")
        fill(card.column, self._field, self._bar)
        card.column.addSpacing(SPACE)
        card.column.addWidget(Caption("On top", heading=True))
        self.of_class = class_choice(live.spec)
        self.of_class.setToolTip(
            "The class whose data, samples and grid are shown, and as one of which every place is judged. What is "
            "compared with the data below is of all classes"
        )
        self.of_class.setVisible(issubclass(live.model_class, DecodesOfClass))
        self.of_class.activated.connect(self._switch)
        card.column.addWidget(self.of_class)
        samples, decodes = issubclass(live.model_class, Samples), issubclass(live.model_class, Decodes)
        known = samples and live.dataset.density is not None
        plays, turns = offers(live.learner_class), issubclass(live.learner_class, TakesTurns)
        self._boxes: dict[str, QCheckBox] = {}
        self._layer("Data", "data", "Training points", True, True, look.theme.text)
        tip = "Drawn from the same noise each time, so that they move as the model does"
        self._layer("Samples", "samples", tip, True, samples, SAMPLES)
        tip = "∇D at samples: where a generator is pushed. Where it vanishes, a generator learns nothing"
        self._letter = "D"
        if issubclass(live.learner_class, HasCritic):
            self._letter, tip = "f", "∇f at samples: where a generator is pushed. Of the best critic it is 1 long"
        judges = plays or issubclass(live.learner_class, HasCritic)
        self._layer(f"Gradient of {self._letter}", "arrows", tip, False, judges and samples)
        tip = (
            "Where a regular grid of a 2-D latent space goes: the middle 99 % of the prior. The more opaque a cell, "
            "the denser its samples, by p(G(z)) = p(z) / |det ∂G/∂z|: opacity grows with the square root of it. "
            "Hatched: cells that are turned over, which lie over others"
        )
        of_class = issubclass(live.model_class, DecodesOfClass)
        tip += ". Of one class, where there is one grid for each" if of_class else ""
        self._layer("Warped grid", "warp", tip, False, decodes or of_class, WARP)
        tip = (
            "A moving average of the generator's weights, from which samples are shown elsewhere. Without it: the "
            "generator that plays, against which D learns"
        )
        self._layer("Averaged generator", "averaged", tip, False, turns and samples)
        fill(card.column, *self._boxes.values())
        self._dense = ColourBar(_warp_colours, "", "", "")
        self._folds, self._longest = Caption(name="folds"), Caption(name="longest")
        for part in (self._dense, self._folds, self._longest):
            part.hide()
        for text in (self._folds, self._longest):
            text.setWordWrap(True)
        fill(card.column, self._dense, self._folds, self._longest)
        heading = Caption("Compared with the data", heading=True)
        heading.setVisible(known)
        card.column.addSpacing(SPACE)
        card.column.addWidget(heading)
        tip = (
            f"D* = p / (p + q), the best answer to “data or sample?”, in {CELLS}×{CELLS} cells of what is seen. p is "
            "the exact density of the data, integrated over each cell; q is counted in 20,000 samples. Cells in which "
            "neither is to be expected stay empty"
        )
        compared = (
            self._layer("Best discriminator", "optimum", tip, known and plays, known),
            self._layer("Distances", "figures", "JS, KL, W₁ and the value of the game, below", known, known),
        )
        fill(card.column, *compared)
        card.column.addSpacing(SPACE)
        tip = "Draw a distribution with a brush, and train another run on it by the settings of this one"
        card.column.addWidget(button("Draw other data …", "drawData", tip, self.draw_wanted.emit))
        card.column.addStretch(1)
        return card

    def _expected_figures(self) -> list[str]:
        """Keys of what will be compared with the data, as far as it is known before the first answer."""
        model, learner = self.live.model_class, self.live.learner_class
        keys = ["js", "forward", "backward", "w1"]
        keys += ["value", "best value"] if offers(learner) and not issubclass(model, SamplesOfClass) else []
        return [*keys, "estimate", "dual"] if issubclass(learner, HasCritic) else keys

    def _possible_fields(self) -> list[tuple[str, str, str]]:
        """(key, text, tooltip) of each field that can be the background, the most telling first."""
        live, fields = self.live, [(NOTHING, "Nothing", "Only what lies on top")]
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
            fields.insert(0, (Field.DISCRIMINATOR.value, "Discriminator D(x)", "D(x): how real a point looks"))
        if issubclass(live.learner_class, HasCritic):
            tip = "The critic's score, up to a constant: the slope is where a generator is pushed"
            fields.insert(0, (Field.CRITIC.value, "Critic f(x)", tip))
        return fields

    def _layer(self, text: str, name: str, tip: str, on: bool, possible: bool, shade: str = "") -> QCheckBox:
        box = check(text, name, tip, on and possible, self._switch)
        if shade:
            box.setIcon(swatch(shade))
        box.setVisible(possible)
        self._boxes[name] = box
        return box

    def _switch(self, _: object) -> None:
        """Another layer was chosen: show what is known of it, and ask."""
        self._repaint()
        self._ask()


def offers(learner: type) -> bool:
    """Whether a learner plays a game whose discriminator can be looked at."""
    return issubclass(learner, HasDiscriminator)


def swatch(shade: str) -> QIcon:
    """A dot of the colour in which a layer is drawn."""
    picture = QPixmap(12, 12)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(shade))
    painter.drawEllipse(2, 2, 8, 8)
    painter.end()
    return QIcon(picture)


def _warp_colours(values: np.ndarray) -> np.ndarray:
    """Densities in 0…1 (H, W) as (3, H, W) uint8: the panel, and as much of the grid's colour as cells have."""
    ends = [np.array(mixed(WARP, look.theme.panel, share).getRgb()[:3]) for share in (0.0, 0.8)]
    share = np.sqrt(values)[..., None]
    return (ends[0] * (1 - share) + ends[1] * share).round().astype(np.uint8).transpose(2, 0, 1)
