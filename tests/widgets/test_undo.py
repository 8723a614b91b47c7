"""Ctrl+Z takes back what a person has in mind, by where the focus is."""

from __future__ import annotations

from person import Person
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QPlainTextEdit, QWidget

from dgm_studio.presets import presets

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def press(person: Person, redo: bool = False) -> None:
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Z, CONTROL | SHIFT if redo else CONTROL)
    QApplication.processEvents()


def focus(person: Person, widget: QWidget) -> None:
    person.window.activateWindow()
    person.until(person.window.isActiveWindow)
    widget.setFocus()
    assert widget.hasFocus()


def test_what_is_taken_back_follows_the_focus(person: Person) -> None:
    desk, actions = person.desk, person.window.actions_
    desk.projects.new()
    person.until(lambda: desk.workspace.project is not None and desk.area.isVisible())
    workspace, project = desk.workspace, desk.workspace.project
    assert project is not None
    for name in ("first", "second"):
        project.new_run(presets()[0].config, name)
    first, second = project.runs.values()
    workspace.runs_changed.emit()
    workspace.select(second)
    assert not actions["undo"].isEnabled()
    assert actions["undo"].text() == "&Undo"
    # a setting that is typed: while it is typed the text, then the setting, with the focus still in its field
    steps = desk.model.forms["training"].editor("steps")
    before = desk.draft.config.training.steps
    focus(person, steps)
    steps.selectAll()  # type: ignore[attr-defined]
    QTest.keyClicks(steps, "123")
    QTest.keyClick(steps, Qt.Key.Key_Return)
    assert desk.draft.config.training.steps == 123
    assert actions["undo"].text() == "&Undo steps"
    press(person)
    assert desk.draft.config.training.steps == before
    assert actions["redo"].text() == "&Redo steps"
    press(person, redo=True)
    assert desk.draft.config.training.steps == 123
    # names, tags and notes of runs, from the list of runs
    runs, tags = desk.runs.findChild(QWidget, "runs"), desk.runs.findChild(QLineEdit, "tags")
    workspace.rename(second, "R&D")
    focus(person, runs)
    assert actions["undo"].text() == "&Undo name of second"
    press(person)
    assert second.name == "second"
    press(person, redo=True)
    assert second.name == "R&D"
    focus(person, tags)
    QTest.keyClicks(tags, "good")
    assert second.tags == ["good"]
    assert actions["undo"].text() == "&Undo typing"
    focus(person, runs)
    press(person)
    assert second.tags == []  # all that was typed in one step
    focus(person, steps)
    assert actions["undo"].text() == "&Undo steps"  # here still the settings
    # notes have an undo of their own while there is something typed, and then that of the panel
    notes = desk.runs.findChild(QPlainTextEdit, "notes")
    focus(person, notes)
    QTest.keyClicks(notes, "x")
    press(person)
    assert notes.toPlainText() == second.notes == ""
    press(person)
    assert second.name == "second"
    # deleting, wherever the focus was, is the last change
    focus(person, steps)
    workspace.rename(first, "the first")
    person.until(lambda: not workspace.project.modified)  # type: ignore[union-attr]
    desk.changes.delete(second)
    focus(person, runs)
    person.until(lambda: actions["undo"].text() == "&Undo deleting second")
    press(person)
    person.until(lambda: workspace.run is second)
    press(person, redo=True)
    person.until(lambda: workspace.run is first)
    press(person)
    person.until(lambda: workspace.run is second)
    focus(person, runs)
    press(person)
    assert first.name == "first"
    # what was done in one project is not taken back in the next
    desk.projects.leave()
    person.until(lambda: workspace.project is None)
    assert not workspace.edits.canUndo()
