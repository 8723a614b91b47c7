"""Write on: begin a text, and let a model that generates in order go on."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QScrollArea, QVBoxLayout, QWidget

from dgm_studio.inference import Answer
from dgm_studio.number_texts import thousands
from dgm_studio.questions.examples import SomeExamples
from dgm_studio.questions.texts import Continuations, GoOn, NextSymbol, Overlaps
from dgm_studio.written import is_text, written
from models.capabilities import Completes, CompletesAtTemperature, PredictsEach
from models.spec import DataSpec, Layout, Support
from widgets.explorers.base import Explorer
from widgets.explorers.parts import Caption, ColourBar, HeadedCard, button, fill, row_of
from widgets.explorers.slider_row import SliderRow, align
from widgets.explorers.text_views import MOST, Passage, SurpriseText, SymbolBars, shown_as, surprise_colours
from widgets.live import Live
from widgets.theme import SPACE

FRAME = 33  # ms
COUNT = 4  # continuations
KEPT = 40  # characters of an example that begin a text


class WriteOn(Explorer):
    """What is typed, several continuations that grow character by character, and the distribution of any character."""

    key = "write"
    title = "Write on"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        self._number = {symbol: k for k, symbol in enumerate(live.spec.symbols)}
        self._length = live.spec.dimensions
        self._answer: Continuations | None = None
        self._overlaps: tuple[tuple[int, int], ...] = ()
        self._fresh = False  # the next answer is to a new question, and is watched from its beginning
        self._done = 0.0  # how many characters of the answer are shown
        self._seed = 0
        self._clean = False  # the text is being put right
        self._clock = QTimer(self, interval=FRAME)
        self._clock.timeout.connect(self._grow)
        self._due = QTimer(self, singleShot=True, interval=150)
        self._due.timeout.connect(self._ask)
        self.beginning = QPlainTextEdit(objectName="beginning", placeholderText="Begin a text …")
        self.beginning.setProperty("mono", True)
        self.beginning.setAccessibleName("Beginning of a text")
        self.beginning.setFixedHeight(15 * SPACE)
        self.beginning.textChanged.connect(self._typed)
        self.texts = SurpriseText()
        self.texts.setObjectName("continuations")
        self.texts.clicked.connect(self._choose)
        self.bars = SymbolBars()
        self.bars.setObjectName("next")
        left = QVBoxLayout()
        left.setSpacing(SPACE)
        left.addWidget(self._beginning_card())
        left.addWidget(self._next_card(), 1)
        self.body.addLayout(left, 2)
        self.body.addWidget(self._texts_card(), 3)

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        sequence = spec.layout is Layout.SEQUENCE and spec.support is Support.SYMBOLS and len(spec.event_shape) == 1
        return sequence and is_text(spec.symbols) and issubclass(model, Completes)

    # What is asked, and what comes back.

    def begin(self) -> None:
        if self._start():
            self._ask()
        else:
            self._another()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._clock.stop()

    def receive(self, name: str, answer: Answer) -> None:
        if name == "example" and len(answer.value.x):
            text = self._written(answer.value.x[:1])[0].rstrip()  # of a padded one, the half of what is said
            self.beginning.setPlainText(text[: min(KEPT, len(text) // 2)])
        elif name == "next":
            self._show_next(answer.value)
        elif name == "overlaps":
            self._overlaps = answer.value
            self._show()
        elif name == "continuations":
            self._take(answer.value)

    def _take(self, answer: Continuations) -> None:
        self._answer, self._overlaps = answer, ()
        if self._fresh:
            self._fresh, self._done = False, float(answer.known)
            self.texts.chosen = None
            self._clock.start()
        self._show()
        parts = tuple(text[answer.known :].rstrip() for text in self._written(answer.x))
        self.ask("overlaps", Overlaps(parts))
        self._ask_next()
        uniform = np.log2(len(self._number))
        if answer.known:
            self._say(
                f"{answer.known} of {self._length} characters  ·  {answer.bits:.2f} bits per character "
                f"(any of {len(self._number)} alike: {uniform:.2f})"
            )
        else:
            self._say(f"From the start state: {self._length} characters are drawn.")

    def _ask(self) -> None:
        """Go on from what is typed; newer weights then do so again, from the same random numbers."""
        if self.isVisible():
            self.forget("continuations")
            self._fresh = True
            start = np.array([self._number[sign] for sign in self._start()], np.float32)
            question = GoOn(start, COUNT, self._seed, self._temperature.value)
            self.follow("continuations", lambda: question, 500)

    def _ask_next(self) -> None:
        answer = self._answer
        if answer is None or not issubclass(self.live.model_class, PredictsEach):
            return
        row, place = self.texts.chosen or (0, answer.known)
        if place < self._length:
            self.ask("next", NextSymbol(answer.x[row, :place]))

    def _show_next(self, log_p: np.ndarray) -> None:
        answer = self._answer
        if answer is None:
            return
        chosen = self.texts.chosen
        symbols = self.live.spec.symbols
        actual = int(answer.x[chosen]) if chosen is not None else None
        self.bars.show_distribution(log_p, symbols, actual)
        if chosen is None:
            self._about.setText("of what comes after the beginning; click a character for its own")
        else:
            surprise = -float(log_p[actual])
            self._about.setText(
                f"character {chosen[1] + 1}: {shown_as(symbols[actual])!s}  ·  surprise {surprise:.2f} nats"
            )

    def _grow(self) -> None:
        if self._answer is None:
            return
        self._done = min(float(self._length), self._done + self._length * FRAME / 1000 / self._duration.value)
        if self._done >= self._length:
            self._clock.stop()
        self.texts.reveal(int(self._done))

    def _show(self) -> None:
        answer = self._answer
        if answer is None:
            return
        known, passages = answer.known, []
        for row, text in enumerate(self._written(answer.x)):
            begin, length = self._overlaps[row] if self._overlaps else (0, 0)
            passages.append(Passage(text, -answer.log_prob[row], known, (known + begin, length)))
        self.texts.reveal(int(self._done))
        self.texts.show_passages(passages)
        longest = max((length for _, length in self._overlaps), default=0)
        found = f"; here up to {longest} characters" if longest else ""
        self._copied.setText(f"Underlined: the longest part that stands word for word in the training data{found}.")

    # What a person changes.

    def _typed(self) -> None:
        """Refuse what the alphabet lacks and what is too long, in place, and ask."""
        if self._clean:
            return
        text = self.beginning.toPlainText()
        kept = "".join(sign for sign in text if sign in self._number)
        self._refused.setText("")
        if len(kept) < len(text):
            lacking = sorted({*text} - {*self._number})
            some = ", ".join(shown_as(sign) for sign in lacking[:8]) + (" …" if len(lacking) > 8 else "")
            self._refused.setText(f"The alphabet of these data lacks: {some}. It was left out.")
        if len(kept) >= self._length:
            kept = kept[: self._length - 1]
            self._refused.setText(
                f"Examples have {self._length} characters, so a beginning has at most {self._length - 1}: the rest was "
                f"left out."
            )
        self._refused.setVisible(bool(self._refused.text()))
        if kept != text:
            self._put_right(text, kept)
        self._due.start()

    def _put_right(self, text: str, kept: str) -> None:
        """Replace what is typed; the cursor stays behind the character it stood behind."""
        self._clean = True
        units = self.beginning.textCursor().position()  # Qt counts in UTF-16
        before = text.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "ignore")
        place = len("".join(sign for sign in before if sign in self._number).encode("utf-16-le")) // 2
        cursor = QTextCursor(self.beginning.document())
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(kept)
        cursor.setPosition(min(place, len(kept.encode("utf-16-le")) // 2))
        self.beginning.setTextCursor(cursor)
        self._clean = False

    def _another(self) -> None:
        self.ask("example", SomeExamples(1))

    def _again(self) -> None:
        self._seed += 1
        self._ask()

    def _choose(self, row: int, place: int) -> None:
        self.texts.chosen = (row, place)
        self.texts.update()
        self._ask_next()

    def _start(self) -> str:
        return self.beginning.toPlainText()

    def _written(self, x: np.ndarray) -> list[str]:
        return written(x, self.live.spec.symbols)

    def _say(self, text: str) -> None:
        self._note.setText(text)

    # How it is put together.

    def _beginning_card(self) -> HeadedCard:
        card = HeadedCard("Beginning", "the rest is generated")
        self._refused = Caption(name="refused")
        self._refused.setProperty("role", "error")
        self._note = Caption(name="beginningNote")
        for text in (self._refused, self._note):
            text.setWordWrap(True)
        self._refused.hide()
        self._temperature = SliderRow("Temperature", 0.1, 2, 0.7, "{:.2f}", name_width=80)
        self._temperature.setObjectName("temperature")
        self._temperature.setToolTip("Below 1 the most probable characters are drawn more often, above 1 less often")
        self._temperature.changed.connect(lambda _: self._due.start())
        self._temperature.setVisible(issubclass(self.live.model_class, CompletesAtTemperature))
        self._duration = SliderRow("Takes", 0.1, 10, 2, "{:.1f} s", name_width=80)
        self._duration.setObjectName("duration")
        align(self._temperature, self._duration)
        another = button("Of a test example", "another", "Begin as another test example does", self._another)
        card.column.addWidget(self.beginning)
        fill(card.column, self._refused, self._note, self._temperature, self._duration)
        card.column.addLayout(row_of(another, stretch=True))
        return card

    def _next_card(self) -> HeadedCard:
        card = HeadedCard("Next character", "p(xₜ | x₁ … xₜ₋₁)")
        self._about = Caption(name="nextNote")
        self._about.setWordWrap(True)
        card.column.addWidget(self._about)
        card.column.addWidget(self.bars, 1)
        card.setVisible(issubclass(self.live.model_class, PredictsEach))
        return card

    def _texts_card(self) -> HeadedCard:
        card = HeadedCard("Continuations", "xₜ ~ p(xₜ | x₁ … xₜ₋₁)")
        again = button("Draw again", "again", "New continuations of the same beginning", self._again)
        again.setProperty("flat", True)
        card.head.addWidget(again)
        area = QScrollArea(widgetResizable=True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self.texts)
        self.texts.setAutoFillBackground(False)  # which a scroll area switches on: the card shows through
        area.viewport().setAutoFillBackground(False)
        self._copied = Caption(name="copied")
        self._copied.setWordWrap(True)
        self._copied.setToolTip(f"In the first {thousands(Overlaps(()).searched)} characters of it")
        self._copied.setMinimumHeight(2 * self._copied.fontMetrics().lineSpacing())  # it changes while a model learns
        card.column.addWidget(area, 1)
        card.column.addWidget(self._copied)
        card.column.addWidget(Caption("surprise −log p(xₜ | x₁ … xₜ₋₁), nats"))
        card.column.addWidget(ColourBar(surprise_colours, "0", f"{MOST / 2:g}", f"{MOST:g} or more"))
        return card
