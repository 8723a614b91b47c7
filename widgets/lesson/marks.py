"""How far a lesson is in a project, as a word and a sign. Imports no torch."""

from __future__ import annotations

from enum import Enum

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QWidget

from dgm_studio.lessons.format import Lesson
from widgets.icons import drawn
from widgets.theme import look

SIDE = 14  # px
LONG = 5.0  # minutes; a lesson that takes more is marked


class Mark(Enum):
    """A word, an icon and the role of its colour."""

    NONE = ("", "", "muted")
    BEGUN = ("begun", "dot", "accent")
    RUNNING = ("runs now", "train", "accent")
    HOLDS = ("the claim holds", "check", "good")
    FAILS = ("the claim does not hold", "discard", "bad")
    DONE = ("has run", "dot", "good")

    @property
    def text(self) -> str:
        return self.value[0]

    @property
    def icon(self) -> str:
        return self.value[1]

    @property
    def role(self) -> str:
        return self.value[2]

    def pixmap(self, ratio: float = 1.0) -> QPixmap:
        """Its sign, in the colours of the theme; empty where there is none."""
        if not self.icon:
            return QPixmap()
        made = QPixmap(drawn(self.icon, getattr(look.theme, self.role), round(SIDE * ratio)))
        made.setDevicePixelRatio(ratio)
        return made


class Sign(QWidget):
    """A mark, as a small picture with its word as the tool tip."""

    def __init__(self, mark: Mark = Mark.NONE, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._mark = mark
        self.setFixedSize(QSize(SIDE, SIDE))
        look.changed.connect(self.update)

    def show_mark(self, mark: Mark) -> None:
        self._mark = mark
        self.setToolTip(mark.text)
        self.setAccessibleName(mark.text)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._mark.icon:
            return
        made = drawn(self._mark.icon, QColor(getattr(look.theme, self._mark.role)).name(), 4 * SIDE)
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawPixmap(QRectF(0, 0, SIDE, SIDE), made, QRectF(made.rect()))


def minutes(lesson: Lesson, seeds: int = 0) -> str:
    """How long it takes with as many seeds as it asks for, or with `seeds`."""
    much = lesson.minutes * (seeds or lesson.seeds) / lesson.seeds
    long = "long: " if much > LONG else ""
    if much < 1:
        return f"{long}about {max(5, 5 * round(12 * much))} s"
    return f"{long}about {much:.0f} min" if much >= 3 else f"{long}about {round(2 * much) / 2:g} min"
