"""The slider over the history of a run: every kept moment can be looked at again."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QWidget

from dgm_studio.number_texts import thousands
from widgets.icons import dress
from widgets.moments import Marks, Moments
from widgets.readout import Readout
from widgets.theme import CATEGORICAL, SPACE, look, mixed

DEMANDED, BEST = CATEGORICAL[5], CATEGORICAL[1]
HANDLE = 6.0  # px, radius


class MomentSlider(QWidget):
    """Steps on a logarithmic axis, with a small tick for each kept picture and a larger one for each kept state.

    Signals: `chosen(step)` one of `stops` was chosen by hand, `went(by)` a key asks for the next one or the one before,
    `ended(last)` for the first or the last, `left()` for now.
    """

    chosen = Signal(int)
    went = Signal(int)
    ended = Signal(bool)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("momentSlider")
        self.setAccessibleName("Moment of the training")
        self.setToolTip(
            "The history of the run, on a logarithmic axis of steps. Long ticks: kept states; short ones: kept "
            "pictures.\nDrag, or use the arrow keys, Home and End. Escape goes back to now."
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.marks = Marks()
        self.stops: tuple[int, ...] = ()
        self.step: int | None = None
        look.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(30 * SPACE, 3 * SPACE)

    def minimumSizeHint(self) -> QSize:
        return QSize(12 * SPACE, 3 * SPACE)

    def show_marks(self, marks: Marks, stops: tuple[int, ...]) -> None:
        """Show these moments, of which those in `stops` can be chosen."""
        self.marks, self.stops = marks, stops
        self.update()

    def show_step(self, step: int | None) -> None:
        """Stand at `step`, or at the end for now."""
        self.step = step
        self.update()

    def place(self, step: int) -> float:
        """Where a step lies, in pixels."""
        room = self.width() - 2 * HANDLE
        return HANDLE + room * math.log1p(step) / math.log1p(max(self.marks.end, 1))

    def nearest(self, x: float) -> int | None:
        """The moment that lies nearest to `x`."""
        return min(self.stops, key=lambda step: abs(self.place(step) - x), default=None)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, middle = look.theme, self.height() / 2
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            at = self.place(self.marks.end if self.step is None else self.step)
            painter.setPen(QPen(QColor(theme.border), 3, c=Qt.PenCapStyle.RoundCap))
            painter.drawLine(QPointF(HANDLE, middle), QPointF(self.width() - HANDLE, middle))
            painter.setPen(QPen(QColor(theme.accent), 3, c=Qt.PenCapStyle.RoundCap))
            painter.drawLine(QPointF(HANDLE, middle), QPointF(at, middle))
            painter.setPen(QPen(mixed(theme.muted, theme.panel, 0.6), 1))
            for step in self.marks.frames:
                painter.drawLine(QPointF(self.place(step), middle + 4), QPointF(self.place(step), middle + 7))
            for step in self.marks.states:
                strong = step in self.marks.demanded or step == self.marks.best
                colour = DEMANDED if step in self.marks.demanded else BEST if strong else theme.muted
                painter.setPen(QPen(QColor(colour), 2.5 if strong else 1.5))
                painter.drawLine(QPointF(self.place(step), middle - 9), QPointF(self.place(step), middle - 3))
            painter.setPen(QPen(QColor(theme.panel), 2))
            painter.setBrush(QColor(theme.accent if self.step is not None else theme.muted))
            painter.drawEllipse(QPointF(at, middle), HANDLE, HANDLE)
            if self.hasFocus():
                painter.setPen(QPen(QColor(theme.accent), 1))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._choose(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._choose(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        match event.key():
            case Qt.Key.Key_Left:
                self.went.emit(-1)
            case Qt.Key.Key_Right:
                self.went.emit(1)
            case Qt.Key.Key_Home | Qt.Key.Key_End:
                self.ended.emit(event.key() == Qt.Key.Key_End)
            case Qt.Key.Key_Escape:
                self.left.emit()
            case _:
                super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self.update()

    def _choose(self, event: QMouseEvent) -> None:
        step = self.nearest(event.position().x())
        if step is not None:
            self.chosen.emit(step)


class MomentBar(QWidget):
    """Play, the slider, what is looked at, and what can be done with it. Shown while a run has a history.

    `keep_wanted()`: the moment looked at is to be kept; `release_wanted()`: no longer; `branch_wanted(step)`: a run is
    to go on from this kept state.
    """

    keep_wanted = Signal()
    release_wanted = Signal()
    branch_wanted = Signal(int)

    def __init__(self, moments: Moments, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("momentBar")
        self._moments = moments
        self._may_branch = self._may_keep = True
        self.play = _tool("momentPlay", "train", "Play", "Walk through the history of the run.", moments.play)
        self.loop = _tool("momentLoop", "reset", "Loop", "Begin anew at the end.", self._loop, checkable=True)
        self.slider = MomentSlider()
        self._said = Readout("momentSaid", "muted")
        self._said.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.now = _tool("momentNow", "", "Now", "Look at the run as it is now.", lambda: moments.look_at(None))
        self.keep = _tool("momentKeep", "pin", "Keep this moment", "", self._keep, checkable=True)
        self.branch = _tool("momentBranch", "branch", "Branch from here", "", self._branch)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE // 2)
        row.addWidget(self.play)
        row.addWidget(self.loop)
        row.addWidget(self.slider, 1)
        row.addSpacing(SPACE // 2)
        row.addWidget(self._said)
        row.addWidget(self.now)
        row.addWidget(self.keep)
        row.addWidget(self.branch)
        self.slider.chosen.connect(self._choose)
        self.slider.went.connect(moments.go)
        self.slider.ended.connect(moments.go_to_end)
        self.slider.left.connect(lambda: moments.look_at(None))
        moments.moved.connect(lambda _: self._show())
        moments.changed.connect(self._show)
        moments.playing.connect(self._tell_playing)
        self._wanted = True
        self._show()

    @property
    def text(self) -> str:
        return self._said.text()

    def show_for(self, wanted: bool, by_state: bool) -> None:
        """Whether the page in view has a history, and whether only kept states can be looked at there."""
        self._wanted, self._moments.by_state = wanted, by_state
        if not wanted:
            self._moments.stop()
        self._show()

    def allow(self, keep: bool, branch: bool) -> None:
        """What can be done now."""
        self._may_keep, self._may_branch = keep, branch
        self._show()

    def _show(self) -> None:
        moments = self._moments
        marks, step, state = moments.marks, moments.step, moments.state
        stops = marks.stops(moments.by_state)
        self.setVisible(self._wanted and len(stops) > 1)
        self.slider.show_marks(marks, stops)
        self.slider.show_step(step)
        widest = f"step {thousands(marks.end)} of {thousands(marks.end)}  ·  state of {thousands(marks.end)}"
        self._said.setFixedWidth(self._said.fontMetrics().horizontalAdvance(widest) + SPACE // 2)
        self._said.set_text(said(marks, step))
        self.now.setEnabled(step is not None)
        kept = step is not None and state in marks.demanded
        self.keep.setEnabled(self._may_keep)
        self.keep.setChecked(kept)
        at = "" if state is None else f" of step {thousands(state)}"
        self.keep.setToolTip(
            f"The state{at} is kept, whatever else is let go of. Click to let go of it again."
            if kept
            else "Keep the state of the run as it is now, whatever else is let go of (Ctrl+Shift+K)."
            if step is None
            else f"Keep the state{at}, whatever else is let go of (Ctrl+Shift+K)."
        )
        self.branch.setEnabled(self._may_branch and state is not None)
        self.branch.setToolTip(f"Add a run that goes on from the state{at}, by the learner's settings in the form.")

    def _choose(self, step: int) -> None:
        self._moments.stop()
        self._moments.look_at(step)

    def _loop(self) -> None:
        self._moments.looped = self.loop.isChecked()

    def _keep(self) -> None:
        wanted = self.keep.isChecked()
        self.keep.setChecked(not wanted)  # until it is so
        (self.keep_wanted if wanted else self.release_wanted).emit()

    def _branch(self) -> None:
        state = self._moments.state
        if state is not None:
            self.branch_wanted.emit(state)

    def _tell_playing(self, playing: bool) -> None:
        dress(self.play, "pause" if playing else "train")
        self.play.setToolTip("Stop here." if playing else "Walk through the history of the run.")


def said(marks: Marks, step: int | None) -> str:
    """What is looked at, in words."""
    if step is None:
        return f"now: step {thousands(marks.end)}"
    state = marks.at(step)
    kept = "" if state is None else "  ·  state" if state == step else f"  ·  state of {thousands(state)}"
    return f"step {thousands(step)} of {thousands(marks.end)}{kept}"


def _tool(name: str, icon: str, text: str, tip: str, do: object, checkable: bool = False) -> QToolButton:
    button = QToolButton(checkable=checkable)
    button.setObjectName(name)
    button.setAccessibleName(text)
    button.setToolTip(tip)
    button.setAutoRaise(True)
    if icon:
        dress(button, icon)
    else:
        button.setText(text)
    button.clicked.connect(lambda: do())  # type: ignore[operator]
    return button
