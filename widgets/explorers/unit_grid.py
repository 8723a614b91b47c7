"""A hidden layer as cells, one for each unit."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QSizePolicy, QToolTip, QWidget

from dgm_studio.number_texts import thousands
from widgets.pictures import to_image
from widgets.theme import look

SMALLEST, LARGEST = 8, 30  # px of a cell
STEPS = {Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1), Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0)}


class UnitGrid(QScrollArea):
    """The units of one layer, from off (grey) to on (the accent); held ones are framed. It scrolls.

    A layer (n,) is filled into rows; (maps, height, width) is shown as maps beside each other, and units that have one
    of several values on, (units, values), as rows of those. `chosen(unit)` when a person points at another unit or goes
    to it with the arrow keys, `toggled(unit)` for a click, Space or Return; units are flat indices.
    """

    chosen = Signal(int)
    toggled = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setMinimumHeight(72)
        self.cells = _Cells()
        self.cells.chosen.connect(self._choose)
        self.cells.toggled.connect(self.toggled)
        self.setWidget(self.cells)

    def set_layer(self, shape: tuple[int, ...]) -> None:
        """Show another layer, all of it off."""
        self.cells.set_layer(shape, self.viewport().size())

    def show_units(self, values: np.ndarray, held: np.ndarray | None, off: float = 0.0, mark: str = "held") -> None:
        """The states or means of the units, from `off` to 1, (*layer), and the values of held ones, NaN for free ones,
        (*layer). `mark` says what the frame of a held one means."""
        self.cells.off, self.cells.mark = off, mark
        self.cells.values = values.reshape(-1)
        self.cells.held = None if held is None else held.reshape(-1)
        self.cells.update()

    @property
    def unit(self) -> int:
        """The unit that was chosen last."""
        return self.cells.unit

    def choose(self, unit: int) -> None:
        """Look at a unit; it is scrolled to."""
        self.cells.go_to(unit)

    def sizeHint(self) -> QSize:
        return QSize(260, 200)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.cells.fit(self.viewport().size())

    def _choose(self, unit: int) -> None:
        if self.cells.hasFocus() and not self.cells.underMouse():
            place = self.cells.place(unit).center()
            self.ensureVisible(round(place.x()), round(place.y()), LARGEST, LARGEST)
        self.chosen.emit(unit)


class _Cells(QWidget):
    chosen = Signal(int)
    toggled = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("units")
        self.setProperty("plain", True)
        self.setAccessibleName("Hidden units")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.values = np.zeros(0, np.float32)
        self.held: np.ndarray | None = None
        self.off = 0.0
        self.mark = ""
        self.unit = 0
        self._shape: tuple[int, ...] = (0,)
        self._cell = SMALLEST
        self._index = np.full((1, 1), -1)  # the unit in each cell, row by row; -1 for none
        self._at = np.zeros((0, 2), np.int64)  # row and column of each unit
        look.changed.connect(self.update)

    def set_layer(self, shape: tuple[int, ...], room: QSize) -> None:
        self._shape = shape
        self.values = np.zeros(math.prod(shape), np.float32)
        self.held = None
        self.unit = 0
        self.fit(room)

    def fit(self, room: QSize) -> None:
        """Lay cells out for a window of this size."""
        width, height = max(room.width(), SMALLEST * 4), max(room.height(), SMALLEST * 4)
        maps = _as_maps(self._shape)
        widest = maps[-1] if maps else 1
        smallest = max(2, min(SMALLEST, width // widest))
        largest = max(smallest, min(LARGEST, width // widest))  # so that a map is as wide as there is room
        for cell in range(largest, smallest - 1, -1):
            self._cell = cell
            self._index = _layout(self._shape, max(1, width // cell))
            if len(self._index) * cell <= height:
                break
        self._at = np.zeros((math.prod(self._shape), 2), np.int64)
        rows, columns = np.nonzero(self._index >= 0)
        self._at[self._index[rows, columns]] = np.stack([rows, columns], axis=1)
        self.setMinimumHeight(len(self._index) * self._cell)
        self.update()

    def place(self, unit: int) -> QRectF:
        """Where a unit's cell lies."""
        row, column = self._at[unit].tolist()
        return QRectF(column * self._cell, row * self._cell, self._cell, self._cell)

    def unit_at(self, place: QPointF) -> int | None:
        """The unit whose cell this is."""
        row, column = int(place.y() // self._cell), int(place.x() // self._cell)
        if not (0 <= row < self._index.shape[0] and 0 <= column < self._index.shape[1]):
            return None
        unit = int(self._index[row, column])
        return unit if unit >= 0 else None

    def go_to(self, unit: int) -> None:
        if unit != self.unit and 0 <= unit < len(self._at):
            self.unit = unit
            self.update()
            self.chosen.emit(unit)

    def paintEvent(self, event: QPaintEvent) -> None:
        if not len(self._at):
            return
        theme, cell = look.theme, self._cell
        painter = QPainter(self)
        seen = event.rect()
        first, last = seen.top() // cell, min(len(self._index), seen.bottom() // cell + 1)
        index = self._index[first:last]
        if not index.size:
            return
        painter.drawImage(
            QRectF(0, first * cell, index.shape[1] * cell, len(index) * cell), to_image(self._colours(index))
        )
        gaps = QPen(QColor(theme.panel), 1 if cell < 14 else 2)
        painter.setPen(gaps)
        right, below = index.shape[1] * cell, last * cell
        painter.drawLines(
            [QPointF(x, y) for c in range(index.shape[1] + 1) for x, y in ((c * cell, first * cell), (c * cell, below))]
        )
        painter.drawLines(
            [QPointF(x, y) for r in range(first, last + 1) for x, y in ((0, r * cell), (right, r * cell))]
        )
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self.held is not None:
            seen_units = index[index >= 0]
            inset = 1.5 if cell > 10 else 1
            painter.setPen(QPen(QColor(theme.warn), 2))
            frames = [self.place(unit) for unit in seen_units[~np.isnan(self.held[seen_units])].tolist()]
            painter.drawRects([frame.adjusted(inset, inset, -inset, -inset) for frame in frames])
        painter.setPen(QPen(QColor(theme.text if self.hasFocus() else theme.muted), 2))
        painter.drawRect(self.place(self.unit))

    def _colours(self, index: np.ndarray) -> np.ndarray:
        """(3, rows, columns) uint8."""
        theme = look.theme
        off, on = QColor(theme.raised).getRgb()[:3], QColor(theme.accent).getRgb()[:3]
        ground = QColor(theme.panel).getRgb()[:3]
        values = (self.values[np.maximum(index, 0)] - self.off) / (1 - self.off)
        share = np.clip(np.nan_to_num(values), 0, 1)
        bands = [np.where(index < 0, g, a + (b - a) * share) for a, b, g in zip(off, on, ground, strict=True)]
        return np.stack(bands).astype(np.uint8)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        unit = self.unit_at(event.position())
        if event.button() is Qt.MouseButton.LeftButton and unit is not None:
            self.go_to(unit)
            self.toggled.emit(unit)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        unit = self.unit_at(event.position())
        if unit is not None:
            self.go_to(unit)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = STEPS.get(Qt.Key(event.key()))
        if event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter) and len(self._at):
            self.toggled.emit(self.unit)
        elif step is not None and len(self._at):
            self._go(*step)
        else:
            super().keyPressEvent(event)

    def _go(self, down: int, right: int) -> None:
        """To the next unit in a direction, over gaps between maps."""
        row, column = self._at[self.unit].tolist()
        while True:
            row, column = row + down, column + right
            if not (0 <= row < self._index.shape[0] and 0 <= column < self._index.shape[1]):
                return
            if self._index[row, column] >= 0:
                self.go_to(int(self._index[row, column]))
                return

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            unit = self.unit_at(QPointF(event.pos()))
            if unit is not None:
                state = "" if self.held is None or np.isnan(self.held[unit]) else f", {self.mark}"
                area = self.place(unit).toRect()
                text = f"{unit_name(unit, self._shape)}: {self.values[unit]:.2f}{state}"
                QToolTip.showText(event.globalPos(), text, self, QRect(area))
                return True
        return super().event(event)


