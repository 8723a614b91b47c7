"""All lessons as cards, in the order of the lecture. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from dgm_studio.lessons.format import Lesson, LessonError
from widgets.building import Card, Flow, headed, label
from widgets.cover import picture_card
from widgets.lesson.marks import Mark, Sign, minutes
from widgets.theme import SPACE


class Gallery(QWidget):
    """`chosen(Lesson)` when a card was clicked. Above the cards stands what is `wrong` with lessons that have none."""

    chosen = Signal(object)

    def __init__(self, lessons: Sequence[Lesson], wrong: Sequence[LessonError], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("lessonGallery")
        self._signs: dict[str, tuple[Sign, QLabel]] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        for problem in wrong:
            column.addWidget(label(str(problem), "error", wrap=True))
        flow = Flow()
        for part, entries in groupby(lessons, key=lambda lesson: lesson.part):
            for place, lesson in enumerate(entries):
                flow.addWidget(headed("" if place else part, self._card(lesson)))
        column.addLayout(flow)
        if not lessons:
            column.addWidget(label("There are no lessons here. One can be opened from a file.", "muted", wrap=True))
        column.addStretch(1)

    def mark(self, marks: Mapping[str, Mark]) -> None:
        """Say how far each lesson is in the project that is open."""
        for key, (sign, text) in self._signs.items():
            found = marks.get(key, Mark.NONE)
            sign.show_mark(found)
            text.setText(found.text)

    def _card(self, lesson: Lesson) -> Card:
        card = picture_card(f"lesson-{lesson.key}", lesson.title, lesson.claim, lesson.picture)
        foot = QHBoxLayout()
        foot.setSpacing(SPACE // 2)
        foot.addWidget(label(minutes(lesson), "small"))
        foot.addStretch(1)
        sign, text = Sign(), label("", "small")
        foot.addWidget(text)
        foot.addWidget(sign, 0, Qt.AlignmentFlag.AlignVCenter)
        card.column.addLayout(foot)
        card.clicked.connect(lambda: self.chosen.emit(lesson))
        self._signs[lesson.key] = sign, text
        return card
