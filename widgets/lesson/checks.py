"""The claims of a lesson as cards: what was predicted, what was measured, and what comes of it without the effect."""

from __future__ import annotations

import math
from html import escape

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from dgm_studio.lessons.expressions import Expression
from dgm_studio.lessons.format import Check, Lesson
from dgm_studio.lessons.outcome import Checked
from dgm_studio.lessons.predictions import Prediction, Spread, told
from dgm_studio.lessons.wording import worded
from dgm_studio.number_texts import signed
from widgets.building import Card, label
from widgets.lesson.marks import Mark, Sign
from widgets.theme import SPACE, look, mixed

HEIGHT = 5 * SPACE  # px of the picture of an interval
AROUND = 0.12  # of the width that stays free on both sides


class CheckCard(Card):
    """A check of a lesson, by its number. `show_checked` fills it in as results come."""

    def __init__(self, number_: int, lesson: Lesson, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(f"check-{number_}")
        self._check = check = lesson.checks[number_]
        self._sign, self._verdict = Sign(), label("", "small", f"verdict-{number_}")
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        head.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        head.addWidget(label(check.says, "strong", wrap=True), 1)
        head.addWidget(self._verdict, 0, Qt.AlignmentFlag.AlignTop)
        self.column.addLayout(head)
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * SPACE)
        grid.setVerticalSpacing(SPACE // 2)
        grid.setColumnStretch(1, 1)
        unit = f" {check.unit}" if check.unit else ""
        self._found, self._without = label("", wrap=True), label("", "", f"without-{number_}", wrap=True)
        self._without.setToolTip(_in_words(lesson, check.counterpart))
        figure = label(_in_words(lesson, check.figure), "muted", f"worded-{number_}", wrap=True)
        figure.setTextFormat(Qt.TextFormat.RichText)
        figure.setToolTip(signed(check.figure.text))
        for row, (title, value) in enumerate(
            (
                ("Figure", figure),
                ("Predicted", label(f"{check.predicts.worded}{unit}", wrap=True)),
                ("Measured", self._found),
                ("Switched off", self._without),
            )
        ):
            grid.addWidget(label(title, "small"), row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(value, row, 1)
        self.column.addLayout(grid)
        self._strip = IntervalStrip(check.predicts)
        self.column.addWidget(self._strip)
        self.show_checked(None)

    def show_checked(self, found: Checked | None) -> None:
        """What was measured so far; None before anything was."""
        check = self._check
        figure = found.figure if found is not None else None
        counterpart = found.counterpart if found is not None else None
        self._found.setText(_spread(check, figure) if figure else "appears when it has run")
        self._without.setText(
            f"{_spread(check, counterpart)}: {check.without}{_fails(found)}"
            if counterpart
            else f"{check.without}: not measured yet"
        )
        mark, text = _verdict(found)
        self._sign.show_mark(mark)
        self._verdict.setText(text)
        self.setAccessibleName(f"{check.says} {text}")
        self._strip.show_spreads(figure, counterpart)


class IntervalStrip(QWidget):
    """On one axis: where the figure was predicted to be, where it is (above) and where it is without the effect
    (below), each with its interval and a dot for each seed."""

    def __init__(self, predicts: Prediction) -> None:
        super().__init__()
        self._predicts = predicts
        self._figure: Spread | None = None
        self._counterpart: Spread | None = None
        self.setFixedHeight(HEIGHT)
        self.hide()
        look.changed.connect(self.update)

    def show_spreads(self, figure: Spread | None, counterpart: Spread | None) -> None:
        self._figure, self._counterpart = figure, counterpart
        self.setVisible(any(_finite(spread) for spread in (figure, counterpart)))
        self.update()

    def ends(self) -> tuple[float, float]:
        """The values at both ends of the axis."""
        spreads = [spread for spread in (self._figure, self._counterpart) if spread is not None and _finite(spread)]
        values = [value for spread in spreads for value in (*spread.values, spread.low, spread.high)]
        values += [end for end in (self._predicts.low, self._predicts.high) if math.isfinite(end)]
        low, high = min(values), max(values)
        room = AROUND * ((high - low) or abs(high) or 1.0)
        return low - room, high + room

    def paintEvent(self, event: QPaintEvent) -> None:
        low, high = self.ends()
        theme, width = look.theme, self.width()

        def x(value: float) -> float:
            return min(max((value - low) / (high - low), 0.0), 1.0) * (width - 1)

        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.raised))
            painter.drawRoundedRect(QRectF(0, 0, width, HEIGHT), 4, 4)
            there = QRectF(x(self._predicts.low), 0, x(self._predicts.high) - x(self._predicts.low), HEIGHT)
            painter.setBrush(mixed(theme.good, theme.raised, 0.28))
            painter.drawRoundedRect(there, 4, 4)
            for spread, y, colour in (
                (self._figure, HEIGHT * 0.32, theme.accent),
                (self._counterpart, HEIGHT * 0.7, theme.muted),
            ):
                if spread is None or not _finite(spread):
                    continue
                painter.setPen(QPen(QColor(colour), 3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
                painter.drawLine(QPointF(x(spread.low), y), QPointF(x(spread.high), y))
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(mixed(colour, theme.raised, 0.6))
                for value in spread.values:
                    painter.drawEllipse(QPointF(x(value), y), 2.5, 2.5)
                painter.setBrush(QColor(colour))
                painter.drawEllipse(QPointF(x(spread.mean), y), 4.5, 4.5)


def _in_words(lesson: Lesson, figure: Expression) -> str:
    """A figure as rich text: what its quantities are called in the tables of the page stands in italics."""
    quantities = {key: f"<i>{escape(quantity.title)}</i>" for key, quantity in lesson.quantities.items()}
    return worded(figure, quantities, {key: escape(run.title) for key, run in lesson.runs.items()})


def _finite(spread: Spread | None) -> bool:
    return spread is not None and all(map(math.isfinite, (*spread.values, spread.low, spread.high)))


def _spread(check: Check, spread: Spread) -> str:
    """A mean with its interval, as it is said."""
    unit = f" {check.unit}" if check.unit else ""
    mean = told(spread.mean, check.decimals)
    n = len(spread.values)
    if n == 1:
        return f"{mean}{unit}"
    low, high = told(spread.low, check.decimals), told(spread.high, check.decimals)
    return f"{mean}{unit}  (95 % interval {low} … {high}, {n} seeds)"


def _fails(found: Checked | None) -> str:
    """Whether the prediction fails with the effect switched off, as it has to."""
    if found is None or found.told_apart is None:
        return ""
    return ". The prediction fails there, as it should" if found.told_apart else ". The prediction holds there too"


def _verdict(found: Checked | None) -> tuple[Mark, str]:
    if found is None or found.figure is None:
        return Mark.NONE, ""
    if found.holds is None:
        return Mark.BEGUN, "not all has run yet"
    if found.holds:
        return Mark.HOLDS, "holds"
    if found.predicted:
        return Mark.FAILS, "does not tell: it holds switched off as well"
    return Mark.FAILS, "does not hold"
