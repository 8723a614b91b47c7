"""Complete: keep or draw a part of an example, and let a model that generates in order make the rest."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QHideEvent, QPainter, QPen
from PySide6.QtWidgets import QVBoxLayout, QWidget

from dgm_studio.inference import Answer
from dgm_studio.questions.completions import Complete, Completions
from dgm_studio.questions.examples import SomeExamples
from models.capabilities import Completes
from models.spec import DataSpec, Layout
from widgets.canvas import PixelBrush
from widgets.colormaps import viridis
from widgets.explorers.base import Explorer
from widgets.explorers.brush_tools import BLACK, FREE, KEEP, WHITE, BrushTools
from widgets.explorers.parts import ANY_CLASS, Caption, Card, ColourBar, SliderRow, button, class_choice, fill, row_of
from widgets.live import Live
from widgets.picture_view import PictureView
from widgets.pictures import tile
from widgets.theme import SPACE, look

FRAME = 33  # ms
COLUMNS, ROWS = 4, 2


class CompletionSheet(PictureView):
    """Several completions in a grid; the chosen one has a frame."""

    def __init__(self) -> None:
        super().__init__(minimum=160)
        self.chosen = 0

    def paint_over(self, painter: QPainter, target: QRectF) -> None:
        width, height = target.width() / COLUMNS, target.height() / ROWS
        column, row = self.chosen % COLUMNS, self.chosen // COLUMNS
        painter.setPen(QPen(QColor(look.theme.accent), 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(target.x() + column * width, target.y() + row * height, width, height))

    def at(self, place: QPointF) -> int | None:
        """Which completion lies at a place of the picture."""
        if self.picture is None:
            return None
        _, height, width = self.picture.shape
        if not (0 <= place.x() < width and 0 <= place.y() < height):
            return None
        return int(place.y() / height * ROWS) * COLUMNS + int(place.x() / width * COLUMNS)


class CompleteIt(Explorer):
    """The known part, several completions growing in the model's order, and the probability of each pixel."""

    key = "complete"
    title = "Complete"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        shape = live.spec.event_shape
        self._example = np.zeros(shape, np.float32)
        self._drawn = np.zeros(shape, np.float32)  # what is known where `_known` says so
        self._known = np.zeros(shape, bool)
        self._answer: Completions | None = None
        self._fresh = False  # the next answer is to a new question, and is watched from its beginning
        self._done = 0.0  # how many coordinates of the answer are shown
        self._seed = 0
        self.part = PixelBrush()
        self.part.setObjectName("part")
        self.part.brushed.connect(self._paint)
        self.sheet = CompletionSheet()
        self.sheet.setObjectName("completions")
        self.sheet.pressed.connect(self._choose)
        self.heat = PictureView(minimum=120)
        self.heat.setObjectName("probability")
        self._clock = QTimer(self, interval=FRAME)
        self._clock.timeout.connect(self._grow)
        self._due = QTimer(self, singleShot=True, interval=60)
        self._due.timeout.connect(self._ask)
        self.body.addWidget(self._part_card(), 1)
        right = QVBoxLayout()
        right.setSpacing(SPACE)
        right.addWidget(self._completions_card(), 1)
        right.addWidget(self._heat_card(), 1)
        self.body.addLayout(right, 1)

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        return issubclass(model, Completes) and spec.layout is Layout.IMAGE

    # What is asked, and what comes back.

    def begin(self) -> None:
        if self._example.any():
            self._ask()
        else:
            self._another()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._clock.stop()

    def receive(self, name: str, answer: Answer) -> None:
        if name == "example" and len(answer.value.x):
            self._example = answer.value.x[0]
            self._keep_upper_half()
        elif name == "completions":
            self._answer = answer.value
            if self._fresh:
                self._fresh, self._done = False, 0.0
                self._clock.start()
                self._say()
            self._show()

    def _ask(self) -> None:
        """Complete the known part; newer weights then complete it again, from the same random numbers."""
        if self.isVisible():
            self.forget("completions")
            self._fresh = True
            question = Complete(np.where(self._known, self._drawn, 0), self._known, COLUMNS * ROWS, self._seed)
            self.follow("completions", lambda: question, 400)

    def _grow(self) -> None:
        if self._answer is None:
            return
        size = self._known.size
        self._done = min(float(size), self._done + size * FRAME / 1000 / self._duration.value)
        if self._done >= size:
            self._clock.stop()
        self._show()

    def _show(self) -> None:
        answer = self._answer
        if answer is None:
            return
        place = answer.place
        made = answer.known | (place < self._done)
        pictures = np.where(made, answer.x, 0.12)
        edge = (max(1, pictures.shape[-1] // 28),) * 2
        padded = np.pad(pictures, ((0, 0), (0, 0), edge, edge), constant_values=0.2)
        self.sheet.show_picture(tile(padded, COLUMNS, gap=0))
        chosen = min(self.sheet.chosen, len(answer.x) - 1)
        probability = np.where(place < self._done, answer.mean[chosen], 0).mean(0)
        self.heat.show_picture(viridis(probability))

    def _say(self) -> None:
        """What the known part can and cannot do."""
        assert self._answer is not None
        known, unheard = int(self._known.any(0).sum()), self._answer.unheard // self._known.shape[0]
        text = "Each pixel is drawn given those before it in the model's fixed order, and only those."
        if unheard:
            text += (
                f" {unheard} of the {known} known pixels come after a pixel that is drawn: they are kept, but what "
                "comes before them was drawn without them."
            )
        elif known:
            text += " All known pixels come first, so every completion follows from them."
        self._note.setText(text)

    # What a person does.

    def _paint(self, mask: np.ndarray) -> None:
        known, drawn = self._known.copy(), self._drawn.copy()
        tool = self.tools.tool
        known[:, mask] = tool != FREE
        drawn[:, mask] = self._example[:, mask] if tool == KEEP else float(tool == WHITE)
        self._know(known, drawn)

    def _know(self, known: np.ndarray, drawn: np.ndarray) -> None:
        self._known, self._drawn = known, drawn
        self.part.show_picture(np.where(known, drawn, self._example * 0.25))
        self.part.mark(known.any(0))
        if not self._due.isActive():
            self._due.start()

    def _keep_upper_half(self) -> None:
        known = np.zeros_like(self._known)
        known[:, : known.shape[1] // 2] = True
        self._know(known, self._example)

    def _keep_left_half(self) -> None:
        known = np.zeros_like(self._known)
        known[:, :, : known.shape[2] // 2] = True
        self._know(known, self._example)

    def _keep_nothing(self) -> None:
        self._know(np.zeros_like(self._known), self._example)

    def _another(self) -> None:
        label = self._class.currentData()
        self.ask("example", SomeExamples(1, None if label == ANY_CLASS else label))

    def _again(self) -> None:
        self._seed += 1
        self._ask()

    def _choose(self, place: QPointF) -> None:
        chosen = self.sheet.at(place)
        if chosen is not None:
            self.sheet.chosen = chosen
            self._show()

    # How it is put together.

    def _part_card(self) -> Card:
        card = Card("Known part", "the rest is generated")
        _, height, width = self.live.spec.event_shape
        self.tools = BrushTools(
            max(height, width),
            {
                KEEP: "Keep pixels of the example",
                WHITE: "Draw white pixels",
                BLACK: "Draw black pixels",
                FREE: "Leave pixels to the model",
            },
        )
        self.tools.resized.connect(self._resize_brush)
        self._resize_brush(self.tools.radius)
        self._class = class_choice(self.live.spec)
        self._class.activated.connect(self._another)
        card.column.addWidget(self.part, 1)
        card.column.addWidget(self.tools)
        card.column.addLayout(
            row_of(
                button("Upper half", "upper", "Keep the upper half of the example", self._keep_upper_half),
                button("Left half", "left", "Keep the left half of the example", self._keep_left_half),
                button("Nothing", "nothing", "Leave every pixel to the model", self._keep_nothing),
            )
        )
        another = button("Another example", "another", "Take another test example", self._another)
        card.column.addLayout(row_of(self._class, another))
        return card

    def _completions_card(self) -> Card:
        card = Card("Completions", "x ~ p(x | what comes before)")
        again = button("Draw again", "again", "New completions of the same part", self._again)
        again.setProperty("flat", True)
        card.head.addWidget(again)
        self._duration = SliderRow("Takes", 0.1, 10, 1.5, "{:.1f} s", name_width=44)
        self._duration.setObjectName("duration")
        self._note = Caption(name="orderNote")
        self._note.setWordWrap(True)
        card.column.addWidget(self.sheet, 1)
        fill(card.column, self._duration, self._note)
        return card

    def _heat_card(self) -> Card:
        card = Card("Probability of white", "in the framed completion")
        self.heat.setToolTip("P(x_d = 1 | x_1 … x_d-1), also where x_d was known")
        card.column.addWidget(self.heat, 1)
        card.column.addWidget(ColourBar(viridis, "0", "0.5", "1"))
        return card

    def _resize_brush(self, radius: float) -> None:
        self.part.radius = radius
