"""A form from a declaration of settings: a label, an editor and a way back to the default for each field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.fields import FieldInfo
from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import (
    QGridLayout,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from models.settings import Settings, SettingsError, read_settings, unit_of
from widgets.building import empty, label, set_role
from widgets.editors import Editor, bounds
from widgets.icons import dress
from widgets.theme import SPACE


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

    def show_settings(self, schema: type[Settings], values: Mapping[str, Any], hidden: Sequence[str] = ()) -> None:
        """Edit `values` of `schema`; fields in `hidden` have no editor."""
        if schema is not self._schema or tuple(hidden) != self._hidden:
            self._build(schema, hidden)
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

    def _build(self, schema: type[Settings], hidden: Sequence[str]) -> None:
        empty(self._grid)
        for editor in self._editors.values():
            editor.deleteLater()
        self._schema, self._hidden = schema, tuple(hidden)
        self._editors, self._resets, self._errors = {}, {}, {}
        shown = {name: info for name, info in schema.model_fields.items() if name not in hidden}
        for row, (field, info) in enumerate(shown.items()):
            editor = Editor(field, info, self)
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


def _tip(field: str, info: FieldInfo) -> str:
    extra, unit = dict(info.json_schema_extra or {}), unit_of(info)  # type: ignore[arg-type]
    lines = [f"<b>{info.title or field}</b>", info.description or ""]
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [f"{signs[name]} {bound:g}" for name, bound in bounds(info).items()]
    if limits:
        lines.append(", ".join(limits) + (f" {unit}" if unit else ""))
    if extra.get("reference"):
        lines.append(f"<i>{extra['reference']}</i>")
    return "<br>".join(line for line in lines if line)
