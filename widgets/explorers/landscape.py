"""Landscape: a model of points in the plane, laid over its data."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from dgm_studio.events import Turn
from dgm_studio.inference import Answer
from dgm_studio.number_texts import thousands
from dgm_studio.questions.landscapes import AskLandscape, DataPoints, Field, Landscape
from dgm_studio.questions.optimum import AskGap, AskOptimum, Optimum
from models.capabilities import (
    Decodes,
    HasCritic,
    HasDiscriminator,
    HasFreeEnergy,
    Samples,
    SamplesOfClass,
    ScoresExactly,
    TakesTurns,
)
from models.spec import DataSpec, Layout
from widgets.building import scrolled
from widgets.colormaps import diverging, viridis
from widgets.explorers.base import Explorer
from widgets.explorers.landscape_figures import Figures
from widgets.explorers.landscape_items import PlaneMap, Together
from widgets.explorers.landscape_layers import LandscapeLayers
from widgets.explorers.parts import Caption, HeadedCard
from widgets.explorers.turns_panel import TurnsPanel
from widgets.live import Live
from widgets.theme import SPACE, look, px

SIDE = 196  # px, the column of layers
MAP_HEIGHT = 260  # px, in a narrow place
DRAWN, ARROWS = 1000, 150
# ms from an answer to the next question, and the share of the time that it may take while the run trains
PACE = {"landscape": (60, 0.03), "optimum": (400, 0.005), "gap": (1500, 0.005)}
FINE = 7  # px of the map for each number of a field, which is interpolated


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
            self.turns.step_wanted.connect(live.step_wanted)
            self.turns.allow(live.can_step)
            live.steerable.connect(self.turns.allow)
            live.turned.connect(self._turned)
        self.layers = LandscapeLayers(live)
        self.layers.switched.connect(self._switch)
        self.layers.draw_wanted.connect(self.draw_wanted)
        self._arrange()
        look.changed.connect(self._repaint)

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        shows = (Samples, Decodes, ScoresExactly, HasFreeEnergy)
        return spec.layout is Layout.POINTS and (
            any(issubclass(model, c) for c in shows) or issubclass(learner, HasDiscriminator)
        )

    def choices(self) -> dict[str, Any]:
        return self.layers.choices()

    def restore(self, choices: dict[str, Any]) -> None:
        self.layers.restore(choices)

    def narrow(self) -> None:
        super().narrow()
        for layer in ("optimum", "figures"):
            self.layers.boxes[layer].setChecked(False)
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
        averaged = self.layers.on("averaged")
        # what is asked last is answered first: distances take a second the first time
        self._keep_asking("figures", lambda: AskGap(averaged), "gap")
        self._keep_asking("optimum", lambda: AskOptimum(self.map.bounds(), averaged))
        self.follow("landscape", self._question, *PACE["landscape"])

    def _keep_asking(self, layer: str, question: Any, channel: str = "") -> None:
        channel = channel or layer
        if self.layers.on(layer):
            self.follow(channel, question, *PACE[channel])
        elif self.followed(channel):
            self.forget(channel)

    def _question(self) -> AskLandscape:
        return AskLandscape(
            self.map.bounds(),
            self.layers.field,
            resolution=int(np.clip(self.map.width() / FINE, 48, 80)),
            samples=DRAWN if self.layers.on("samples") or self.layers.on("arrows") else 0,
            arrows=ARROWS if self.layers.on("arrows") else 0,
            warp=self.layers.on("warp"),
            averaged=self.layers.on("averaged"),
            label=self.layers.label,
        )

    # What is shown.

    def _repaint(self) -> None:
        self.best.setVisible(self.layers.on("optimum"))
        self.figures.setVisible(self.layers.on("figures"))
        self.plane.caption.setText(self.layers.field_title)
        self.layers.restyle()
        self._show_layers()
        self._show_optimum()

    def _show_layers(self) -> None:
        answer, layers = self._answer, self.layers
        self._show_field()
        data = self._data if layers.on("data") else None
        if data is not None and layers.label is not None:
            data = data[self._classes == layers.label]
        samples = None if answer is None else answer.samples
        self.plane.show_points(data, samples if layers.on("samples") else None, layers.ink)
        gradients = answer.gradients if answer is not None and layers.on("arrows") else None
        tails = samples[: len(gradients)] if samples is not None and gradients is not None else None
        self.plane.show_arrows(tails, gradients, layers.ink)
        layers.explain_arrows(gradients)
        warp = answer.warp if answer is not None and layers.on("warp") else None
        self.plane.warp.show_warp(warp)
        layers.explain_warp(warp)

    def _show_field(self) -> None:
        answer = self._answer
        field = answer.field if answer is not None and answer.kind == self.layers.field else None
        if field is None or answer is None:
            self.plane.show_field(None, None, viridis)
            self.layers.explain_field(None, 0.0, 1.0)
            return
        low, high = float(field.min()), float(field.max())
        colours = diverging if answer.kind in (Field.DISCRIMINATOR, Field.CRITIC) else viridis
        if answer.kind is Field.CRITIC:
            field = (field - low) / max(high - low, 1e-9)
        elif answer.kind is not Field.DISCRIMINATOR:
            if answer.kind is Field.ESTIMATE:
                # a few weights of an estimate may be far too large; they would leave the rest in the dark
                high = float(np.quantile(field, 0.995))
            field = field / high if high > 0 else field
        self.plane.show_field(field, answer.bounds, colours)
        self.layers.explain_field(answer, low, high)

    def _show_optimum(self) -> None:
        found = self._optimum if self.layers.on("optimum") else None
        self.best.show_field(None if found is None else found.best, None if found is None else found.bounds, diverging)

    def _switch(self) -> None:
        """Another layer was chosen: show what is known of it, and ask."""
        self._repaint()
        self._ask()

    # How it is put together.

    def _arrange(self) -> None:
        """Maps, single steps and figures below each other, and the layers beside them."""
        maps = QHBoxLayout()
        maps.setSpacing(SPACE // 2)
        maps.addWidget(self.plane, 1)
        maps.addWidget(self.best, 1)
        card = HeadedCard()
        card.column.addLayout(maps, 1)
        self._status = Caption(name="landscapeStatus")
        card.column.addWidget(self._status)
        main = QVBoxLayout()
        main.setSpacing(SPACE)
        main.addWidget(card, 1)
        if self.turns is not None:
            main.addWidget(self.turns)
        main.addWidget(self.figures)
        self.body.addLayout(main, 1)
        self.layers.column.setContentsMargins(0, 0, SPACE, 0)
        self._column = HeadedCard()
        self._column.column.setContentsMargins(SPACE, SPACE, 0, SPACE)
        self._column.column.addWidget(scrolled(self.layers, "landscapeLayers"))
        self._column.setFixedWidth(px(SIDE))
        self.body.addWidget(self._column)

    def _expected_figures(self) -> list[str]:
        """Keys of what will be compared with the data, as far as it is known before the first answer."""
        model, learner = self.live.model_class, self.live.learner_class
        keys = ["js", "forward", "backward", "w1"]
        plays = issubclass(learner, HasDiscriminator) and not issubclass(model, SamplesOfClass)
        keys += ["value", "best value"] if plays else []
        return [*keys, "estimate", "dual"] if issubclass(learner, HasCritic) else keys
