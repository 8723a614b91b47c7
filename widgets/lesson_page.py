"""The Lesson page: all lessons as cards, or one of them with what came of it."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from dgm_studio.events import Progress
from dgm_studio.lessons.checking import check
from dgm_studio.lessons.format import Lesson, LessonError
from dgm_studio.lessons.found import Found
from dgm_studio.lessons.reading import lessons, read_lesson, unreadable
from widgets.background import Problem
from widgets.building import label, scrolled
from widgets.lesson.contents import Contents
from widgets.lesson.gallery import Gallery
from widgets.lesson.head import Head
from widgets.lesson.marks import Mark
from widgets.lesson.runner import Runner
from widgets.lesson.sheet import Sheet
from widgets.lesson.standing import Standing, Survey, standing
from widgets.measuring import Measuring
from widgets.theme import SPACE, px
from widgets.workspace import Workspace

LISTS = 110 * SPACE  # px: from this width on a lesson has room for the list of all beside it
LOOK_AFTER = 150  # ms from a change in the project to a look at it


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
        self.survey = Survey(workspace, self.runner, self)
        self.lesson: Lesson | None = None
        self.standing: Standing | None = None
        self._asked = 0  # looks at the project, numbered: only what the newest found is shown
        self.head, self.contents, self.sheet = Head(), Contents(), Sheet(workspace)
        self.gallery: Gallery | None = None
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
        right = QVBoxLayout()
        right.setSpacing(0)
        right.addWidget(self.head)
        right.addWidget(self._trouble)
        right.addWidget(self.sheet, 1)
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
        workspace, runner, head, sheet = self._workspace, self.runner, self.head, self.sheet
        self._look = QTimer(self, singleShot=True, interval=LOOK_AFTER)
        self._look.timeout.connect(self._glance)
        workspace.runs_changed.connect(self._look.start)
        workspace.progressed.connect(lambda *_: self._look.start())
        workspace.progressed.connect(self._grow)
        workspace.project_file.replaced.connect(self._project_changed)
        runner.changed.connect(self._show_state)
        runner.advanced.connect(self._show_state)
        runner.made.connect(self._made)
        self.survey.changed.connect(self._show_marks)
        self.contents.chosen.connect(self.show_lesson)
        sheet.page_wanted.connect(self.page_wanted)
        sheet.compare_wanted.connect(self.compare_wanted)
        sheet.try_wanted.connect(self.try_wanted)
        sheet.followed.connect(self.followed)
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
        self._see_all()

    def show_lesson(self, lesson: Lesson) -> None:
        """One lesson from its beginning, with what this project holds of it."""
        self.lesson, self.standing = lesson, None
        if not self.contents.topLevelItemCount():
            self.contents.show_lessons(lessons())
        self._show_marks()
        self.contents.show_current(lesson.key if lesson in lessons() else "")
        self.head.show_lesson(lesson)
        self.head.show_place(self._place(), len(lessons()))
        self.sheet.show_lesson(lesson)
        self._say("")
        self._stack.setCurrentIndex(1)
        self._show_state()
        self.look()
        self.changed.emit()

    def turn(self, by: int) -> None:
        """To the lesson before (-1) or after (1) this one."""
        place = self._place()
        if place >= 0 and 0 <= place + by < len(lessons()):
            self.show_lesson(lessons()[place + by])

    def reload(self) -> None:
        """Read the file of the lesson again; what is wrong with it is said, and the page stays."""
        if self.lesson is None:
            return
        bar = self.sheet.verticalScrollBar()
        scrolled_to = bar.value()
        try:
            written = read_lesson(self.lesson.path)
            check(written)
        except LessonError as error:
            self._say(str(error))
            return
        self.show_lesson(written)
        QTimer.singleShot(0, self, lambda: bar.setValue(scrolled_to))

    def run(self) -> None:
        """Carry out the lesson that is shown."""
        if self.lesson is not None:
            self._say("")
            self.runner.run(self.lesson, self.head.seeds.value())

    def _place(self) -> int:
        """Of the lesson that is shown among all; -1 if it is none of them."""
        return next((n for n, entry in enumerate(lessons()) if entry is self.lesson), -1)

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
        self._show_marks()

    def _reseeded(self, seeds: int) -> None:
        self.sheet.show_seeds(seeds)
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

        def done(found: Standing) -> None:
            if number == self._asked:
                self.standing = found
                self._show(lesson, found)

        def failed(problem: Problem) -> None:
            if number == self._asked:
                self._say(problem.text)
            if isinstance(problem.error, LessonError) and self.runner.lesson is lesson:
                self.runner.stop()  # what is wrong with it would be so for every run

        self._workspace.files.submit(lambda: standing(lesson, seeds, project), done, failed)

    def _show(self, lesson: Lesson, found: Standing) -> None:
        self.sheet.show_outcome(found.outcome, self.runner)
        if self.head.seeds.value() == lesson.seeds and self.runner.lesson is not lesson:
            self.survey.mark(lesson.key, found.mark)
        self._show_state()

    def _grow(self, run_id: str, _: Progress) -> None:
        if run_id == self.runner.training and self.isVisible():
            self.sheet.grow(self.runner)

    def _show_state(self) -> None:
        if self.lesson is None:
            return
        share, mark = (self.standing.share, self.standing.mark) if self.standing is not None else (0.0, Mark.NONE)
        self.head.show_state(self.runner, share, mark, self._workspace.project_file.writable)
        if self.runner.lesson is not None:
            self.survey.mark(self.runner.lesson.key, Mark.RUNNING)

    def _show_marks(self) -> None:
        self.contents.mark(self.survey.marks)
        if self.gallery is not None:
            self.gallery.mark(self.survey.marks)

    def _glance(self) -> None:
        if self.lesson is not None and self.isVisible():
            self.sheet.look(Found(self._workspace.project))

    def _made(self, lesson: Lesson) -> None:
        if lesson is self.lesson:
            self.look()
        elif self.runner.lesson is None:
            self.survey.see([lesson])

    def _see_all(self) -> None:
        if self.isVisible():
            self.survey.see(lessons())

    def _project_changed(self) -> None:
        self.standing = None
        self.survey.forget()
        if self._workspace.project is None:
            return
        if self.lesson is not None:
            self.show_lesson(self.lesson)  # figures of another project go
        self._see_all()

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
            self._see_all()
