"""Sequences and what is said of them, over one axis of time."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from dgm_studio.sequence_pictures import symbol_colours
from widgets.colormaps import viridis
from widgets.pictures import to_image
from widgets.plots import colour
from widgets.theme import CATEGORICAL, look, px, tabular

LABELS = 32  # px at the left of every strip, so that all begin at the same place
DOTS = 6.0  # px per step from which the values of a curve are dots too


class Strip(QWidget):
    """Shows the steps `first` … `first + count - 1`, and marks one of them. `pointed(step)` when a person points at a
    step."""

    pointed = Signal(int)

    def __init__(self, name: str, minimum: int, steps: int) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(name.capitalize())
        self.steps, self.first, self.count, self.marked = steps, 0, steps, 0
        self.setMinimumSize(160, minimum)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        font = tabular(self.font())
        font.setPixelSize(px(11))
        self.setFont(font)
        look.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(480, self.minimumHeight())

    def show_steps(self, first: int, count: int) -> None:
        self.first, self.count = first, count
        self.update()

    def mark(self, step: int) -> None:
        self.marked = step
        self.update()

    def area(self) -> QRectF:
        """Where the steps lie."""
        return QRectF(LABELS, 0, max(1, self.width() - LABELS - 1), self.height() - 1)

    def column(self, step: int) -> QRectF:
        """Where one step lies."""
        area = self.area()
        width = area.width() / self.count
        return QRectF(area.x() + (step - self.first) * width, area.y(), width, area.height())

    def step_at(self, x: float) -> int:
        area = self.area()
        step = self.first + int((x - area.x()) / area.width() * self.count)
        return min(self.first + self.count - 1, max(self.first, step))

    def shown(self) -> range:
        return range(self.first, min(self.steps, self.first + self.count))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.pointed.emit(self.step_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons():
            self.pointed.emit(self.step_at(event.position().x()))

    def paint_mark(self, painter: QPainter) -> None:
        if self.marked in self.shown():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(look.theme.accent), 2 if self.hasFocus() else 1.2))
            painter.drawRect(self.column(self.marked).adjusted(-0.5, 0.5, 0.5, -0.5))

    def paint_label(self, painter: QPainter, text: str, middle: float) -> None:
        """Beside the steps, at the height `middle`."""
        painter.setPen(QColor(look.theme.muted))
        at = QRectF(0, middle - 8, LABELS - 6, 16)
        painter.drawText(at, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)


class HeatStrip(Strip):
    """Probabilities of K states at each step, and a path through the states if one is given."""

    def __init__(self, name: str, steps: int) -> None:
        super().__init__(name, 44, steps)
        self.values: np.ndarray | None = None  # (T, K)
        self.path: np.ndarray | None = None  # (T,)

    def show_values(self, values: np.ndarray, path: np.ndarray | None = None) -> None:
        self.values, self.path = values, path
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.values is None:
            return
        painter = QPainter(self)
        area, states = self.area(), self.values.shape[1]
        painter.drawImage(area, to_image(viridis(self.values[self.first : self.first + self.count].T)))
        row = area.height() / states
        every = max(1, int(np.ceil(13 / row)))
        for state in range(0, states, every):
            self.paint_label(painter, str(state + 1), (state + 0.5) * row)
        if self.path is not None:
            self._paint_path(painter, row)
        self.paint_mark(painter)

    def _paint_path(self, painter: QPainter, row: float) -> None:
        assert self.path is not None
        line = QPolygonF()
        for step in self.shown():
            at, y = self.column(step), (float(self.path[step]) + 0.5) * row
            line.append(QPointF(at.left(), y))
            line.append(QPointF(at.right(), y))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        # light on dark cells, and seen on the lightest by its dark edge
        for ink, width in (("#16181d", 4.0), ("#ffffff", 2.0)):
            painter.setPen(QPen(QColor(ink), width))
            painter.drawPolyline(line)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


class EditableStrip(Strip):
    """Observations that a person may change. `edited(step, channel, value)` when that happens; arrow keys to the sides
    move the mark, up and down change the value there."""

    edited = Signal(int, int, float)

    def __init__(self, name: str, minimum: int, steps: int) -> None:
        super().__init__(name, minimum, steps)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)  # the right button changes values

    def nudge(self, up: int) -> None:
        """Change the marked step's value by one notch."""
        raise NotImplementedError

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        aside = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(key)
        up = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1}.get(key)
        if aside is not None:
            self.pointed.emit(min(self.steps - 1, max(0, self.marked + aside)))
        elif up is not None:
            self.nudge(up)
        else:
            super().keyPressEvent(event)


