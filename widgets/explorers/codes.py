"""Codes: toggle discrete hidden units, and see what a model makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from dgm_studio.inference import Answer
from dgm_studio.number_texts import thousands
from dgm_studio.questions.chains import Anatomy, AskAnatomy
from dgm_studio.questions.codes import Code, CodeOfExample, DrawCode, LookAtCode, WalkOver, toggled
from models.capabilities import DrawsDownwards
from models.spec import DataSpec, Layout
from widgets.explorers.base import Explorer
from widgets.explorers.code_parts import CodeCard, PictureCard, UnitCard, WalkCard
from widgets.explorers.parts import ANY_CLASS
from widgets.live import Live
from widgets.past import Past
from widgets.theme import SPACE

UNDO = 100


class Codes(Explorer):
    """The code on the left; what it means on the right, of a person's own, of the prior or of a test example. With
    several layers one of them is chosen, and its state alone decides what is seen."""

    key = "codes"
    title = "Codes"
    links = "One code in both"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        self.anatomy = Anatomy((), 0, 0, 0, live.spec.brightest)
        self.code: Code | None = None
        self.pinned: Code | None = None  # where walks begin
        self._past: Past[Code] = Past(UNDO)
        self._offered: Any = None  # by a linked view, before it was known which layers there are
        self.card, self.made = CodeCard(live.spec), PictureCard()
        self.unit, self.walk = UnitCard(), WalkCard()
        right = QVBoxLayout()
        right.setSpacing(SPACE)
        below = QHBoxLayout()
        below.setSpacing(SPACE)
        below.addWidget(self.unit, 1)
        below.addWidget(self.walk, 1)
        right.addWidget(self.made, 5)
        right.addLayout(below, 4)
        self.body.addWidget(self.card, 4)
        self.body.addLayout(right, 5)
        self._connect()

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        return issubclass(model, DrawsDownwards) and spec.layout is Layout.IMAGE

    # What is asked, and what comes back.

    def begin(self) -> None:
        self.ask("anatomy", AskAnatomy())
        if self.code is None:
            self.ask("code", DrawCode())
        self._look()
        self._walk()

    def receive(self, name: str, answer: Answer) -> None:
        value = answer.value
        if name == "anatomy":
            self._know(value)
        elif name == "code":
            self._taken(value)
        elif name == "look":
            self.made.show_picture(self._shown(value.picture))
            self.made.say(f"weights of step {thousands(answer.step)}")
            self.unit.show_pictures(self._shown(value.values), value.effect)
        elif name == "walk":
            self.walk.show_walk(value, self._shown(value.pictures))

    def _know(self, anatomy: Anatomy) -> None:
        """What the built model has."""
        if anatomy.layers != self.anatomy.layers:
            self.card.set_layers(anatomy.layers)
        self.anatomy = anatomy
        self._show()
        offered, self._offered = self._offered, None
        if offered is not None:
            self.notify(self.share(offered))

    def _taken(self, code: Code | None) -> None:
        """A code was drawn or inferred."""
        if code is None:
            self.notify("There is no test example of this class.")
            return
        self.notify("")
        if self.code is None:
            self._become(code)
        else:
            self.change(code)

    def _look(self) -> None:
        """See what the code makes, and the unit that is pointed at, now and as the model learns."""
        if self.code is not None and self.isVisible():
            question = LookAtCode(self.card.layer, self.code.hidden[self.card.layer], self.card.place)
            self.ask("look", question, standing=True)

    def _walk(self) -> None:
        if self.code is None or self.pinned is None or not self.isVisible():
            self.forget("walk")
            return
        layer = self.card.layer
        self.ask("walk", WalkOver(layer, self.pinned.hidden[layer], self.code.hidden[layer]), standing=True)

    def _shown(self, pictures: np.ndarray) -> np.ndarray:
        shown: np.ndarray = (pictures - self.anatomy.black) / (self.anatomy.white - self.anatomy.black)
        return shown

    def _show(self) -> None:
        """The code and what is known of it."""
        if self.code is None or not self.anatomy.layers:
            return
        self.card.show_code(self.code, self.pinned, self._past.can_undo, self._past.can_redo)
        self.unit.show_unit(self.code.hidden[self.card.layer], self.card.place)
        self.walk.set_pinned(self.pinned is not None)
        example = self.code.example
        self.made.show_example(None if example is None else self._shown(example))

    # What a person does.

    def can_undo(self) -> bool:
        return self._past.can_undo

    def undo(self) -> None:
        if self._past.can_undo and self.code is not None:
            self._become(self._past.undo(self.code))

    def can_redo(self) -> bool:
        return self._past.can_redo

    def redo(self) -> None:
        if self._past.can_redo and self.code is not None:
            self._become(self._past.redo(self.code))

    def change(self, code: Code) -> None:
        """Another code, which can be taken back."""
        if self.code is not None:
            self._past.leave(self.code)
        self._become(code)

    def set_layer(self, h: np.ndarray) -> None:
        """Another state of the layer that is looked at."""
        if self.code is not None and not np.array_equal(h, self.code.hidden[self.card.layer]):
            self.change(self.code.with_layer(self.card.layer, h))

    def shared(self) -> Any:
        """The code, and the layer that is looked at."""
        return None if self.code is None else (self.code, self.card.layer)

    def share(self, state: Any) -> str:
        code, layer = state
        if not self.anatomy.layers:
            self._offered = state
            return ""
        if tuple(h.shape for h in code.hidden) != self.anatomy.layers:
            return "The codes stay each run's own: their layers are of other sizes."
        self.forget("code")
        if layer != self.card.layer:
            self.card.layers.setCurrentIndex(layer)
            self.card.turn()
        same = self.code is not None and all(map(np.array_equal, code.hidden, self.code.hidden))
        if not same:
            example = code.example
            fits = example is not None and example.shape == self.live.spec.event_shape
            self.change(code if fits else Code(code.hidden))
        return ""

    def _become(self, code: Code) -> None:
        self.code = code
        self._show()
        self._look()
        self._walk()
        self.shared_changed.emit()

    def _toggle(self, place: int) -> None:
        if self.code is not None:
            self.set_layer(toggled(self.code.hidden[self.card.layer], place))

    def _choose_value(self, value: int) -> None:
        if self.code is None:
            return
        h, place = self.code.hidden[self.card.layer], self.card.place
        if h.ndim == 2:
            self._toggle(place - place % h.shape[1] + value)
        elif h[place] != value:
            self._toggle(place)

    def _point(self) -> None:
        """At another unit, or another layer."""
        self._show()
        self._look()

    def _turn(self) -> None:
        self.walk.clear()
        self._point()
        self._walk()
        self.shared_changed.emit()

    def _example(self, label: int) -> None:
        self.ask("code", CodeOfExample(None if label == ANY_CLASS else label))

    def _pin(self) -> None:
        self.pinned = self.code
        self._show()
        self._walk()

    def _unpin(self) -> None:
        self.pinned = None
        self.walk.clear()
        self._show()
        self._walk()

    def _connect(self) -> None:
        card = self.card
        card.toggled.connect(self._toggle)
        card.pointed.connect(self._point)
        card.turned.connect(self._turn)
        card.drawn.connect(lambda: self.ask("code", DrawCode()))
        card.exampled.connect(self._example)
        card.undone.connect(self.undo)
        card.redone.connect(self.redo)
        self.unit.chosen.connect(self._choose_value)
        self.walk.pinned.connect(self._pin)
        self.walk.let_go.connect(self._unpin)
        self.walk.chosen.connect(self.set_layer)
