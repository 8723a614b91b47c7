"""A form from a declaration of settings: a label, an editor and a way back to the default for each field."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from PySide6.QtCore import QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QPaintEvent, QValidator, QWheelEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
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

from models.settings import Settings, SettingsError, read_settings
from widgets.building import label, set_role
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


class IntegerBox(_NoScroll, QSpinBox):
    """Whole numbers."""


class NumberBox(_NoScroll, QDoubleSpinBox):
    """Numbers as short as they can be written; the arrows go 1, 2, 5, 10 … where the value spans decades."""

    def __init__(self, logarithmic: bool) -> None:
        super().__init__()
        self._logarithmic = logarithmic
        self.setDecimals(12)
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)

    def textFromValue(self, value: float) -> str:
        return f"{value:.6g}"

    def valueFromText(self, text: str) -> float:
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
        self._take(QFileDialog.getOpenFileName(self, "Data file", self.line.text())[0])

    def _folder(self) -> None:
        self._take(QFileDialog.getExistingDirectory(self, "Folder of data", self.line.text()))

    def _take(self, path: str) -> None:
        if path:
            self.line.setText(path)
            self.edited.emit(path)


class Editor(QObject):
    """One field: its widget, and how a value is read and shown. `edited(value)` when a person changed it."""

    edited = Signal(object)

    def __init__(self, field: str, info: FieldInfo, texts: Mapping[Any, str], parent: QObject) -> None:
        super().__init__(parent)
        self.show: Callable[[Any], None]
        kind, extra = info.annotation, dict(info.json_schema_extra or {})  # type: ignore[arg-type]
        bounds = {
            name: getattr(m, name) for m in info.metadata for name in ("ge", "gt", "le", "lt") if hasattr(m, name)
        }
        unit = str(extra.get("unit", ""))
        if kind is bool:
            check = QCheckBox()
            check.toggled.connect(self.edited.emit)
            self.widget, self.show = check, check.setChecked
        elif kind is int:
            self.widget = whole = IntegerBox()
            # one more than an excluded bound
            lowest, highest = bounds.get("ge", bounds.get("gt", -LARGEST) + ("gt" in bounds)), bounds.get("le", LARGEST)
            whole.setRange(lowest, min(highest, LARGEST))
            whole.setStepType(QSpinBox.StepType.AdaptiveDecimalStepType)
            self._numbers(whole, unit)
        elif kind is float:
            self.widget = number = NumberBox(bool(extra.get("log")))
            number.setRange(bounds.get("ge", bounds.get("gt", -1e12)), bounds.get("le", bounds.get("lt", 1e12)))
            self._numbers(number, unit)
        elif get_origin(kind) is Literal:
            choice = ChoiceBox([(value, texts.get(value, str(value))) for value in get_args(kind)])
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

    def _numbers(self, box: QSpinBox | QDoubleSpinBox, unit: str) -> None:
        box.setKeyboardTracking(False)
        box.setFont(tabular(box.font()))
        box.lineEdit().setTextMargins(SPACE // 2, 0, 0, 0)
        box.setSuffix(f" {unit}" if unit else "")
        box.valueChanged.connect(self.edited.emit)
        # what was typed has become a value: from here on Ctrl+Z takes back the setting
        box.editingFinished.connect(lambda: box.lineEdit().setText(box.lineEdit().text()))
        self.show = box.setValue


class SettingsForm(QWidget):
    """Edits one group of settings. `edited(field, value)` when a person changed a field to a value that holds.

    A value that does not hold stays in its editor with the reason below, and is not emitted.
    """

    edited = Signal(str, object)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._schema: type[Settings] | None = None
        self._hidden: tuple[str, ...] = ()
        self._values: dict[str, Any] = {}
        self._editors: dict[str, Editor] = {}
        self._resets: dict[str, QToolButton] = {}
        self._errors: dict[str, QWidget] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(SPACE // 2)
        self._grid.setVerticalSpacing(SPACE // 2)
        self._grid.setColumnStretch(0, 5)
        self._grid.setColumnStretch(2, 7)

    def show_settings(
        self,
        schema: type[Settings],
        values: Mapping[str, Any],
        hidden: Sequence[str] = (),
        texts: Mapping[Any, str] | None = None,
    ) -> None:
        """Edit `values` of `schema`; fields in `hidden` have no editor; `texts` names values of choices."""
        if schema is not self._schema or tuple(hidden) != self._hidden:
            self._build(schema, hidden, texts or {})
        try:
            self._values = read_settings(schema, values, "settings").model_dump()
        except SettingsError as error:
            self._values = {**schema().model_dump(), **{k: v for k, v in values.items() if k in schema.model_fields}}
            self._show_errors(error)
        else:
            self._show_errors(None)
        for field, editor in self._editors.items():
            with QSignalBlocker(editor), QSignalBlocker(editor.widget):
                editor.show(self._values[field])
            self._mark(field)

    def editor(self, field: str) -> QWidget:
        """The widget that edits `field`."""
        return self._editors[field].widget

    def fields(self) -> dict[str, FieldInfo]:
        """The fields that have an editor now."""
        return {field: self._schema.model_fields[field] for field in self._editors} if self._schema is not None else {}

    def value(self, field: str) -> Any:
        """What the field is set to."""
        return self._values[field]

    def problem(self, field: str, value: Any) -> str:
        """Why the field cannot have this value, or nothing."""
        assert self._schema is not None
        try:
            read_settings(self._schema, {**self._values, field: value}, "settings")
        except SettingsError as error:
            return error.problems[0][1]
        return ""

    def set_value(self, field: str, value: Any) -> None:
        """Set a field as a person would, who types the value."""
        editor = self._editors[field]
        with QSignalBlocker(editor), QSignalBlocker(editor.widget):
            editor.show(value)
        self._edit(field, value)

    def _build(self, schema: type[Settings], hidden: Sequence[str], texts: Mapping[Any, str]) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            if item.widget() is not None:
                item.widget().hide()
                item.widget().deleteLater()
        for editor in self._editors.values():
            editor.deleteLater()
        self._schema, self._hidden = schema, tuple(hidden)
        self._editors, self._resets, self._errors = {}, {}, {}
        shown = {name: info for name, info in schema.model_fields.items() if name not in hidden}
        for row, (field, info) in enumerate(shown.items()):
            editor = Editor(field, info, texts, self)
            editor.edited.connect(lambda value, field=field: self._edit(field, value))
            tip = _tip(field, info)
            name = label(
                re.sub(r" (\S)$", "\N{NO-BREAK SPACE}\\1", info.title or field), "", wrap=True
            )  # no letter alone
            name.setBuddy(editor.widget)
            reset = QToolButton(toolTip="Back to the default")
            reset.setObjectName(f"reset-{field}")
            reset.setAccessibleName(f"Reset {info.title or field} to its default")
            keep = reset.sizePolicy()
            keep.setRetainSizeWhenHidden(True)
            reset.setSizePolicy(keep)
            reset.setFixedSize(22, 22)
            dress(reset, "reset", "muted")
            reset.clicked.connect(lambda _=False, field=field: self._reset(field))
            error = label("", "error", f"error-{field}", wrap=True)
            error.hide()
            for widget in (name, editor.widget):
                widget.setToolTip(tip)
            self._grid.addWidget(name, 2 * row, 0)
            self._grid.addWidget(reset, 2 * row, 1)
            self._grid.addWidget(editor.widget, 2 * row, 2)
            self._grid.addWidget(error, 2 * row + 1, 0, 1, 3)
            self._editors[field], self._resets[field], self._errors[field] = editor, reset, error

    def _edit(self, field: str, value: Any) -> None:
        assert self._schema is not None
        try:
            read_settings(self._schema, {**self._values, field: value}, "settings")
        except SettingsError as error:
            self._show_errors(error)
            return
        self._show_errors(None)
        self._values[field] = value
        self._mark(field)
        self.edited.emit(field, value)

    def _reset(self, field: str) -> None:
        assert self._schema is not None
        self.set_value(field, self._schema.model_fields[field].default)

    def _mark(self, field: str) -> None:
        assert self._schema is not None
        self._resets[field].setVisible(self._values[field] != self._schema.model_fields[field].default)

    def _show_errors(self, error: SettingsError | None) -> None:
        problems = dict(error.problems) if error is not None else {}
        for field, text in self._errors.items():
            text.setText(problems.get(field, ""))  # type: ignore[attr-defined]
            text.setVisible(field in problems)
            set_role(self._editors[field].widget, "invalid", field in problems)


def _bounds(info: FieldInfo) -> dict[str, Any]:
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


def _tip(field: str, info: FieldInfo) -> str:
    extra = dict(info.json_schema_extra or {})  # type: ignore[arg-type]
    lines = [f"<b>{info.title or field}</b>", info.description or ""]
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [f"{signs[name]} {bound:g}" for name, bound in _bounds(info).items()]
    if limits:
        lines.append(", ".join(limits) + (f" {extra['unit']}" if extra.get("unit") else ""))
    if extra.get("reference"):
        lines.append(f"<i>{extra['reference']}</i>")
    return "<br>".join(line for line in lines if line)
