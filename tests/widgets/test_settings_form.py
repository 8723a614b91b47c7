"""Forms from declarations: every setting of the studio has an editor, and only values that hold leave the form."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import model_validator
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QLabel, QSpinBox, QToolButton
from pytestqt.qtbot import QtBot

from dgm_studio.config import DataChoice, TrainingSettings
from dgm_studio.datasets.sources import SOURCES
from dgm_studio.evaluation import EVALUATIONS
from models.catalog import FAMILIES, LEARNINGS
from models.settings import Names, Settings, setting
from widgets.editors import NumberBox, PathBox
from widgets.settings_form import SettingsForm

ALL = {
    entry.settings: f"{type(entry).__name__.lower()}-{entry.key}"
    for entry in (*FAMILIES, *LEARNINGS, *SOURCES, *EVALUATIONS)
}


class Everything(Settings):
    count: int = setting(3, title="Count", help="Whole.", unit="steps", ge=1, le=9)
    rate: float = setting(1e-3, title="Rate", help="Spans decades.", gt=0, le=1, log=True, reference="Somebody (2015)")
    flag: bool = setting(True, title="Flag", help="Yes or no.")
    kind: Literal["a", "b"] = setting("a", title="Kind", help="One of two.")
    word: str = setting("x", title="Word", help="Letters.", pattern="^[a-z]+$")
    path: str = setting("", title="Path", help="A file.")

    @model_validator(mode="after")
    def _agree(self) -> Everything:
        if self.kind == "b" and not self.flag:
            raise ValueError("b needs the flag")
        return self


@pytest.fixture
def form(qtbot: QtBot) -> SettingsForm:
    form = SettingsForm("test")
    qtbot.addWidget(form)
    form.show_settings(Everything, {})
    form.show()
    return form


@pytest.mark.parametrize("schema", ALL, ids=ALL.values())
def test_every_setting_of_the_studio_has_an_editor_that_says_what_it_is(qtbot: QtBot, schema: type[Settings]) -> None:
    form = SettingsForm("test")
    qtbot.addWidget(form)
    form.show_settings(schema, {})
    for field, info in schema.model_fields.items():
        editor = form.editor(field)
        assert editor.accessibleName() == info.title
        assert info.description
        assert info.description in editor.toolTip()


def test_the_forms_of_training_and_data_can_be_made(qtbot: QtBot) -> None:
    form = SettingsForm("test")
    qtbot.addWidget(form)
    form.show_settings(TrainingSettings, {})
    form.show_settings(DataChoice, {}, hidden=("source", "settings", "other"))
    assert form.editor("split_seed").isEnabled()


def test_an_edit_is_emitted_with_its_field(qtbot: QtBot, form: SettingsForm) -> None:
    count = form.editor("count")
    assert isinstance(count, QSpinBox)
    with qtbot.waitSignal(form.edited) as edited:
        count.setValue(5)
    assert edited.args == ["count", 5]
    kind = form.editor("kind")
    assert isinstance(kind, QComboBox)
    with qtbot.waitSignal(form.edited) as edited:
        qtbot.keyClick(kind, Qt.Key.Key_Down)
    assert edited.args == ["kind", "b"]


def test_showing_values_emits_nothing(qtbot: QtBot, form: SettingsForm) -> None:
    with qtbot.assertNotEmitted(form.edited):
        form.show_settings(Everything, {"count": 7, "rate": 0.5, "flag": False, "word": "q", "path": "/there"})
    assert form.editor("count").value() == 7  # type: ignore[attr-defined]
    path = form.editor("path")
    assert isinstance(path, PathBox)
    assert path.line.text() == "/there"


def test_values_that_do_not_hold_together_are_named_and_not_emitted(qtbot: QtBot, form: SettingsForm) -> None:
    word = form.editor("word")
    with qtbot.assertNotEmitted(form.edited):
        word.setText("NOT")  # type: ignore[attr-defined]
        word.editingFinished.emit()  # type: ignore[attr-defined]
    error = form.findChild(QLabel, "error-word")
    assert error.isVisible()
    assert "pattern" in error.text()
    with qtbot.waitSignal(form.edited):
        word.setText("fine")  # type: ignore[attr-defined]
        word.editingFinished.emit()  # type: ignore[attr-defined]
    assert not error.isVisible()


def test_a_rule_over_several_fields_keeps_an_edit_in_the_form(qtbot: QtBot, form: SettingsForm) -> None:
    form.show_settings(Everything, {"kind": "b"})
    flag = form.editor("flag")
    assert isinstance(flag, QCheckBox)
    with qtbot.assertNotEmitted(form.edited):
        flag.setChecked(False)


def test_only_fields_that_differ_can_be_reset(qtbot: QtBot, form: SettingsForm) -> None:
    reset = form.findChild(QToolButton, "reset-count")
    assert not reset.isVisible()
    form.editor("count").setValue(9)  # type: ignore[attr-defined]
    assert reset.isVisible()
    with qtbot.waitSignal(form.edited) as edited:
        reset.click()
    assert edited.args == ["count", 3]
    assert form.editor("count").value() == 3  # type: ignore[attr-defined]
    assert not reset.isVisible()


@pytest.mark.parametrize(
    ("start", "steps", "end"),
    [(1e-3, 1, 2e-3), (1e-3, 3, 1e-2), (1e-3, -1, 5e-4), (3e-4, 1, 5e-4), (0.5, 9, 1.0)],
)
def test_arrows_of_a_logarithmic_editor_go_one_two_five(
    form: SettingsForm, start: float, steps: int, end: float
) -> None:
    rate = form.editor("rate")
    assert isinstance(rate, NumberBox)
    rate.setValue(start)
    rate.stepBy(steps)
    assert rate.value() == pytest.approx(end)
    assert "e" not in rate.text() or rate.value() < 1e-4


def test_a_wheel_over_a_field_without_focus_changes_nothing(qtbot: QtBot, form: SettingsForm) -> None:
    count = form.editor("count")
    count.clearFocus()
    wheel = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, 0), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(count, wheel)
    assert count.value() == 3  # type: ignore[attr-defined]


def test_units_bounds_and_references_are_shown(form: SettingsForm) -> None:
    count, rate = form.editor("count"), form.editor("rate")
    assert count.text() == "3 steps"  # type: ignore[attr-defined]
    assert "≥ 1" in count.toolTip()
    assert "≤ 9" in count.toolTip()
    assert "Somebody (2015)" in rate.toolTip()


def test_values_are_shown_by_their_names_and_a_zero_that_is_no_amount_by_what_it_means(qtbot: QtBot) -> None:
    class Named(Settings):
        kind: Annotated[Literal["relu", "tanh"], Names({"relu": "ReLU"})] = setting("relu", title="Kind", help="What.")
        steps: int = setting(0, title="Steps", help="0 keeps it.", unit="steps", zero="off", ge=0, le=99)
        cost: float = setting(0.5, title="Cost", help="0 does without.", zero="off", ge=0, le=9)
        plain: int = setting(0, title="Plain", help="None is none.", ge=0, le=9)

    form = SettingsForm("test")
    qtbot.addWidget(form)
    form.show_settings(Named, {})
    kind, steps, cost, plain = (form.editor(field) for field in Named.model_fields)
    assert isinstance(kind, QComboBox)
    assert isinstance(cost, NumberBox)
    assert isinstance(steps, QSpinBox)
    assert [kind.itemText(i) for i in range(2)] == ["ReLU", "tanh"]
    assert (steps.text(), cost.text(), plain.text()) == ("off", "0.5", "0")  # type: ignore[attr-defined]
    for box, typed, value, text in (
        (steps, "7", 7, "7 steps"),
        (steps, "0", 0, "off"),
        (steps, "off", 0, "off"),
        (cost, "0", 0.0, "off"),
        (cost, "2", 2.0, "2"),
        (cost, "off", 0.0, "off"),
    ):
        box.selectAll()
        qtbot.keyClicks(box, typed)
        qtbot.keyClick(box, Qt.Key.Key_Return)
        assert (form.value(box.objectName()), box.text()) == (value, text)
    cost.stepBy(1)
    assert cost.value() > 0


def test_a_type_without_an_editor_is_refused_by_name(qtbot: QtBot) -> None:
    class Odd(Settings):
        pair: tuple[int, int] = setting((1, 2), title="Pair", help="Two.")

    form = SettingsForm("test")
    qtbot.addWidget(form)
    with pytest.raises(TypeError, match="no editor for pair"):
        form.show_settings(Odd, {})


def test_the_form_of_one_schema_leaves_nothing_in_that_of_the_next(qtbot: QtBot, form: SettingsForm) -> None:
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    before = len(form.findChildren(QObject))
    for _ in range(3):
        form.show_settings(TrainingSettings, {})
        form.show_settings(Everything, {})
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    assert len(form.findChildren(QObject)) == before
