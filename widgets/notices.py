"""What the window has to say: a bar above the pages, and the log of everything said."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from widgets.background import Problem
from widgets.building import Flow
from widgets.icons import dress
from widgets.theme import SPACE

LONGEST = 20_000  # characters of details that are kept
BESIDE = 2  # remedies that stand beside the text; more of them stand below it
LONG = 90  # letters; a longer text would be broken into many short lines by buttons beside it
Kind = Literal["info", "good", "warn", "bad"]
ICONS: dict[Kind, tuple[str, str]] = {
    "info": ("info", "accent"),
    "good": ("check", "good"),
    "warn": ("warn", "warn"),
    "bad": ("warn", "bad"),
}  # the icon and its colour


@dataclass(frozen=True)
class Remedy:
    """A button on a notice."""

    title: str
    do: Callable[[], None]


@dataclass(frozen=True)
class Notice:
    """A sentence for the person. `lasting` ones stay in a bar until they are dismissed; others are only logged and
    named in the status bar."""

    kind: Kind
    text: str
    details: str = ""
    remedies: tuple[Remedy, ...] = ()
    lasting: bool = True


@dataclass(frozen=True)
class Said:
    """A notice, and when it was said."""

    at: datetime
    notice: Notice

    @property
    def line(self) -> str:
        return f"{self.at:%H:%M:%S}  {self.notice.text}"

    def whole(self) -> str:
        """With its details."""
        return f"{self.line}\n{self.details}" if self.details else self.line

    @property
    def details(self) -> str:
        return self.notice.details.rstrip()


class Log(QObject):
    """What was said, in order; the oldest is forgotten in the end."""

    KEPT = 2000  # messages
    said = Signal(object)  # Notice
    taken_back = Signal(object)  # Notice

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.entries: deque[Said] = deque(maxlen=self.KEPT)

    @property
    def lines(self) -> list[str]:
        """Each message with its time, and its details."""
        return [line for entry in self.entries for line in (entry.line, entry.details) if line]

    def say(self, notice: Notice) -> None:
        if len(notice.details) > LONGEST:
            notice = replace(notice, details=f"{notice.details[: LONGEST - 2]} …")
        self.entries.append(Said(datetime.now(), notice))
        self.said.emit(notice)

    def say_problem(self, what: str, problem: Problem, *remedies: Remedy) -> Notice:
        """What was not done, why, and what can be done about it. Returns what was said."""
        notice = Notice("bad", f"{what} {problem.text}", problem.details, remedies)
        self.say(notice)
        return notice

    def take_back(self, notice: Notice) -> None:
        """What it says is over. The log still has it."""
        self.taken_back.emit(notice)


class Voice(QObject):
    """For what views have to say that do not know the log. `said(notice)`."""

    said = Signal(object)


voice = Voice()


class NoticeBar(QFrame):
    """One notice: its text, its remedies, its details on demand. Never modal."""

    def __init__(self, notice: Notice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.notice = notice
        self.leaving = False
        self.setObjectName("notice")
        self.setProperty("message", notice.kind)
        self.setAccessibleName(notice.text)
        picture = QToolButton(enabled=True, focusPolicy=Qt.FocusPolicy.NoFocus)
        picture.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        dress(picture, *ICONS[notice.kind])
        text = QLabel(notice.text, wordWrap=True, textInteractionFlags=Qt.TextInteractionFlag.TextSelectableByMouse)
        text.setObjectName("noticeText")
        text.setTextFormat(Qt.TextFormat.PlainText)
        text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(picture)
        row.addWidget(text, 1)
        many = len(notice.remedies) > BESIDE or (len(notice.text) > LONG and bool(notice.remedies))
        ways: QLayout = Flow(spacing=SPACE) if many else row
        for remedy in notice.remedies:
            button = QPushButton(remedy.title)
            button.setObjectName("remedy")
            button.clicked.connect(lambda _=False, remedy=remedy: self._choose(remedy))
            ways.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACE, SPACE // 2, SPACE // 2, SPACE // 2)
        layout.addLayout(row)
        if many:
            layout.addLayout(ways)
        if notice.details:
            row.addWidget(self._details(layout))
        close = QToolButton(toolTip="Dismiss")
        close.setObjectName("dismiss")
        close.setAccessibleName("Dismiss this message")
        dress(close, "discard", "muted")
        close.clicked.connect(self.leave)
        row.addWidget(close)

    def leave(self) -> None:
        """Be seen no more."""
        self.leaving = True
        self.hide()
        self.deleteLater()

    def _details(self, layout: QVBoxLayout) -> QPushButton:
        shown = QPlainTextEdit(self.notice.details, readOnly=True, visible=False)
        shown.setObjectName("details")
        shown.setProperty("mono", True)
        shown.setFixedHeight(12 * SPACE)
        copy = QPushButton("Copy", visible=False)
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(f"{self.notice.text}\n{self.notice.details}"))
        layout.addWidget(shown)
        layout.addWidget(copy, 0, Qt.AlignmentFlag.AlignRight)
        button = QPushButton("Details", checkable=True)
        button.setObjectName("showDetails")
        button.toggled.connect(shown.setVisible)
        button.toggled.connect(copy.setVisible)
        return button

    def _choose(self, remedy: Remedy) -> None:
        self.leave()
        remedy.do()


class Notices(QWidget):
    """The newest few lasting notices, above the pages."""

    KEPT = 3

    def __init__(self, log: Log, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(SPACE)
        log.said.connect(self._said)
        log.taken_back.connect(self._taken_back)

    def bars(self) -> list[NoticeBar]:
        return [bar for bar in self.findChildren(NoticeBar) if not bar.leaving]

    def clear(self) -> None:
        """What was said about one project does not belong to the next."""
        for bar in self.bars():
            bar.leave()

    def _said(self, notice: Notice) -> None:
        if not notice.lasting:
            return
        bars = self.bars()
        if any(bar.notice.text == notice.text for bar in bars):
            return
        for bar in bars[: max(0, len(bars) - self.KEPT + 1)]:
            bar.leave()
        self._layout.addWidget(NoticeBar(notice))

    def _taken_back(self, notice: Notice) -> None:
        for bar in self.bars():
            if bar.notice.text == notice.text:
                bar.leave()
