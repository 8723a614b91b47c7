"""What single values are edited with: numbers, choices, paths; and which of them suits a declared setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QPaintEvent, QValidator, QWheelEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolButton,
    QWidget,
)

from models.settings import names_of, unit_of
from widgets.asking import ask_file, ask_folder
from widgets.icons import dress
from widgets.theme import SPACE, tabular

LARGEST = 2**31 - 1  # what Qt's editor of whole numbers holds


class _NoScroll:
    # A wheel over a field scrolls the form; only a field that has the focus changes.
    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():  # type: ignore[attr-defined]
            super().wheelEvent(event)  # type: ignore[misc]
        else:
            event.ignore()


class _Figures(_NoScroll):
    # Figures of one width, which begin where the text of a choice does: Qt heeds no padding of a style sheet here.
    def __init__(self) -> None:
        super().__init__()
        self.setFont(tabular(self.font()))  # type: ignore[attr-defined]
        self.lineEdit().setTextMargins(SPACE - 1, 0, 0, 0)  # type: ignore[attr-defined]


class IntegerBox(_Figures, QSpinBox):
    """Whole numbers."""


class DecimalBox(_Figures, QDoubleSpinBox):
    """Numbers with as many decimals as are set."""


class NumberBox(_Figures, QDoubleSpinBox):
    """Numbers as short as they can be written; the arrows go 1, 2, 5, 10 … where the value spans decades."""

    def __init__(self, logarithmic: bool) -> None:
        super().__init__()
        self._logarithmic = logarithmic
        self.setDecimals(12)
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)

    def textFromValue(self, value: float) -> str:
        return f"{value:.6g}"

    def valueFromText(self, text: str) -> float:
        if text and text == self.specialValueText():
            return self.minimum()
        return float(text.removesuffix(self.suffix()).strip().replace(",", "."))

    def validate(self, text: str, place: int) -> object:
        try:
            value = self.valueFromText(text)
        except ValueError:
            return QValidator.State.Intermediate, text, place
        inside = math.isfinite(value) and self.minimum() <= value <= self.maximum()
        return QValidator.State.Acceptable if inside else QValidator.State.Intermediate, text, place

    def stepBy(self, steps: int) -> None:
        value = self.value()
        if not self._logarithmic or value <= 0:
            super().stepBy(steps)
            return
        for _ in range(abs(steps)):
            value = _neighbour(value, up=steps > 0)
        self.setValue(value)


def whole(names: QAbstractItemView) -> int:
    """How wide a list that opens below a field has to be for its longest name, if the field has no room for it."""
    around = names.verticalScrollBar().sizeHint().width() + 2 * names.frameWidth() + SPACE
    return names.sizeHintForColumn(0) + around


class ChoiceBox(_NoScroll, QComboBox):
    """One of a few values, each with its text."""

    def __init__(self, choices: Sequence[tuple[Any, str]]) -> None:
        super().__init__()
        for value, text in choices:
            self.addItem(text, value)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)

    def choose(self, value: Any) -> None:
        """Show the choice with this value."""
        self.setCurrentIndex(self.findData(value))

    def showPopup(self) -> None:
        self.view().window().setMinimumWidth(whole(self.view()))
        super().showPopup()

    def paintEvent(self, event: QPaintEvent) -> None:
        """A text that does not fit ends in …, where Qt would cut through a letter."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        control, field = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
        room = self.style().subControlRect(control, option, field, self).width() - 2
        option.currentText = self.fontMetrics().elidedText(option.currentText, Qt.TextElideMode.ElideRight, room)
        painter = QStylePainter(self)
        painter.drawComplexControl(control, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


class PathBox(QWidget):
    """A file or folder on disk."""

    edited = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.line = QLineEdit(placeholderText="choose, or drop on the window")
        self.line.editingFinished.connect(lambda: self.edited.emit(self.line.text()))
        self.setFocusProxy(self.line)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE // 2)
        row.addWidget(self.line, 1)
        for icon, tip, choose in (
            ("data", "Choose a file", self._file),
            ("open", "Choose a folder", self._folder),
        ):
            button = QToolButton(toolTip=tip)
            button.setAccessibleName(tip)
            dress(button, icon, "muted")
            button.clicked.connect(choose)
            row.addWidget(button)

    def _file(self) -> None:
        self._take(ask_file(self, "Data file", start=self.line.text()))

    def _folder(self) -> None:
        self._take(ask_folder(self, "Folder of data", self.line.text()))

    def _take(self, path: str) -> None:
        if path:
            self.line.setText(path)
            self.edited.emit(path)


class Editor(QObject):
    """One field: its widget, and how a value is read and shown. `edited(value)` when a person changed it."""

    edited = Signal(object)

    def __init__(self, field: str, info: FieldInfo, parent: QObject) -> None:
        super().__init__(parent)
        self.show: Callable[[Any], None]
        kind, extra = info.annotation, dict(info.json_schema_extra or {})  # type: ignore[arg-type]
        limits, names = bounds(info), names_of(info)
        if kind is bool:
            check = QCheckBox()
            check.toggled.connect(self.edited.emit)
            self.widget, self.show = check, check.setChecked
        elif kind is int:
            self.widget = whole = IntegerBox()
            # one more than an excluded bound
            lowest, highest = limits.get("ge", limits.get("gt", -LARGEST) + ("gt" in limits)), limits.get("le", LARGEST)
            whole.setRange(lowest, min(highest, LARGEST))
            whole.setStepType(QSpinBox.StepType.AdaptiveDecimalStepType)
            self._numbers(whole, info)
        elif kind is float:
            self.widget = number = NumberBox(bool(extra.get("log")))
            number.setRange(limits.get("ge", limits.get("gt", -1e12)), limits.get("le", limits.get("lt", 1e12)))
            self._numbers(number, info)
        elif get_origin(kind) is Literal:
            choice = ChoiceBox([(value, names.get(value, str(value))) for value in get_args(kind)])
            choice.activated.connect(lambda _: self.edited.emit(choice.currentData()))
            self.widget, self.show = choice, choice.choose
        elif kind is str and field == "path":
            path = PathBox()
            path.edited.connect(self.edited.emit)
            self.widget, self.show = path, path.line.setText
        elif kind is str:
            line = QLineEdit()
            line.editingFinished.connect(lambda: self.edited.emit(line.text()))
            self.widget, self.show = line, line.setText
        else:
            raise TypeError(f"There is no editor for {field}: {kind}. Use bool, int, float, str or a Literal.")
        self.widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.widget.setMinimumWidth(11 * SPACE)
        self.widget.setObjectName(field)
        self.widget.setAccessibleName(info.title or field)
        self.widget.setAccessibleDescription(info.description or "")

    def _numbers(self, box: QSpinBox | QDoubleSpinBox, info: FieldInfo) -> None:
        box.setKeyboardTracking(False)
        unit = unit_of(info)
        box.setSuffix(f" {unit}" if unit else "")
        box.setSpecialValueText(names_of(info).get(0, ""))  # of the least value, which is 0 where 0 has a name
        box.valueChanged.connect(self.edited.emit)
        # what was typed has become a value: from here on Ctrl+Z takes back the setting
        box.editingFinished.connect(lambda: box.lineEdit().setText(box.lineEdit().text()))
        self.show = box.setValue


def bounds(info: FieldInfo) -> dict[str, Any]:
    """The declared ones of ge, gt, le and lt."""
    names = ("ge", "gt", "le", "lt")
    return {name: getattr(rule, name) for rule in info.metadata for name in names if hasattr(rule, name)}


def _neighbour(value: float, up: bool) -> float:
    """The next of … 0.5, 1, 2, 5, 10 … above or below `value`."""
    exponent = math.floor(math.log10(value))
    stops = [float(f"{digit}e{e}") for e in range(exponent - 1, exponent + 2) for digit in (1, 2, 5)]
    if up:
        return min(stop for stop in stops if stop > value * (1 + 1e-9))
    return max(stop for stop in stops if stop < value * (1 - 1e-9))
