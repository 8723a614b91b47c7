"""The top of a lesson: what it is, how long it takes, and the buttons that carry it out."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QToolButton, QVBoxLayout, QWidget

from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.reading import FOLDER
from dgm_studio.number_texts import duration, percent
from widgets.building import label
from widgets.editors import IntegerBox
from widgets.icons import dress
from widgets.lesson.marks import Mark, Sign, minutes
from widgets.lesson.runner import Runner
from widgets.readout import Readout
from widgets.theme import SPACE, px

MOST_SEEDS = 20  # that can be chosen, unless a lesson itself asks for more
SOON = 10  # s, below which no seconds are counted


class Head(QWidget):
    """`run_wanted()`, `stop_wanted()`, `seeds_changed(n)`, `turned(by)` to the lesson before or after, `all_wanted()`,
    `reload_wanted()`."""

    run_wanted = Signal()
    stop_wanted = Signal()
    seeds_changed = Signal(int)
    turned = Signal(int)
    all_wanted = Signal()
    reload_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lesson: Lesson | None = None
        self.title, self._about = label("", "heading", "lessonTitle", wrap=True), label("", "small", wrap=True)
        self._sign, self._verdict = Sign(), label("", "small", "lessonVerdict")
        self.button = QPushButton("Run")
        self.button.setObjectName("runLesson")
        self.button.setProperty("primary", True)
        self.button.clicked.connect(self._press)
        self.seeds = IntegerBox()
        self.seeds.setObjectName("lessonSeeds")
        self.seeds.setAccessibleName("How often each run is made")
        self.seeds.setToolTip("How often each run is made, each time with another seed: intervals are over these")
        self.seeds.setRange(1, MOST_SEEDS)
        self.seeds.setMaximumWidth(px(7 * SPACE))
        self.seeds.valueChanged.connect(self._reseeded)
        self._bar = QProgressBar(textVisible=False)
        self._bar.setObjectName("lessonProgress")
        self._bar.setAccessibleName("Progress of the lesson")
        self._bar.setRange(0, 1000)
        self._text = Readout("lessonText", "muted")
        self._running = False
        self._arrange()

    def _arrange(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(SPACE // 2)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self.title)
        words.addWidget(self._about)
        top.addLayout(words, 1)
        self._reload = self._tool("reset", "Read the file again", self.reload_wanted.emit)
        self.back = self._tool("back", "The lesson before", lambda: self.turned.emit(-1))
        self.forward = self._tool("forward", "The next lesson", lambda: self.turned.emit(1))
        self.listing = QToolButton(toolTip="Show or hide the list of lessons", checkable=True, checked=True)
        self.listing.setObjectName("lesson-contents")
        self.listing.setAccessibleName("List of lessons")
        self.listing.setIconSize(QSize(18, 18))
        dress(self.listing, "contents", "muted")
        for button in (
            self._reload,
            self.listing,
            self._tool("gallery", "All lessons as pictures", self.all_wanted.emit),
            self.back,
            self.forward,
        ):
            top.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        below = QHBoxLayout()
        below.setSpacing(SPACE)
        below.addWidget(self.button)
        below.addWidget(self.seeds)
        self._of_seeds = label("seeds", "muted")
        below.addWidget(self._of_seeds)
        progress = QVBoxLayout()
        progress.setSpacing(2)
        progress.addWidget(self._bar)
        progress.addWidget(self._text)
        below.addLayout(progress, 1)
        below.addWidget(self._sign)
        below.addWidget(self._verdict)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, SPACE)
        column.setSpacing(SPACE)
        column.addLayout(top)
        column.addLayout(below)

    def _tool(self, icon: str, tip: str, do: object) -> QToolButton:
        button = QToolButton(toolTip=tip)
        button.setObjectName(f"lesson-{icon}")
        button.setAccessibleName(tip)
        button.setIconSize(QSize(18, 18))
        dress(button, icon, "muted")
        button.clicked.connect(lambda _=False: do())  # type: ignore[operator]
        return button

    def show_lesson(self, lesson: Lesson) -> None:
        """What it is, before anything is said of how far it is."""
        self._lesson = lesson
        self.title.setText(lesson.title)
        self._reload.setVisible(lesson.path.parent != FOLDER)
        self.seeds.setRange(1, max(MOST_SEEDS, lesson.seeds))
        self.seeds.setValue(lesson.seeds)
        self._describe()

    def show_place(self, place: int, of: int) -> None:
        """The number of the lesson among all, or -1."""
        self.back.setEnabled(place > 0)
        self.forward.setEnabled(0 <= place < of - 1)

    def show_state(self, runner: Runner, share: float, mark: Mark, can_run: bool) -> None:
        """`share` of the lesson is done, and it came to `mark`."""
        assert self._lesson is not None
        mine = runner.lesson is not None and runner.lesson.path == self._lesson.path
        self._running = mine
        begun = share > 0
        text, icon = ("Stop", "stop") if mine else ("Go on", "train") if 0 < share < 1 else ("Run", "train")
        self.button.setText(text)
        dress(self.button, icon, "on_accent")
        self.button.setToolTip(
            "Stop here; what there is stays, and it goes on from there"
            if mine
            else "Train and measure what this lesson needs; what the project holds already is not done again"
        )
        enabled = not runner.stopping if mine else can_run and runner.lesson is None and share < 1
        if not enabled:
            self.button.clearFocus()  # or it would go to the seeds, whose text would be marked as if to be typed over
        self.button.setEnabled(enabled)
        self.seeds.setEnabled(not mine)
        self._bar.setVisible(begun or mine)
        trouble = runner.trouble.get(self._lesson.key, "")
        if mine:
            left = "" if runner.stopping else f"{_left(runner)}  ·  "  # first: what is long is cut at its end
            self._bar.setValue(round(1000 * runner.share))
            self._text.set_text(f"{left}{runner.text}")
        else:
            self._bar.setValue(round(1000 * share))
            other = f"waits: {runner.lesson.title} runs now" if runner.lesson is not None and share < 1 else ""
            done = "all of it has run" if share >= 1 else f"{percent(share)} of it has run" if begun else ""
            self._text.set_text(trouble or other or done)
        self._sign.show_mark(mark if mark in (Mark.HOLDS, Mark.FAILS) else Mark.NONE)
        self._verdict.setText(mark.text if mark in (Mark.HOLDS, Mark.FAILS) else "")

    def _describe(self) -> None:
        assert self._lesson is not None
        seeds = self.seeds.value()
        often = f"{seeds} seeds" if seeds > 1 else "1 seed"
        per = minutes(self._lesson, seeds)
        self._about.setText(f"{self._lesson.part}  ·  {per} on 2 cores, {often}")
        self._of_seeds.setText("seeds" if seeds > 1 else "seed")

    def _reseeded(self, seeds: int) -> None:
        if self._lesson is not None:
            self._describe()
            self.seeds_changed.emit(seeds)

    def _press(self) -> None:
        (self.stop_wanted if self._running else self.run_wanted).emit()


def _left(runner: Runner) -> str:
    """How long it takes from now on; "about" where nothing alike was measured yet."""
    seconds = runner.remaining
    if seconds < SOON:
        return f"less than {SOON} s left"
    return f"{'about ' if runner.guesses else ''}{duration(seconds)} left"
