"""Below the first chain of Dream: what a person holds, how the chains run, and where they start."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QVBoxLayout, QWidget

from dgm_studio.questions.chains import FREE, Anatomy, Hold
from models.spec import DataSpec, Support
from widgets.explorers.brush_tools import BLACK, DRAW, KEEP, WHITE, BrushTools, ColourInk, GreyInk
from widgets.explorers.brush_tools import FREE as LET_GO
from widgets.explorers.parts import button, check, fill, row_of
from widgets.explorers.slider_row import SliderRow, align
from widgets.theme import SPACE

MEAN, STATE = "mean", "state"
COLDEST, HOTTEST = 0.1, 3.0  # temperatures


class ChainTools(QWidget):
    """Signals: `started(where)` with "noise", "data", "drawing" or "learner"; `released()`, `undone()`;
    `held_everywhere(on)`; `labelled(label)`, FREE for none; `source_chosen()` when the first chain is to be shown
    otherwise; `resized(radius)` of the brush."""

    started = Signal(str)
    released = Signal()
    undone = Signal()
    held_everywhere = Signal(bool)
    labelled = Signal(int)
    source_chosen = Signal()
    resized = Signal(float)

    def __init__(self, spec: DataSpec, learner_has_chains: bool) -> None:
        super().__init__()
        channels, height, width = spec.event_shape
        self._brightest = spec.brightest
        self._inks: GreyInk | ColourInk | None = None
        plain = spec.support is Support.BITS and channels == 1
        tips = {
            KEEP: "Hold pixels at the values they have now",
            **(
                {WHITE: "Draw white pixels, and hold them", BLACK: "Draw black pixels, and hold them"}
                if plain
                else {DRAW: f"Draw pixels in the {'colour' if channels == 3 else 'grey'} below, and hold them"}
            ),
            LET_GO: "Let pixels go",
        }
        self._brush = BrushTools(max(height, width), tips)
        self._brush.resized.connect(self.resized)
        if not plain:
            self._inks = ColourInk(spec) if channels == 3 else GreyInk(spec)
            self._inks.changed.connect(lambda _: self._brush.choose(DRAW))
        self.sources = QComboBox(objectName="source", toolTip="What is shown of the first chain and of the others")
        self.sources.setAccessibleName("What is shown of the chains")
        self.sources.addItem("mean", MEAN)
        self.sources.addItem("state", STATE)
        self.sources.activated.connect(lambda _: self.source_chosen.emit())
        self._everywhere = check(
            "In all chains",
            "allChains",
            "Hold in every chain what is held in the first",
            True,
            self.held_everywhere.emit,
        )
        self._undo = button("Undo", "undo", "Take back what was held last (Ctrl+Z)", self.undone.emit)
        self._release = button("Let all go", "release", "Hold nothing any more", self.released.emit)
        self.speed = SliderRow("Speed", 1, 50, 1, "{:.0f} per frame", name_width=76)
        self.speed.setObjectName("speed")
        self.speed.setToolTip("Transitions from one frame to the next")
        self.speed.key_step = 1
        self.temperature = SliderRow("Temperature", COLDEST, HOTTEST, 1, "{:.2f}", name_width=76)
        self.temperature.setObjectName("temperature")
        self.temperature.setToolTip("All energies are divided by it: 1 is the model itself")
        grey = [self._inks] if isinstance(self._inks, GreyInk) else []
        align(self._brush.size_row, *grey, self.speed, self.temperature)
        self.labels = QComboBox(objectName="heldClass", toolTip="The class whose label unit is held on")
        self.labels.setAccessibleName("Class that is held")
        self.labels.addItem("no class held", FREE)
        for label, name in enumerate(spec.class_names):
            self.labels.addItem(f"dream of {name}", label)
        self.labels.activated.connect(lambda _: self.labelled.emit(self.labels.currentData()))
        self.labels.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.labels.setMinimumContentsLength(7)
        self.labels.hide()
        self.play = button("Pause", "play", "Let the chains run, or rest", lambda: None)
        self.step = button("Step", "step", "One frame, and then rest", lambda: None)
        self._fill(learner_has_chains)
        self.show_hold(Hold.nothing(spec.event_shape), False)

    def _fill(self, learner_has_chains: bool) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addWidget(self._brush)
        if self._inks is not None:
            column.addWidget(self._inks)
        column.addLayout(row_of(self._everywhere, self._undo, self._release))
        fill(column, self.speed, self.temperature)
        column.addLayout(row_of(self.play, self.step, self.labels))
        starts = [
            ("Noise", "noise", "Start all chains again, from noise"),
            ("Data", "data", "Start from test examples, of the class that is held"),
            ("Drawing", "drawing", "Start from an empty picture to draw on"),
        ]
        if learner_has_chains:
            starts.append(("Learner", "learner", "Start from the chains that the learner keeps"))
        row = row_of()
        for text, name, tip in starts:
            row.addWidget(button(text, name, tip, lambda name=name: self.started.emit(name)), 1)
        column.addLayout(row)

    def set_anatomy(self, anatomy: Anatomy, spec: DataSpec) -> None:
        """Offer what the model that was built has."""
        chosen = self.source
        while self.sources.count() > 2:
            self.sources.removeItem(2)
        if len(anatomy.layers) > 1:
            for layer in range(len(anatomy.layers)):
                self.sources.addItem(f"from layer {layer + 1}", layer)
        self.sources.setCurrentIndex(max(0, self.sources.findData(chosen)))
        self.labels.setVisible(anatomy.labels > 0 and spec.classes > 0)

    @property
    def source(self) -> str | int:
        """What is shown: MEAN, STATE, or what a hidden layer makes top-down."""
        return self.sources.currentData()  # type: ignore[no-any-return]

    @property
    def tool(self) -> str:
        return self._brush.tool

    @property
    def radius(self) -> float:
        return self._brush.radius

    @property
    def steps(self) -> int:
        """Transitions per frame."""
        return round(self.speed.value)

    def choose(self, tool: str) -> None:
        self._brush.choose(tool)

    def draw(self) -> None:
        """Take the tool that draws."""
        self._brush.choose(DRAW if self._inks is not None else WHITE)

    def ink(self, anatomy: Anatomy) -> np.ndarray | None:
        """What the brush leaves, (C,) in units of the data; None keeps what is there."""
        if self.tool == KEEP:
            return None
        if self._inks is not None:
            share = self._inks.ink() / self._brightest
        else:
            share = np.full(1, float(self.tool == WHITE), np.float32)
        return anatomy.black + share * (anatomy.white - anatomy.black)

    def show_hold(self, hold: Hold, can_undo: bool) -> None:
        self._everywhere.blockSignals(True)
        self._everywhere.setChecked(hold.everywhere)
        self._everywhere.blockSignals(False)
        self.labels.setCurrentIndex(max(0, self.labels.findData(hold.label)))
        self._release.setEnabled(not hold.is_empty)
        self._undo.setEnabled(can_undo)

    def can_undo(self, can: bool) -> None:
        self._undo.setEnabled(can)

    def show_playing(self, playing: bool) -> None:
        self.play.setText("Pause" if playing else "Play")
