"""Latent map: drag a point through what a decoder learned."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent, QKeyEvent
from PySide6.QtWidgets import QWidget

from dgm_studio.inference import Answer
from dgm_studio.questions.arrays import Bounds
from dgm_studio.questions.examples import ExamplesAt
from dgm_studio.questions.landscapes import AskLandscape, DataPoints
from dgm_studio.questions.latent import (
    AskPrior,
    Decode,
    Decoded,
    DrawPrior,
    Embed,
    Embedding,
    Plane,
    PriorView,
    nearest,
)
from models.capabilities import Decodes, DecodesOfClass, Encodes, FacesDiscriminator
from models.spec import DataSpec, Layout, Support
from widgets.explorers.attributes import Attributes
from widgets.explorers.base import Explorer
from widgets.explorers.class_grid import ClassGrid
from widgets.explorers.film_export import FilmExport
from widgets.explorers.latent_parts import DatumLine, DimensionSliders, Outcome, side_card
from widgets.explorers.latent_tools import ToolBench
from widgets.explorers.map_card import MapCard
from widgets.explorers.parts import HeadedCard
from widgets.explorers.steps import Steps
from widgets.explorers.traversals import Traversals
from widgets.explorers.walk import Walk
from widgets.live import Live
from widgets.theme import look

OUTCOME_HEIGHT = 140  # px, in a narrow place


class LatentMap(Explorer):
    """Encoded data on a plane through the latent space, a handle that is dragged, and what it decodes to, live."""

    key = "latent-map"
    title = "Latent map"
    links = "One handle moves both"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        self._encodes = issubclass(live.model_class, Encodes)
        self._of_class = issubclass(live.model_class, DecodesOfClass)
        self._is_picture = live.spec.layout is Layout.IMAGE
        self._sample_bounds: Bounds = (-1, -1, 1, 1)
        self._arrival: np.ndarray | None = None  # where a person comes from another view
        self.z = np.zeros(0, np.float32)
        self._steps = Steps(self)
        self.outcome = Outcome(self._is_picture)
        self.sliders = DimensionSliders()
        self.sliders.moved.connect(self._slide)
        self.walk = Walk(self._is_picture)
        self.walk.played.connect(self.move_to)
        self.traversals = Traversals(self._encodes)
        self.attributes = Attributes(live.spec.class_names, self._is_picture)
        self.attributes.redrawn.connect(self._draw_ways)
        self.class_grid = ClassGrid(live.spec.class_names)
        self.class_grid.chosen.connect(self._choose_class)
        labelled = self._encodes and live.spec.classes > 0
        offered = {self.walk: True, self.traversals: self._is_picture, self.attributes: labelled}
        self.tools = ToolBench(offered | {self.class_grid: self._of_class and self._is_picture})
        self.card = MapCard(live, self.tools)
        self.card.turned.connect(self._turn)
        self.card.switched.connect(self._switch_layers)
        self.card.class_chosen.connect(self._choose_class)
        self.map, self.layers, self.classes = self.card.map, self.card.layers, self.card.classes
        self.map.pointed.connect(self._point)
        self.map.looked_elsewhere.connect(self._refresh_backdrop)
        self.tools.wanted.connect(self._ask_tool)
        self.tools.opened.connect(lambda tool: self._draw_ways())
        for tool in self.tools.tools:
            tool.moved.connect(self._go)
            tool.changed.connect(self._draw_ways)
        self.films = FilmExport(self, self.walk, lambda: self.label)
        self._datum = DatumLine(self._is_picture)
        self.body.addWidget(self.card, 1)
        actions = (self._reset, self._random, self._snap, self._pin)
        given = "z, y" if self._of_class else "z"
        generates = not self._encodes or issubclass(live.model_class, FacesDiscriminator)
        makes_x = generates and live.spec.support in (Support.UNIT, Support.REALS)  # and no chances of discrete values
        card = HeadedCard("Generated" if generates else "Decoded", f"x = G({given})" if makes_x else f"p(x | {given})")
        self._side = side_card(card, self.outcome, self._datum, self.sliders, actions, self._encodes)
        self.body.addWidget(self._side)
        self.setFocusProxy(self.map)
        look.changed.connect(self.card.repaint_layers)

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        decodes = issubclass(model, Decodes) or issubclass(model, DecodesOfClass)
        return decodes and spec.layout in (Layout.IMAGE, Layout.POINTS)

    @property
    def label(self) -> int | None:
        """The class that is decoded; None where a code alone decodes."""
        return self.card.label

    # What is asked, and what comes back.

    def begin(self) -> None:
        if self.card.prior is None:
            self.ask("prior", AskPrior())
        else:
            self._ask_all()

    def receive(self, name: str, answer: Answer) -> None:
        value = answer.value
        if name == "prior":
            self._enter(value)
        elif name == "decode":
            self.outcome.show_example(value.x[0] / self.live.spec.brightest)
        elif name == "embedding":
            self._show_embedding(value)
        elif name in ("manifold", "density", "aggregate"):
            self.layers.take(name, value)
            self.layers.draw_on(self.map)
            self.card.say_status()
        elif name == "random":
            self._go(value, whole=True)
        elif name == "tool":
            self._show_decoded(value)
        elif name == FilmExport.CHANNEL:
            self.films.receive(value)
        elif name == "datum":
            self._datum.show_picture(value.x[0] / self.live.spec.brightest)
        elif name == "points":
            *_, self._sample_bounds = value
            self.follow("samples", lambda: AskLandscape(self._sample_bounds, samples=1000, averaged=True), 100)
        elif name == "samples" and value.samples is not None:
            self.outcome.show_samples(value.samples, self._sample_bounds)

    def move_to(self, z: np.ndarray) -> None:
        """Put the handle at z (L,) and show what it decodes to."""
        self.z = z.astype(np.float32)
        self._datum.hide()
        self._place()
        self.ask("decode", Decode(self.z[None], self.label), standing=True)
        self.shared_changed.emit()

    def _go(self, z: np.ndarray, whole: bool = False) -> None:
        """A person goes somewhere: what plays stops. `whole`: not by dragging, but at once."""
        self.walk.pause()
        self._steps.leave(self.z, whole)
        self.moved_by_hand()
        self.move_to(z)

    def _enter(self, prior: PriorView) -> None:
        """The latent space is known now."""
        fits = self._arrival is not None and len(self._arrival) == len(prior.mean)
        self._steps.clear()
        self.z = self._arrival if fits else prior.mean
        self.sliders.set_space(prior, with_kl=self._encodes)
        for tool in self.tools.tools:
            tool.enter(prior)
        self.card.enter(prior)
        self._place()
        self.card.look_around()
        self._ask_all()

    def _ask_all(self) -> None:
        self.move_to(self.z)
        if self._encodes:
            self.follow("embedding", lambda: Embed(previous=self.card.embedding and self.card.embedding.plane), 800)
        if not self._is_picture:
            self.ask("points", DataPoints())
        self._refresh_backdrop()
        self._ask_tool()

    def _switch_layers(self) -> None:
        self._refresh_backdrop()
        self.card.repaint_layers()

    def _refresh_backdrop(self) -> None:
        if self.card.plane is not None and self.isVisible():
            self.layers.ask(self, self.map, self._where)

    def _where(self) -> tuple[Plane, np.ndarray]:
        assert self.card.plane is not None
        return self.card.plane, self.z

    def _ask_tool(self) -> None:
        """What the tool in view wants decoded."""
        self.tools.ask(self, self.label)

    def _show_decoded(self, decoded: Decoded) -> None:
        """To the tool that wanted it; points also where the others are."""
        x = decoded.x / self.live.spec.brightest
        if self.tools.take(decoded.z, x) is self.walk and not self._is_picture:
            pins = len(self.walk.pins)
            self.outcome.plane.set_path(x[pins:], x[:pins])

    # What is shown.

    def _place(self) -> None:
        """Handle, tools and sliders follow z."""
        assert self.card.plane is not None
        self.map.put_handle(*self.card.plane.project(self.z).tolist())
        self.sliders.set_z(self.z)
        self.tools.follow(self.z)
        self._draw_ways()

    def _draw_ways(self) -> None:
        """The ways through pins and along an attribute, on the map."""
        plane = self.card.plane
        if plane is None:
            return
        pins = np.array(self.walk.pins, np.float32).reshape(-1, len(self.z))
        self.map.set_path(plane.project(self.walk.way()), plane.project(pins))
        along = self.attributes.line() if self.tools.current is self.attributes else np.zeros((0, len(self.z)))
        self.map.set_direction(plane.project(along))
        if not self._is_picture and not len(pins):
            self.outcome.plane.set_path(np.zeros((0, 2)), np.zeros((0, 2)))

    def _show_embedding(self, embedding: Embedding) -> None:
        self.sliders.set_kl(embedding.kl)
        for tool in self.tools.tools:
            tool.learn(embedding)
        self.card.show_embedding(embedding)
        if self.card.choice.is_principal:
            self._place()

    # What a person does.

    def _point(self, x: float, y: float) -> None:
        if self.card.plane is not None and self.card.prior is not None:
            self._go(self.card.prior.inside(self.card.plane.lift(np.array([x, y]), self.z)))

    def _slide(self, dimension: int, value: float) -> None:
        z = self.z.copy()
        z[dimension] = value
        self._go(z)
        if len(z) > 2:
            self._refresh_backdrop()

    def _choose_class(self, label: int) -> None:
        """Everything that is decoded is of another class now."""
        self.card.choose_class(label)
        self.class_grid.set_label(label)
        if self.card.plane is not None:
            self.move_to(self.z)
            self._refresh_backdrop()
            self._ask_tool()

    def _turn(self) -> None:
        """Other directions were chosen."""
        self.card.turn(self)
        self._place()
        self._refresh_backdrop()

    def _reset(self) -> None:
        if self.card.prior is not None:
            self.map.by_hand = False
            self.card.look_around()
            self._go(self.card.prior.mean, whole=True)

    def _random(self) -> None:
        self.ask("random", DrawPrior())

    def _snap(self) -> None:
        """Move to the posterior mean that lies nearest, and show the example it belongs to."""
        embedding = self.card.embedding
        if embedding is None:
            return
        [row] = nearest(embedding, self.z, 1)
        self._go(embedding.means[row], whole=True)
        label, index = int(embedding.y[row]), int(embedding.index[row])
        self._datum.announce(index, f"class {self.live.spec.class_names[label]}" if label >= 0 else "no label")
        if self._is_picture:
            self.ask("datum", ExamplesAt((index,), embedding.split))

    def _pin(self) -> None:
        if self.card.plane is not None:
            self.walk.add(self.z)
            self.tools.open(self.walk)

    def choices(self) -> dict[str, Any]:
        tool = self.tools.current
        return {"tool": tool.key if tool is not None else "", **self.card.choices()}

    def restore(self, choices: dict[str, Any]) -> None:
        self.card.restore(choices)
        self.tools.open_key(str(choices.get("tool", "")))

    def can_undo(self) -> bool:
        return self._in_walk or self._steps.can_undo

    def undo(self) -> None:
        """Take back the last change of the way while it is in view, else where the handle was before."""
        if self._in_walk:
            self.walk.undo()
        elif self._steps.can_undo:
            self.walk.pause()
            self.move_to(self._steps.undo(self.z))

    def can_redo(self) -> bool:
        return self._steps.can_redo

    def redo(self) -> None:
        if self._steps.can_redo:
            self.walk.pause()
            self.move_to(self._steps.redo(self.z))

    @property
    def _in_walk(self) -> bool:
        return self.tools.current is self.walk and self.walk.can_undo

    def arrive(self, z: np.ndarray) -> None:
        self._arrival = z
        if self.card.prior is not None:
            self._go(z, whole=True)

    def narrow(self) -> None:
        super().narrow()
        self.card.narrow()
        self.outcome.setFixedHeight(OUTCOME_HEIGHT)
        self._side.setMinimumWidth(0)
        self._side.setMaximumWidth(self.maximumWidth())

    def shared(self) -> Any:
        """The code (L,) and the class."""
        return (self.z, self.label) if self.card.prior is not None else None

    def share(self, state: Any) -> str:
        z, label = state
        if self.card.prior is None:
            self._arrival = z
            return ""
        if len(z) != len(self.z):
            fewer, more = sorted((len(z), len(self.z)))
            return f"One code has {fewer} dimensions, the other {more}: each map has a handle of its own."
        if label is not None and label != self.label and label < self.live.spec.classes and self._of_class:
            self._choose_class(label)
        self.moved_by_hand()
        self.move_to(z)
        return ""

    def hideEvent(self, event: QHideEvent) -> None:
        self.walk.pause()
        super().hideEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = {
            Qt.Key.Key_Home: self._reset,
            Qt.Key.Key_R: self._random,
            Qt.Key.Key_N: self._snap,
            Qt.Key.Key_P: self._pin,
            Qt.Key.Key_Space: self.walk.toggle,
            Qt.Key.Key_T: lambda: self.tools.open_key(self.traversals.key),
            Qt.Key.Key_B: lambda: self.tools.open_key(self.attributes.key),
            Qt.Key.Key_C: lambda: self.tools.open_key(self.class_grid.key),
            Qt.Key.Key_M: self.layers.manifold.click,
            Qt.Key.Key_D: self.layers.data.click,
            Qt.Key.Key_O: self.layers.prior.click,
            Qt.Key.Key_A: self.layers.aggregate.click,
        }
        action = keys.get(Qt.Key(event.key()))
        if action is None or event.modifiers() & ~Qt.KeyboardModifier.ShiftModifier:
            super().keyPressEvent(event)
        else:
            action()
