"""What the explorer of codes is made of."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QSizePolicy, QWidget

from dgm_studio.number_texts import thousands
from dgm_studio.questions.codes import Code, CodeWalk, units_that_differ
from models.spec import DataSpec
from widgets.explorers.parts import Caption, HeadedCard, button, class_choice, row_of
from widgets.explorers.unit_grid import UnitGrid, unit_name
from widgets.explorers.units_panel import FramedPicture, LayerChoice, signed
from widgets.picture_grid import PictureGrid
from widgets.picture_view import PictureView
from widgets.theme import SPACE, look


class CodeCard(HeadedCard):
    """The units of the layer that is looked at, and where codes come from.

    Signals: `toggled(place)`, a flat index in the layer's state; `pointed()` at another unit; `turned()` to another
    layer; `drawn()`; `exampled(label)`; `undone()`; `redone()`.
    """

    toggled = Signal(int)
    pointed = Signal()
    turned = Signal()
    drawn = Signal()
    exampled = Signal(int)
    undone = Signal()
    redone = Signal()

    def __init__(self, spec: DataSpec) -> None:
        super().__init__("Code", "press a unit to change it")
        self._shapes: tuple[tuple[int, ...], ...] = ()
        self.layers = LayerChoice("codeLayer")
        self.layers.activated.connect(lambda _: self.turn())
        self.grid = UnitGrid()
        self.grid.chosen.connect(lambda place: self.pointed.emit())
        self.grid.toggled.connect(self.toggled)
        self._said = Caption(name="codeSaid")
        self._said.setWordWrap(True)
        self._class = class_choice(spec)
        tip = "Infer the code of a test example, of the class beside"
        example = button("Example", "example", tip, self._take_example, "E")
        self._class.activated.connect(self._take_example)
        draw = button("Draw", "draw", "Draw a code from the prior", self.drawn.emit, "R")
        self._undo = button("Undo", "undo", "Take the last change back (Ctrl+Z)", self.undone.emit)
        self._redo = button("Redo", "redo", "Do again what was taken back (Ctrl+Shift+Z)", self.redone.emit)
        self.head.addWidget(self.layers)
        self.column.addWidget(self.grid, 1)
        self.column.addWidget(self._said)
        self.column.addLayout(row_of(draw, self._undo, self._redo))
        self.column.addLayout(row_of(example, self._class))

    @property
    def layer(self) -> int:
        return max(0, self.layers.currentIndex())

    @property
    def place(self) -> int:
        """The flat index that is pointed at."""
        return self.grid.unit

    def set_layers(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        self._shapes = shapes
        self.layers.set_layers(shapes)
        if shapes:
            self.grid.set_layer(shapes[0])

    def show_code(self, code: Code, pinned: Code | None, can_undo: bool, can_redo: bool) -> None:
        """`pinned`: a code whose differences are framed."""
        h, marks = code.hidden[self.layer], None
        said = f"{thousands(len(h))} units"
        if h.ndim == 1:
            said = f"{thousands(int(h.sum()))} of {thousands(len(h))} units on"
        if pinned is not None:
            other = units_that_differ(pinned.hidden[self.layer], h)
            on = np.where(h > 0, h, np.nan) if h.ndim == 2 else h
            marks = np.where(other[:, None] if h.ndim == 2 else other, on, np.nan)
            said += f" · {thousands(int(other.sum()))} unlike the pinned code"
        self.grid.show_units(h, marks, mark="unlike the pinned code")
        self._said.setText(f"{unit_name(self.place, h.shape)} · {said}")
        self._undo.setEnabled(can_undo)
        self._redo.setEnabled(can_redo)

    def turn(self) -> None:
        """Look at the layer that is chosen."""
        self.grid.set_layer(self._shapes[self.layer])
        self.turned.emit()

    def _take_example(self) -> None:
        self.exampled.emit(self._class.currentData())


class PictureCard(HeadedCard):
    """What the code makes, and the example beside it that the code was inferred from."""

    def __init__(self) -> None:
        super().__init__("What it makes", "E[x | h]")
        self._step = Caption(name="codeStep")
        self.head.addWidget(self._step)
        self.made, self.example = PictureView(minimum=120), PictureView(minimum=96)
        self.made.setObjectName("codePicture")
        self.made.setAccessibleName("What the code makes")
        self.example.setObjectName("codeExample")
        self.example.setAccessibleName("The example that the code was inferred from")
        self.example.setToolTip("The test example that the code was inferred from")
        self._captions = Caption("of the code"), Caption("the example")
        pictures = QGridLayout()
        pictures.setSpacing(SPACE // 2)
        for column, (view, caption) in enumerate(zip((self.made, self.example), self._captions, strict=True)):
            pictures.addWidget(caption, 0, column)
            pictures.addWidget(view, 1, column)
        pictures.setRowStretch(1, 1)
        self.column.addLayout(pictures, 1)
        self.show_example(None)

    def show_picture(self, picture: np.ndarray) -> None:
        self.made.show_picture(picture)

    def show_example(self, picture: np.ndarray | None) -> None:
        """None where the code is no example's."""
        self.example.show_picture(picture)
        self.example.setVisible(picture is not None)
        for caption in self._captions:
            caption.setVisible(picture is not None)

    def say(self, text: str) -> None:
        self._step.setText(text)


