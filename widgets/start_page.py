"""The page the window opens with: projects, and runs that are ready to start. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from dgm_studio.files import short_path
from dgm_studio.lessons.reading import lessons, unreadable
from dgm_studio.presets import Preset
from widgets.building import Card, Flow, empty, headed, label, scrolled, section
from widgets.cover import Cover, picture_card
from widgets.icons import dress
from widgets.lesson.gallery import Gallery
from widgets.preferences import thumbnail_file
from widgets.readout import Readout
from widgets.theme import SPACE

PRESETS_SAY = "One click trains: a card makes a project of its own and starts at once, with settings that were tried."
LESSONS_SAY = (
    "Claims of the lecture as experiments: a lesson trains what it needs in minutes, and ends in the figure that shows "
    "whether the claim holds."
)


class StartPage(QWidget):
    """Signals: `new_project()`, `open_project()`, `recent_chosen(Path)`, `preset_chosen(Preset)`,
    `lesson_chosen(Lesson)`."""

    new_project = Signal()
    open_project = Signal()
    recent_chosen = Signal(object)
    preset_chosen = Signal(object)
    lesson_chosen = Signal(object)

    def __init__(self, presets: Sequence[Preset], recent: Sequence[Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("startPage")
        self._loading = label("", "muted", "loadingText")
        self._progress = QProgressBar(textVisible=False)
        self._progress.setObjectName("loadingBar")
        self._progress.setRange(0, 0)
        self._progress.setFixedWidth(160)
        self._progress.hide()
        self._recent_box = QVBoxLayout()
        self._recent_box.setSpacing(SPACE // 2)
        content = QWidget()
        grid = QGridLayout(content)
        grid.setContentsMargins(3 * SPACE, 3 * SPACE, 3 * SPACE, 3 * SPACE)
        grid.setHorizontalSpacing(4 * SPACE)
        grid.setColumnMinimumWidth(0, 26 * SPACE)
        grid.setColumnStretch(1, 1)
        grid.addLayout(self._left(), 0, 0, Qt.AlignmentFlag.AlignTop)
        grid.addLayout(self._gallery(presets), 0, 1, Qt.AlignmentFlag.AlignTop)
        grid.setRowStretch(1, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        frame = Card(margin=0)
        frame.column.addWidget(scrolled(content, "startScroll"))
        outer.addWidget(frame)
        self.show_recent(recent)

    @property
    def loading_text(self) -> str:
        """What is being loaded now."""
        return self._loading.text()

    def say_loading(self, text: str) -> None:
        """What is being loaded; empty when all is ready."""
        self._loading.setText(text)
        self._progress.setVisible(bool(text))

    def show_recent(self, paths: Sequence[Path]) -> None:
        """List these projects, the newest first."""
        empty(self._recent_box)
        for path in paths:
            self._recent_box.addWidget(self._recent_card(path))
        if not paths:
            self._recent_box.addWidget(label("Projects you open are listed here.", "muted", wrap=True))

    def _left(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(SPACE)
        column.addWidget(label("DGM Studio", "title"))
        column.addWidget(
            label(
                "Train deep generative models, watch them learn, and drag through what they learned.",
                "muted",
                wrap=True,
            )
        )
        column.addSpacing(SPACE)
        for text, name, picture, signal, tip in (
            ("New project", "newProject", "new", self.new_project, "Make an empty project (Ctrl+N)"),
            ("Open project …", "openProject", "open", self.open_project, "Open a project file (Ctrl+O)"),
        ):
            button = QPushButton(text, toolTip=tip)
            button.setObjectName(name)
            button.setIconSize(QSize(18, 18))
            dress(button, picture)
            button.clicked.connect(signal)
            column.addWidget(button)
        column.addSpacing(2 * SPACE)
        column.addWidget(section("Recent"))
        column.addLayout(self._recent_box)
        return column

    def _gallery(self, presets: Sequence[Preset]) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(SPACE)
        head = QHBoxLayout()
        head.setSpacing(SPACE // 2)
        self._switch = QButtonGroup(self)
        for index, (text, name) in enumerate((("Presets", "showPresets"), ("Lessons", "showLessons"))):
            button = QPushButton(text, checkable=True)
            button.setObjectName(name)
            button.setProperty("segment", True)
            button.setProperty("heading", True)
            button.setCursor(Qt.CursorShape.PointingHandCursor)
            self._switch.addButton(button, index)
            head.addWidget(button)
        head.addStretch(1)
        head.addWidget(self._loading)
        head.addWidget(self._progress, 0, Qt.AlignmentFlag.AlignVCenter)
        column.addLayout(head)
        self._about = label("", "muted", wrap=True)
        column.addWidget(self._about)
        column.addSpacing(SPACE)  # names of parts belong to the cards below them
        self._presets, self._lessons = QWidget(), QWidget()
        column.addWidget(self._presets)
        column.addWidget(self._lessons)
        QVBoxLayout(self._lessons).setContentsMargins(0, 0, 0, 0)
        self._fill_presets(presets)
        self._switch.button(0).setChecked(True)
        self._switch.idToggled.connect(lambda _, on: self._turn() if on else None)
        self._turn()
        return column

    def show_lessons(self) -> None:
        """Turn to the lessons."""
        self._switch.button(1).setChecked(True)

    def _turn(self) -> None:
        shows_lessons = self._switch.checkedId() == 1
        if shows_lessons and not self._lessons.layout().count():
            self._fill_lessons()
        self._about.setText(LESSONS_SAY if shows_lessons else PRESETS_SAY)
        self._presets.setVisible(not shows_lessons)
        self._lessons.setVisible(shows_lessons)

    def _fill_lessons(self) -> None:
        """At the first look: they are read from their files, which takes a moment."""
        inside = Gallery(lessons(), list(unreadable().values()))
        inside.chosen.connect(self.lesson_chosen)
        self._lessons.layout().addWidget(inside)

    def _fill_presets(self, presets: Sequence[Preset]) -> None:
        column = QVBoxLayout(self._presets)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        flow = Flow()
        for group in dict.fromkeys(preset.group for preset in presets):
            of_group = [preset for preset in presets if preset.group == group]
            for place, preset in enumerate(of_group):
                flow.addWidget(headed("" if place else group, self._preset_card(preset)))
        column.addLayout(flow)

    def _preset_card(self, preset: Preset) -> Card:
        card = picture_card(f"preset-{preset.key}", preset.title, preset.summary, preset.picture)
        card.clicked.connect(lambda: self.preset_chosen.emit(preset))
        return card

    def _recent_card(self, path: Path) -> QFrame:
        card = Card(clickable=True, margin=SPACE // 2)
        card.setObjectName("recentProject")
        card.setAccessibleName(f"Open {path.stem}")
        card.setToolTip(str(path))
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        cover = Cover(thumbnail_file(path), 40)
        cover.setFixedWidth(40)
        row.addWidget(cover)
        text = QVBoxLayout()
        text.setSpacing(0)
        for role, words in (("strong", path.stem), ("small", short_path(path.parent))):
            line = Readout(role=role)
            line.set_text(words)
            text.addWidget(line)
        row.addLayout(text, 1)
        card.column.addLayout(row)
        card.clicked.connect(lambda: self.recent_chosen.emit(path))
        return card
