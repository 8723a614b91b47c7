"""Sequence: what hidden states make of a sequence, whose observations can be changed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QScrollBar, QVBoxLayout, QWidget

from dgm_studio.inference import Answer
from dgm_studio.number_texts import indexed, thousands
from dgm_studio.questions.examples import SomeExamples
from dgm_studio.questions.sequences import ExplainedSequence, ExplainSequence
from dgm_studio.sequence_pictures import symbols_in
from models.capabilities import ExplainsSequences
from models.signs import raised
from models.spec import DataSpec, Layout
from widgets.colormaps import viridis
from widgets.explorers.base import Explorer
from widgets.explorers.parts import ANY_CLASS, Caption, ColourBar, HeadedCard, button, class_choice, fill, row_of
from widgets.explorers.sequence_strips import CurveStrip, HeatStrip, Legend, Strip, SymbolStrip
from widgets.explorers.slider_row import SliderRow
from widgets.live import Live
from widgets.matrix_view import MatrixView
from widgets.theme import SPACE, px

SIDE = 232  # px, the column of the learned tables
SHOWN, SHOWN_SYMBOLS = 100, 40  # steps that are shown at first, at most; of symbols so few that they can be read
FEWEST, MOST = 5, 1000  # steps that can be shown at once
NAMED = 12  # symbols of which a legend is shown, at most
UNSEEN = {" ": "␣", "\n": "↵", "\t": "⇥"}  # how symbols are shown that leave no ink


class SequenceView(Explorer):
    """Observations over forward, posterior and backward probabilities of each state, all over one axis of time, and the
    learned tables beside them."""

    key = "sequence"
    title = "Sequence"
    links = "One sequence goes through both"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        spec = live.spec
        self._steps = spec.event_shape[0]
        self._symbols = symbols_in(spec)
        names = spec.symbols or tuple(str(k) for k in range(self._symbols))
        self._names = tuple(UNSEEN.get(name, name) for name in names)
        self._example: np.ndarray | None = None  # as it is in the data
        self._x: np.ndarray | None = None  # as it was changed
        self.said: ExplainedSequence | None = None
        self.observations: SymbolStrip | CurveStrip
        if self._symbols:
            self.observations = SymbolStrip("observations", self._steps, self._names)
        else:
            self.observations = CurveStrip("observations", self._steps, spec.dimensions // self._steps)
        self.observations.edited.connect(self._edit)
        self.forward, self.posterior, self.backward = (
            HeatStrip(name, self._steps) for name in ("forward", "posterior", "backward")
        )
        self.strips: tuple[Strip, ...] = (self.observations, self.posterior, self.forward, self.backward)
        for strip in self.strips:
            strip.pointed.connect(self._mark)
        self._cards = self._time_card(), self._evidence_card(), self._tables_card()
        self.body.addWidget(self._cards[0], 1)
        right = QVBoxLayout()
        right.setSpacing(SPACE)
        right.addWidget(self._cards[1])
        right.addWidget(self._cards[2], 1)
        self.body.addLayout(right)
        self._show_window(0, round(self._zooming.value))

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        return issubclass(model, ExplainsSequences) and spec.layout is Layout.SEQUENCE

    def narrow(self) -> None:
        super().narrow()
        for card in self._cards:
            card.narrow()

    # What is asked, and what comes back.

    def begin(self) -> None:
        if self._x is None:
            self._another()
        else:
            self._ask()

    def receive(self, name: str, answer: Answer) -> None:
        if name == "example" and len(answer.value.x):
            self._example = answer.value.x[0]
            self._as_it_was()
        elif name == "explanation":
            self.said = answer.value
            self._show(answer.step)

    def _ask(self) -> None:
        if self._x is not None and self.isVisible():
            self.ask("explanation", ExplainSequence(self._x), standing=True)

    def _another(self) -> None:
        label = self._class.currentData()
        self.ask("example", SomeExamples(1, None if label == ANY_CLASS else label))

    # What a person does.

    def _as_it_was(self) -> None:
        """The example as it is in the data."""
        assert self._example is not None
        self._x = self._example.copy()
        self._show_observations(fit=True)
        self._ask()
        self.shared_changed.emit()

    def shared(self) -> Any:
        """The observations, as they were in the data too, which values they can have, and what of them is shown."""
        if self._x is None:
            return None
        kind = self.live.spec.event_shape, self._symbols, self.live.spec.symbols
        strip = self.observations
        return kind, self._x, self._example, (strip.first, strip.count, strip.marked)

    def share(self, state: Any) -> str:
        kind, x, example, (first, count, marked) = state
        if kind != (self.live.spec.event_shape, self._symbols, self.live.spec.symbols):
            return "The sequences stay each run's own: they are of another length or of other symbols."
        self.forget("example")
        if self._x is None or not (np.array_equal(x, self._x) and np.array_equal(example, self._example)):
            self._x, self._example = x, example
            self._show_observations(fit=True)
            self._ask()
        self._zooming.set_value(count)
        self._show_window(first, count)
        if marked != self.observations.marked:
            self._mark(marked)
        return ""

    def _edit(self, step: int, channel: int, value: float) -> None:
        if self._x is None:
            return
        self._x = self._x.copy()
        self._x.reshape(self._steps, -1)[step, channel] = value
        self.moved_by_hand()
        self._show_observations(fit=False)
        self._ask()
        self.shared_changed.emit()

    def _mark(self, step: int) -> None:
        first, count = self.observations.first, self.observations.count
        if not first <= step < first + count:
            self._scroll.setValue(step if step < first else step - count + 1)
        for strip in self.strips:
            strip.mark(step)
        self._read_out()
        self.shared_changed.emit()

    def _show_window(self, first: int, count: int) -> None:
        first = max(0, min(first, self._steps - count))
        for strip in self.strips:
            strip.show_steps(first, count)
        self._scroll.blockSignals(True)
        self._scroll.setRange(0, self._steps - count)
        self._scroll.setPageStep(count)
        self._scroll.setValue(first)
        self._scroll.blockSignals(False)
        self._scroll.setVisible(count < self._steps)
        self.shared_changed.emit()

    def _zoom(self, steps: float) -> None:
        count = round(steps)
        middle = self.observations.first + self.observations.count // 2
        self._show_window(middle - count // 2, count)

    # What is shown.

    def _show_observations(self, fit: bool) -> None:
        assert self._x is not None
        if isinstance(self.observations, SymbolStrip):
            self.observations.show_x(self._x)
        else:
            self.observations.show_x(self._x.reshape(self._steps, -1), fit)
        assert self._example is not None
        self._reset.setEnabled(not np.array_equal(self._x, self._example))

    def _show(self, step: int) -> None:
        said = self.said
        assert said is not None
        self.forward.show_values(said.forward)
        self.backward.show_values(said.backward)
        self.posterior.show_values(said.posterior, said.path)
        states = tuple(str(k + 1) for k in range(len(said.initial)))
        self.transitions.show_values(said.transition, states)
        if said.deviation is None:
            self.emissions.show_values(said.emission, self._names)
        else:
            channels = range(said.emission.shape[1])
            columns = tuple(
                indexed(letter, k) if len(channels) > 1 else letter for k in channels for letter in ("μ", "σ")
            )
            numbers = np.stack([said.emission, said.deviation], 2).reshape(len(states), -1)
            self.emissions.show_values(numbers, columns, coloured=False)
            if isinstance(self.observations, CurveStrip):
                self.observations.expect(said.emission[said.path], said.deviation[said.path])
        self._evidence.setText(f"{said.log_prob:,.2f} nats".replace("-", "−"))
        lines = [f"{said.log_prob / self._steps:.3f} nats a step"]
        if said.data_log_prob is not None:
            lines.append(f"exact model of the data: {said.data_log_prob:,.2f} nats")
        lines.append(f"p(path | x) = {_probability(said.path_log_prob)}")
        lines.append(f"weights of step {thousands(step)}")
        self._terms.setText("\n".join(lines).replace("-", "−"))
        self._read_out()

    def _read_out(self) -> None:
        """What stands at the marked step."""
        if self._x is None or self.said is None:
            return
        t = self.observations.marked
        values = self._x.reshape(self._steps, -1)[t]
        seen = self._names[int(values[0])] if self._symbols else ", ".join(f"{v:.3g}" for v in values)
        likely = int(self.said.posterior[t].argmax())
        self._at.setText(
            f"t = {t + 1}: x = {seen}; state {likely + 1} has posterior {self.said.posterior[t, likely]:.3f}, and the "
            f"path is in state {int(self.said.path[t]) + 1}".replace("-", "−")
        )

    # How it is put together.

    def _time_card(self) -> HeadedCard:
        card = HeadedCard("Observations", "click to change them" if self._symbols else "drag to change them")
        self._class = class_choice(self.live.spec)
        self._class.activated.connect(self._another)
        another = button("Another", "another", "Take another test sequence", self._another)
        self._reset = button("As it was", "reset", "Take back all changes", self._as_it_was)
        self._reset.setEnabled(False)
        for part in (another, self._reset):
            part.setProperty("flat", True)
        fill(card.head, self._class, another, self._reset)
        tips = {
            "posterior": (
                "Posterior and most probable path",
                "p(zₜ | x)",
                "White line: argmax p(z | x), by Viterbi",
            ),
            "forward": ("Forward", "p(zₜ | x₁ … xₜ)", "What is known at each step from the past alone"),
            "backward": ("Backward", "∝ p(xₜ₊₁ … | zₜ)", "How well each state would explain what follows"),
        }
        card.column.addWidget(self.observations, 0 if self._symbols else 2)
        if 0 < self._symbols <= NAMED:
            card.column.addWidget(Legend(self._names))
        for strip in self.strips[1:]:
            title, formula, tip = tips[strip.objectName()]
            strip.setToolTip(tip)
            card.column.addSpacing(SPACE // 2)
            card.column.addLayout(row_of(Caption(title, heading=True), Caption(formula), stretch=True))
            card.column.addWidget(strip, 2)
        self._scroll = QScrollBar(Qt.Orientation.Horizontal, objectName="scroll")
        self._scroll.valueChanged.connect(lambda first: self._show_window(first, self.observations.count))
        card.column.addWidget(self._scroll)
        self._at = Caption(name="atStep")
        shown = min(self._steps, SHOWN_SYMBOLS if self._symbols else SHOWN)
        most = min(MOST, self._steps)
        self._zooming = SliderRow("Shows", min(FEWEST, most), most, shown, "{:.0f} steps", name_width=44)
        self._zooming.setObjectName("zoom")
        self._zooming.setVisible(self._steps > FEWEST)
        self._zooming.changed.connect(self._zoom)
        fill(card.column, self._at, self._zooming)
        return card

    def _evidence_card(self) -> HeadedCard:
        card = HeadedCard("Evidence", "log p(x)")
        card.setFixedWidth(px(SIDE))
        self._evidence = Caption(name="evidence")
        self._evidence.setProperty("role", "title")
        self._terms = Caption(name="terms")
        self._terms.setWordWrap(True)
        fill(card.column, self._evidence, self._terms)
        return card

    def _tables_card(self) -> HeadedCard:
        card = HeadedCard("Transitions", "from row to column")
        card.setFixedWidth(px(SIDE))
        self.transitions = MatrixView("transitions")
        card.column.addWidget(self.transitions, 100)
        card.column.addSpacing(SPACE)
        formula = "p(symbol | state)" if self._symbols else "mean and deviation"
        card.column.addLayout(row_of(Caption("Emissions", heading=True), Caption(formula), stretch=True))
        self.emissions = MatrixView("emissions")
        card.column.addWidget(self.emissions, 100)
        card.column.addStretch(1)
        card.column.addWidget(ColourBar(viridis, "0", "probability", "1"))
        return card


def _probability(log: float) -> str:
    """A probability that may be far below what a float holds."""
    if log > math.log(1e-3):
        return f"{math.exp(log):.3f}"
    exponent = math.floor(log / math.log(10))
    mantissa = math.exp(log - exponent * math.log(10))
    return f"{mantissa:.1f} × {raised(10, exponent)}"
