"""Receptive field: which pixels the distribution of one pixel depends on, and how much."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QHideEvent, QKeyEvent, QPainter, QPen, QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from dgm_studio.inference import Answer
from dgm_studio.number_texts import power
from dgm_studio.questions.receptive import Field, ReceptiveField, Way
from models.capabilities import ScoresEach
from models.spec import DataSpec, Layout
from widgets.colormaps import viridis
from widgets.explorers.base import LATE, Explorer
from widgets.explorers.parts import Caption, ColourBar, HeadedCard, Segments, fill
from widgets.explorers.slider_row import SliderRow
from widgets.live import Live
from widgets.picture_view import PictureView
from widgets.pixel_brush import outline
from widgets.theme import SPACE, look

LINEAR, LOGARITHMIC = "linear", "logarithmic"
DECADES = 4  # that logarithmic colours span
CHANNELS = ("Red", "Green", "Blue")
DIM = 0.25  # of the brightness of what is not seen
MOVES = {Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1), Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0)}


class FieldView(PictureView):
    """A picture with one pixel marked and an area outlined."""

    def __init__(self, minimum: int) -> None:
        super().__init__(minimum=minimum)
        self.pixel = (0, 0)  # row, column
        self.area: np.ndarray | None = None

    def paint_over(self, painter: QPainter, target: QRectF) -> None:
        assert self.picture is not None
        if self.area is not None:
            outline(painter, target, self.area)
        _, height, width = self.picture.shape
        step_x, step_y = target.width() / width, target.height() / height
        row, column = self.pixel
        place = QRectF(target.x() + column * step_x, target.y() + row * step_y, step_x, step_y)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, width in (("#000000", 4), ("#ff5a4f", 2)):  # on a picture, whose colours are those of no theme
            painter.setPen(QPen(QColor(colour), width))
            painter.drawRect(place)


class ReceptiveFieldView(Explorer):
    """The influence of every pixel on the one that is pointed at, the exact support outlined, beside an example of
    which only that support is bright."""

    key = "receptive-field"
    title = "Receptive field"
    links = "The same pixel is marked in both"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        channels, height, width = live.spec.event_shape
        self._pixel = (height * 5 // 8, width // 2)
        self._field: Field | None = None
        self.heat, self.sees = FieldView(200), FieldView(120)
        self.heat.setObjectName("influence")
        self.heat.setAccessibleName("Receptive field")
        self.heat.setCursor(Qt.CursorShape.CrossCursor)
        self.heat.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.heat.setToolTip("Press on a pixel, drag, or use the arrow keys")
        self.sees.setObjectName("sees")
        for view in (self.heat, self.sees):
            view.pressed.connect(self._point)
            view.moved.connect(self._point)
        self._channel = Segments(
            [(str(i), CHANNELS[i], "Whose distribution is looked at") for i in range(3)], "channel"
        )
        self._channel.chosen.connect(lambda key: self._chosen())
        self._channel.setVisible(channels == 3)
        self._scale = Segments(
            [
                (LOGARITHMIC, "Logarithmic", f"Colours over {DECADES} powers of ten"),
                (LINEAR, "Linear", "Colours in proportion to the influence"),
            ],
            "scale",
        )
        self._scale.chosen.connect(lambda key: self._rescale())
        self._many = SliderRow("Examples", 1, 128, 32, "{:.0f}", name_width=64)
        self._many.setObjectName("examples")
        self._many.key_step = 1
        self._many.setToolTip("Over how many test examples the influence is averaged")
        self._many.changed.connect(lambda value: self._chosen())
        self._watch = QTimer(self, interval=round(500 * LATE))
        self._watch.timeout.connect(self._say_working)
        look.changed.connect(self._show)
        self.body.addWidget(self._heat_card(), 5)
        self.body.addWidget(self._side_card(), 4)

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        return issubclass(model, ScoresEach) and spec.layout is Layout.IMAGE

    @property
    def field(self) -> Field | None:
        """What is shown."""
        return self._field

    def begin(self) -> None:
        self._ask()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._watch.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._watch.stop()

    def receive(self, name: str, answer: Answer) -> None:
        self._field = answer.value
        self._say_working()
        self._show()

    def look_at(self, row: int, column: int) -> None:
        """Ask for the field of another pixel; the nearest one inside."""
        _, height, width = self.live.spec.event_shape
        pixel = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
        if pixel != self._pixel:
            self._pixel = pixel
            self._mark()
            self._ask()
            self.shared_changed.emit()

    def shared(self) -> Any:
        """The pixel, its channel, the scale of colours, and over how many examples."""
        return self.live.spec.event_shape, self._pixel, self._channel.key, self._scale.key, self._many.value

    def share(self, state: Any) -> str:
        shape, pixel, channel, scale, many = state
        if shape != self.live.spec.event_shape:
            return "The pixels stay each run's own: their images are of other sizes."
        self._scale.choose(scale)
        if (pixel, channel, many) != (self._pixel, self._channel.key, self._many.value):
            self._pixel = pixel
            self._channel.choose(channel)
            self._many.set_value(many)
            self._mark()
            self._ask()
        self._show()
        return ""

    def _chosen(self) -> None:
        """Another channel, or other examples."""
        self._ask()
        self.shared_changed.emit()

    def _rescale(self) -> None:
        self._show()
        self.shared_changed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        move = MOVES.get(Qt.Key(event.key()))
        if move is None:
            super().keyPressEvent(event)
        else:
            self.look_at(self._pixel[0] + move[0], self._pixel[1] + move[1])

    def _ask(self) -> None:
        if self.isVisible():
            target = (int(self._channel.key) if self.live.spec.event_shape[0] == 3 else 0, *self._pixel)
            question = ReceptiveField(target, round(self._many.value))
            self.follow("field", lambda: question, 400)

    def _point(self, place: QPointF) -> None:
        self.look_at(math.floor(place.y()), math.floor(place.x()))

    def _mark(self) -> None:
        for view in (self.heat, self.sees):
            view.pixel = self._pixel
            view.update()

    def _show(self) -> None:
        field = self._field
        if field is None:
            return
        influence, before = field.influence.sum(0), field.before.any(0)
        top = float(influence.max())
        if self._scale.key == LOGARITHMIC:
            with np.errstate(divide="ignore"):
                share = 1 + np.log10(influence / max(top, 1e-30)) / DECADES
            self._bar.explain(viridis, f"≤ {power(top / 10**DECADES)}", "log scale", f"{top:.2g} nats per unit of x")
        else:
            share = influence / max(top, 1e-30)
            self._bar.explain(viridis, "0", f"{top / 2:.2g}", f"{top:.2g} nats per unit of x")
        picture = viridis(share.clip(0, 1))
        picture[:, ~(before | field.seen.any(0))] = np.array(QColor(look.theme.raised).getRgb()[:3], np.uint8)[:, None]
        example = field.example / self.live.spec.brightest
        seen = field.seen.any(0)
        self.heat.area = self.sees.area = seen
        self.heat.show_picture(picture)
        self.sees.show_picture(np.where(seen, example, example * DIM))
        self._mark()
        self._say(field)

    def _say(self, field: Field) -> None:
        channel, row, column = field.target
        colour = f"{CHANNELS[channel].lower()} of the " if len(field.influence) == 3 else ""
        blind = field.pixels_before - field.pixels_seen
        if not field.pixels_before:
            text = "comes first: it depends on nothing."
        elif blind:
            text = (
                f"depends on <b>{field.pixels_seen}</b> of the {field.pixels_before} pixels before it; {blind} "
                f"{'is' if blind == 1 else 'are'} out of its sight."
            )
        else:
            text = f"depends on all <b>{field.pixels_before}</b> pixels before it."
        self._seen.setText(f"The {colour}pixel in row {row + 1}, column {column + 1} {text}")
        self._ahead.setText(
            f"It also depends on values that come later ({field.seen_ahead}), so the probabilities of this model do "
            "not sum to 1."
        )
        self._ahead.setVisible(field.seen_ahead > 0)
        within = _radius(field)
        self._reach.setText(
            f"Nine tenths of the influence lie within {within:.1f} pixels." if within is not None else ""
        )
        how = {
            Way.GRADIENT: "Mean of |∂ log p(xₖ | those before k) / ∂xᵢ|",
            Way.CHANGES: "There is no gradient here: mean change of log p(xₖ | those before k) when one pixel xᵢ is "
            "changed, per unit of x,",
        }[field.way]
        plural = "s" if field.examples > 1 else ""
        summed = ", summed over the channels of a pixel" if len(field.influence) > 1 else ""
        self._how.setText(f"{how} over {field.examples} test example{plural}{summed}.")

    def _say_working(self) -> None:
        self._working.setText(self.working("field"))

    def _heat_card(self) -> HeadedCard:
        card = HeadedCard("Influence", "on the marked pixel k")
        self._working = Caption(name="working")
        card.head.addWidget(self._working)
        card.column.addWidget(self.heat, 1)
        self._bar = ColourBar(viridis, "0", "", "")
        card.column.addWidget(self._bar)
        card.column.addWidget(self._channel)
        card.column.addWidget(self._scale)
        return card

    def _side_card(self) -> QWidget:
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        sees = HeadedCard("What it sees", "of a test example")
        sees.column.addWidget(self.sees, 1)
        numbers = HeadedCard("Support")
        self._seen, self._ahead = Caption(name="seen"), Caption(name="ahead")
        self._ahead.setProperty("role", "error")
        self._reach, self._how = Caption(name="reach"), Caption(name="how")
        for text in (self._seen, self._ahead, self._reach, self._how):
            text.setWordWrap(True)
        self._seen.setProperty("role", "")
        self._ahead.hide()
        fill(numbers.column, self._seen, self._ahead, self._reach, self._many, self._how)
        column.addWidget(sees, 1)
        column.addWidget(numbers)
        return side


def _radius(field: Field) -> float | None:
    """The distance in pixels within which nine tenths of the influence lie; None when there is none."""
    influence = field.influence.sum(0)
    if not influence.any():
        return None
    _, row, column = field.target
    y, x = np.indices(influence.shape)
    distance = np.hypot(y - row, x - column).reshape(-1)
    nearest = np.argsort(distance, kind="stable")
    share = influence.reshape(-1)[nearest].cumsum() / influence.sum()
    return float(distance[nearest[np.searchsorted(share, 0.9)]])