class SymbolStrip(EditableStrip):
    """Symbols as coloured cells with their names, where there is room. A click makes a symbol the next one, the right
    button the one before."""

    def __init__(self, name: str, steps: int, names: tuple[str, ...]) -> None:
        super().__init__(name, 28, steps)
        self.names = names
        self.x = np.zeros(steps, np.int64)
        self._colours = [QColor(*rgb) for rgb in symbol_colours(len(names)).tolist()]
        self.setFixedHeight(px(34))
        self.setToolTip("Click: the next symbol; right click: the one before. Arrow keys: move, and change.")

    def show_x(self, x: np.ndarray) -> None:
        self.x = x.astype(np.int64)
        self.update()

    def nudge(self, up: int) -> None:
        self.edited.emit(self.marked, 0, float((self.x[self.marked] + up) % len(self.names)))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        step = self.step_at(event.position().x())
        up = {Qt.MouseButton.LeftButton: 1, Qt.MouseButton.RightButton: -1}.get(event.button())
        if up is not None:
            self.edited.emit(step, 0, float((self.x[step] + up) % len(self.names)))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        width, room = self.area().width() / self.count, QFontMetricsF(self.font())
        gap = 1 if width >= 5 else 0
        for step in self.shown():
            symbol = int(self.x[step])
            cell = self.column(step)
            painter.fillRect(cell.adjusted(0, 0, -gap, 0), self._colours[symbol])
            if width + 2 >= room.horizontalAdvance(self.names[symbol]):
                painter.setPen(QColor("#000000" if self._colours[symbol].lightnessF() > 0.42 else "#ffffff"))
                painter.drawText(cell, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextDontClip, self.names[symbol])
        self.paint_mark(painter)


class Legend(QWidget):
    """The colours of symbols, as far as there is room for their names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.setObjectName("legend")
        self._names = names
        self._colours = [QColor(*rgb) for rgb in symbol_colours(len(names)).tolist()]
        font = tabular(self.font())
        font.setPixelSize(px(11))
        self.setFont(font)
        self.setFixedHeight(px(16))
        look.changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        metrics, left = QFontMetricsF(self.font()), float(LABELS)
        for name, ink in zip(self._names, self._colours, strict=True):
            wide = metrics.horizontalAdvance(name)
            if left + 14 + wide > self.width():
                break
            painter.fillRect(QRectF(left, 3, 10, 10), ink)
            painter.setPen(QColor(look.theme.muted))
            painter.drawText(QRectF(left + 14, 0, wide + 2, 16), Qt.AlignmentFlag.AlignVCenter, name)
            left += wide + 28


class CurveStrip(EditableStrip):
    """Real values as curves, one for each channel, that follow a drag; behind them, where they were expected."""

    def __init__(self, name: str, steps: int, channels: int) -> None:
        super().__init__(name, 96, steps)
        self.x = np.zeros((steps, channels))
        self.expected: tuple[np.ndarray, np.ndarray] | None = None  # mean and deviation, (T, channels)
        self._low, self._high = -1.0, 1.0
        self._channel = 0
        self.setToolTip("Drag up or down to change values. Arrow keys: move, and change.")

    def show_x(self, x: np.ndarray, fit: bool) -> None:
        """`x` (T, channels); with `fit` the scale becomes its own."""
        self.x = x.astype(np.float64)
        if fit:
            low, high = float(x.min()), float(x.max())
            margin = 0.12 * max(high - low, 1e-6)
            self._low, self._high = low - margin, high + margin
        self.update()

    def expect(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """What the most probable states emit: (T, channels) each."""
        self.expected = mean, deviation
        self.update()

    def height_of(self, value: float) -> float:
        return float(self.height() * (self._high - value) / (self._high - self._low))

    def value_at(self, y: float) -> float:
        return float(np.clip(self._high - y / self.height() * (self._high - self._low), self._low, self._high))

    def nudge(self, up: int) -> None:
        notch = (self._high - self._low) / 50
        value = np.clip(self.x[self.marked, self._channel] + up * notch, self._low, self._high)
        self.edited.emit(self.marked, self._channel, float(value))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        if event.button() is Qt.MouseButton.LeftButton:
            step, value = self.step_at(event.position().x()), self.value_at(event.position().y())
            self._channel = int(np.abs(self.x[step] - value).argmin())
            self.edited.emit(step, self._channel, value)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        if event.buttons() & Qt.MouseButton.LeftButton:
            step, value = self.step_at(event.position().x()), self.value_at(event.position().y())
            self.edited.emit(step, self._channel, value)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setClipRect(self.rect())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        steps, width = self.shown(), self.area().width() / self.count
        for channel in range(self.x.shape[1]):
            ink = CATEGORICAL[channel % len(CATEGORICAL)]
            if self.expected is not None:
                self._paint_expected(painter, channel, ink)
            line = QPolygonF([QPointF(self.column(t).center().x(), self.height_of(self.x[t, channel])) for t in steps])
            painter.setPen(QPen(QColor(ink), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPolyline(line)
            if width >= DOTS:
                painter.setBrush(QColor(ink))
                for point in line:
                    painter.drawEllipse(point, 2.2, 2.2)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for value in (self._low, self._high):
            inside = min(self.height() - 8.0, max(8.0, self.height_of(value)))
            self.paint_label(painter, f"{value:.2g}".replace("-", "−"), inside)
        self.paint_mark(painter)

    def _paint_expected(self, painter: QPainter, channel: int, ink: str) -> None:
        assert self.expected is not None
        mean, deviation = self.expected
        painter.setPen(Qt.PenStyle.NoPen)
        for step in self.shown():
            at = self.column(step)
            top = self.height_of(mean[step, channel] + 2 * deviation[step, channel])
            bottom = self.height_of(mean[step, channel] - 2 * deviation[step, channel])
            painter.fillRect(QRectF(at.left(), top, at.width(), bottom - top), colour(ink, 0.18))
            middle = self.height_of(mean[step, channel])
            painter.fillRect(QRectF(at.left(), middle - 0.75, at.width(), 1.5), colour(ink, 0.55))
