"""What an explorer is."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, ClassVar

from PySide6.QtCore import QEvent, QObject, QTimer, Signal
from PySide6.QtGui import QContextMenuEvent, QHideEvent, QKeyEvent, QKeySequence, QShowEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from dgm_studio.inference import Answer
from dgm_studio.subject import Question
from models.spec import DataSpec
from widgets.live import Live
from widgets.pacing import SHARE, Pace
from widgets.saving import Offer, open_menu, view_offers
from widgets.theme import SPACE

HAND_RESTS = 150  # ms after a person's last move until what is dear is kept up to date as usual again
LATE = 0.3  # seconds after which it is said that an answer is being computed
PUT_OFF = 2  # times that it waits once more meanwhile


def alike(a: DataSpec, b: DataSpec) -> bool:
    """Whether pictures of one kind can stand for pictures of the other: pixel by pixel, value by value."""
    return (a.event_shape, a.support, a.brightest) == (b.event_shape, b.support, b.brightest)


class _Followed(Pace):
    """A question that is asked again."""

    def __init__(self, name: str, parent: QObject) -> None:
        super().__init__(name, parent)
        self.question: Callable[[], Question | None] = lambda: None
        self.waiting = False  # for an answer
        self.since = 0.0  # when it was asked last
        self.step = -1  # of the newest answer
        self.put_off = 0


class Explorer(QWidget):
    """A view of a run that asks it questions. Shown when `admits` says that model, learner and data can answer them.

    It asks when it becomes visible (`begin`) and forgets every channel when it is hidden, so that a hidden view costs
    nothing. Answers to what was forgotten are ignored. `objectName`s of its parts are stable: tests and shortcuts use
    them. A subclass fills `self.body`.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    leads = Signal(str, object)  # to the explorer of that key, with something to begin at
    links: ClassVar[str] = ""  # what two views of this kind move together, of two runs; empty where nothing is
    draw_wanted = Signal()  # a person wants to draw data for another run like this one
    shared_changed = Signal()  # what is `shared` is another now

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.live = live
        self.setObjectName(self.key)
        self.setProperty("helpPage", f"explorer:{self.key}")
        self._first: dict[str, int] = {}  # the oldest question of a channel that still matters
        self._followed: dict[str, _Followed] = {}
        self._shares: dict[str, float] = {}  # of the time, that a followed question may take while the run trains
        self._notice = QLabel(objectName="notice", wordWrap=True, visible=False)
        self._notice.setProperty("role", "error")
        self._failing = ""
        self._hand = QTimer(self, singleShot=True, interval=HAND_RESTS)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        self.body = QHBoxLayout()
        self.body.setSpacing(SPACE)
        column.addLayout(self.body, 1)
        column.addWidget(self._notice)
        live.answered.connect(self._answered)
        live.moved.connect(self._moved)

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        """Whether the run has the capabilities (models/capabilities/) this view needs."""
        raise NotImplementedError

    def begin(self) -> None:
        """Ask what the view needs. Called each time the view becomes visible."""
        raise NotImplementedError

    def receive(self, name: str, answer: Answer) -> None:
        """An answer on the view's channel `name`, never older than one already received, never an error."""
        raise NotImplementedError

    def ask(self, name: str, question: Question, standing: bool = False) -> None:
        """Ask on the view's channel `name`; a standing question is answered again for each newer state."""
        serial = self.live.ask(f"{self.key}/{name}", question, standing)
        self._first.setdefault(name, serial)

    def follow(self, name: str, question: Callable[[], Question | None], every_ms: int, share: float = SHARE) -> None:
        """Ask now, and again when there is a newer state, but not sooner than `every_ms` after an answer: for what is
        dear to compute or to draw. `question` is called each time; None asks nothing. While the run trains, computing
        and drawing the answers take no more than `share` of the time."""
        if name not in self._followed:
            self._followed[name] = _Followed(name, self)
            self._followed[name].due.connect(self._follow_up)
        self._followed[name].question = question
        self._followed[name].every, self._shares[name] = every_ms, share
        self._ask_followed(name)

    def followed(self, name: str) -> bool:
        """Whether a question is asked again on this channel."""
        return name in self._followed

    def moved_by_hand(self) -> None:
        """A person drags something: what follows newer states comes less often until the hand rests, so that neither
        answers nor painting keep the hand waiting."""
        self._hand.start()

    def follow_on(self, name: str) -> None:
        """Ask a followed question now, whether or not there is a newer state: for what is answered in parts."""
        self._ask_followed(name)

    def waiting(self, name: str) -> float:
        """For how many seconds a followed question has been waiting for its answer; 0 when it is not."""
        followed = self._followed.get(name)
        return monotonic() - followed.since if followed is not None and followed.waiting else 0.0

    def working(self, name: str) -> str:
        """What is said while a followed question waits: nothing within a moment, then for how long."""
        seconds = self.waiting(name)
        return "" if seconds < LATE else f"working… {seconds:.0f} s" if seconds >= 1 else "working…"

    def forget(self, name: str) -> None:
        """No longer ask on this channel, and ignore what still comes."""
        self.live.forget(f"{self.key}/{name}")
        self._first.pop(name, None)
        followed = self._followed.pop(name, None)
        if followed is not None:
            followed.stop()
            followed.deleteLater()

    def offers(self) -> list[Offer]:
        """What can be done with the view as a whole; its plots and pictures have menus of their own."""
        return view_offers(self, self.title)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        open_menu(self, event.globalPos())

    def notify(self, text: str, details: str = "") -> None:
        """Say under the view what did not work; empty says nothing."""
        self._notice.setText(text)
        self._notice.setToolTip(details)
        self._notice.setVisible(bool(text))

    def choices(self) -> dict[str, Any]:
        """What a person chose here that is to hold for the next run they look at as well."""
        return {}

    def restore(self, choices: dict[str, Any]) -> None:
        """Take over what was chosen at another run. Called once, before the view is shown."""

    def can_undo(self) -> bool:
        """Whether there is something that Ctrl+Z takes back here, while the focus is in this view."""
        return False

    def undo(self) -> None:
        """Take the last change by hand back."""

    def can_redo(self) -> bool:
        """Whether there is something that Ctrl+Shift+Z does again here."""
        return False

    def redo(self) -> None:
        """Do again what was taken back last."""

    def arrive(self, thing: Any) -> None:
        """Another explorer of the run has led here (`leads`), with something to begin at."""

    def narrow(self) -> None:
        """Arrange the view for a place beside another's: one card below the other. Called before it is shown."""
        self.body.setDirection(QBoxLayout.Direction.TopToBottom)

    def shared(self) -> Any:
        """What a view of the same kind, of another run, can take over; None while there is nothing."""
        return None

    def share(self, state: Any) -> str:
        """Take over what is shared by another view. Says why nothing can be taken over, if so."""
        return ""

    def event(self, event: QEvent) -> bool:
        # before the window's own Ctrl+Z, which takes back settings: two shortcuts of one key would both be silent
        if event.type() is QEvent.Type.ShortcutOverride and self._asked_by(event) is not None:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        action = self._asked_by(event)
        if action is not None:
            action()
        else:
            super().keyPressEvent(event)

    def _asked_by(self, event: QEvent) -> Callable[[], None] | None:
        """What the keys mean here that elsewhere take back settings."""
        if not isinstance(event, QKeyEvent):
            return None
        if event.matches(QKeySequence.StandardKey.Undo) and self.can_undo():
            return self.undo
        if event.matches(QKeySequence.StandardKey.Redo) and self.can_redo():
            return self.redo
        return None

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.begin()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        for name in {*self._first, *self._followed}:
            self.forget(name)

    def _answered(self, answer: Answer) -> None:
        prefix, _, name = answer.channel.partition("/")
        if prefix != self.key or answer.serial < self._first.get(name, answer.serial + 1):
            return
        followed = self._followed.get(name)
        if followed is not None:
            followed.waiting, followed.step = False, answer.step
            followed.share = self._shares[name] if self.live.can_step else 1.0
            followed.rest(answer.seconds)
        if answer.error:
            self._failing = name
            self.notify(f"This view could not be computed at step {answer.step}: {answer.error}", answer.details)
            return
        if self._failing == name:
            self._failing = ""
            self.notify("")
        self.receive(name, answer)

    def _moved(self, step: int) -> None:
        for name, followed in self._followed.items():
            if not followed.waiting and not followed.isActive():
                self._follow_up(name)

    def _follow_up(self, name: str) -> None:
        followed = self._followed[name]
        if self.live.step == followed.step:
            return
        if self._hand.isActive() and followed.put_off < PUT_OFF:
            followed.put_off += 1
            followed.start(followed.every)
        else:
            self._ask_followed(name)

    def _ask_followed(self, name: str) -> None:
        self._followed[name].put_off = 0
        question = self._followed[name].question()
        if question is not None:
            self._followed[name].waiting, self._followed[name].since = True, monotonic()
            self._followed[name].ask()
            self.ask(name, question)
