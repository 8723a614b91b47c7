"""What the explorers are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from models.spec import DataSpec
from widgets.building import label
from widgets.pictures import to_image
from widgets.theme import SPACE, look, px, tabular

ANY_CLASS = -1  # stands for no class where one is chosen


class Caption(QLabel):
    """Small text in the muted colour; a heading is in capitals."""

    def __init__(self, text: str = "", name: str = "", heading: bool = False) -> None:
        super().__init__(text.upper() if heading else text)
        self.setObjectName(name)
        self.setProperty("role", "section" if heading else "small")


UNBOUNDED = 2**24 - 1  # px, that of Qt


class HeadedCard(QFrame):
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
        self._beside: QLabel | None = None
        if title:
            self.head.addWidget(Caption(title, heading=True))
            self._beside = label(formula, "small", elided=True)
            self.head.addWidget(self._beside)
            self.head.addStretch(1)
        self.column.addLayout(self.head)

    def narrow(self) -> None:
        """As wide as there is room, and without what stands beside the heading, where it lies below another card."""
        self.setMinimumWidth(0)
        self.setMaximumWidth(UNBOUNDED)
        if self._beside is not None:
            self._beside.hide()


class Segments(QWidget):
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
    for number, name in enumerate(spec.class_names):
        box.addItem(name, number)
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
