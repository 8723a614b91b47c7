"""Complete: keep or draw a part of an example, and let a model that generates in order make the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QComboBox, QVBoxLayout, QWidget

from dgm_studio.inference import Answer
from dgm_studio.questions.completions import Classes, Complete, Completions, Order, ordered
from dgm_studio.questions.drawing import Fit
from dgm_studio.questions.examples import SomeExamples
from models.capabilities import Completes, CompletesInAnyOrder, CompletesOfClass, Ensembles, ScoresEach
from models.spec import DataSpec, Layout
from widgets.explorers.base import LATE, Explorer, alike
from widgets.explorers.growing import COLUMNS, ROWS, GrowingCard, PixelHeat
from widgets.explorers.known_part import KnownPart
from widgets.explorers.parts import ANY_CLASS, Caption, button, row_of
from widgets.live import Live
from widgets.theme import SPACE

ALL = COLUMNS * ROWS
TASTE = 2  # completions in the first question, before it is known how long they take
FAST, SLOW = 2.0, 5.0  # seconds of a question: below, all are asked for together; above, fewer and fewer
PART_HEIGHT = 160  # px, in a narrow place
ORDERS = {
    Order.KNOWN_FIRST: "known pixels first",
    Order.RASTER: "row by row",
    Order.CENTRE: "from the centre",
    Order.RANDOM: "in random order",
}


class CompleteIt(Explorer):
    """The known part, several completions growing in the model's order, and what it said of each pixel.

    Completions are asked for in rounds of as many as come within a moment, until the sheet is full: those of a slow
    model appear one after the other."""

    key = "complete"
    title = "Complete"
    links = "The same part is known to both"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        self._answer: Completions | None = None
        self._fresh = False  # the next answer is to a new question, and is watched from its beginning
        self._seed = 0
        self._filled = 0  # completions of this round of the sheet that are there
        self._many = TASTE
        self.known = KnownPart(live.spec)
        self.growing = GrowingCard(live.spec)
        self.heat = PixelHeat(live.spec)
        self.sheet, self.player = self.growing.sheet, self.growing.player
        self._due = QTimer(self, singleShot=True, interval=60)
        self._due.timeout.connect(self._ask)
        self._watch = QTimer(self, interval=round(500 * LATE))
        self._watch.timeout.connect(self._say_working)
        self._fill_options()
        self.known.changed.connect(self._changed)
        self.known.wanted.connect(lambda label: self.ask("example", SomeExamples(1, label)))
        self.known.dropped.connect(lambda picture: self.ask("dropped", Fit(picture)))
        self.known.refused.connect(self.notify)
        self.sheet.pressed.connect(self._choose)
        self.player.moved.connect(self._show)
        right = QVBoxLayout()
        right.setSpacing(SPACE)
        right.addWidget(self.growing, 1)
        right.addWidget(self.heat, 1)
        self.body.addWidget(self.known, 5)
        self.body.addLayout(right, 6)

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        return issubclass(model, Completes) and spec.layout is Layout.IMAGE

    # What is asked, and what comes back.

    def begin(self) -> None:
        if self.known.part.example.any():
            self._ask()
        else:
            self.known.want()
        if issubclass(self.live.model_class, CompletesOfClass):
            self.ask("classes", Classes())

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._watch.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.player.stop()
        self._watch.stop()

    def receive(self, name: str, answer: Answer) -> None:
        if name == "example" and len(answer.value.x):
            self.known.set_example(answer.value.x[0])
        elif name == "dropped":
            self.notify("")
            self.known.set_example(answer.value)
        elif name == "classes":
            self._given_row.setVisible(answer.value > 0)
        elif name == "completions":
            self._take(answer.value)

    def narrow(self) -> None:
        super().narrow()
        self.known.brush.setFixedHeight(PART_HEIGHT)
        self.growing.setMinimumHeight(PART_HEIGHT + 10 * SPACE)
        self.heat.setMinimumHeight(PART_HEIGHT + 10 * SPACE)

    def shared(self) -> Any:
        """The known part, in a picture of which kind, and the number of the draws."""
        return (self.live.spec, self.known.part, self._seed) if self.known.part.example.any() else None

    def share(self, state: Any) -> str:
        spec, part, seed = state
        if not alike(spec, self.live.spec):
            return "These runs have learned pictures of different sizes or values: each has a known part of its own."
        if seed != self._seed:
            self._seed = seed
            self._ask()
        self.known.take(part)
        return ""

    def _changed(self) -> None:
        self.shared_changed.emit()
        if not self._due.isActive():
            self._due.start()

    def _ask(self) -> None:
        """Complete the known part; newer weights then complete it again, from the same random numbers."""
        if self.isVisible():
            self.forget("completions")
            self._fresh, self._filled = True, 0
            self.follow("completions", self._question, 400)

    def _question(self) -> Complete:
        if self._filled >= ALL:
            self._filled = 0
        part = self.known.part
        order = ORDER_OF[self._order.currentIndex()] if self._order is not None else None
        label = self._given.currentData()
        return Complete(
            np.where(part.known, part.values, 0),
            part.known,
            min(self._many, ALL - self._filled),
            self._seed * ALL + self._filled,
            None if order is None else ordered(order, part.known, self._seed),
            None if label == ANY_CLASS else label,
            self._filled,
        )

    def _take(self, drawn: Completions) -> None:
        if drawn.seconds < FAST:
            self._many = ALL
        elif drawn.seconds > SLOW:
            self._many = max(1, len(drawn.x) // 2)
        fresh, self._fresh = self._fresh, False
        if fresh or self._answer is None:
            self._answer = drawn
        else:
            self._answer = self._answer.joined(drawn)
        # by its own place: newer weights may have been asked for the same ones meanwhile
        self._filled = drawn.first + len(drawn.x)
        if self._filled < ALL:
            self.follow_on("completions")
        self._say_working()
        if fresh:
            self._say()
            self.player.restart()
        else:
            self._show()

    def _show(self) -> None:
        answer = self._answer
        if answer is None:
            return
        done = self.player.done
        made = answer.known | (answer.place < done)
        self.sheet.show_growing(answer.x / self.live.spec.brightest, made)
        self.heat.show_completion(answer, min(self.sheet.chosen, len(answer.x) - 1), done)

    def _say_working(self) -> None:
        """That an answer is being computed, once it takes longer than a moment. What was asked anew is shown then
        without its completions: the old ones belong to another part."""
        working = self.working("completions")
        self.growing.working.setText(working)
        if working and self._fresh:
            self._answer, part = None, self.known.part
            self.player.rewind()
            self.heat.clear()
            self.growing.note.setText(self._drawn_how())
            everything = np.broadcast_to(part.values / self.live.spec.brightest, (ALL, *part.values.shape))
            self.sheet.show_growing(everything, part.known)

    def _drawn_how(self) -> str:
        order = "the chosen order" if self._order is not None else "the model's fixed order"
        if self._order is None and self._of_one_order():
            order = "the first of the model's orders"
        return f"Each pixel is drawn given those before it in {order}, and only those."

    def _of_one_order(self) -> bool:
        """Whether what is drawn is one order's among many: a mixture over orders has no conditionals of its own."""
        model = self.live.model_class
        return self._order is not None or (issubclass(model, Ensembles) and not issubclass(model, ScoresEach))

    def _say(self) -> None:
        """What the known part can and cannot do."""
        assert self._answer is not None
        answer, channels = self._answer, self._answer.known.shape[0]
        known, unheard = int(answer.known.any(0).sum()), answer.unheard // channels
        text = self._drawn_how()
        if unheard:
            text += (
                f" {unheard} of the {known} known pixels come after a pixel that is drawn: they are kept, but what "
                "comes before them was drawn without them."
            )
        elif known == answer.known[0].size:
            text += " All pixels are known: the surprise says how likely the picture is."
        elif known:
            text += " All known pixels come first: each completion is an exact draw from p(unknown | known)"
            text += ", by the conditionals of this order." if self._of_one_order() else "."
        self.growing.note.setText(text)

    # What a person does.

    def can_undo(self) -> bool:
        return self.known.can_undo

    def undo(self) -> None:
        self.known.undo()

    def _again(self) -> None:
        self._seed += 1
        self._ask()
        self.shared_changed.emit()

    def _choose(self, place: QPointF) -> None:
        chosen = self.sheet.at(place)
        if chosen is not None:
            self.sheet.chosen = chosen
            self._show()

    # How it is put together.

    def _fill_options(self) -> None:
        again = button("Draw again", "again", "New completions of the same part", self._again)
        again.setProperty("flat", True)
        self.growing.head.addWidget(again)
        self._order: QComboBox | None = None
        if issubclass(self.live.model_class, CompletesInAnyOrder):
            self._order = QComboBox(objectName="order", toolTip="In which order pixels are drawn")
            self._order.addItems([ORDERS[order] for order in ORDER_OF])
            self._order.setAccessibleName("Order")
            self._order.activated.connect(self._ask)
            self.growing.options.addLayout(row_of(Caption("Drawn"), self._order, stretch=True))
        self._given = QComboBox(objectName="given", toolTip="Complete it as an example of this class")
        self._given.addItem("of any class", ANY_CLASS)
        for label, name in enumerate(self.live.spec.class_names):
            self._given.addItem(f"of class {name}", label)
        self._given.setAccessibleName("Given class")
        self._given.activated.connect(self._ask)
        self._given_row = QWidget(visible=False)
        row = row_of(Caption("As an example"), self._given, stretch=True)
        row.setContentsMargins(0, 0, 0, 0)
        self._given_row.setLayout(row)
        self.growing.options.addWidget(self._given_row)


ORDER_OF = tuple(ORDERS)
