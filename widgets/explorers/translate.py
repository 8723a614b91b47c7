"""Translate: examples of one domain as examples of the other, or a person's own picture, and what comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QSignalBlocker, QTimer
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QWidget

from dgm_studio.inference import Answer
from dgm_studio.number_texts import thousands
from dgm_studio.questions.examples import SomeExamples
from dgm_studio.questions.translations import AskTranslations, TranslatePicture, Translations
from models.capabilities import Translates
from models.spec import DataSpec, Layout
from widgets.canvas import KEPT, dropped_picture, offers_picture
from widgets.explorers.base import Explorer, alike
from widgets.explorers.draw_parts import Drawing
from widgets.explorers.parts import ANY_CLASS, Caption, HeadedCard, Segments, button, fill
from widgets.explorers.translation_planes import TranslationPlanes
from widgets.explorers.translation_rows import TranslationRows
from widgets.live import Live
from widgets.theme import look

COLUMNS = 8
BESIDE = 4  # columns of examples, beside a picture of one's own
POINTS = 400
EVERY = 150  # ms
THERE, BACK = "there", "back"


class Translate(Explorer):
    """Pictures in columns: the original, its translation, and what that is translated back to. Before them one that is
    drawn, opened, pasted or dropped here. Points in two planes: the same colour is the same class, and rings are what
    came back."""

    key = "translate"
    title = "Translate"
    links = "The same examples, or one picture, go through both"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        self._begin_at = {THERE: 0, BACK: 0}
        self._found: Translations | None = None
        self._own: Translations | None = None  # of the person's picture
        self._specs = [domain.spec for domain in live.dataset.domains]
        titles = [domain.provenance.title for domain in live.dataset.domains]
        names = titles if titles[0] != titles[1] else ["First domain", "Second domain"]
        self._direction = Segments(
            [
                (THERE, f"{names[0]} → {names[1]}", f"Examples of the first domain ({titles[0]}), there and back"),
                (BACK, f"{names[1]} → {names[0]}", f"Examples of the second domain ({titles[1]}), there and back"),
            ],
            "direction",
        )
        self._direction.chosen.connect(lambda _: self._turn())
        self._next = button("Next examples", "nextExamples", "Other held-out examples (N)", self._other, "N")
        card = HeadedCard()
        self.draw = QPushButton("Your picture", checkable=True)
        self.draw.setObjectName("ownPicture")
        self.draw.setProperty("segment", True)
        self.draw.setToolTip("Draw, open, paste or drop a picture, and see it translated there and back as you draw")
        self.draw.toggled.connect(lambda _: self._turn())
        card.head.addWidget(self._direction)
        card.head.addStretch(1)
        of_points = all(spec.layout is Layout.POINTS for spec in self._specs)
        self.shown = TranslationPlanes() if of_points else TranslationRows()
        card.column.addWidget(self.shown, 1)
        self.status = Caption(name="translateStatus")
        self.status.setToolTip(
            "Cycle error: mean absolute difference per value between an example and what comes back. It says that "
            "nothing is lost, not that the translation is the right one."
        )
        self.status.setWordWrap(True)
        below = QHBoxLayout()
        below.addWidget(self.status, 1)
        fill(below, self.draw, self._next)
        card.column.addLayout(below)
        self._due = QTimer(self, singleShot=True, interval=15)
        self._due.timeout.connect(self._ask_own)
        self._drawings = {way: self._drawing(way) for way in (THERE, BACK) if self._spec_of(way).layout is Layout.IMAGE}
        self._beside = QStackedWidget()
        for drawing in self._drawings.values():
            self._beside.addWidget(drawing)
        self._beside.hide()
        self.body.addWidget(self._beside, 2)
        self.body.addWidget(card, 3)
        self.setAcceptDrops(bool(self._drawings))
        self._arrange()
        look.changed.connect(self._repaint)

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        return issubclass(model, Translates) and spec.other is not None

    def narrow(self) -> None:
        super().narrow()
        self._direction.stack()

    # What is asked, and what comes back.

    def begin(self) -> None:
        self.follow("translations", self._question, EVERY)
        self._ask_own()

    def receive(self, name: str, answer: Answer) -> None:
        if name == "example":
            if self.own is not None:
                self.own.begin_at(answer.value.x[0] / self._spec_of(self._direction.key).brightest)
            return
        if name == "own":
            self._own = answer.value
            self._repaint()
            return
        self._found = answer.value
        self._repaint()
        self.status.setText(
            f"step {thousands(answer.step)}  ·  cycle error {self._found.mean_error:.3g} per value over held-out "
            "examples"
        )

    def _question(self) -> AskTranslations:
        way = self._direction.key
        return AskTranslations(self._many, self._begin_at[way], way == BACK)

    def _ask_own(self) -> None:
        drawing, way = self.own, self._direction.key
        if drawing is None or drawing.canvas.is_empty or not self.isVisible():
            self.forget("own")
            if self._own is not None:
                self._own = None
                self._repaint()
        else:
            picture, centre = drawing.canvas.picture(), drawing.tools.centre.isChecked()
            self.ask("own", TranslatePicture(picture, centre, way == BACK), standing=True)

    @property
    def own(self) -> Drawing | None:
        """Where a person's picture is drawn now."""
        return self._drawings.get(self._direction.key) if self.draw.isChecked() else None

    @property
    def _many(self) -> int:
        """Examples that are shown at once."""
        return POINTS if isinstance(self.shown, TranslationPlanes) else COLUMNS if self.own is None else BESIDE

    def _spec_of(self, way: str) -> DataSpec:
        return self._specs[int(way == BACK)]

    # What is shown.

    def _repaint(self) -> None:
        found = self._found
        if found is None:
            return
        here, there = self.live.dataset.domains[:: -1 if self._direction.key == BACK else 1]
        if isinstance(self.shown, TranslationPlanes):
            self.shown.show_found(found, here, there)
            return
        shown = [found] if self._own is None else [self._own, found]
        rows = tuple(
            _pictures(np.concatenate(parts), spec)
            for parts, spec in (
                ([each.x for each in shown], here.spec),
                ([each.made for each in shown], there.spec),
                ([each.again for each in shown], here.spec),
            )
        )
        errors = [f"{error:.3f}" for each in shown for error in each.error]
        self.shown.show_rows(rows, errors, own=len(shown) - 1)

    # What a person does.

    def _turn(self) -> None:
        self._found = self._own = None
        self._arrange()
        if isinstance(self.shown, TranslationPlanes):
            self.shown.look_anew()
        self._ask_again()
        self.shared_changed.emit()

    def _other(self) -> None:
        """Other held-out examples."""
        way = self._direction.key
        test = self.live.dataset.domains[int(way == BACK)].test
        self._begin_at[way] = (self._begin_at[way] + self._many) % len(test)
        self._ask_again()
        self.shared_changed.emit()

    def shared(self) -> Any:
        """The data, which way, from which example on; whether a picture is drawn, what it is, and if it is centred."""
        way, own = self._direction.key, self.own
        picture = None if own is None or own.canvas.is_empty else own.canvas.picture()
        centre = own is not None and own.tools.centre.isChecked()
        place = way, self._begin_at[way], own is not None
        return self.live.config.data, tuple(self._specs), place, picture, centre

    def share(self, state: Any) -> str:
        data, specs, (way, begin_at, draws), picture, centre = state
        mine = tuple(self._specs)
        if not all(alike(one, other) for one, other in zip(specs, mine, strict=True)):
            return "The examples stay each run's own: their domains are of other kinds."
        same = data == self.live.config.data
        place = way, begin_at if same else self._begin_at[way], draws
        if place != (self._direction.key, self._begin_at[way], self.own is not None):
            self._direction.choose(way)
            self._begin_at[way] = place[1]
            with QSignalBlocker(self.draw):
                self.draw.setChecked(draws)
            self._turn()
        if self.own is not None:
            canvas = self.own.canvas
            with QSignalBlocker(self.own.tools.centre):
                self.own.tools.centre.setChecked(centre)
            if picture is None and not canvas.is_empty:
                canvas.clear()
            elif picture is not None and (canvas.is_empty or not np.array_equal(picture, canvas.picture())):
                canvas.load(picture)
            self._ask_own()
        return "" if same else "The examples stay each run's own: their data differ. A picture goes through both."

    def _drawn(self) -> None:
        self.shared_changed.emit()
        if not self._due.isActive():
            self._due.start()

    def _load_example(self) -> None:
        if self.own is not None:
            label = self.own.tools.label.currentData()
            way = self._direction.key
            self.ask("example", SomeExamples(1, None if label == ANY_CLASS else label, domain=int(way == BACK)))

    def can_undo(self) -> bool:
        return self.own is not None and self.own.canvas.can_undo

    def undo(self) -> None:
        if self.own is not None:
            self.own.canvas.undo()

    def can_redo(self) -> bool:
        return self.own is not None and self.own.canvas.can_redo

    def redo(self) -> None:
        if self.own is not None:
            self.own.canvas.redo()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Paste) and self._direction.key in self._drawings:
            self.draw.setChecked(True)
            self._drawings[self._direction.key].canvas.paste()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if offers_picture(event.mimeData()) and self._direction.key in self._drawings:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        canvas = self._drawings[self._direction.key].canvas
        image = dropped_picture(event, canvas.refused, KEPT)
        if image is not None:
            self.draw.setChecked(True)
            canvas.put(image)

    def _ask_again(self) -> None:
        if self.isVisible():
            self.forget("translations")
            self.begin()

    # How it is put together.

    def _drawing(self, way: str) -> Drawing:
        """Where a picture of the domain from which this way leads is drawn."""
        drawing = Drawing("Your picture", self._spec_of(way), narrow=True)
        drawing.canvas.changed.connect(self._drawn)
        drawing.canvas.refused.connect(self.notify)
        drawing.tools.recentred.connect(self._ask_own)
        drawing.tools.recentred.connect(self.shared_changed)
        drawing.tools.example.connect(self._load_example)
        return drawing

    def _arrange(self) -> None:
        """Show the canvas of this way, if there is one and it is wanted."""
        drawing = self._drawings.get(self._direction.key)
        self.draw.setVisible(drawing is not None)
        self._beside.setVisible(self.own is not None)
        if drawing is not None:
            self._beside.setCurrentWidget(drawing)


def _pictures(x: np.ndarray, spec: DataSpec) -> np.ndarray:
    """As pictures (N, C, H, W) with values in 0…1; what is no picture as one row of pixels."""
    if spec.layout is Layout.IMAGE:
        return (x / spec.brightest).clip(0, 1)
    flat = x.reshape(len(x), 1, 1, -1)
    return 1 / (1 + np.exp(-flat))
