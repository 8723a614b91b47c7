"""The game step by step: who moves at the next step, and what the last one did."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QHideEvent, QPainter, QPainterPath, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from dgm_studio.events import Turn
from dgm_studio.number_texts import thousands
from dgm_studio.table_texts import number
from models.learning.base import Quantity
from widgets.building import label
from widgets.explorers.parts import Caption, HeadedCard, button, row_of
from widgets.plots import colour, pen
from widgets.theme import look, px, tabular

DISCRIMINATOR, GENERATOR = "discriminator", "generator"
STAGE = 420  # ms that each part of a step is lit
SLOW = 1700  # ms from one turn to the next in slow motion


@dataclass(frozen=True)
class Stage:
    """One part of a step: what it says, and which nodes and edges of the diagram are in use."""

    text: str
    nodes: frozenset[str]
    edges: frozenset[str]


FORWARD = {"zG", "Gs"}
STAGES = {
    DISCRIMINATOR: (
        Stage("Noise becomes samples: x̂ = G(z)", frozenset("zGs"), frozenset(FORWARD)),
        Stage("D judges data and samples", frozenset("xsDv"), frozenset({"xD", "sD", "Dv"})),
        Stage("D follows its gradient: it learns to tell them apart", frozenset("Dv"), frozenset({"vD"})),
    ),
    GENERATOR: (
        Stage("Noise becomes samples: x̂ = G(z)", frozenset("zGs"), frozenset(FORWARD)),
        Stage("D judges the samples", frozenset("sDv"), frozenset({"sD", "Dv"})),
        Stage("The gradient goes back through D to the samples", frozenset("vDs"), frozenset({"vD", "Ds"})),
        Stage("G follows it: its samples will look more real", frozenset("sG"), frozenset({"sG"})),
    ),
}

# Node: (text, column 0…4, row 0 or 1 or between). Data above, samples below, as they meet in D.
NODES = {"z": ("z", 0, 1.0), "G": ("G", 1, 1.0), "s": ("x̂", 2, 1.0), "x": ("x", 2, 0.0), "D": ("D", 3, 0.5)}
END = ("v", 4, 0.5)
EDGES = {"zG": "zG", "Gs": "Gs", "xD": "xD", "sD": "sD", "Dv": "Dv"}
BACK = {"vD": "Dv", "Ds": "sD", "sG": "Gs"}  # gradients run against these edges


class Diagram(QWidget):
    """z → G → x̂ → D ← x. What is in use is lit; gradients are drawn dashed and run backwards."""

    def __init__(self, letter: str = "D") -> None:
        super().__init__()
        self.letter = letter  # of who judges
        self.stage: Stage | None = None
        self.norms: dict[str, float] = {}
        self.setMinimumSize(300, 84)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("The game")
        look.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(360, 84)

    def show_stage(self, stage: Stage | None) -> None:
        self.stage = stage
        self.update()

    def show_norms(self, norms: dict[str, float]) -> None:
        """The norm of the gradient that each player followed last."""
        self.norms = norms
        self.update()

    def place(self, node: str) -> QPointF:
        _, column, row = END if node == "v" else NODES[node]
        return QPointF(24 + column * (self.width() - 64) / 4, 20 + row * (self.height() - 46))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # signs stand before their numbers
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        used = self.stage.edges if self.stage is not None else frozenset()
        for edge, nodes in EDGES.items():
            self._arrow(painter, nodes[0], nodes[1], edge in used, False)
        for edge, forward in BACK.items():
            if edge in used:
                self._arrow(painter, EDGES[forward][1], EDGES[forward][0], True, True)
        lit = self.stage.nodes if self.stage is not None else frozenset()
        for node, (text, _, _) in NODES.items():
            self._node(painter, node, self.letter if node == "D" else text, node in lit)
        self._verdict(painter, "v" in lit)

    def _node(self, painter: QPainter, node: str, text: str, lit: bool) -> None:
        theme, centre = look.theme, self.place(node)
        is_network = node in "GD"
        box = QRectF(centre.x() - 19, centre.y() - 14, 38, 28) if is_network else QRectF(0, 0, 28, 28)
        if not is_network:
            box.moveCenter(centre)
        painter.setPen(pen(theme.accent if lit else theme.border, 2 if lit else 1.2))
        painter.setBrush(colour(theme.accent, 0.28) if lit else QColor(theme.raised))
        painter.drawRoundedRect(box, 5 if is_network else 14, 5 if is_network else 14)
        font = self.font()
        font.setPixelSize(px(14))
        font.setBold(is_network)
        font.setItalic(not is_network)
        painter.setFont(font)
        painter.setPen(QColor(theme.text))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
        norm = self.norms.get({"G": GENERATOR, "D": DISCRIMINATOR}.get(node, ""))
        if norm is not None:
            small = tabular(self.font())
            small.setPixelSize(px(11))
            painter.setFont(small)
            painter.setPen(QColor(theme.accent))
            below = QRectF(centre.x() - 50, box.bottom() + 1, 100, 14)
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, f"|∇| {norm:.3g}")

    def _verdict(self, painter: QPainter, lit: bool) -> None:
        font = self.font()
        font.setPixelSize(px(12))
        font.setBold(lit)
        painter.setFont(font)
        painter.setPen(QColor(look.theme.accent if lit else look.theme.muted))
        centre = self.place("v")
        box = QRectF(centre.x() - 16, centre.y() - 14, 56, 28)
        painter.drawText(
            box, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, "real?" if self.letter == "D" else "score"
        )

    def _arrow(self, painter: QPainter, tail: str, head: str, lit: bool, back: bool) -> None:
        a, b = self.place(tail), self.place(head)
        length = math.hypot(b.x() - a.x(), b.y() - a.y())
        along = QPointF((b.x() - a.x()) / length, (b.y() - a.y()) / length)
        across = QPointF(-along.y(), along.x())
        begin, end = a + along * 23, b - along * 23
        if back:  # beside the arrow whose way it goes back
            begin, end = begin + across * 6, end + across * 6
        shade = (look.theme.warn if back else look.theme.accent) if lit else look.theme.muted
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(pen(shade, 2.2 if lit else 1.2, 1.0 if lit else 0.6, dashed=back))
        path = QPainterPath(begin)
        path.lineTo(end)
        painter.drawPath(path)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour(shade, 1.0 if lit else 0.6))
        painter.drawPolygon(QPolygonF([end, end - along * 8 + across * 4, end - along * 8 - across * 4]))


class TurnsPanel(HeadedCard):
    """Buttons for single steps, and the diagram. `step_wanted(players that move)`. Who judges is called `judge`, a
    discriminator D or a critic f."""

    step_wanted = Signal(object)

    def __init__(self, quantities: tuple[Quantity, ...], judge: str = "discriminator") -> None:
        super().__init__()
        self._quantities, self._judge = quantities, judge
        self._letter = {"discriminator": "D", "critic": "f"}[judge]
        self._by_hand = {DISCRIMINATOR: 0, GENERATOR: 0}
        self._playing: list[Stage] = []
        self._next = DISCRIMINATOR  # who moves next in slow motion
        tip = "One step in which only the {} moves; the other stands still"
        self.discriminator = button(
            f"{self._letter} step",
            "discriminatorStep",
            tip.format(judge),
            lambda: self._ask(DISCRIMINATOR),
            self._letter.upper(),
        )
        self.generator = button("G step", "generatorStep", tip.format("generator"), lambda: self._ask(GENERATOR), "G")
        tip = f"One step of training: the {judge}'s turn, then the generator's"
        self.both = button("Both", "bothStep", tip, self._ask_both, "B")
        tip = "Turn after turn, each in its parts, until it is pressed again"
        self.slow = button("Slow motion", "slowMotion", tip, self._switch_slow, "S")
        self.slow.setCheckable(True)
        self.head.addLayout(row_of(self.discriminator, self.generator, self.both, self.slow, stretch=True), 1)
        self.diagram = Diagram(self._letter)
        self._what = label("", "small", "turnStage", elided=True)
        self._values = Caption(name="turnValues")
        self._values.setWordWrap(True)
        self.column.addWidget(self.diagram)
        self.column.addWidget(self._what)
        self.column.addWidget(self._values)
        self._stages = QTimer(self, interval=STAGE)
        self._stages.timeout.connect(self._advance)
        self._beat = QTimer(self, interval=SLOW)
        self._beat.timeout.connect(self._move_slowly)
        self.allow(False)

    def allow(self, possible: bool) -> None:
        """Whether the run trains or is paused, so that it can be stepped."""
        for part in (self.discriminator, self.generator, self.both, self.slow):
            part.setEnabled(possible)
        if not possible:
            self._stop()
        if not self._playing:
            self._what.setText(
                "One step at a time: who moves?"
                if possible
                else "Single steps are taken while the run trains or is paused: train, or continue it."
            )

    def show_turn(self, turn: Turn) -> None:
        """What a step did."""
        for player in turn.moved:
            if player in self._by_hand:
                self._by_hand[player] += 1
        self.diagram.show_norms(turn.gradients)
        changes = [
            f"{q.title}: {number(turn.before[q.key], 3)} → {number(turn.after[q.key], 3)}"
            for q in self._quantities
            if q.key in turn.before and q.key in turn.after
        ]
        d, g = (self._by_hand[player] for player in (DISCRIMINATOR, GENERATOR))
        self._values.setText(" · ".join(changes))
        self._values.setToolTip(
            f"Step {thousands(turn.step)}, measured on its own batch, with the same noise before and after. Turns "
            f"since this run is looked at: {d} of the {self._judge}, {g} of the generator."
        )
        self._playing = [stage for player in turn.moved for stage in STAGES.get(player, ())]
        self._advance()
        self._stages.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._stop()

    def _stop(self) -> None:
        self._beat.stop()
        self.slow.setChecked(False)

    def _ask(self, player: str) -> None:
        self.step_wanted.emit((player,))

    def _ask_both(self) -> None:
        self.step_wanted.emit((DISCRIMINATOR, GENERATOR))

    def _switch_slow(self) -> None:
        if self.slow.isChecked():
            self._move_slowly()
            self._beat.start()
        else:
            self._beat.stop()

    def _move_slowly(self) -> None:
        self._ask(self._next)
        self._next = GENERATOR if self._next == DISCRIMINATOR else DISCRIMINATOR

    def _advance(self) -> None:
        """Light the next part of the step; at the end, nothing."""
        if self._playing:
            stage = self._playing.pop(0)
            self.diagram.show_stage(stage)
            self._what.setText(stage.text.replace("D", self._letter))
        else:
            self._stages.stop()
            self.diagram.show_stage(None)
            self._what.setText("")
