"""Dream: watch a model's Markov chains, hold some of their units, and see what hidden units do."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QWidget

from dgm_studio.inference import Answer
from dgm_studio.number_texts import thousands
from dgm_studio.questions.chains import (
    FREE,
    Advance,
    Anatomy,
    AskAnatomy,
    ChainFrame,
    Chains,
    Hold,
    LearnersChains,
    StartChains,
)
from dgm_studio.questions.examples import SomeExamples
from dgm_studio.questions.hidden_units import Filters, LookAtUnit
from models.capabilities import HasChains, RunsChain
from models.spec import DataSpec, Layout
from widgets.explorers.base import Explorer, alike
from widgets.explorers.chain_reel import ChainReel
from widgets.explorers.dream_pages import DreamPages
from widgets.explorers.dream_tools import MEAN, STATE, ChainTools
from widgets.explorers.holding import Holding
from widgets.explorers.parts import Caption, HeadedCard
from widgets.live import Live
from widgets.pixel_brush import PixelBrush

CHAINS = 16
LOOK_EVERY = 0.2  # seconds between pictures of what the chosen unit does
STUCK = 0.5  # seconds that a question may take before a change by hand replaces it


class Dream(Explorer):
    """The first chain is large and can be painted on: painted pixels are held while the others are drawn again. Hidden
    units can be held as well, and a class where the model has label units."""

    key = "dream"
    title = "Dream"
    links = "The same pixels are held in both"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        shape = live.spec.event_shape
        self.anatomy = Anatomy((), 0, 0, 0, live.spec.brightest)
        self.holding = Holding(shape, self)
        self.reel = ChainReel(Chains(np.zeros((0, *shape), np.float32)), self)
        self.reel.wanted.connect(self._advance)
        self.reel.appeared.connect(self._show)
        self._frame: ChainFrame | None = None  # shown
        self._looked = 0.0
        self._starting = False  # plays on as soon as new states are there
        self.tools = ChainTools(live.spec, issubclass(live.learner_class, HasChains))
        self.first = PixelBrush()
        self.pages = DreamPages(live.model_class, live.spec)
        self.others, self.units, self.filters = self.pages.others, self.pages.units, self.pages.filters
        self.body.addWidget(self._chain_card(), 5)
        self.body.addWidget(self.pages, 4)
        self._connect()

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        return issubclass(model, RunsChain) and spec.layout is Layout.IMAGE

    @property
    def hold(self) -> Hold:
        """What is held."""
        return self.holding.now

    # What is asked, and what comes back.

    def begin(self) -> None:
        self.ask("anatomy", AskAnatomy())
        if not len(self.reel.shown.x):
            self.ask("start", StartChains(CHAINS))
        self._follow_page()
        self.reel.run()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.reel.halt()

    def receive(self, name: str, answer: Answer) -> None:
        value = answer.value
        if name == "anatomy":
            self._know(value)
        elif name == "start":
            self._restart(value.chains, value)
        elif name == "data" and len(value.x):
            self._restart(Chains(value.x[np.arange(CHAINS) % len(value.x)]))
        elif name == "advance":
            self._take(value)
        elif name == "filters" and self.filters is not None:
            self.filters.take(value)
        elif name == "unit" and self.units is not None:
            self.units.show_unit(value)
        if name in ("start", "data") and self._starting:
            self._starting = False
            self._set_playing(True)

    def _know(self, anatomy: Anatomy) -> None:
        """What the built model has."""
        known, self.anatomy = self.anatomy, anatomy
        if anatomy == known:
            return
        self.tools.set_anatomy(anatomy, self.live.spec)
        self.pages.set_layers(anatomy.layers, anatomy.off)
        self.holding.begin(anatomy.layers)

    def _advance(self, steps: int | None) -> None:
        layer = self.tools.source if isinstance(self.tools.source, int) else None
        steps = self.tools.steps if steps is None else steps
        self.ask("advance", Advance(self.reel.newest, self.hold, steps, self.tools.temperature.value, layer))

    def _see(self) -> None:
        """Something else is to be shown of the same states."""
        self._paint()
        if not self.reel.playing and not self.reel.waiting and isinstance(self.tools.source, int):
            self.reel.go_on(0)

    def _take(self, frame: ChainFrame) -> None:
        if frame.is_finite:
            self.reel.take(frame)
            return
        self._set_playing(False)
        self.notify(
            f"The chains stopped after {thousands(self.reel.transitions)} transitions: their next states are not "
            "finite numbers. Start them again, perhaps at another temperature, or with weights of another step."
        )

    def _restart(self, chains: Chains, frame: ChainFrame | None = None) -> None:
        """Go on from other states; what chains were doing and what is held of pixels is forgotten."""
        self.forget("advance")
        self.notify("")
        self.reel.restart(chains)
        for trace in self.pages.traces:
            trace.clear()
        self.holding.forget_pixels()
        self._show(ChainFrame(chains, chains.x) if frame is None else frame)

    def _show(self, frame: ChainFrame) -> None:
        # what was held since the question was asked stays as it was held
        self._frame = frame
        self.reel.see(frame, self.hold.in_chains(frame.chains))
        if self.units is not None and frame.chains.hidden:
            self.units.take(self.reel.shown.hidden)
            self._look(LOOK_EVERY)
        for trace in self.pages.traces if frame.steps else ():
            trace.take(self.reel.transitions, frame)
        self.pages.show_classes(frame.classes)
        self._paint()
        working = self.reel.working
        late = f" · working… {working:.0f} s" if working >= 1 else ""
        step = thousands(self.live.step)
        self._status.setText(f"{thousands(self.reel.transitions)} transitions · weights of step {step}{late}")

    def _paint(self) -> None:
        """The first chain and the others, as they are."""
        if self._frame is None:
            return
        rows = slice(None if self.hold.everywhere else 1)
        shown = self.reel.shown.x if self.tools.source == STATE else self._frame.mean.copy()
        if self.tools.source in (STATE, MEAN):
            shown[rows] = np.where(self.hold.pixels, self.hold.values, shown[rows])
        shown = (shown - self.anatomy.black) / (self.anatomy.white - self.anatomy.black)
        self.first.show_picture(shown[0])
        self.first.mark(self.hold.pixels.any(0))
        if self.others.isVisible():
            self.others.show_pictures(shown[1:])

    def _look(self, not_before: float = 0.0) -> None:
        """See what the chosen hidden unit does in the first chain."""
        units = self.units
        if units is None or not units.isVisible() or not self.anatomy.layers or not self.reel.shown.hidden:
            return
        if monotonic() - self._looked >= not_before:
            self._looked = monotonic()
            self.ask("unit", LookAtUnit(units.layer, units.unit, units.state, self.anatomy.off))

    def _follow_page(self) -> None:
        """Ask what the page that is seen needs, and no longer what the others do."""
        self.forget("filters")
        if self.filters is not None and self.filters.isVisible():
            self.follow("filters", lambda: Filters(self.filters.layer), 250)
        self._look()
        self._paint()

    # What a person does.

    def shared(self) -> Any:
        """What is held, and in pictures of which kind."""
        return self.live.spec, self.hold

    def share(self, state: Any) -> str:
        spec, hold = state
        if not alike(spec, self.live.spec):
            return "These runs have learned pictures of different sizes or values: each holds pixels of its own."
        fits = [one.shape for one in hold.units] == [one.shape for one in self.hold.units]
        units = hold.units if fits else self.hold.units
        label = hold.label if hold.label < self.anatomy.labels else self.hold.label
        self.holding.become(replace(hold, units=units, label=label))
        return ""

    def can_undo(self) -> bool:
        return self.holding.can_undo

    def undo(self) -> None:
        self.holding.undo()

    def _show_hold(self, hold: Hold) -> None:
        """Something else is held."""
        self.shared_changed.emit()
        self.tools.show_hold(hold, self.holding.can_undo)
        self.pages.bars.hold(hold.label)
        self.reel.change(hold.in_chains)
        if self.units is not None:
            if self.reel.shown.hidden:
                self.units.states(self.reel.shown.hidden)
            self.units.mark(hold.units)
        self._see()
        self._look()
        if self.reel.working > STUCK:
            self.reel.go_on()

    def _brushed(self, mask: np.ndarray) -> None:
        """Within one stroke, which is remembered when it begins."""
        if not len(self.reel.shown.x):
            return
        ink = self.tools.ink(self.anatomy)
        if self.tools.tool == "free":
            self.holding.become(self.hold.without_pixels(mask))
        else:
            values = (
                self.reel.shown.x[0] if ink is None else np.broadcast_to(ink[:, None, None], self.hold.values.shape)
            )
            self.holding.become(self.hold.with_pixels(mask, values))

    def _set_playing(self, playing: bool) -> None:
        self.reel.play(playing)
        self.tools.show_playing(playing)
        if not playing:
            self.forget("advance")

    def _step(self) -> None:
        """A frame, and then rest."""
        if self.reel.playing:
            self._set_playing(False)
        if not self.reel.waiting:
            self.reel.go_on()

    def _start(self, where: str) -> None:
        """Start the chains again."""
        self._set_playing(False)  # until the new states are there: the old ones do not go on
        self._starting = where != "drawing"
        if where == "data":
            label = self.hold.label
            self.ask("data", SomeExamples(CHAINS, None if label == FREE else label))
        elif where == "drawing":  # an empty picture, at rest until a person has drawn on it
            self._restart(Chains(np.full((CHAINS, *self.live.spec.event_shape), self.anatomy.black, np.float32)))
            self.tools.draw()
        else:
            self.ask("start", StartChains(CHAINS) if where == "noise" else LearnersChains(CHAINS))

    # How it is put together.

    def _connect(self) -> None:
        tools = self.tools
        tools.play.clicked.connect(lambda: self._set_playing(not self.reel.playing))
        tools.step.clicked.connect(self._step)
        tools.started.connect(self._start)
        tools.released.connect(self.holding.let_all_go)
        tools.undone.connect(self.undo)
        tools.resized.connect(self._resize_brush)
        tools.held_everywhere.connect(lambda on: self.holding.change(replace(self.hold, everywhere=on)))
        tools.labelled.connect(lambda label: self.holding.change(replace(self.hold, label=label)))
        tools.source_chosen.connect(self._see)
        self._resize_brush(tools.radius)
        self.first.began.connect(self.holding.remember)
        self.first.brushed.connect(self._brushed)
        self.holding.changed.connect(self._show_hold)
        self.holding.remembered.connect(lambda: tools.can_undo(True))
        units = self.units
        if units is not None:
            units.toggled.connect(lambda unit: self.holding.toggle_unit(units.layer, unit, self.anatomy.off))
            units.held.connect(lambda held: self.holding.hold_layer(units.layer, held))
            units.looked.connect(self._look)
        if self.filters is not None:
            self.filters.changed.connect(self._follow_page)
        self.pages.turned.connect(self._follow_page)

    def _chain_card(self) -> HeadedCard:
        card = HeadedCard("First chain", "paint to hold pixels")
        card.head.addWidget(self.tools.sources)
        self.first.setObjectName("firstChain")
        self.first.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._status = Caption(name="dreamStatus")
        card.column.addWidget(self.first, 1)
        card.column.addWidget(self.tools)
        card.column.addWidget(self._status)
        return card

    def _resize_brush(self, radius: float) -> None:
        self.first.radius = radius
