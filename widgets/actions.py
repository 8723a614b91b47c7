"""The actions of the window, made of what the menus declare, and the bar that holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenuBar

from widgets.icons import dress
from widgets.menus import MENUS, Entry


class Actions:
    """The actions by key, and the menu bar that holds them all."""

    def __init__(self, parent: QObject) -> None:
        self.menu_bar = QMenuBar()
        self.menu_bar.setObjectName("menuBar")
        # mirrored, Qt's bar asks for more room than it has and draws its menus outside
        self.menu_bar.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.menu_bar.setNativeMenuBar(False)  # the bar stands in one line with the buttons
        self._actions: dict[str, QAction] = {}
        for title, entries in MENUS.items():
            menu = self.menu_bar.addMenu(title)
            menu.setToolTipsVisible(True)
            for entry, text in zip(entries, lettered([entry.text for entry in entries]), strict=True):
                if not entry.key:
                    menu.addSeparator()
                    continue
                action = self._make(entry, text, parent)
                menu.addAction(action)

    def __getitem__(self, key: str) -> QAction:
        return self._actions[key]

    def __iter__(self) -> Iterator[tuple[str, QAction]]:
        return iter(self._actions.items())

    def connect(self, deeds: Mapping[str, Callable[[], object]]) -> None:
        """Have actions, by their keys, do something when they are chosen."""
        for key, do in deeds.items():
            self._actions[key].triggered.connect(lambda _=False, do=do: do())

    def _make(self, entry: Entry, text: str, parent: QObject) -> QAction:
        action = QAction(text, parent)
        action.setObjectName(entry.key)
        action.setCheckable(entry.checkable)
        if entry.shortcut:
            action.setShortcuts([QKeySequence(keys) for keys in entry.shortcut.split()])
        if entry.everywhere:
            action.setShortcutContext(Qt.ShortcutContext.ApplicationShortcut)
        shown = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        action.setToolTip(f"{entry.help} ({shown})" if shown else entry.help)
        action.setStatusTip(entry.help)
        if entry.icon:
            dress(action, entry.icon)
        self._actions[entry.key] = action
        return action


def lettered(texts: list[str]) -> list[str]:
    """The texts of a menu, each with a letter of its own to press: that which it asks for by "&", unless one before it
    has that; else the first that is free, beginnings of words before others."""
    taken: set[str] = set()
    found = []
    for text in texts:
        plain = text.replace("&", "")
        asked = [text.index("&")] if "&" in text else []
        begins = [place for place, sign in enumerate(plain) if sign.isalnum() and plain[:place][-1:] in ("", " ")]
        others = [place for place, sign in enumerate(plain) if sign.isalnum()]
        place = next((place for place in (*asked, *begins, *others) if plain[place].lower() not in taken), None)
        if place is not None:
            taken.add(plain[place].lower())
            plain = f"{plain[:place]}&{plain[place:]}"
        found.append(plain)
    return found
