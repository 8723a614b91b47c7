"""The runs of a lesson: how they are, and the way to where they can be looked at; and what is worth trying."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from dgm_studio.config import RunConfig
from dgm_studio.lessons.checking import tried_config
from dgm_studio.lessons.entries import Try
from dgm_studio.lessons.format import Lesson, LessonError
from dgm_studio.lessons.found import Found
from dgm_studio.lessons.settings_titles import title_of
from dgm_studio.number_texts import thousands
from dgm_studio.store import Run
from models.catalog import UnknownKey
from models.settings import SettingsError
from widgets.building import label
from widgets.lesson.marks import Mark, Sign
from widgets.theme import SPACE
from widgets.workspace import Workspace

PAGES = ("Train", "Explore", "Evaluate")


class LessonRuns(QWidget):
    """A line for each run, with a choice of the seed. `page_wanted(Run, title)`, `compare_wanted(runs)`."""

    page_wanted = Signal(object, str)
    compare_wanted = Signal(object)

    def __init__(self, lesson: Lesson, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("lessonRuns")
        self._lesson, self._workspace = lesson, workspace
        self._lines = {key: _Line(key, run.title) for key, run in lesson.runs.items()}
        self._found = Found(None)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        for key, line in self._lines.items():
            column.addWidget(line)
            line.seed.currentIndexChanged.connect(self._refresh)
            line.wanted.connect(partial(self._open, key))
        self.compare = QPushButton("Compare them side by side")
        self.compare.setObjectName("compareLesson")
        self.compare.setProperty("flat", True)
        self.compare.clicked.connect(self._compare)
        column.addWidget(self.compare, 0, Qt.AlignmentFlag.AlignLeft)
        self.show_seeds(lesson.seeds)

    @property
    def lines(self) -> Sequence[QWidget]:
        """One for each run, from top to bottom."""
        return list(self._lines.values())

    def show_seeds(self, seeds: int) -> None:
        """Offer the runs of so many seeds."""
        for line in self._lines.values():
            line.show_seeds(seeds)
        self._refresh()

    def look(self, found: Found) -> None:
        """Show what the project holds now."""
        self._found = found
        self._refresh()

    def of(self, key: str) -> Run | None:
        """The run of the seed that is chosen."""
        return self._found.run(self._config(key))

    def _config(self, key: str) -> RunConfig:
        return self._lesson.runs[key].config(max(0, self._lines[key].seed.currentIndex()))

    def _refresh(self) -> None:
        there = 0
        for key, line in self._lines.items():
            run = self.of(key)
            there += run is not None
            steps = self._config(key).training.steps
            line.show_state(*state_of(run, steps, self._workspace), run is not None)
        self.compare.setVisible(there > 1)

    def _open(self, key: str, title: str) -> None:
        run = self.of(key)
        if run is not None:
            self.page_wanted.emit(run, title)

    def _compare(self) -> None:
        self.compare_wanted.emit([run for key in self._lines if (run := self.of(key)) is not None])


class _Line(QWidget):
    """`wanted(title)`: the run is to be seen on this page."""

    wanted = Signal(str)

    def __init__(self, key: str, title: str) -> None:
        super().__init__()
        self.setObjectName(f"lessonRun-{key}")
        self._sign, self._state = Sign(), label("", "small", elided=True)
        self.seed = QComboBox()
        self.seed.setObjectName(f"seed-{key}")
        self.seed.setAccessibleName(f"Seed of {title}")
        self.seed.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE)
        row.addWidget(self._sign)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(label(title, wrap=True))
        words.addWidget(self._state)
        row.addLayout(words, 1)
        row.addWidget(self.seed)
        self._buttons = []
        for page in PAGES:
            button = QPushButton(page)
            button.setProperty("flat", True)
            button.setObjectName(f"open-{key}-{page}")
            button.setToolTip(f"Select this run and show it in {page}")
            button.clicked.connect(lambda _=False, page=page: self.wanted.emit(page))
            row.addWidget(button)
            self._buttons.append(button)

    def show_seeds(self, seeds: int) -> None:
        chosen = max(0, self.seed.currentIndex())
        self.seed.blockSignals(True)
        self.seed.clear()
        self.seed.addItems([f"seed {seed}" for seed in range(seeds)])
        self.seed.setCurrentIndex(min(chosen, seeds - 1))
        self.seed.blockSignals(False)
        self.seed.setVisible(seeds > 1)

    def show_state(self, mark: Mark, text: str, there: bool) -> None:
        self._sign.show_mark(mark)
        self._state.setText(text)
        for button in self._buttons:
            button.setEnabled(there)


def counted(steps: int) -> str:
    return f"{thousands(steps)} step{'' if steps == 1 else 's'}"


def state_of(run: Run | None, steps: int, workspace: Workspace) -> tuple[Mark, str]:
    """How a run that takes so many steps is, as a sign and in words."""
    if run is None:
        return Mark.NONE, f"not trained yet: {counted(steps)}"
    if workspace.trainer.trains(run.id):
        view = workspace.shown.get(run.id)
        at = view.progress.step if view is not None and view.progress is not None else 0
        return Mark.RUNNING, f"in training: step {thousands(at)} of {thousands(steps)}"
    if workspace.trainer.waits(run.id):
        return Mark.BEGUN, "waits for its turn"
    at = max(run.checkpoint_steps(), default=0)
    if run.status == "failed":
        return Mark.FAILS, f"failed: {run.message}" if run.message else "failed"
    if at < steps:
        return Mark.BEGUN, f"stopped at step {thousands(at)} of {thousands(steps)}"
    return Mark.DONE, f"has run: {counted(at)}"


class Tries(QWidget):
    """What is worth trying: each makes a run with one setting changed, and trains it. `wanted(config, name)`;
    `page_wanted(Run, title)` where it is there already."""

    wanted = Signal(object, str)
    page_wanted = Signal(object, str)

    def __init__(self, lesson: Lesson, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("lessonTries")
        self._found = Found(None)
        self._open: list[Callable[[], None]] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        for number, tried in enumerate(lesson.tries):
            column.addWidget(self._line(number, lesson, tried))

    def look(self, found: Found) -> None:
        """Show what the project holds now."""
        self._found = found
        for refresh in self._open:
            refresh()

    def _line(self, number: int, lesson: Lesson, tried: Try) -> QWidget:
        line = QWidget()
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(label(tried.says, wrap=True))
        value = ("on" if tried.value else "off") if isinstance(tried.value, bool) else tried.value
        change = f"{title_of(lesson.runs[tried.run].config(), tried.setting)} = {value}"
        what = label(f"{lesson.runs[tried.run].title} with {change}", "small", wrap=True)
        words.addWidget(what)
        row.addLayout(words, 1)
        button = QPushButton("Try it")
        button.setObjectName(f"try-{number}")
        button.setAccessibleName(f"Try {change}")
        row.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        try:
            config = tried_config(lesson, tried)
        except (LessonError, SettingsError, UnknownKey) as error:
            button.setEnabled(False)
            what.setText(str(error))
            return line
        name = f"{lesson.key} · {lesson.runs[tried.run].title} · {change}"

        def go() -> None:
            run = self._found.run(config)
            if run is None:
                self.wanted.emit(config, name)
            else:
                self.page_wanted.emit(run, "Train")

        def refresh() -> None:
            there = self._found.run(config) is not None
            button.setText("Look at it" if there else "Try it")
            button.setToolTip("Show the run in Train" if there else "Add this run and train it when it is its turn")

        button.clicked.connect(go)
        self._open.append(refresh)
        refresh()
        return line
