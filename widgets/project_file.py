"""The project file that is open."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from dgm_studio import device as devices
from dgm_studio.store import Project, ProjectError, look_at_unfamiliar
from widgets.background import Background, Problem
from widgets.notices import Log, Notice, Remedy
from widgets.preferences import Preferences, free_path

SAVE_AFTER = 1500  # ms from a change of names or notes
AGAIN_AFTER = 10_000  # ms from a save for which the disk had no room


class ProjectFile(QObject):
    """Makes, opens, saves and closes a project, in the thread `files`. One is open at a time, and one that cannot be
    saved stays open. Where the disk had no room, saving is tried again until it has.

    Signals: `replaced()` another project, none, or another path; `opened(Project)` after that; `leaving()` the
    project is about to be none; `writable_changed()`; `saved()`; `displaced(code)` a save found another file, or none,
    in the project's place; `stays_open()` a project could not be closed.
    """

    replaced = Signal()
    opened = Signal(object)
    leaving = Signal()
    writable_changed = Signal()
    saved = Signal()
    displaced = Signal(str)
    stays_open = Signal()

    def __init__(self, files: Background, preferences: Preferences, log: Log, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._files, self._preferences, self._log = files, preferences, log
        self.project: Project | None = None
        self.closing = False  # the project is being saved for the last time
        self._saver = QTimer(self, singleShot=True, interval=SAVE_AFTER)
        self._saver.timeout.connect(self.save)
        self._again = QTimer(self, singleShot=True, interval=AGAIN_AFTER)
        self._again.timeout.connect(self._try_again)
        self._unsaved: Notice | None = None  # what was said of a save that failed, while it holds

    @property
    def writable(self) -> bool:
        """Whether the project may be changed and trained in."""
        return self.project is not None and not self.project.read_only and not self.closing

    def create(self, name: str, then: Callable[[], None] = lambda: None) -> None:
        """Make a new project in the project folder and open it."""
        folder = self._preferences.folder

        def work() -> Project:
            folder.mkdir(parents=True, exist_ok=True)
            return Project.create(free_path(folder, name))

        self._replace(work, then, f"No project could be made in {folder}.")

    def open(self, path: Path, then: Callable[[], None] = lambda: None, keep: bool = True) -> None:
        """Open a project file; read-only when another window holds it. One that is not familiar is looked at by a
        process of its own first. Without `keep`, what is not saved of the one that is open now is dropped."""
        familiar = self._preferences.familiar

        def work() -> Project:
            look_at_unfamiliar(path, familiar)
            return Project.open(path)

        self._replace(work, then, f"{path.name} was not opened.", keep)

    def close(self, then: Callable[[], None] = lambda: None, keep: bool = True) -> None:
        """Save what is not saved, unless `keep` is false, and close; then do `then`. If it cannot be saved, the project
        stays open and a person is asked (`stays_open`). Nothing may train, and nothing can begin to meanwhile."""
        project = self.project
        if project is None:
            then()
            return
        self._saver.stop()
        self._again.stop()
        self._set_closing(True)

        def saved(_: None) -> None:
            if self.project is not project:  # asked for twice
                then()
            elif keep and project.modified:  # somebody wrote a note meanwhile
                self.close(then)
            else:
                self._leave(project, then)

        def failed(problem: Problem) -> None:
            self._set_closing(False)
            remedies = (
                Remedy("Try again", lambda: self.close(then)),
                Remedy("Close without saving", lambda: self.close(then, keep=False)),
            )
            text = f"{project.path.name} stays open: your last changes are not on the disk."
            self._say_unsaved(text, problem, *remedies)
            self._say_if_displaced(project, problem)
            self.stays_open.emit()

        self._files.submit(lambda: project.save() if keep and project.modified else None, saved, failed)

    def save(self) -> None:
        """Write the project file now, if anything changed."""
        project = self.project
        if project is None or project.read_only:
            return

        def failed(problem: Problem) -> None:
            if not self._say_if_displaced(project, problem):
                text = "The project was not saved; the file on disk is as it was."
                self._say_unsaved(text, problem, Remedy("Try again", self.save))

        self._files.submit(lambda: project.save() if project.modified else None, self._saved, failed)

    def keep_trying(self) -> None:
        """Save as soon as the disk has room; that it has none was said."""
        self._again.start()

    def _try_again(self) -> None:
        project = self.project
        if project is None or self.closing or not project.modified:
            return

        def failed(problem: Problem) -> None:
            if not self._say_if_displaced(project, problem):
                self.keep_trying()

        self._files.submit(project.save, self._saved, failed)

    def _say_unsaved(self, text: str, problem: Problem, *remedies: Remedy) -> None:
        self._take_back()  # one bar says it
        self._unsaved = self._log.say_problem(text, problem, *remedies)
        if _code(problem) == "full":
            self.keep_trying()

    def _take_back(self) -> bool:
        """Whether there was something to take back."""
        unsaved, self._unsaved = self._unsaved, None
        if unsaved is not None:
            self._log.take_back(unsaved)
        return unsaved is not None

    def _say_if_displaced(self, project: Project, problem: Problem) -> bool:
        code = _code(problem)
        displaced = code in ("conflict", "missing") and project is self.project
        if displaced:
            self.displaced.emit(code)
        return displaced

    def save_soon(self) -> None:
        """Write the project file when nothing has changed for a moment."""
        self._saver.start()

    def save_over(self) -> None:
        """Write the project file whatever has taken its place."""
        project = self.project
        if project is not None:
            failed = partial(self._log.say_problem, f"{project.path.name} was not written.")
            self._files.submit(project.save_over, self._saved, failed)

    def save_as(self, path: Path, replace: bool = False) -> None:
        """Write to another file and go on there."""
        project = self.project
        assert project is not None

        def done(_: None) -> None:
            self._preferences.remember(path)
            self.replaced.emit()
            self._saved()

        failed = partial(self._log.say_problem, f"{path.name} was not written.")
        self._files.submit(lambda: project.save_as(path, replace), done, failed)

    def _saved(self, _: None = None) -> None:
        if self.project is not None:
            self._preferences.know(self.project.recognition)
            if self._take_back():
                self._log.say(Notice("good", f"All of {self.project.path.name} is on the disk.", lasting=False))
        self.saved.emit()

    def _replace(self, work: Callable[[], Project], then: Callable[[], None], failure: str, keep: bool = True) -> None:
        def begin() -> None:
            self._files.submit(work, done, partial(self._log.say_problem, failure))

        def done(project: Project) -> None:
            self._preferences.remember(project.path)
            self._preferences.know(project.recognition)
            self.project = project
            self.replaced.emit()
            self.opened.emit(project)
            if not self._preferences.sync():
                text = f"{self._preferences.file} cannot be written: recent projects, panels and preferences will be "
                text += "at the next start what they were. Make room on that disk, or let the file be written to."
                self._log.say(Notice("warn", text))
            then()

        self.close(begin, keep)

    def _leave(self, project: Project, then: Callable[[], None]) -> None:
        """Have no project, and let go of the file."""
        self._preferences.know(project.recognition)  # trainings have saved it too
        self.leaving.emit()
        self.project, self.closing, self._unsaved = None, False, None
        self.replaced.emit()
        self._files.submit(project.close, lambda _: then())
        self._files.submit(devices.give_back)

    def _set_closing(self, closing: bool) -> None:
        self.closing = closing
        self.writable_changed.emit()


def _code(problem: Problem) -> str:
    return problem.error.code if isinstance(problem.error, ProjectError) else ""