class UnitCard(HeadedCard):
    """The unit that is pointed at: what it makes at each of its values, the rest as it is. `chosen(value)` when a
    picture is pressed."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__("Unit")
        self._effect: np.ndarray | None = None
        self._name = Caption(name="codeUnit")
        self.head.addWidget(self._name)
        self.values = PictureGrid(minimum=64)
        self.values.setObjectName("codeValues")
        self.values.setAccessibleName("The picture at each value of the unit")
        self.values.setToolTip("The picture at each value of this unit, the rest of the code as it is; press to choose")
        self.values.pressed.connect(self.chosen)
        self.effect = FramedPicture(minimum=64)
        self.effect.setObjectName("codeEffect")
        self.effect.setAccessibleName("The effect of the value")
        self.effect.setToolTip("E[x | this value] − the mean over the unit's other values. Blue: more, red: less")
        self._caption = Caption("effect", "codeEffectCaption")
        effect = QHBoxLayout()
        effect.setSpacing(SPACE)
        effect.addWidget(self.effect, 1)
        effect.addWidget(self._caption, 1)
        _as_there_is_room(self.values, self.effect)
        self.column.addWidget(self.values, 3)
        self.column.addLayout(effect, 2)
        look.changed.connect(self._show_effect)

    def show_unit(self, h: np.ndarray, place: int) -> None:
        """Which unit, and at which value it is now."""
        self._name.setText(unit_name(place, h.shape))
        now = int(h[place // h.shape[1]].argmax()) if h.ndim == 2 else int(h[place])
        self.values.mark(now)

    def show_pictures(self, values: np.ndarray, effect: np.ndarray) -> None:
        self.values.show_pictures(np.clip(values, 0, 1))
        self._effect = effect
        self._show_effect()

    def _show_effect(self) -> None:
        if self._effect is not None:
            self.effect.show_picture(signed(self._effect[None])[0])
            self._caption.setText(f"effect ±{np.abs(self._effect).max():.2g}")


class WalkCard(HeadedCard):
    """From the pinned code to the present one, unit by unit. Signals: `pinned()`, `let_go()`; `chosen(h)` when a
    picture is pressed, with the state of the layer that it shows."""

    pinned = Signal()
    let_go = Signal()
    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__("Walk")
        self._states: np.ndarray | None = None
        self.grid = PictureGrid(minimum=64)
        self.grid.setObjectName("codeWalk")
        self.grid.setAccessibleName("Codes from the pinned one to this one")
        self.grid.setToolTip("From the pinned code to this one, unit by unit; press a picture to go there")
        self.grid.pressed.connect(self._press)
        self._caption = Caption(name="walkCaption")
        self._caption.setWordWrap(True)
        self._pin = button("Pin", "pin", "Walks begin at the code as it is now", self.pinned.emit, "P")
        self._let_go = button("Let go", "unpin", "No longer walk from the pinned code", self.let_go.emit)
        self.head.addLayout(row_of(self._pin, self._let_go))
        _as_there_is_room(self.grid)
        self.column.addWidget(self.grid, 1)
        self.column.addWidget(self._caption)
        self.set_pinned(False)
        self.clear()

    def set_pinned(self, on: bool) -> None:
        self._let_go.setEnabled(on)

    def clear(self) -> None:
        self._states = None
        self.grid.show_pictures(None)
        self._caption.setText("Pin a code, then change or draw another: the units between are changed one by one.")

    def show_walk(self, walk: CodeWalk, pictures: np.ndarray) -> None:
        self._states = walk.states
        self.grid.show_pictures(np.clip(pictures, 0, 1))
        steps = len(walk.states) - 1
        text = f"{thousands(walk.differ)} units changed one by one" if walk.differ > 1 else "One unit changed"
        text = text if walk.differ else "This is the pinned code"
        self._caption.setText(f"{text}, in {steps} steps." if steps < walk.differ else f"{text}.")

    def _press(self, number: int) -> None:
        if self._states is not None:
            self.chosen.emit(self._states[number].copy())


def _as_there_is_room(*views: QWidget) -> None:
    """They take the share of a card that is left to them, and ask for none."""
    for view in views:
        view.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
