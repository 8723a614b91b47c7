"""Canvases: watch a model draw in steps, and where it looks and writes in each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent, QKeyEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QVBoxLayout, QWidget

from dgm_studio.inference import Answer
from dgm_studio.questions.canvases import Drawings, DrawNew, Redraw
from dgm_studio.questions.examples import SplitName
from dgm_studio.subject import Question
from models.capabilities import DrawsInSteps
from models.spec import DataSpec, Layout
from widgets.explorers.base import Explorer
from widgets.explorers.parts import ANY_CLASS, Caption, HeadedCard, Segments, button, check, class_choice, row_of
from widgets.explorers.player import Player
from widgets.explorers.window_picture import WindowPicture
from widgets.live import Live
from widgets.picture_grid import PictureGrid
from widgets.theme import SPACE

MANY = 16  # drawings beside the large one
EVERY = 400  # ms between questions while it learns
NEW, TEST, TRAIN = "new", "test", "train"


class CanvasesView(Explorer):
    """One drawing is large, with the window of its present step; others grow beside it, and all canvases of the large
    one lie below. Of a redrawing, the example and the window on it are shown too."""

    key = "canvases"
    title = "Canvases"
    links = "The same random numbers and the same step in both"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        self._answer: Drawings | None = None
        self.setAccessibleName(self.title)
        self._fresh = False  # the next answer is to a new question, and is watched from its beginning
        self._seed = 0
        self._chosen = 0
        self._painted: tuple[int, int, int] | None = None  # answer, drawing and step that the pictures are of
        self.canvas, self.example = WindowPicture(200), WindowPicture(120)
        self.canvas.setObjectName("canvas")
        self.example.setObjectName("example")
        self.others, self.strip = PictureGrid(minimum=120), PictureGrid(minimum=48)
        self.others.setObjectName("drawings")
        self.strip.setObjectName("steps")
        self.others.setToolTip("Press on a drawing to see it large")
        self.strip.setToolTip("All canvases of the large drawing: press on one to see it large")
        self.player = Player(
            1,
            "Draw, or hold the drawing",
            "Step",
            "Which step the canvas is at; arrow keys go on and back",
            "Space",
            at,
        )
        self.player.moved.connect(self._advanced)
        self.others.pressed.connect(self._choose)
        self.strip.pressed.connect(lambda number: self.player.go_to(number + 1))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        column = QVBoxLayout()
        column.setSpacing(SPACE)
        self._above = QHBoxLayout()
        self._above.setSpacing(SPACE)
        self._above.addWidget(self._canvas_card(), 5)
        self._above.addLayout(self._side(), 4)
        column.addLayout(self._above, 4)
        column.addWidget(self._strip_card(), 1)
        self.body.addLayout(column)

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        return issubclass(model, DrawsInSteps) and spec.layout is Layout.IMAGE

    @property
    def step(self) -> int:
        """Which step the canvas is at, from 1; 0 before there is a drawing."""
        return 0 if self._answer is None else at(self.player.done)

    def narrow(self) -> None:
        super().narrow()
        self._above.setDirection(QBoxLayout.Direction.TopToBottom)
        self._source.stack()
        self.player.duration.hide()

    # What is asked, and what comes back.

    def begin(self) -> None:
        self._ask()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.player.stop()

    def receive(self, name: str, answer: Answer) -> None:
        self._answer, self._painted = answer.value, None
        drawings = answer.value
        self._none.setVisible(not len(drawings.canvases))
        self._windows.setVisible(drawings.written is not None or drawings.read is not None)
        self.player.resize_to(drawings.steps)
        self._chosen = min(self._chosen, max(0, len(drawings.canvases) - 1))
        if self._fresh:
            self._fresh = False
            self.player.restart()
        else:
            self._show()

    def _ask(self) -> None:
        """Ask anew; newer weights then answer with the same random numbers."""
        if self.isVisible():
            self.forget("drawings")
            self._fresh = True
            self.follow("drawings", self._question, EVERY)
            self.shared_changed.emit()

    def _question(self) -> Question:
        if self._source.key == NEW:
            return DrawNew(MANY, self._seed)
        label = self._class.currentData()
        split: SplitName = "train" if self._source.key == TRAIN else "test"
        return Redraw(MANY, self._seed, None if label == ANY_CLASS else label, split)

    def _show(self) -> None:
        answer = self._answer
        if answer is None:
            return
        if not len(answer.canvases):
            for view in (self.canvas, self.example):
                view.show_picture(None)
            for grid in (self.others, self.strip):
                grid.show_pictures(None)
            return
        at = (id(answer), self._chosen, self.step - 1)
        if at == self._painted:
            return
        self._painted = at
        _, drawing, step = at
        brightest = self.live.spec.brightest
        canvases = answer.canvases / brightest
        on = self._windows.isChecked()
        written = answer.written[drawing, step] if answer.written is not None else None
        read = answer.read[drawing, step] if answer.read is not None else None
        self.canvas.show_picture(canvases[drawing, step])
        self.canvas.show_window(written if on else None, answer.write_size)
        self.others.show_pictures(canvases[:, step])
        self.others.mark(drawing)
        self.strip.show_pictures(canvases[drawing])
        self.strip.mark(step)
        if answer.examples is not None:
            self.example.show_picture(answer.examples[drawing] / brightest)
            self.example.show_window(read if on else None, answer.read_size)
        self._say(written, read, answer)

    def _say(self, written: np.ndarray | None, read: np.ndarray | None, answer: Drawings) -> None:
        self._at.setText(f"step {self.step} of {answer.steps}")
        self._writes.setText(_where("Writes", written, answer.write_size))
        self._reads.setText(_where("Looks", read, answer.read_size))

    # What a person does.

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if by is None:
            super().keyPressEvent(event)
        else:
            self.player.go_to(max(1, self.step + by))

    def shared(self) -> Any:
        """What is drawn, from which data, by which random numbers; which drawing is large, and its step as a share."""
        how = self._source.key, self._seed, self._class.currentText()
        return self.live.config.data, how, self._chosen, self.player.done / max(1, self.player.size)

    def share(self, state: Any) -> str:
        data, (source, seed, label), chosen, done = state
        place = self._class.findText(label)
        if place < 0 or (source != NEW and data != self.live.config.data):
            return "The examples stay each run's own: their data differ."
        self._chosen = chosen
        if (source, seed, label) != (self._source.key, self._seed, self._class.currentText()):
            self._seed = seed
            self._source.choose(source)
            self._class.setCurrentIndex(place)
            self._turn()
        elif not self._fresh and not self.player.playing:
            self.player.go_to(round(done * self.player.size))
            self._show()
        return ""

    def _advanced(self) -> None:
        self._show()
        if not self.player.playing:
            self.shared_changed.emit()

    def _again(self) -> None:
        self._seed += 1
        self._ask()

    def _choose(self, drawing: int) -> None:
        self._chosen = drawing
        self._show()
        self.shared_changed.emit()

    def _show_again(self) -> None:
        self._painted = None
        self._show()

    def _turn(self) -> None:
        """Draw something new, or examples again."""
        redraws = self._source.key != NEW
        self._example_card.setVisible(redraws)
        self._class_row.setVisible(redraws and self.live.spec.classes > 0)
        self._ask()

    # How it is put together.

    def _canvas_card(self) -> HeadedCard:
        card = HeadedCard("Canvas")
        self._at = Caption(name="at")
        self._windows = check(
            "Windows",
            "windows",
            "Show through which window each step writes and looks: dots are the places of its filters",
            True,
            lambda on: self._show_again(),
        )
        card.head.addWidget(self._at)
        card.head.addWidget(self._windows)
        self._writes = Caption(name="writes")
        self._writes.setWordWrap(True)
        card.column.addWidget(self.canvas, 1)
        card.column.addWidget(self._writes)
        return card

    def _side(self) -> QVBoxLayout:
        side = QVBoxLayout()
        side.setSpacing(SPACE)
        self._source = Segments(
            [
                (NEW, "New", "Drawings from codes of the prior"),
                (TEST, "Test examples", "Test examples drawn again, from codes of the encoder"),
                (TRAIN, "Training examples", "Training examples drawn again, from codes of the encoder"),
            ],
            "drawn",
        )
        self._source.chosen.connect(lambda key: self._turn())
        self._class = class_choice(self.live.spec)
        self._class.activated.connect(self._ask)
        self._class_row = QWidget(visible=False)
        row = row_of(Caption("Class"), self._class, stretch=True)
        row.setContentsMargins(0, 0, 0, 0)
        self._class_row.setLayout(row)
        self._example_card = HeadedCard("Example", "and where it looks")
        self._example_card.setVisible(False)
        self._reads = Caption(name="reads")
        self._reads.setWordWrap(True)
        self._example_card.column.addWidget(self.example, 1)
        self._example_card.column.addWidget(self._reads)
        drawings = HeadedCard("Drawings")
        again = button("Draw again", "again", "Other drawings", self._again, "N")
        again.setProperty("flat", True)
        drawings.head.addWidget(again)
        self._none = Caption("There is no such example.", "none")
        self._none.setVisible(False)
        drawings.column.addWidget(self._source)
        drawings.column.addWidget(self._class_row)
        drawings.column.addWidget(self._none)
        drawings.column.addWidget(self.others, 1)
        side.addWidget(drawings, 5)
        side.addWidget(self._example_card, 4)
        return side

    def _strip_card(self) -> HeadedCard:
        card = HeadedCard("All steps")
        card.column.addWidget(self.player)
        card.column.addWidget(self.strip, 1)
        return card


def at(done: float) -> int:
    """The step, from 1, that a player stands in when so many are done."""
    return max(1, math.ceil(done))


def _where(verb: str, window: np.ndarray | None, size: int) -> str:
    """What is said of a window; without one, the whole image is written to or seen."""
    if window is None:
        return f"{verb} at the whole image." if verb == "Looks" else f"{verb} on the whole image."
    x, y, stride, blur = window.tolist()
    where = f"{verb} at column {x + 1:.1f}, row {y + 1:.1f}"
    return f"{where}: {size}×{size} places, {stride:.1f} px apart, σ\N{NO-BREAK SPACE}{blur:.2f}"
