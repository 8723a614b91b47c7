"""What the explorers are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from models.spec import DataSpec
from widgets.pictures import to_image
from widgets.plots import colour
from widgets.theme import SPACE, look, px, tabular

ANY_CLASS = -1  # stands for no class where one is chosen
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def subscript(number: int) -> str:
    return str(number).translate(SUBSCRIPTS)


class Caption(QLabel):
    """Small text in the muted colour; a heading is in capitals."""

    def __init__(self, text: str = "", name: str = "", heading: bool = False) -> None:
        super().__init__(text.upper() if heading else text)
        self.setObjectName(name)
        self.setProperty("role", "section" if heading else "small")


UNBOUNDED = 2**24 - 1  # px, that of Qt


class Card(QFrame):
    """A rounded panel with a heading and, beside it, a formula. Its parts go into `column`; `head` takes what stands at
    the end of the heading's line."""

    def __init__(self, title: str = "", formula: str = "") -> None:
        super().__init__()
        self.setProperty("card", True)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(SPACE * 3 // 2, SPACE, SPACE * 3 // 2, SPACE)
        self.column.setSpacing(SPACE // 2)
        self.head = QHBoxLayout()
        self.head.setSpacing(SPACE)
        self._beside: Caption | None = None
        if title:
            self.head.addWidget(Caption(title, heading=True))
            beside = Caption(formula)
            if look.scale > 1.2:
                beside.setMinimumWidth(1)  # cut off where large text leaves no room
            self.head.addWidget(beside)
            self.head.addStretch(1)
            self._beside = beside
        self.column.addLayout(self.head)

    def narrow(self) -> None:
        """As wide as there is room, and without what stands beside the heading, where it lies below another card."""
        self.setMinimumWidth(0)
        self.setMaximumWidth(UNBOUNDED)
        if self._beside is not None:
            self._beside.hide()


class SliderRow(QWidget):
    """A name, a slider, its number and a note, in one line: light enough for one per latent dimension.

    `changed(value)` is emitted when a person moves it, and not by `set_value`.
    """

    changed = Signal(float)
    HEIGHT = 24

    def __init__(
        self,
        name: str,
        low: float,
        high: float,
        value: float,
        form: str = "{:+.2f}",
        note: str = "",
        name_width: int = 30,
        note_width: int = 0,
    ) -> None:
        super().__init__()
        self.name, self.note = name, note
        self.key_step = 0.0  # what an arrow key moves it by; 0 for a hundredth of the range
        self._low, self._high, self._value, self._form = low, high, value, form
        self._name_width, self._note_width = px(name_width), px(note_width)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(name)
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # numbers rise to the right, signs stand before them
        self.setFixedHeight(px(self.HEIGHT))
        self.setMinimumWidth(120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        font = tabular(self.font())
        font.setPixelSize(px(12))
        self.setFont(font)
        self._value_width = max(QFontMetricsF(font).horizontalAdvance(form.format(v)) for v in (low, high)) + SPACE
        look.changed.connect(self.update)

    @property
    def value(self) -> float:
        return self._value

    def set_value(self, value: float) -> None:
        """Show `value`, also one outside the slider's range."""
        if value != self._value:
            self._value = value
            self.update()

    def set_name(self, name: str, note: str) -> None:
        if (name, note) != (self.name, self.note):
            self.name, self.note = name, note
            self.setAccessibleName(name)
            self.update()

    def set_range(self, low: float, high: float) -> None:
        self._low, self._high = low, high
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(220, px(self.HEIGHT))

    def track(self) -> tuple[float, float]:
        """Where the slider's groove begins and ends, in pixels."""
        return self._name_width + 6.0, self.width() - self._value_width - self._note_width - 6.0

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = look.theme
        painter = QPainter(self)
        painter.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # signs stand before their numbers
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        begin, end = self.track()
        middle = self.height() / 2
        share = min(1.0, max(0.0, (self._value - self._low) / (self._high - self._low)))
        at = begin + share * (end - begin)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.raised))
        painter.drawRoundedRect(QRectF(begin, middle - 2, end - begin, 4), 2, 2)
        enabled = self.isEnabled()
        painter.setBrush(QColor(theme.accent if enabled else theme.border))
        painter.drawRoundedRect(QRectF(begin, middle - 2, at - begin, 4), 2, 2)
        if self.hasFocus():
            painter.setBrush(colour(theme.accent, 0.35))
            painter.drawEllipse(QRectF(at - 8, middle - 8, 16, 16))
        painter.setBrush(QColor(theme.text if enabled else theme.muted))
        painter.drawEllipse(QRectF(at - 5, middle - 5, 10, 10))
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        centre = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(theme.text if enabled else theme.muted))
        painter.drawText(QRectF(0, 0, self._name_width, self.height()), left | centre, self.name)
        x = end + 6
        painter.drawText(QRectF(x, 0, self._value_width, self.height()), right | centre, self._form.format(self._value))
        if self._note_width:
            painter.setPen(QColor(theme.muted))
            note = QRectF(self.width() - self._note_width, 0, self._note_width, self.height())
            painter.drawText(note, right | centre, self.note)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self._point(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._point(event.position().x())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
            return
        self._move(self._value + step * (self.key_step or (self._high - self._low) / 100))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() is QEvent.Type.EnabledChange:
            self.update()

    def _point(self, x: float) -> None:
        begin, end = self.track()
        self._move(self._low + (x - begin) / (end - begin) * (self._high - self._low))

    def _move(self, value: float) -> None:
        value = min(self._high, max(self._low, value))
        if value != self._value:
            self._value = value
            self.update()
            self.changed.emit(value)


def align(*rows: SliderRow) -> None:
    """Let sliders that stand below each other begin and end in one place."""
    name, value = max(row._name_width for row in rows), max(row._value_width for row in rows)
    for row in rows:
        row._name_width, row._value_width = name, value
        row.update()


class Choice(QWidget):
    """A few buttons of which one is down. `chosen(key)` is emitted when a person presses another."""

    chosen = Signal(str)

    def __init__(self, options: list[tuple[str, str, str]], name: str, vertical: bool = False) -> None:
        """`options`: (key, text, tooltip); the first is down."""
        super().__init__()
        self.setObjectName(name)
        self._row = row = QVBoxLayout(self) if vertical else QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE // 2)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QPushButton] = {}
        for key, text, tip in options:
            button = QPushButton(text, objectName=f"{name}.{key}", checkable=True, toolTip=tip)
            button.setProperty("segment", True)
            self._group.addButton(button)
            self._buttons[key] = button
            button.clicked.connect(lambda checked, key=key: self.chosen.emit(key))
            row.addWidget(button)
        self._buttons[options[0][0]].setChecked(True)

    @property
    def key(self) -> str:
        return next(key for key, button in self._buttons.items() if button.isChecked())

    def choose(self, key: str) -> None:
        self._buttons[key].setChecked(True)

    def stack(self) -> None:
        """One button below the other, in a narrow place."""
        self._row.setDirection(QBoxLayout.Direction.TopToBottom)

    def offer(self, key: str, on: bool) -> None:
        """Whether a button is there."""
        self._buttons[key].setVisible(on)


def button(text: str, name: str, tip: str, action: Callable[[], None], shortcut: str = "") -> QPushButton:
    """A push button; `shortcut` acts while the explorer is visible and is said in the tooltip."""
    result = QPushButton(text, objectName=name, toolTip=f"{tip} ({shortcut})" if shortcut else tip)
    if shortcut:
        result.setShortcut(shortcut)
    result.clicked.connect(lambda checked: action())
    return result


def check(text: str, name: str, tip: str, on: bool, action: Callable[[bool], object] | None = None) -> QCheckBox:
    """A check box; `action(on)` runs when it is switched."""
    result = QCheckBox(text, objectName=name, toolTip=tip, checked=on)
    if action is not None:
        result.toggled.connect(action)
    return result


def row_of(*parts: QWidget, stretch: bool = False) -> QHBoxLayout:
    """Widgets beside each other, one unit apart; `stretch` leaves the room that is left at the end."""
    row = QHBoxLayout()
    row.setSpacing(SPACE // 2)
    fill(row, *parts)
    if stretch:
        row.addStretch(1)
    return row


def fill(layout: QBoxLayout, *parts: QWidget) -> None:
    for part in parts:
        layout.addWidget(part)


def class_choice(spec: DataSpec, any_class: bool = True) -> QComboBox:
    """Which class an example is taken from; its data is the label. Hidden where data have no classes."""
    box = QComboBox(objectName="class", toolTip="Which class an example is taken from")
    box.setAccessibleName("Class of the example")
    if any_class:
        box.addItem("any class", ANY_CLASS)
    for label, name in enumerate(spec.class_names):
        box.addItem(name, label)
    box.setVisible(spec.classes > 0)
    return box


class ColourBar(QWidget):
    """What the colours of a heat map mean."""

    def __init__(self, colours: Callable[[np.ndarray], np.ndarray], low: str, middle: str, high: str) -> None:
        super().__init__()
        self._colours, self._texts = colours, (low, middle, high)
        self.setFixedHeight(px(24))
        look.changed.connect(self.update)

    def explain(self, colours: Callable[[np.ndarray], np.ndarray], low: str, middle: str, high: str) -> None:
        """Other colours, or other numbers."""
        if (colours, (low, middle, high)) != (self._colours, self._texts):
            self._colours, self._texts = colours, (low, middle, high)
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # as the colours go
        strip = to_image(self._colours(np.linspace(0, 1, 256)[None]))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(0, 0, self.width(), 6), strip)
        font = tabular(self.font())
        font.setPixelSize(px(11))
        painter.setFont(font)
        painter.setPen(QColor(look.theme.muted))
        below = QRectF(0, 8, self.width(), px(16))
        sides = (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignRight)
        for side, text in zip(sides, self._texts, strict=True):
            painter.drawText(below, side | Qt.AlignmentFlag.AlignTop, text)
