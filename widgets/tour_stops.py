"""Where the tour goes, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QWidget

from widgets.tour import Bubble, Stop

if TYPE_CHECKING:
    from widgets.main_window import MainWindow

BEGINS = 1200  # ms after the first project is open: its run has begun by then


class Tour(QObject):
    """Begins by itself when the first project opens, once for each person; the Help menu has it at any time."""

    def __init__(self, window: MainWindow, by_itself: bool) -> None:
        super().__init__(window)
        self._window = window
        self._bubble: Bubble | None = None
        self._by_itself = by_itself
        window.actions_.connect({"tour": self.begin})

    @property
    def bubble(self) -> Bubble | None:
        """What is seen of it now."""
        return self._bubble if self._bubble is not None and self._bubble.isVisible() else None

    def project_opened(self) -> None:
        """Begin soon, if nobody was shown around yet."""
        if self._by_itself and not self._window.preferences.toured:
            QTimer.singleShot(BEGINS, self, self._begin_by_itself)

    def begin(self) -> None:
        """Show somebody around."""
        if self._window.desk is None or self._window.desk.workspace.project is None:
            return
        if self._bubble is None:
            self._bubble = Bubble(self._window, self._stops())
            self._window.desk.area.page_changed.connect(lambda _: self._bubble.step_aside())
        self._bubble.end()
        self._bubble.begin()

    def leave(self) -> None:
        """There is no project any more."""
        if self._bubble is not None:
            self._bubble.end()

    def _begin_by_itself(self) -> None:
        # not over a dialog or a list that is open, nor where somebody has begun to work elsewhere; and who reads a
        # lesson is shown around with the next project
        free = self._window.isActiveWindow() and self.bubble is None
        reads = self._window.desk is not None and self._window.desk.area.page == "Lesson"
        if not self._window.preferences.toured and free and not reads:
            self._window.preferences.toured = True
            self.begin()

    def _stops(self) -> list[Stop]:
        desk, header = self._window.desk, self._window.header
        assert desk is not None

        def seen(widget: QWidget) -> QWidget | None:
            return widget if widget.isVisible() else None

        return [
            Stop(
                "What will be trained",
                "Family, learner, data and settings of the next run. Every setting says what it does when you rest on "
                "it; Ctrl+Z takes a change back.",
                lambda: seen(desk.docks["showModel"]),
            ),
            Stop(
                "Train, pause, go on",
                "F5 starts and pauses, F10 does one step. A run that is stopped is kept, and can be continued or "
                "branched from any state it kept.",
                lambda: seen(header.buttons["train"]),
            ),
            Stop(
                "Your runs",
                "Each training is a run of the project. Select one to look at it; F2 renames it; tags and notes are "
                "below. All of it is saved by itself.",
                lambda: seen(desk.docks["showRuns"]),
            ),
            Stop(
                "Five pages",
                "Train shows its curves and samples, Explore lets you drag through what it learned, also while it "
                "learns, Evaluate measures it, Compare puts runs side by side. Lesson runs claims of the lecture.",
                lambda: seen(desk.area.tabs),
            ),
            Stop(
                "What was said",
                "Progress, memory and device. Errors say what was kept and what to do; the button at the end lists all "
                "messages.",
                lambda: seen(self._window.status),
            ),
            Stop(
                "Everything by its name",
                "Ctrl+K finds actions, settings, families, data, runs and help: type “learning rate 0.01”. F1 explains "
                "what you are looking at.",
                lambda: seen(header),
            ),
        ]
