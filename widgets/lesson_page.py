"""The Lesson page: all lessons as cards, or one of them with what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from dgm_studio.events import Progress
from dgm_studio.lessons.checking import check
from dgm_studio.lessons.format import Lesson, LessonError
from dgm_studio.lessons.found import Found
from dgm_studio.lessons.outcome import Outcome, outcome
from dgm_studio.lessons.pace import kept_pace
from dgm_studio.lessons.plan import jobs
from dgm_studio.lessons.reading import lessons, read_lesson, unreadable
from dgm_studio.lessons.shows import curve_of, growing
from dgm_studio.reports import Report
from dgm_studio.store import Project
from widgets.background import Problem
from widgets.building import Card, label, scrolled, section
from widgets.lesson.article import Article
from widgets.lesson.checks import CheckCard
from widgets.lesson.contents import Contents
from widgets.lesson.gallery import Gallery
from widgets.lesson.head import Head
from widgets.lesson.marks import Mark
from widgets.lesson.runner import Runner
from widgets.lesson.runs import LessonRuns, Tries
from widgets.measuring import Measuring
from widgets.text_page import ZOOMS
from widgets.theme import SPACE, px
from widgets.workspace import Workspace

LISTS = 110 * SPACE  # px: from this width on a lesson has room for the list of all beside it
LOOK_AFTER = 150  # ms from a change in the project to a look at it


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


class LessonPage(QWidget):
    """`page_wanted(Run, title)`: a run is to be seen on another page; `compare_wanted(runs)`; `try_wanted(config,
    name)`; `followed(target)`: a link of the text."""

    page_wanted = Signal(object, str)
    compare_wanted = Signal(object)
    try_wanted = Signal(object, str)
    followed = Signal(str)
    changed = Signal()  # another lesson is shown

    def __init__(self, workspace: Workspace, measuring: Measuring, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("lessonPage")
        self.setProperty("helpPage", "guide:lessons")
        self._workspace = workspace
        self.runner = Runner(workspace, measuring, self)
        self.lesson: Lesson | None = None
        self.standing: Standing | None = None
        self.marks: dict[str, Mark] = {}
        self._asked = 0  # looks at the project, numbered: only what the newest found is shown
        self._to_survey: list[Lesson] = []
        self.head, self.contents = Head(), Contents()
        self.gallery: Gallery | None = None
        self._article: Article | None = None
        self._checks: list[CheckCard] = []
        self._runs: LessonRuns | None = None
        self._tries: Tries | None = None
        self._trouble = label("", "error", "lessonTrouble", wrap=True)
        self._listed = False  # a person said whether the list is to be seen
        self._arrange()
        self._connect()

    def _arrange(self) -> None:
        self._stack = QStackedWidget()
        self._cards = QVBoxLayout()
        self._cards.setContentsMargins(0, SPACE, SPACE, SPACE)
        holder = QWidget()
        holder.setLayout(self._cards)
        self._stack.addWidget(scrolled(holder, "galleryScroll"))
        self._scroll = scrolled(QWidget(), "lessonScroll")
        right = QVBoxLayout()
        right.setSpacing(0)
        right.addWidget(self.head)
        right.addWidget(self._trouble)
        right.addWidget(self._scroll, 1)
        one = QWidget()
        row = QHBoxLayout(one)
        row.setContentsMargins(0, SPACE, 0, 0)
        row.setSpacing(SPACE)
        row.addWidget(self.contents)
        row.addLayout(right, 1)
        self._stack.addWidget(one)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._stack)
        self._trouble.hide()

    def _connect(self) -> None:
        workspace, runner, head = self._workspace, self.runner, self.head
        self._look = QTimer(self, singleShot=True, interval=LOOK_AFTER)
        self._look.timeout.connect(self._glance)
        workspace.runs_changed.connect(self._look.start)
        workspace.progressed.connect(lambda *_: self._look.start())
        workspace.progressed.connect(self._grow)
        workspace.project_file.replaced.connect(self._project_changed)
        runner.changed.connect(self._show_state)
        runner.advanced.connect(self._show_state)
        runner.made.connect(self._made)
        self.contents.chosen.connect(self.show_lesson)
        head.run_wanted.connect(self.run)
        head.stop_wanted.connect(runner.stop)
        head.seeds_changed.connect(self._reseeded)
        head.turned.connect(self.turn)
        head.all_wanted.connect(self.show_gallery)
        head.reload_wanted.connect(self.reload)
        head.listing.toggled.connect(self.contents.setVisible)
        head.listing.clicked.connect(lambda: setattr(self, "_listed", True))

    # What is shown.

    def show_gallery(self) -> None:
        """All lessons as cards."""
        self.lesson = None
        self._fill_gallery()
        self._stack.setCurrentIndex(0)
        self.changed.emit()
        self._survey()

    def show_lesson(self, lesson: Lesson) -> None:
        """One lesson from its beginning, with what this project holds of it."""
        self.lesson, self.standing = lesson, None
        self._list()
        self.contents.show_current(lesson.key if lesson in lessons() else "")
        place = next((n for n, entry in enumerate(lessons()) if entry is lesson), -1)
        self.head.show_lesson(lesson)
        self.head.show_place(place, len(lessons()))
        self._build(lesson)
        self._say("")
        self._stack.setCurrentIndex(1)
        self._show_state()
        self.look()
        self.changed.emit()

    def turn(self, by: int) -> None:
        """To the lesson before (-1) or after (1) this one."""
        place = next((n for n, entry in enumerate(lessons()) if entry is self.lesson), -1)
        if place >= 0 and 0 <= place + by < len(lessons()):
            self.show_lesson(lessons()[place + by])

    def reload(self) -> None:
        """Read the file of the lesson again; what is wrong with it is said, and the page stays."""
        if self.lesson is None:
            return
        scrolled_to = self._scroll.verticalScrollBar().value()
        try:
            written = read_lesson(self.lesson.path)
            check(written)
        except LessonError as error:
            self._say(str(error))
            return
        self.show_lesson(written)
        QTimer.singleShot(0, self, lambda: self._scroll.verticalScrollBar().setValue(scrolled_to))

    def run(self) -> None:
        """Carry out the lesson that is shown."""
        if self.lesson is not None:
            self._say("")
            self.runner.run(self.lesson, self.head.seeds.value())

    def _build(self, lesson: Lesson) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, SPACE, 2 * SPACE)
        column.setSpacing(SPACE)
        claim = Card()
        claim.setObjectName("claim")
        claim.column.setSpacing(SPACE // 2)
        claim.column.addWidget(section("The claim"))
        claim.column.addWidget(label(lesson.claim, wrap=True))
        column.addWidget(claim)
        self._article = Article(lesson, self._workspace.preferences.help_zoom)
        self._article.followed.connect(self.followed)
        self._article.zoomed.connect(self._zoom)
        column.addWidget(self._article)
        column.addWidget(section("Does it hold?"))
        self._checks = [CheckCard(number, lesson) for number in range(len(lesson.checks))]
        for card in self._checks:
            column.addWidget(card)
        column.addSpacing(SPACE)
        column.addWidget(section("Its runs"))
        self._runs = LessonRuns(lesson, self._workspace)
        self._runs.page_wanted.connect(self.page_wanted)
        self._runs.compare_wanted.connect(self.compare_wanted)
        column.addWidget(self._runs)
        self._tries = Tries(lesson)
        self._tries.wanted.connect(self.try_wanted)
        self._tries.page_wanted.connect(self.page_wanted)
        if lesson.tries:
            column.addSpacing(SPACE)
            column.addWidget(section("Worth trying"))
        column.addWidget(self._tries)
        column.addStretch(1)
        content.setProperty("plain", True)
        self._scroll.setWidget(content)
        self._scroll.verticalScrollBar().setValue(0)

    def _fill_gallery(self) -> None:
        """At the first look: lessons are read from their files."""
        if self.gallery is None:
            self._cards.addWidget(label("Lessons: the lecture, runnable", "heading"))
            text = "Choose a claim of the lecture. Its runs become runs of this project."
            self._cards.addWidget(label(text, "muted", wrap=True))
            self._cards.addSpacing(SPACE)
            self.gallery = Gallery(lessons(), list(unreadable().values()))
            self.gallery.chosen.connect(self.show_lesson)
            self._cards.addWidget(self.gallery)
            self._cards.addStretch(1)
        self.gallery.mark(self.marks)

    def _list(self) -> None:
        if not self.contents.topLevelItemCount():
            self.contents.show_lessons(lessons())
        self.contents.mark(self.marks)

    def _zoom(self, steps: int) -> None:
        preferences = self._workspace.preferences
        nearest = min(range(len(ZOOMS)), key=lambda i: abs(ZOOMS[i] - preferences.help_zoom))
        preferences.help_zoom = ZOOMS[min(max(nearest + steps, 0), len(ZOOMS) - 1)] if steps else 1.0
        if self._article is not None:
            self._article.zoom(preferences.help_zoom)

    def _reseeded(self, seeds: int) -> None:
        if self._runs is not None:
            self._runs.show_seeds(seeds)
        self.look()

    def _say(self, text: str) -> None:
        self._trouble.setText(text)
        self._trouble.setVisible(bool(text))

    # What the project holds.

    def look(self) -> None:
        """See what came of the lesson that is shown; its files are read in their thread."""
        lesson, project, seeds = self.lesson, self._workspace.project, self.head.seeds.value()
        self._glance()
        if lesson is None:
            return
        self._asked += 1
        number = self._asked

        def done_(found: Standing) -> None:
            if number == self._asked:
                self.standing = found
                self._show(found)

        def failed(problem: Problem) -> None:
            if number == self._asked:
                self._say(problem.text)
            if isinstance(problem.error, LessonError) and self.runner.lesson is lesson:
                self.runner.stop()  # what is wrong with it would be so for every run

        self._workspace.files.submit(lambda: standing(lesson, seeds, project), done_, failed)

    def _show(self, found: Standing) -> None:
        assert self.lesson is not None
        assert self._article is not None
        self._article.show_reports({**found.outcome.shows, **self._growing()})
        for card, checked in zip(self._checks, found.outcome.checks, strict=True):
            card.show_checked(checked)
        if self.head.seeds.value() == self.lesson.seeds and self.runner.lesson is not self.lesson:
            self._mark(self.lesson.key, found.mark)
        self._show_state()

    def _grow(self, run_id: str, _: Progress) -> None:
        """Curves of the run in training are drawn as far as they are."""
        if run_id == self.runner.training and self._article is not None and self.isVisible():
            self._article.show_reports(self._growing())

    def _growing(self) -> dict[str, Sequence[Report]]:
        """What shows of training curves have to draw now, by their keys."""
        lesson, job, run_id = self.lesson, self.runner.job, self.runner.training
        if lesson is None or lesson is not self.runner.lesson or job is None or not run_id:
            return {}
        history, found = self._workspace.viewing.of(run_id).history, dict[str, Sequence[Report]]()
        for key in lesson.shows if history is not None else ():
            series = history.series.get(curve_of(lesson, key, job.run))
            if series is not None and self.standing is not None:
                stored, curve = self.standing.outcome.shows.get(key, ()), (series.steps, series.values)
                found[key] = growing(lesson, key, self.runner.seeds, job.run, job.seed, curve, stored)
        return found

    def _show_state(self) -> None:
        if self.lesson is None:
            return
        share, mark = (self.standing.share, self.standing.mark) if self.standing is not None else (0.0, Mark.NONE)
        self.head.show_state(self.runner, share, mark, self._workspace.project_file.writable)
        if self.runner.lesson is not None:
            self._mark(self.runner.lesson.key, Mark.RUNNING)

    def _glance(self) -> None:
        """States of runs: they change often, and cost little."""
        if self.lesson is None or not self.isVisible():
            return
        found = Found(self._workspace.project)
        if self._runs is not None:
            self._runs.look(found)
        if self._tries is not None:
            self._tries.look(found)

    def _made(self, lesson: Lesson) -> None:
        if lesson is self.lesson:
            self.look()
        elif self.runner.lesson is None:
            self._survey([lesson])

    def _project_changed(self) -> None:
        self.standing, self.marks = None, {}
        if self.gallery is not None:
            self.gallery.mark({})
        if self._workspace.project is None:
            self._to_survey = []
            return
        if self.lesson is not None:
            self.show_lesson(self.lesson)  # figures of another project go
        self._survey()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if not self._listed:
            self.head.listing.setChecked(self.width() >= px(LISTS))
        self.contents.fit(self.width())

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.lesson is None and self.gallery is None:
            self.show_gallery()
        else:
            self.look()
            self._survey()

    def _mark(self, key: str, mark: Mark) -> None:
        if self.marks.get(key, Mark.NONE) is not mark:
            self.marks[key] = mark
            self.contents.mark(self.marks)
            if self.gallery is not None:
                self.gallery.mark(self.marks)

    def _survey(self, which: Sequence[Lesson] | None = None) -> None:
        """See how far each lesson is in this project, one after the other."""
        if self._workspace.project is None or not (self.isVisible() or which):
            return
        idle = not self._to_survey
        self._to_survey = list(lessons() if which is None else which)
        if idle:
            self._survey_next()

    def _survey_next(self) -> None:
        if not self._to_survey:
            return
        lesson, project = self._to_survey[0], self._workspace.project

        def done_(mark: Mark) -> None:
            if project is self._workspace.project and self.runner.lesson is not lesson:
                self._mark(lesson.key, mark)
            if self._to_survey and self._to_survey[0] is lesson:
                self._to_survey.pop(0)
            self._survey_next()

        work = lambda: standing(lesson, lesson.seeds, project).mark  # noqa: E731
        self._workspace.files.submit(work, done_, lambda problem: done_(Mark.NONE))