def unit_name(unit: int, shape: tuple[int, ...]) -> str:
    """What a unit is called, counted from 1."""
    if len(shape) == 2:
        return f"unit {thousands(unit // shape[1] + 1)}, value {unit % shape[1] + 1}"
    if len(shape) != 3:
        return f"unit {thousands(unit + 1)}"
    _, height, width = shape
    feature, place = divmod(unit, height * width)
    return f"map {feature + 1}, row {place // width + 1}, column {place % width + 1}"


def _layout(shape: tuple[int, ...], columns: int) -> np.ndarray:
    """The unit in each cell of so many columns, or of as many as a map has: (rows, columns), -1 for none."""
    apart = _as_maps(shape)
    if apart is None:
        n = math.prod(shape)
        columns = min(columns, max(n, 1))
        index = np.full(-(-max(n, 1) // columns) * columns, -1)
        index[:n] = np.arange(n)
        return index.reshape(-1, columns)
    maps, height, width = apart
    across = max(1, (columns + 1) // (width + 1))
    rows = -(-maps // across)
    index = np.full((rows * (height + 1) - 1, across * (width + 1) - 1), -1)
    for i in range(maps):
        top, left = (i // across) * (height + 1), (i % across) * (width + 1)
        index[top : top + height, left : left + width] = (
            np.arange(height * width).reshape(height, width) + i * height * width
        )
    return index


def _as_maps(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """The maps that a layer is shown as, (maps, height, width): a unit of several values is one of a single row."""
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else None
