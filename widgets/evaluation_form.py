"""The few numbers that an evaluation lets a person set, in one line."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QSpinBox, QWidget

from models.settings import Settings
from widgets.theme import SPACE

COLUMNS = 2


class EvaluationForm(QWidget):
    """One spin box for each whole or real number of `settings`, at its default and within its bounds."""

    def __init__(self, settings: type[Settings]) -> None:
        super().__init__()
        self._boxes: dict[str, QSpinBox | QDoubleSpinBox] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(2 * SPACE)
        schema = settings.model_json_schema()["properties"]
        for i, (key, field) in enumerate(schema.items()):
            box = _box(field)
            box.setObjectName(f"field-{key}")
            box.setAccessibleName(field["title"])
            reference = f"\n{field['reference']}" if field["reference"] else ""
            box.setToolTip(f"{field['description']}{reference}")
            box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            label = QLabel(field["title"])
            label.setProperty("role", "muted")
            label.setToolTip(box.toolTip())
            label.setBuddy(box)
            grid.addWidget(label, i // COLUMNS, 2 * (i % COLUMNS))
            grid.addWidget(box, i // COLUMNS, 2 * (i % COLUMNS) + 1)
            self._boxes[key] = box
        grid.setColumnStretch(2 * COLUMNS, 1)

    def values(self) -> dict[str, Any]:
        """The numbers as they stand, by the settings' fields."""
        return {key: box.value() for key, box in self._boxes.items()}


class _Steady:
    """A wheel turned over a field scrolls the page, unless the field is being edited."""

    def wheelEvent(self, event: Any) -> None:
        if self.hasFocus():  # type: ignore[attr-defined]
            super().wheelEvent(event)  # type: ignore[misc]
        else:
            event.ignore()


class _Whole(_Steady, QSpinBox):
    pass


class _Real(_Steady, QDoubleSpinBox):
    pass


def _box(field: dict[str, Any]) -> QSpinBox | QDoubleSpinBox:
    low, high = field["minimum"], field["maximum"]
    box: QSpinBox | QDoubleSpinBox
    if field["type"] == "integer":
        box = _Whole()
        box.setStepType(QSpinBox.StepType.AdaptiveDecimalStepType)
    else:
        box = _Real()
        box.setSingleStep(0.05)
    box.setRange(low, high)
    box.setValue(field["default"])
    box.setMinimumWidth(96)
    return box
