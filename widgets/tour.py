"""A first look around: a few bubbles that point at places of the window. Never in the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPainterPath, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QApplication, QHBoxLayout, QPushButton, QVBoxLayout, QWidget
from shiboken6 import isValid

from widgets.building import label
from widgets.theme import SPACE, look, px

WIDTH = 38 * SPACE
ARROW = 10  # px that the bubble's tip is long
AIR = 4  # px between the tip and what it points at
RADIUS = 8
SETTLES = 120  # ms after a change of layout


@dataclass(frozen=True)
class Stop:
    """One place: what it is, what a person does there, and where it is (None while it is not to be seen)."""

    title: str
    text: str
    place: Callable[[], QWidget | None]


class Bubble(QWidget):
    """Points at one stop after the other. `ended()` after the last, or when it was skipped. The window below works on;
    Right, Enter and Left go on and back, Esc ends it."""

    ended = Signal()

    def __init__(self, window: QWidget, stops: Sequence[Stop]) -> None:
        super().__init__(window)
        self.setObjectName("tour")
        self.setAccessibleName("Tour")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._stops, self.at = stops, 0
        self._tip = QPointF()
        self._aside = False
        self._edge = Qt.Edge.TopEdge  # of the bubble, that has the tip
        self._before: QWidget | None = None
        self._title = label("", "strong", "tourTitle", wrap=True)
        self._text = label("", "", "tourText", wrap=True)
        self._count = label("", "small", "tourCount")
        self.back, self.next = QPushButton("Back", objectName="tourBack"), QPushButton("Next", objectName="tourNext")
        self.next.setProperty("primary", True)
        self.skip = QPushButton("Skip", objectName="tourSkip")
        self.skip.setProperty("flat", True)
        self.back.clicked.connect(lambda: self.go(-1))
        self.next.clicked.connect(lambda: self.go(1))
        self.skip.clicked.connect(self.end)
        foot = QHBoxLayout()
        foot.setSpacing(SPACE // 2)
        foot.addWidget(self._count)
        foot.addStretch(1)
        for button in (self.skip, self.back, self.next):
            foot.addWidget(button)
        self._column = QVBoxLayout(self)
        self._column.setSpacing(SPACE)
        for part in (self._title, self._text):
            self._column.addWidget(part)
        self._column.addLayout(foot)
        self._settle = QTimer(self, singleShot=True, interval=SETTLES)
        self._settle.timeout.connect(self._place)
        self.hide()
        look.changed.connect(self.update)
        look.scaled.connect(self._settle.start)

    def begin(self) -> None:
        """Start at the first stop; the focus comes here."""
        self._before = QApplication.focusWidget()
        self.at = -1
        self.window().installEventFilter(self)
        self.go(1)

    def go(self, by: int) -> None:
        """To the next or previous stop that is to be seen."""
        to = self.at + by
        while 0 <= to < len(self._stops) and self._stops[to].place() is None:
            to += by
        if to >= len(self._stops):
            self.end()
            return
        if to < 0:
            return
        self.at, self._aside = to, False
        stop = self._stops[to]
        self._title.setText(stop.title)
        self._text.setText(stop.text)
        self._count.setText(f"{to + 1} of {len(self._stops)}")
        self.setAccessibleDescription(f"{stop.title}. {stop.text}")
        self.back.setEnabled(to > 0)
        last = all(stop.place() is None for stop in self._stops[to + 1 :])
        self.next.setText("Done" if last else "Next")
        self.skip.setVisible(not last)
        self.show()
        self.raise_()
        self._place()
        self.next.setFocus(Qt.FocusReason.OtherFocusReason)

    def end(self) -> None:
        """Go; the focus goes back to where it was."""
        if not self.isVisible():
            return
        self.window().removeEventFilter(self)
        self.hide()
        if self._before is not None and isValid(self._before) and self._before.isVisible():
            self._before.setFocus(Qt.FocusReason.OtherFocusReason)
        self.ended.emit()

    def step_aside(self) -> None:
        """Somebody works on: lie in the corner, and leave the page free until the next stop."""
        if self.isVisible():
            self._aside = True
            self._place()

    def _place(self) -> None:
        """Beside what it points at, on the side that has the most room, within the window."""
        if not 0 <= self.at < len(self._stops):
            return
        target = self._stops[self.at].place()
        if target is None or not isValid(target) or not target.isVisible():
            return
        window, corner = self.window(), target.mapTo(self.window(), QPoint(0, 0))
        if self._aside:
            self.move(SPACE, window.height() - self.height() - SPACE)
            self.update()
            return
        place = QRect(corner, target.size()).intersected(window.rect())
        margin = 2 * SPACE + ARROW
        self._column.setContentsMargins(margin, margin - 4, margin, margin - 4)
        width = px(WIDTH) + 2 * ARROW
        self.setFixedSize(width, self._column.heightForWidth(width))
        room = {
            Qt.Edge.TopEdge: window.height() - place.bottom() - self.height(),  # the bubble lies below
            Qt.Edge.BottomEdge: place.top() - self.height(),
            Qt.Edge.LeftEdge: window.width() - place.right() - self.width(),
            Qt.Edge.RightEdge: place.left() - self.width(),
        }
        self._edge = max(room, key=lambda edge: room[edge])
        if room[self._edge] < 0:  # it fills the window: lie within
            self._edge, at = Qt.Edge.TopEdge, QPointF(place.center().x(), place.top() + 6 * SPACE)
        else:
            at = {
                Qt.Edge.TopEdge: QPointF(place.center().x(), place.bottom() + AIR),
                Qt.Edge.BottomEdge: QPointF(place.center().x(), place.top() - AIR),
                Qt.Edge.LeftEdge: QPointF(place.right() + AIR, min(place.center().y(), place.top() + 12 * SPACE)),
                Qt.Edge.RightEdge: QPointF(place.left() - AIR, min(place.center().y(), place.top() + 12 * SPACE)),
            }[self._edge]
        upright = self._edge in (Qt.Edge.TopEdge, Qt.Edge.BottomEdge)
        x = at.x() - self.width() / 2 if upright else at.x() - (self.width() if self._edge == Qt.Edge.RightEdge else 0)
        y = at.y() - (self.height() if self._edge == Qt.Edge.BottomEdge else 0) if upright else at.y() - 5 * SPACE
        x = min(max(x, SPACE), window.width() - self.width() - SPACE)
        y = min(max(y, SPACE), window.height() - self.height() - SPACE)
        self.move(round(x), round(y))
        self._tip = at - QPointF(self.pos())
        self.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            self._settle.start()
        return False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = {Qt.Key.Key_Right: 1, Qt.Key.Key_Return: 1, Qt.Key.Key_Enter: 1, Qt.Key.Key_Left: -1}.get(event.key())
        if event.key() == Qt.Key.Key_Escape:
            self.end()
        elif by is not None:
            self.go(by)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        body = QRectF(self.rect()).adjusted(ARROW, ARROW, -ARROW, -ARROW)
        path = QPainterPath()
        path.addRoundedRect(body, RADIUS, RADIUS)
        tip, room = self._tip, RADIUS + ARROW
        if self._edge in (Qt.Edge.TopEdge, Qt.Edge.BottomEdge):
            x = min(max(tip.x(), body.left() + room), body.right() - room)
            y, end = (
                (body.top() + 1, 0.0) if self._edge == Qt.Edge.TopEdge else (body.bottom() - 1, float(self.height()))
            )
            corners = [QPointF(x - ARROW, y), QPointF(x, end), QPointF(x + ARROW, y)]
        else:
            y = min(max(tip.y(), body.top() + room), body.bottom() - room)
            x, end = (
                (body.left() + 1, 0.0) if self._edge == Qt.Edge.LeftEdge else (body.right() - 1, float(self.width()))
            )
            corners = [QPointF(x, y - ARROW), QPointF(end, y), QPointF(x, y + ARROW)]
        arrow = QPainterPath()
        arrow.addPolygon(QPolygonF(corners))
        arrow.closeSubpath()
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QColor(look.theme.accent))
            painter.setBrush(QColor(look.theme.panel))
            painter.drawPath(path if self._aside else path.united(arrow))
