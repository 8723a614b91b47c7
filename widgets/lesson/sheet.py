"""One lesson, from its claim to what is worth trying, with what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.found import Found
from dgm_studio.lessons.outcome import Outcome
from dgm_studio.lessons.shows import curve_of, growing
from dgm_studio.reports import Report
from widgets.building import Card, label, section
from widgets.lesson.anchored import Anchored
from widgets.lesson.article import Article, Figure
from widgets.lesson.checks import CheckCard
from widgets.lesson.runner import Runner
from widgets.lesson.runs import LessonRuns, Tries
from widgets.text_page import zoomed
from widgets.theme import SPACE
from widgets.workspace import Workspace


class Sheet(Anchored):
    """Empty at first. `page_wanted(Run, title)`, `compare_wanted(runs)`, `try_wanted(config, name)`,
    `followed(target)`: as LessonPage has them."""

    page_wanted = Signal(object, str)
    compare_wanted = Signal(object)
    try_wanted = Signal(object, str)
    followed = Signal(str)

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__("lessonScroll", parent)
        self._workspace = workspace
        self._lesson: Lesson | None = None
        self._stored: Mapping[str, Sequence[Report]] | None = None  # what there is to see; None before it was read
        self._article: Article | None = None
        self._checks: list[CheckCard] = []
        self._runs: LessonRuns | None = None
        self._tries: Tries | None = None

    @property
    def figures(self) -> Mapping[str, Figure]:
        """The places of what is shown, by its keys."""
        return self._article.figures if self._article is not None else {}

    def show_lesson(self, lesson: Lesson) -> None:
        """From its beginning, before anything is known of what came of it."""
        self._lesson, self._stored = lesson, None
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
        self.show_blocks(content, [claim, *self._article.blocks, *self._checks, *self._runs.lines, self._tries])

    def show_outcome(self, found: Outcome, runner: Runner) -> None:
        """What came of the lesson so far, and what grows while it runs."""
        if self._article is None:
            return
        self._stored = found.shows
        self._article.show_reports({**found.shows, **self._growing(runner)})
        for card, checked in zip(self._checks, found.checks, strict=True):
            card.show_checked(checked)

    def grow(self, runner: Runner) -> None:
        """Draw curves of the run in training as far as they are."""
        if self._article is not None:
            self._article.show_reports(self._growing(runner))

    def show_seeds(self, seeds: int) -> None:
        """Offer the runs of so many seeds."""
        if self._runs is not None:
            self._runs.show_seeds(seeds)

    def look(self, found: Found) -> None:
        """States of runs: they change often, and cost little."""
        for part in (self._runs, self._tries):
            if part is not None:
                part.look(found)

    def _growing(self, runner: Runner) -> dict[str, Sequence[Report]]:
        """What shows of training curves have to draw now, by their keys."""
        lesson, job, run_id = self._lesson, runner.job, runner.training
        if self._stored is None or lesson is None or lesson is not runner.lesson or job is None or not run_id:
            return {}
        history, found = self._workspace.shown.of(run_id).history, dict[str, Sequence[Report]]()
        for key in lesson.shows if history is not None else ():
            series = history.series.get(curve_of(lesson, key, job.run))
            if series is not None:
                curve, stored = (series.steps, series.values), self._stored.get(key, ())
                found[key] = growing(lesson, key, runner.seeds, job.run, job.seed, curve, stored)
        return found

    def _zoom(self, steps: int) -> None:
        preferences = self._workspace.preferences
        preferences.help_zoom = zoomed(preferences.help_zoom, steps)
        if self._article is not None:
            self._article.zoom(preferences.help_zoom)
