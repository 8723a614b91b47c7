"""Ctrl+Z does what a person expects who looks at where the focus is, and the menu says what that is."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QKeyEvent, QKeySequence, QUndoStack
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QPlainTextEdit, QTextEdit, QWidget
from shiboken6 import isValid

from widgets.actions import Actions
from widgets.explorers.base import Explorer

UNDO, REDO = QKeySequence.StandardKey.Undo, QKeySequence.StandardKey.Redo


@dataclass
class Place:
    """Where things are changed: a panel, and the stack of what was changed there."""

    panel: QWidget
    stack: QUndoStack


class Undoing(QObject):
    """Takes back, and does again: what is typed in a field, while there is some of it; what was done in an explorer
    that has the focus; what was changed last in the panel that has it; and from elsewhere what was changed last."""

    def __init__(self, actions: Actions, places: list[Place], parent: QObject) -> None:
        super().__init__(parent)
        self._actions, self._places = actions, places
        self._last = places[0]
        for place in places:
            place.stack.indexChanged.connect(lambda _, place=place: self._changed(place))
            place.stack.canUndoChanged.connect(self.update)
            place.stack.canRedoChanged.connect(self.update)
        actions.connect({"undo": lambda: self._do("undo"), "redo": lambda: self._do("redo")})
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.focusChanged.connect(self._focus)

    def update(self) -> None:
        """Say what would be taken back now."""
        if not all(isValid(place.stack) for place in self._places):
            return  # the window is going
        for key, word in (("undo", "Undo"), ("redo", "Redo")):
            what = self._what(key)
            self._actions[key].setEnabled(what is not None)
            self._actions[key].setText(f"&{word} {what.replace('&', '&&')}" if what else f"&{word}")

    def _focus(self, before: QWidget | None, now: QWidget | None) -> None:
        for widget in (before, now):
            if widget is not None and isValid(widget):
                widget.removeEventFilter(self)
        if now is not None:
            now.installEventFilter(self)
        self.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # a field without anything to take back would swallow the key
        if event.type() is not QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
            return False
        undo = event.matches(UNDO)
        if not undo and not event.matches(REDO):
            return False
        field = watched.lineEdit() if isinstance(watched, QAbstractSpinBox | QComboBox) else watched
        if _is_field(field) and not _can(field, "undo" if undo else "redo"):
            event.ignore()
            return True
        return False

    def _changed(self, place: Place) -> None:
        self._last = place
        self.update()

    def _target(self, key: str) -> QObject | None:
        """What has something to take back (or to do again), by where the focus is."""
        focus = QApplication.focusWidget()
        widget = focus.lineEdit() if isinstance(focus, QAbstractSpinBox | QComboBox) else focus
        if _is_field(widget) and _can(widget, key):
            return widget
        while focus is not None and not isinstance(focus, Explorer):
            focus = focus.parentWidget()
        if focus is not None and (focus.can_undo() if key == "undo" else focus.can_redo()):
            return focus
        now = QApplication.focusWidget()
        here = [place for place in self._places if now is not None and place.panel.isAncestorOf(now)]
        for place in (*here, self._last, *self._places):
            if place.stack.canUndo() if key == "undo" else place.stack.canRedo():
                return place.stack
        return None

    def _what(self, key: str) -> str | None:
        target = self._target(key)
        if target is None:
            return None
        if isinstance(target, QUndoStack):
            return target.undoText() if key == "undo" else target.redoText()
        return f"in {target.title}" if isinstance(target, Explorer) else "typing"

    def _do(self, key: str) -> None:
        target = self._target(key)
        if target is not None:
            getattr(target, key)()
        self.update()


def _is_field(widget: object) -> bool:
    return isinstance(widget, QLineEdit | QPlainTextEdit | QTextEdit) and not widget.isReadOnly()


def _can(field: QLineEdit | QPlainTextEdit | QTextEdit, key: str) -> bool:
    of = field if isinstance(field, QLineEdit) else field.document()
    return of.isUndoAvailable() if key == "undo" else of.isRedoAvailable()
