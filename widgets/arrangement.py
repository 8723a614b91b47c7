"""Where the docks of the window are, and how that is remembered."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtWidgets import QMainWindow

from widgets.dock import Dock
from widgets.help_guide import HelpGuide
from widgets.theme import SPACE

NARROW = 1280  # px: a window that is not wider has docks that are as narrow as reads well
VERSION = 1  # of the docks: a remembered arrangement of another version is not restored
PLACES = {
    "showRuns": Qt.DockWidgetArea.LeftDockWidgetArea,
    "showModel": Qt.DockWidgetArea.RightDockWidgetArea,
    "showHelp": Qt.DockWidgetArea.LeftDockWidgetArea,
    "log": Qt.DockWidgetArea.BottomDockWidgetArea,
}


class Arrangement:
    """Puts docks, by the keys of their actions, into the window; hidden at first."""

    def __init__(self, window: QMainWindow, docks: Mapping[str, Dock], guide: HelpGuide) -> None:
        self._window, self._docks, self._guide = window, docks, guide
        for key, dock in docks.items():
            window.addDockWidget(PLACES[key], dock)
        window.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
        window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
        guide.place(docks["showRuns"], docks["showModel"])
        self.hide()

    def hide(self) -> None:
        for dock in self._docks.values():
            dock.hide()

    def reset(self) -> None:
        """As they are for somebody who never moved one."""
        docks = self._docks
        for key, dock in docks.items():
            dock.setFloating(False)
            dock.setVisible(key not in ("log", "showHelp"))
        for key in ("showRuns", "showModel", "log"):
            self._window.addDockWidget(PLACES[key], docks[key])
        self._guide.place(docks["showRuns"], docks["showModel"])
        wide = min(max(self._window.width() - NARROW, 0) // 8, 10 * SPACE)  # px more for each, where there is much room
        sizes = [25 * SPACE + wide, 41 * SPACE + wide]
        self._window.resizeDocks([docks["showRuns"], docks["showModel"]], sizes, Qt.Orientation.Horizontal)
        self._window.resizeDocks([docks["log"]], [18 * SPACE], Qt.Orientation.Vertical)

    def restore(self, remembered: QByteArray) -> None:
        """As they were then, if that can be told."""
        if not self._window.restoreState(remembered, VERSION):
            self.reset()

    def state(self) -> QByteArray:
        """What `restore` needs."""
        return self._window.saveState(VERSION)
