"""How an evaluation is measured, as a form: its settings, and where its random numbers begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from dgm_studio.evaluation import Evaluation
from models.settings import Settings, setting
from widgets.editors import LARGEST
from widgets.measuring import How, Measuring
from widgets.settings_form import SettingsForm
from widgets.theme import SPACE

WIDEST = 420  # px


class Randomness(Settings):
    """Where the random numbers of an evaluation begin."""

    seed: int = setting(
        0,
        title="Seed",
        help="Where the random numbers of the measurement begin. The same seed gives the same figures; others show how "
        "far they hang on chance.",
        ge=0,
        le=LARGEST,
    )


class HowForm(QWidget):
    """What is set here holds for this evaluation wherever it is asked for, until the studio is closed. Hidden until
    `toggle`, a flat button for a head, is pressed; the button says how much was changed."""

    def __init__(self, evaluation: Evaluation, measuring: Measuring, name: str, hidden: Sequence[str] = ()) -> None:
        """`hidden` are settings that have no effect."""
        super().__init__()
        self._evaluation, self._measuring, self._hidden = evaluation, measuring, tuple(hidden)
        self.toggle = QPushButton("Settings")
        self.toggle.setObjectName(f"settings-{name}")
        self.toggle.setCheckable(True)
        self.toggle.setProperty("flat", True)
        self.form, self.randomness = SettingsForm(f"form-{name}"), SettingsForm(f"seed-{name}")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addWidget(self.form)
        column.addWidget(self.randomness)
        self.form.setVisible(bool(set(evaluation.settings.model_fields) - set(hidden)))
        self.setMaximumWidth(WIDEST)
        self.hide()
        self.toggle.toggled.connect(self.setVisible)
        self.form.edited.connect(self._edit)
        self.randomness.edited.connect(lambda _, value: self._set(self.how.settings, value))
        measuring.how_changed.connect(self._changed)
        self._show()

    @property
    def how(self) -> How:
        return self._measuring.how(self._evaluation.key)

    def _edit(self, field: str, value: Any) -> None:
        self._set({**self.how.settings, field: value}, self.how.seed)

    def _set(self, settings: dict[str, Any], seed: int) -> None:
        defaults = self._evaluation.settings().model_dump()
        changed = {field: value for field, value in settings.items() if value != defaults[field]}
        self._measuring.set_how(self._evaluation.key, How(changed, seed))

    def _changed(self, key: str) -> None:
        if key == self._evaluation.key:
            self._show()

    def _show(self) -> None:
        self.form.show_settings(self._evaluation.settings, self.how.settings, self._hidden)
        self.randomness.show_settings(Randomness, {"seed": self.how.seed})
        count = self.how.without(self._hidden).changed
        self.toggle.setText(f"Settings ({count} changed)" if count else "Settings")
