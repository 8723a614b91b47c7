"""Somebody in front of the window who clicks, drags and types without looking, and never waits until it is ready."""

from __future__ import annotations

import random
from collections import Counter

from PySide6.QtCore import QObject, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QGraphicsView,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)

from widgets.main_window import MainWindow

LEFT_OUT = ("quit",)  # whoever started the robot ends the window
DEEP = 5  # dialogs and menus, one above the other
PAUSE = 30  # ms between two things it does


class Robot(QObject):
    """Does something at random every `PAUSE` milliseconds until `rest()`. `did` counts what."""

    def __init__(self, window: MainWindow, seed: int) -> None:
        super().__init__(window)
        self._window, self._random = window, random.Random(seed)
        self.did: Counter[str] = Counter()
        self._timer = QTimer(self, interval=PAUSE)
        # through a timer of its own each time: a dialog that runs an event loop of its own does not hold the robot
        self._timer.timeout.connect(lambda: QTimer.singleShot(0, self._act))
        self._timer.start()

    def rest(self) -> None:
        """Do nothing more, and leave no dialog or menu open."""
        self._timer.stop()
        for _ in range(DEEP):
            self._dismiss()

    def _act(self) -> None:
        if not self._timer.isActive() or self._dismiss():
            return
        kinds = {"action": 4, "click": 6, "drag": 6, "wheel": 1, "key": 2, "choose": 1, "write": 0.5, "resize": 0.3}
        kind = self._random.choices(list(kinds), list(kinds.values()))[0]
        getattr(self, f"_{kind}")()
        self.did[kind] += 1

    @property
    def _front(self) -> QWidget:
        """What takes events: a dialog that must be answered first, or the window."""
        return QApplication.activeModalWidget() or self._window

    def _dismiss(self) -> bool:
        """Leave a menu or dialog that is open, or choose something in it."""
        popup, dialog = QApplication.activePopupWidget(), QApplication.activeModalWidget()
        for widget in (popup, dialog):
            if widget is None:
                continue
            if not self._timer.isActive() or isinstance(widget, QFileDialog) or self._random.random() < 0.3:
                widget.close()
            elif widget is popup:
                QTest.keyClick(widget, self._random.choice((Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_Return)))
            else:
                return False
            return True
        return False

    def _action(self) -> None:
        if self._front is not self._window:
            return
        keys = [key for key, action in self._window.actions_ if action.isEnabled() and key not in LEFT_OUT]
        self._window.actions_[self._random.choice(keys)].trigger()

    def _click(self) -> None:
        target = self._one_of(QAbstractButton)
        if target is not None:
            self._press_and_release(target, [self._place(target)])

    def _drag(self) -> None:
        target = self._one_of(QGraphicsView, QAbstractSlider)
        if target is None:
            return
        if isinstance(target, QGraphicsView):
            target = target.viewport()
        self._press_and_release(target, [self._place(target) for _ in range(self._random.randint(1, 8))])

    def _wheel(self) -> None:
        target = self._one_of(QGraphicsView, QAbstractSpinBox)
        if target is None:
            return
        if isinstance(target, QGraphicsView):
            target = target.viewport()
        place = QPointF(self._place(target))
        turn = QPoint(0, self._random.choice((-120, 120)))
        none = Qt.KeyboardModifier.NoModifier
        event = QWheelEvent(
            place,
            QPointF(target.mapToGlobal(place)),
            QPoint(),
            turn,
            Qt.MouseButton.NoButton,
            none,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.postEvent(target, event)

    def _key(self) -> None:
        keys = (Qt.Key.Key_Tab, Qt.Key.Key_Space, Qt.Key.Key_Left, Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_7)
        target = QApplication.focusWidget() or self._window
        QTest.keyClick(target, self._random.choice(keys))

    def _choose(self) -> None:
        target = self._one_of(QComboBox, QAbstractItemView)
        if target is not None:
            target.setFocus()
            for _ in range(self._random.randint(1, 5)):
                QTest.keyClick(target, self._random.choice((Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_Space)))

    def _write(self) -> None:
        target = self._one_of(QLineEdit, QPlainTextEdit)
        if target is not None:
            target.setFocus()
            QTest.keyClicks(target, self._random.choice(("7", "-1", "1e9", "vae", "", "x y", "0.5")))
            if self._random.random() < 0.5:
                QTest.keyClick(target, Qt.Key.Key_Return)

    def _resize(self) -> None:
        self._window.resize(self._random.randint(900, 1600), self._random.randint(600, 1000))

    def _one_of(self, *kinds: type[QWidget]) -> QWidget | None:
        found = [w for kind in kinds for w in self._front.findChildren(kind) if w.isVisible() and w.isEnabled()]
        return self._random.choice(found) if found else None

    def _place(self, widget: QWidget) -> QPoint:
        return QPoint(self._random.randrange(max(1, widget.width())), self._random.randrange(max(1, widget.height())))

    def _press_and_release(self, widget: QWidget, places: list[QPoint]) -> None:
        # posted, so that a menu or dialog that this opens does not hold the robot
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        kinds = QMouseEvent.Type
        path = [(kinds.MouseButtonPress, places[0], left, left)]
        path += [(kinds.MouseMove, place, none, left) for place in places]
        path += [(kinds.MouseButtonRelease, places[-1], left, none)]
        for kind, place, button, buttons in path:
            at = QPointF(place)
            event = QMouseEvent(
                kind, at, QPointF(widget.mapToGlobal(place)), button, buttons, Qt.KeyboardModifier.NoModifier
            )
            QApplication.postEvent(widget, event)
