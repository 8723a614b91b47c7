"""Everything has a name for those who cannot see it, and can be reached without a mouse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from person import Person
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QDialog,
    QLabel,
    QScrollArea,
    QScrollBar,
    QTabBar,
    QWidget,
)

from dgm_studio.presets import presets
from widgets.actions import lettered
from widgets.crash import CrashReport
from widgets.crash_dialog import CrashDialog
from widgets.import_dialog import ImportDialog
from widgets.menus import MENUS
from widgets.trainer import Phase

# what is rare, or one of several ways, has no shortcut; the palette has them all
WITHOUT_SHORTCUT = {
    "recent", "recoveries", "folder", "reset", "branchFrom", "deleted", "layout", "themeSystem", "themeDark",
    "themeLight", "about", "tour", "importWeights",
}  # fmt: skip


def nameless(window: QWidget) -> Iterator[str]:
    """Widgets that take the focus and have nothing to be called by."""
    buddies = {label.buddy(): label.text() for label in window.findChildren(QLabel) if label.buddy() is not None}
    for widget in window.findChildren(QWidget):
        if not widget.focusPolicy() & Qt.FocusPolicy.TabFocus or widget.focusProxy() is not None:
            continue
        parent = widget.parentWidget()
        if isinstance(widget, QScrollArea | QScrollBar) or isinstance(parent, QAbstractSpinBox | QComboBox):
            continue  # Qt's own parts
        if (parent is not None and isinstance(parent.parentWidget(), QComboBox)) or widget is parent is None:
            continue
        if isinstance(widget, QTabBar) and parent is window:
            continue  # of docks one above the other
        while isinstance(parent, QWidget) and not isinstance(parent, QAbstractItemView):
            parent = parent.parentWidget()
        if isinstance(parent, QAbstractItemView):
            continue  # headers and editors of a table
        text = widget.text() if isinstance(widget, QAbstractButton) else ""
        if not (widget.accessibleName() or text or buddies.get(widget)):
            chain, place = [], widget
            while place is not None and len(chain) < 6:
                chain.append(f"{type(place).__name__}#{place.objectName()}")
                place = place.parentWidget()
            yield " < ".join(chain)


def test_quitting_and_saving_are_heard_in_every_dialog(person: Person) -> None:
    person.train_a_little()
    window, heard = person.window, []
    for key in ("quit", "save"):
        action = window.actions_[key]
        person.until(action.isEnabled)
        action.triggered.disconnect()
        action.triggered.connect(lambda _=False, key=key: heard.append(key))
    window.show_preferences()
    for key in ("export", "recoveries", "shortcuts", "about"):
        person.do(key)
    ImportDialog(Path("other.dgm"), [], window).show()
    CrashDialog(CrashReport("It happened", "", "", "", ""), window).show()
    dialogs = window.findChildren(QDialog)
    assert len(dialogs) == 7
    for dialog in dialogs:
        dialog.activateWindow()
        person.until(dialog.isActiveWindow)
        heard.clear()
        for key in (Qt.Key.Key_Q, Qt.Key.Key_S):
            person.qtbot.keyClick(dialog.focusWidget() or dialog, key, Qt.KeyboardModifier.ControlModifier)
        assert heard == ["quit", "save"], dialog.objectName()
        dialog.close()


def test_whatever_takes_the_focus_has_a_name(person: Person) -> None:
    desk = person.desk
    desk.projects.new()
    person.until(lambda: desk.workspace.project is not None)
    found: set[str] = set(nameless(person.window))
    for preset in (presets()[0],):
        desk.control.train(preset.config)
        person.until(lambda: person.phase is Phase.TRAINING and person.step > 5)
        person.do("stop")
        person.until(lambda: person.phase is Phase.IDLE and desk.workspace.viewing.live is not None)
        for key in ("pageTrain", "pageEvaluate", "pageCompare", "pageExplore"):
            person.do(key)
            found |= set(nameless(person.window))
        for place in range(len(desk.area.explore.keys)):
            desk.area.explore.show_explorer(place)
            found |= set(nameless(person.window))
    for key in ("log", "contents"):
        person.window.actions_[key].trigger()
    found |= set(nameless(person.window))
    assert not found, "\n".join(sorted(found))


def test_each_action_is_called_something_and_letters_of_a_menu_differ() -> None:
    for title, entries in MENUS.items():
        texts = lettered([entry.text for entry in entries if entry.key])
        letters = [letter.lower() for text in texts for letter in re.findall("&(.)", text)]
        assert len(set(letters)) == len(letters) == len(texts), (title, texts)
        assert all(text.replace("&", "").strip() for text in texts)
    assert lettered(["&Stop", "&Step", "St&art", "op", "to", ""]) == ["&Stop", "S&tep", "St&art", "&op", "to", ""]
    titles = [letter.lower() for title in MENUS for letter in re.findall("&(.)", title)]
    assert len(set(titles)) == len(titles) == len(MENUS)
    entries = [entry for menu in MENUS.values() for entry in menu if entry.key]
    assert {entry.key for entry in entries if not entry.shortcut} - WITHOUT_SHORTCUT == set()
