"""The window. It shows before torch is imported; the rest of the studio moves in when it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QIcon, QPaintEvent
from PySide6.QtWidgets import QFileDialog, QMainWindow, QMenu, QStackedWidget, QVBoxLayout, QWidget

from dgm_studio.lessons.format import Lesson
from dgm_studio.presets import Preset, presets
from widgets.actions import Actions
from widgets.header import LOGO, Header
from widgets.help import about, shortcuts
from widgets.loading import MovingIn
from widgets.notices import Log, Notice, Notices, voice
from widgets.palette.finder import Finder
from widgets.preferences import PROJECT_FILES, Preferences
from widgets.start_page import StartPage
from widgets.status import StatusLine
from widgets.theme import SPACE, look
from widgets.theme_choice import ThemeChoice
from widgets.tour_stops import Tour

if TYPE_CHECKING:
    from widgets.desk import Desk

LISTED = 12  # recent projects in the menu; the start page has all


class MainWindow(QMainWindow):
    """Start page, then a project. `appeared()` when it was painted first, `loaded()` when the studio is complete,
    `ended()` when it has closed and every thread of it has ended; `has_ended` from then on."""

    appeared = Signal()
    loaded = Signal()
    ended = Signal()

    def __init__(self, preferences: Preferences, log: Log, tour: bool = False) -> None:
        """`tour`: whoever opens a project for the first time is shown around."""
        super().__init__()
        self.setObjectName("window")
        self.setProperty("theme", look.theme.name)
        self.setWindowTitle("DGM Studio")
        self.setWindowIcon(QIcon(str(LOGO)))
        self.setAcceptDrops(True)
        self.setDockNestingEnabled(True)
        self.setContentsMargins(SPACE, 0, SPACE, SPACE)
        self.preferences, self.log = preferences, log
        self.desk: Desk | None = None
        self._wanted: Callable[[Desk], None] | None = None  # what was clicked before everything was loaded
        self._may_close = self._appeared = False
        self.has_ended = False
        self.actions_ = Actions(self)
        self.header = Header(self.actions_)
        self.setMenuWidget(self.header)
        self.start_page = StartPage(presets(), preferences.recent)
        self.status = StatusLine(log)
        self._notices = Notices(log)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.start_page)
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addWidget(self._notices)
        column.addWidget(self._pages, 1)
        self.setCentralWidget(middle)
        self.theme = ThemeChoice(preferences, self.actions_, self)
        self.finder = Finder(self)
        self.tour = Tour(self, by_itself=tour)
        voice.said.connect(log.say)
        self._connect()
        self._show_start()
        self.resize(1280, 800)
        self.restoreGeometry(preferences.geometry)
        self._moving_in = MovingIn(self._furnish, self)
        self._moving_in.said.connect(self.start_page.say_loading)
        self._moving_in.moved_in.connect(self._moved_in)
        self._moving_in.failed.connect(self._not_loaded)
        self._moving_in.ended.connect(self._loading_ended)

    def load(self) -> None:
        """Begin to import the rest, unless that has begun. Imports hold Python's lock, so the window paints first."""
        if self._moving_in.begin():
            self.start_page.say_loading(self.start_page.loading_text or "Loading …")

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._appeared:
            self._appeared = True
            QTimer.singleShot(0, self.appeared.emit)

    def open(self, path: Path) -> None:
        """Open a project as soon as that is possible."""
        self._when_loaded(lambda desk: desk.projects.open(path), f"Opening {path.name} …")

    def _connect(self) -> None:
        page, actions = self.start_page, self.actions_
        page.new_project.connect(actions["new"].trigger)
        page.open_project.connect(actions["open"].trigger)
        page.recent_chosen.connect(self.open)
        page.preset_chosen.connect(self.start_preset)
        page.lesson_chosen.connect(self.open_lesson)
        self.status.log_wanted.connect(actions["log"].trigger)
        recent = QMenu(self)
        recent.aboutToShow.connect(lambda: self._fill_recent(recent))
        actions["recent"].setMenu(recent)
        actions.connect(
            {
                "new": lambda: self._when_loaded(lambda desk: desk.projects.new(), "Making a project …"),
                "open": self._choose_project,
                "folder": self._choose_folder,
                "start": lambda: self.desk.projects.leave() if self.desk is not None else None,
                "quit": self.close,
                "layout": lambda: self.desk.arrangement.reset() if self.desk is not None else None,
                "preferences": self.show_preferences,
                "shortcuts": lambda: shortcuts(self, actions),
                "about": lambda: about(self),
            }
        )

    def follow_preferences(self) -> None:
        """Be as the preferences say."""
        self.theme.wear()
        look.be_still(self.preferences.still)
        if self.desk is not None:
            self.desk.follow_preferences()

    def show_preferences(self, find: str = "") -> None:
        """Open the preferences, at those that `find` names."""
        from widgets.preferences_dialog import PreferencesDialog  # its editors know what settings are

        dialog = PreferencesDialog(self.preferences, self)
        dialog.changed.connect(self.follow_preferences)
        dialog.find(find)
        dialog.show()

    # Loading.

    def _when_loaded(self, do: Callable[[Desk], None], text: str) -> None:
        if self.desk is not None:
            do(self.desk)
        else:
            self._wanted = do
            self.start_page.say_loading(text)

    def _furnish(self) -> Generator[None]:
        """Make the desk, in steps between which events come."""
        from models.catalog import FAMILIES
        from widgets.desk import Desk
        from widgets.draft import default_config

        ready = presets()
        config = ready[0].config if ready else default_config(FAMILIES[0].key)
        desk = Desk(self, self.actions_, self.header, self.status, self.preferences, self.log)
        try:
            yield from desk.furnish(config)
            yield
            self._pages.addWidget(desk.area)
            yield
            desk.arrangement.reset()
            desk.arrangement.hide()
            yield
        except GeneratorExit:  # the window closes, and is hidden
            for thread in desk.workspace.end():
                thread.wait()  # they have nothing to do
            raise
        self.desk = desk
        desk.worked.connect(self._show_work)
        desk.worked.connect(self.tour.project_opened)
        desk.left.connect(self._show_start)
        desk.left.connect(self.tour.leave)
        desk.workspace.project_file.stays_open.connect(self._stay_open)
        self.start_page.say_loading("")

    def _moved_in(self, seconds: float) -> None:
        self.log.say(Notice("info", f"Loaded in {seconds:.1f} s.", lasting=False))
        self.loaded.emit()
        wanted, self._wanted = self._wanted, None
        if wanted is not None and self.desk is not None:
            wanted(self.desk)

    def _not_loaded(self, text: str, details: str) -> None:
        self.start_page.say_loading("")
        self.log.say(Notice("bad", text, details))

    def _loading_ended(self) -> None:
        if self._may_close:
            self.close()

    # Pages.

    def _show_start(self) -> None:
        if self.desk is not None:
            if self._pages.currentWidget() is self.desk.area:
                self._remember(self.desk)
            self.desk.arrangement.hide()
            look.wardrobe.forget()
        self._notices.clear()
        self.start_page.show_recent(self.preferences.recent)
        self._pages.setCurrentWidget(self.start_page)
        self.header.show_project("", "")
        self.header.show_run_buttons(False)
        self._show_status(False)
        self.setWindowTitle("DGM Studio")
        if self.desk is None:
            for key, action in self.actions_:
                action.setEnabled(key in ALWAYS)

    def _show_work(self) -> None:
        desk = self.desk
        assert desk is not None
        assert desk.workspace.project is not None
        self.setWindowTitle(f"{desk.workspace.project.path.stem} — DGM Studio")
        if self._pages.currentWidget() is desk.area:
            return
        self._pages.setCurrentWidget(desk.area)
        self.header.show_run_buttons(True)
        self._show_status(True)
        desk.arrangement.restore(self.preferences.layout)

    def _show_status(self, shown: bool) -> None:
        bar = self.statusBar()
        if self.status.parent() is not bar:
            bar.setSizeGripEnabled(False)
            bar.setContentsMargins(-2, SPACE, 0, 0)  # Qt puts 2 px before what stands in it
            bar.addPermanentWidget(self.status, 1)
        bar.setVisible(shown)

    def _remember(self, desk: Desk) -> None:
        self.preferences.layout = desk.arrangement.state()
        self.preferences.explored = desk.area.explore.choices()

    # Files.

    def start_preset(self, preset: Preset) -> None:
        """Train a preset in a project of its own, as soon as that is possible."""
        self._when_loaded(lambda desk: desk.start(preset), f"Starting {preset.title} …")

    def open_lesson(self, lesson: Lesson) -> None:
        """Show a lesson, as soon as that is possible."""
        self._when_loaded(lambda desk: desk.lessons.open(lesson), f"Opening {lesson.title} …")

    def _choose_project(self) -> None:
        folder = str(self.preferences.folder)
        name, _ = QFileDialog.getOpenFileName(self, "Open a project", folder, PROJECT_FILES)
        if name:
            self.open(Path(name))

    def _choose_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder for new projects", str(self.preferences.folder))
        if name:
            self.preferences.folder = Path(name)

    def _fill_recent(self, menu: QMenu) -> None:
        menu.clear()
        for path in self.preferences.recent[:LISTED]:
            action = QAction(path.stem, menu, toolTip=str(path))
            action.triggered.connect(lambda _=False, path=path: self.open(path))
            menu.addAction(action)
        menu.setEnabled(bool(self.preferences.recent))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        path = next(Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile())
        event.acceptProposedAction()
        if path.suffix == ".dgm" and path.is_file():
            self.open(path)
        elif path.suffix == ".md" and path.is_file():
            self._when_loaded(lambda desk: desk.lessons.open_file(path), f"Reading {path.name} …")
        else:
            at = self.mapToGlobal(event.position().toPoint())
            self._when_loaded(lambda desk: desk.take_data(path, at), f"Reading {path.name} …")

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() is QEvent.Type.ActivationChange and self.isActiveWindow() and self.desk is not None:
            self.desk.notices.look()

    # The end.

    def close_unasked(self) -> None:
        """Close it for somebody who can answer no question: an export that is being written is called off."""
        if self.desk is not None:
            self.desk.exports.call_off()
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop and keep what trains, save, end all threads; the window closes when that is done. While an export is
        being written, a person is asked first."""
        if self._may_close and not self._moving_in.is_loading:
            event.accept()
            self.has_ended = True
            self.ended.emit()
            return
        event.ignore()
        if self._may_close or not self.isEnabled():  # it is being closed
            return
        if self.desk is not None and self.desk.exports.hold("Quit", self.close):
            return
        self.preferences.geometry = self.saveGeometry()
        if self.desk is None:
            self.hide()  # imports of the thread cannot be interrupted; the process ends after them
            self._moving_in.stop()
            self._end()
            return
        if self._pages.currentWidget() is self.desk.area:
            self._remember(self.desk)
        self.setEnabled(False)
        self.status.show_text("Stopping, keeping and saving …", None)
        self.desk.shut_down(self._end)

    def _stay_open(self) -> None:
        """Something could not be saved."""
        self.setEnabled(True)
        self.status.show_nothing()

    def _end(self) -> None:
        self._may_close = True
        QTimer.singleShot(0, self.close)  # a close inside a closeEvent does nothing


# What can be done on the start page while everything else is still being loaded.
ALWAYS = frozenset(
    {
        "new",
        "open",
        "openLesson",
        "recent",
        "folder",
        "quit",
        "palette",
        "preferences",
        "theme",
        "themeSystem",
        "themeDark",
        "themeLight",
        "shortcuts",
        "about",
    }
)
