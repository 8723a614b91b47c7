"""What leads to lessons and from them into the rest of the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QWidget

from dgm_studio.config import RunConfig
from dgm_studio.lessons.checking import check
from dgm_studio.lessons.format import Lesson, LessonError
from dgm_studio.lessons.reading import UnknownLesson, lesson, read_lesson
from dgm_studio.store import Run
from widgets.actions import Actions
from widgets.help_guide import HelpGuide
from widgets.notices import Notice, Remedy
from widgets.work_area import WorkArea
from widgets.workspace import Workspace

PROJECT = "Lessons"  # the project of lessons that are begun from the start page


class LessonDesk(QObject):
    """Opens lessons, in the project that is open or in one of their own."""

    def __init__(
        self, window: QWidget, actions: Actions, workspace: Workspace, area: WorkArea, guide: HelpGuide
    ) -> None:
        super().__init__(window)
        self._window, self._actions, self._workspace, self._area = window, actions, workspace, area
        page = area.lesson
        page.page_wanted.connect(self._show_run)
        page.compare_wanted.connect(area.compare_runs)
        page.try_wanted.connect(self._try)
        page.followed.connect(guide.follow)
        page.changed.connect(self.update)
        guide.lesson_wanted.connect(self.open_named)
        actions.connect(
            {
                "openLesson": self.choose,
                "reloadLesson": page.reload,
                "nextLesson": lambda: page.turn(1),
                "previousLesson": lambda: page.turn(-1),
            }
        )

    def update(self) -> None:
        """Offer what can be done now."""
        page, opened = self._area.lesson, self._workspace.project is not None
        self._actions["openLesson"].setEnabled(True)
        self._actions["reloadLesson"].setEnabled(opened and page.lesson is not None)
        self._actions["nextLesson"].setEnabled(opened and page.head.forward.isEnabled())
        self._actions["previousLesson"].setEnabled(opened and page.head.back.isEnabled())

    def open(self, lesson: Lesson) -> None:
        """Show the lesson, where no project is open in the one of lessons."""
        self._in_project(lambda: self._show(lesson))

    def open_named(self, key: str) -> None:
        """Show the studio's lesson of this name."""
        try:
            self.open(lesson(key))
        except (UnknownLesson, LessonError) as error:
            self._workspace.log.say(Notice("bad", str(error)))

    def open_file(self, path: Path) -> None:
        """Show a lesson that somebody wrote, or say what is wrong with it."""
        try:
            written = read_lesson(path)
            check(written)
        except LessonError as error:
            again = Remedy("Read it again", lambda: self.open_file(path))
            self._workspace.log.say(Notice("bad", str(error), remedies=(again,)))
            return
        self.open(written)

    def choose(self) -> None:
        """Ask for the file of a lesson."""
        folder = str(self._workspace.preferences.folder)
        name, _ = QFileDialog.getOpenFileName(self._window, "Open a lesson", folder, "Lessons (*.md)")
        if name:
            self.open_file(Path(name))

    def _in_project(self, then: Callable[[], None]) -> None:
        workspace = self._workspace
        if workspace.project is not None:
            then()
            return
        kept = workspace.preferences.folder / f"{PROJECT}.dgm"

        def opened() -> None:
            if workspace.project is not None and workspace.project.read_only:  # another window has it
                workspace.project_file.create(PROJECT, then)
            else:
                then()

        if kept.is_file():
            workspace.project_file.open(kept, opened)
        else:
            workspace.project_file.create(PROJECT, then)

    def _show(self, lesson: Lesson) -> None:
        self._area.lesson.show_lesson(lesson)
        self._area.show_page("Lesson")

    def _show_run(self, run: Run, title: str) -> None:
        self._workspace.select(run)
        self._area.show_page(title)

    def _try(self, config: RunConfig, name: str) -> None:
        """Train a run that a lesson proposes, and show it. Its settings stay as the lesson has them, so that it is
        known again."""
        if self._workspace.project_file.writable:
            self._workspace.train(config, name)
            self._area.show_page("Train")
