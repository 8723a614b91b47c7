"""The column beside the maps of Landscape: what lies behind, what lies on top, and what their colours mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QCheckBox

from dgm_studio.number_texts import percent
from dgm_studio.questions.landscapes import WEIGHTED_DRAWS, Field, Landscape, Warped
from dgm_studio.questions.optimum import CELLS
from models.capabilities import (
    Decodes,
    DecodesOfClass,
    HasCritic,
    HasDiscriminator,
    HasFreeEnergy,
    Samples,
    ScoresExactly,
    TakesTurns,
    WeighsEvidence,
)
from widgets.colormaps import diverging, viridis
from widgets.explorers.landscape_items import SAMPLES, WARP, full_density
from widgets.explorers.parts import (
    ANY_CLASS,
    Caption,
    ColourBar,
    HeadedCard,
    Segments,
    button,
    check,
    class_choice,
    fill,
)
from widgets.live import Live
from widgets.theme import DARK, SPACE, look, mixed

FAINT = 0.15  # difference of lightness below which a colour is outlined
NOTHING = "nothing"
DENSITIES = (Field.DATA, Field.MODEL, Field.ENERGY, Field.ESTIMATE)
LAYERS = ("data", "samples", "arrows", "warp", "averaged", "optimum", "figures")


class LandscapeLayers(HeadedCard):
    """The fields and layers that model, learner and data of a run have, by their capabilities. `switched` when another
    is chosen; `draw_wanted` when a person wants to draw other data."""

    switched = Signal()
    draw_wanted = Signal()

    def __init__(self, live: Live) -> None:
        super().__init__("Background")
        self.boxes: dict[str, QCheckBox] = {}
        self.is_critic = issubclass(live.learner_class, HasCritic)
        self.letter = "f" if self.is_critic else "D"  # of who judges
        self._texts = {key: (text, tip) for key, text, tip in _possible_fields(live)}
        self._field = Segments([(key, *said) for key, said in self._texts.items()], "field", vertical=True)
        self._field.chosen.connect(self._switch)
        self._bar = ColourBar(viridis, "", "", "")
        fill(self.column, self._field, self._bar)
        self.column.addSpacing(SPACE)
        self._add_on_top(live)
        self._add_compared(live)
        self.column.addSpacing(SPACE)
        tip = "Draw a distribution with a brush, and train another run on it by the settings of this one"
        self.column.addWidget(button("Draw other data …", "drawData", tip, self.draw_wanted.emit))
        self.column.addStretch(1)

    # What is chosen.

    @property
    def field(self) -> Field | None:
        """What the background shows; None for nothing."""
        return None if self._field.key == NOTHING else Field(self._field.key)

    @property
    def field_title(self) -> str:
        return "" if self.field is None else self._texts[self._field.key][0]

    @property
    def label(self) -> int | None:
        """The class that is looked at; None for all of them."""
        return None if self.of_class.currentData() in (None, ANY_CLASS) else int(self.of_class.currentData())

    @property
    def ink(self) -> str:
        """What data and arrows are drawn in."""
        # viridis is dark in every theme
        return DARK.text if self.field in DENSITIES else look.theme.text

    def on(self, layer: str) -> bool:
        return self.boxes[layer].isChecked()

    def choices(self) -> dict[str, Any]:
        """What is switched on of the layers that there are."""
        return {name: self.boxes[name].isChecked() for name in LAYERS if not self.boxes[name].isHidden()}

    def restore(self, choices: dict[str, Any]) -> None:
        for name, on in choices.items():
            if name in self.boxes and not self.boxes[name].isHidden():
                self.boxes[name].setChecked(bool(on))

    # What it says of what is shown.

    def restyle(self) -> None:
        """Data have the colour that shows before this background."""
        self.boxes["data"].setIcon(swatch(self.ink))

    def explain_field(self, answer: Landscape | None, lowest: float, highest: float) -> None:
        """What the colours of the background mean, of which these are the ends; None while there is none."""
        self._bar.setVisible(answer is not None)
        if answer is None:
            return
        if answer.kind is Field.DISCRIMINATOR:
            self._bar.explain(diverging, "0 sample", "½", "1 data")
        elif answer.kind is Field.CRITIC:
            self._bar.explain(diverging, "sample", f"rises by {highest - lowest:.3g}", "data")
        else:
            self._bar.explain(viridis, "0", "", f"{'≥ ' if answer.kind is Field.ESTIMATE else ''}{highest:.3g}")

    def explain_arrows(self, gradients: np.ndarray | None) -> None:
        """How long the longest arrow is; None where none are shown."""
        self._longest.setVisible(gradients is not None)
        if gradients is not None:
            self._longest.setText(f"longest arrow: |∇{self.letter}| = {np.linalg.norm(gradients, axis=1).max():.2g}")

    def explain_warp(self, warp: Warped | None) -> None:
        """How dense an opaque cell is, and how many are turned over."""
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

    def _add_on_top(self, live: Live) -> None:
        of_class, decodes = (issubclass(live.model_class, c) for c in (DecodesOfClass, Decodes))
        samples, turns = issubclass(live.model_class, Samples), issubclass(live.learner_class, TakesTurns)
        self.column.addWidget(Caption("On top", heading=True))
        self.of_class = class_choice(live.spec)
        self.of_class.setToolTip(
            "The class whose data, samples and grid are shown, and as one of which every place is judged. What is "
            "compared with the data below is of all classes"
        )
        self.of_class.setVisible(of_class)
        self.of_class.activated.connect(self._switch)
        self.column.addWidget(self.of_class)
        self._layer("Data", "data", "Training points", True, True, look.theme.text)
        tip = "Drawn from the same noise each time, so that they move as the model does"
        self._layer("Samples", "samples", tip, True, samples, SAMPLES)
        tip = (
            "∇f at samples: where a generator is pushed. Of the best critic it is 1 long"
            if self.is_critic
            else "∇D at samples: where a generator is pushed. Where it vanishes, a generator learns nothing"
        )
        judges = self.is_critic or issubclass(live.learner_class, HasDiscriminator)
        self._layer(f"Gradient of {self.letter}", "arrows", tip, False, judges and samples)
        tip = (
            "Where a regular grid of a 2-D latent space goes: the middle 99 % of the prior. The more opaque a cell, "
            "the denser its samples, by p(G(z)) = p(z) / |det ∂G/∂z|: opacity grows with the square root of it. "
            "Hatched: cells that are turned over, which lie over others"
        )
        tip += ". Of one class, where there is one grid for each" if of_class else ""
        self._layer("Warped grid", "warp", tip, False, decodes or of_class, WARP)
        tip = (
            "A moving average of the generator's weights, from which samples are shown elsewhere. Without it: the "
            "generator that plays, against which D learns"
        )
        self._layer("Averaged generator", "averaged", tip, False, turns and samples)
        self._dense = ColourBar(_warp_colours, "", "", "")
        self._folds, self._longest = Caption(name="folds"), Caption(name="longest")
        for part in (self._dense, self._folds, self._longest):
            part.hide()
        for text in (self._folds, self._longest):
            text.setWordWrap(True)
        fill(self.column, self._dense, self._folds, self._longest)

    def _add_compared(self, live: Live) -> None:
        known = issubclass(live.model_class, Samples) and live.dataset.density is not None
        heading = Caption("Compared with the data", heading=True)
        heading.setVisible(known)
        self.column.addSpacing(SPACE)
        self.column.addWidget(heading)
        tip = (
            f"D* = p / (p + q), the best answer to “data or sample?”, in {CELLS}×{CELLS} cells of what is seen. p is "
            "the exact density of the data, integrated over each cell; q is counted in 20,000 samples. Cells in which "
            "neither is to be expected stay empty"
        )
        plays = issubclass(live.learner_class, HasDiscriminator)
        self._layer("Best discriminator", "optimum", tip, known and plays, known)
        self._layer("Distances", "figures", "JS, KL, W₁ and the value of the game, below", known, known)

    def _layer(self, text: str, name: str, tip: str, on: bool, possible: bool, shade: str = "") -> None:
        box = check(text, name, tip, on and possible, self._switch)
        if shade:
            box.setIcon(swatch(shade))
        box.setVisible(possible)
        self.boxes[name] = box
        self.column.addWidget(box)

    def _switch(self, _: object) -> None:
        self.switched.emit()


def _possible_fields(live: Live) -> list[tuple[str, str, str]]:
    """(key, text, tooltip) of each field that can be the background, the most telling first."""
    fields = [(NOTHING, "Nothing", "Only what lies on top")]
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
    if issubclass(live.learner_class, HasDiscriminator):
        fields.insert(0, (Field.DISCRIMINATOR.value, "Discriminator D(x)", "D(x): how real a point looks"))
    if issubclass(live.learner_class, HasCritic):
        tip = "The critic's score, up to a constant: the slope is where a generator is pushed"
        fields.insert(0, (Field.CRITIC.value, "Critic f(x)", tip))
    return fields


def swatch(shade: str) -> QIcon:
    """A dot of the colour in which a layer is drawn."""
    icon = QIcon()
    for ratio in (1, 2):
        picture = QPixmap(12 * ratio, 12 * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        with QPainter(picture) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            faint = abs(QColor(shade).lightnessF() - QColor(look.theme.panel).lightnessF()) < FAINT
            painter.setPen(QColor(look.theme.muted) if faint else Qt.PenStyle.NoPen)
            painter.setBrush(QColor(shade))
            painter.drawEllipse(2, 2, 8, 8)
        icon.addPixmap(picture)
    return icon


def _warp_colours(values: np.ndarray) -> np.ndarray:
    """Densities in 0…1 (H, W) as (3, H, W) uint8: the panel, and as much of the grid's colour as cells have."""
    ends = [np.array(mixed(WARP, look.theme.panel, share).getRgb()[:3]) for share in (0.0, 0.8)]
    share = np.sqrt(values)[..., None]
    return (ends[0] * (1 - share) + ends[1] * share).round().astype(np.uint8).transpose(2, 0, 1)
