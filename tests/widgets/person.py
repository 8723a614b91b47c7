"""Somebody in front of the window, for tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from dgm_studio.presets import presets
from widgets.building import Card
from widgets.desk import Desk
from widgets.main_window import MainWindow
from widgets.notices import Log, NoticeBar
from widgets.preferences import Preferences
from widgets.trainer import Phase

PATIENCE = 240_000  # ms: what a machine measures in seconds takes a busy one minutes


class Person:
    """Somebody in front of the window."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.qtbot = qtbot
        self.preferences = Preferences()
        self.preferences.folder = folder
        self.windows: list[MainWindow] = []
        self.window = self.open_window()

    def open_window(self) -> MainWindow:
        window = MainWindow(self.preferences, Log())
        self.windows.append(window)
        window.resize(1280, 800)
        window.show()
        window.load()
        self.window = window
        return window

    @property
    def desk(self) -> Desk:
        self.until(lambda: self.window.desk is not None)
        assert self.window.desk is not None
        return self.window.desk

    def until(self, holds: Callable[[], object]) -> None:
        self.qtbot.waitUntil(lambda: bool(holds()), timeout=PATIENCE)

    def do(self, action: str) -> None:
        assert self.window.actions_[action].isEnabled(), action
        self.window.actions_[action].trigger()

    def click_card(self, key: str = presets()[0].key) -> None:
        card = self.window.start_page.findChild(Card, f"preset-{key}")
        self.qtbot.mouseClick(card, Qt.MouseButton.LeftButton)

    def train_a_little(self) -> None:
        """Start the first preset, and stop it after some steps."""
        self.click_card()
        self.until(lambda: self.phase is Phase.TRAINING)
        self.until(lambda: self.step > 20)
        self.do("stop")
        self.until(lambda: self.phase is Phase.IDLE)

    @property
    def phase(self) -> Phase:
        return self.desk.workspace.trainer.phase

    @property
    def step(self) -> int:
        run = self.desk.workspace.trainer.active
        view = self.desk.workspace.shown.get(run.run) if run is not None else None
        return view.progress.step if view is not None and view.progress is not None else -1

    def bar(self, words: str) -> NoticeBar:
        """Wait for a notice that says this."""
        self.until(lambda: any(words in bar.notice.text for bar in self.bars()))
        return next(bar for bar in self.bars() if words in bar.notice.text)

    def choose(self, bar: NoticeBar, remedy: str) -> None:
        """Click on what a notice offers."""
        button = next(b for b in bar.findChildren(QPushButton, "remedy") if b.text().startswith(remedy))
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def bars(self) -> list[NoticeBar]:
        return [bar for bar in self.window.findChildren(NoticeBar) if not bar.isHidden()]

    def leave_as_killed(self, copy: Path) -> None:
        """Write to `copy` what a process that is killed now would leave: the project and its work folder."""
        project = self.desk.workspace.project
        assert project is not None
        shutil.copy(project.path, copy)
        work = copy.with_name(f"{copy.name}.work")

        def copied() -> bool:
            try:
                shutil.copytree(project.work_folder, work)
            except shutil.Error:  # a file that was listed has got its final name since: training goes on meanwhile
                shutil.rmtree(work)
            return work.exists()

        self.until(copied)

    def close(self, window: MainWindow | None = None) -> None:
        window = window or self.window
        window.close()
        self.until(lambda: window.has_ended)
        self.windows.remove(window)
        window.deleteLater()
