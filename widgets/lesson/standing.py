"""How far lessons are in the project that is open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.found import Found
from dgm_studio.lessons.outcome import Outcome, outcome
from dgm_studio.lessons.pace import kept_pace
from dgm_studio.lessons.plan import jobs
from dgm_studio.store import Project
from widgets.lesson.marks import Mark
from widgets.lesson.runner import Runner
from widgets.workspace import Workspace


@dataclass(frozen=True)
class Standing:
    """How far a lesson is in a project."""

    share: float  # of its time that is over
    outcome: Outcome

    @property
    def mark(self) -> Mark:
        if self.share < 1:
            return Mark.BEGUN if self.share > 0 else Mark.NONE
        return {True: Mark.HOLDS, False: Mark.FAILS, None: Mark.DONE}[self.outcome.holds]


def standing(lesson: Lesson, seeds: int, project: Project | None) -> Standing:
    """Reads files. Raises LessonError and ProjectError."""
    found = Found(project)
    left = jobs(lesson, seeds, found)
    share = kept_pace(lesson, seeds, found).share(left, left[0].begun(found) if left else 0.0)
    return Standing(share, outcome(lesson, seeds, found))


class Survey(QObject):
    """Sees how far each lesson is with its own seeds, one after the other, and keeps the marks. `changed()`: one is
    another now."""

    changed = Signal()

    def __init__(self, workspace: Workspace, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace, self._runner = workspace, runner
        self.marks: dict[str, Mark] = {}
        self._left: list[Lesson] = []

    def mark(self, key: str, mark: Mark) -> None:
        """A lesson is so far."""
        if self.marks.get(key, Mark.NONE) is not mark:
            self.marks[key] = mark
            self.changed.emit()

    def forget(self) -> None:
        """Another project is open, or none."""
        self.marks, self._left = {}, []
        self.changed.emit()

    def see(self, which: Iterable[Lesson]) -> None:
        """Look at these now, and not at what was to be looked at before."""
        if self._workspace.project is None:
            return
        idle = not self._left
        self._left = list(which)
        if idle:
            self._next()

    def _next(self) -> None:
        if not self._left:
            return
        lesson, project = self._left[0], self._workspace.project

        def done(mark: Mark) -> None:
            if project is self._workspace.project and self._runner.lesson is not lesson:
                self.mark(lesson.key, mark)
            if self._left and self._left[0] is lesson:
                self._left.pop(0)
            self._next()

        work = lambda: standing(lesson, lesson.seeds, project).mark  # noqa: E731
        self._workspace.files.submit(work, done, lambda problem: done(Mark.NONE))
