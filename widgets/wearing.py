"""Gives every widget other colours, with the style sheet that it has: those that are seen at once, the others when
nothing else is to be done, or when they are shown.

The sheet names roles of the palette for its colours, which Qt looks up when it polishes a widget. Another sheet would
be dear: Qt then polishes each widget once for every widget that it lies in, and lays everything out again."""

from __future__ import annotations

import time

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QPixmapCache
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

AT_ONCE = 0.008  # s of the window's time that those out of sight take in one go
POLISHED = Qt.WidgetAttribute.WA_WState_Polished


class Wardrobe(QObject):
    """Dresses the application. While widgets wait for it, it looks at all events, so that none is shown in the old
    colours."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[QWidget] = []
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self._go_on)

    def wear(self, app: QApplication, sheet: str) -> None:
        """Have all widgets wear `sheet` in the colours of the application's palette."""
        if sheet != app.styleSheet():
            self.finish()
            app.setStyleSheet("")  # from one sheet to another, each widget would be polished as often as it lies deep
            app.setStyleSheet(sheet)
            return
        hidden = []
        for widget in app.allWidgets():
            if not widget.testAttribute(POLISHED):
                continue
            if widget.isVisible():
                _dress(widget)
            else:
                widget.setAttribute(POLISHED, False)
                hidden.append(widget)
        if hidden and not self.waiting:
            app.installEventFilter(self)
        self.waiting += hidden
        if self.waiting:
            self._timer.start()

    def finish(self) -> None:
        """Dress all that still wait."""
        while self.waiting:
            self._go_on()

    def forget(self) -> None:
        """Let go of what Qt has looked up in the sheet; it looks up again what is drawn. It keeps such things by the
        address of a widget, and not only until it dies: what was asked while Qt made the parts of a spin box, a combo
        box or a list stays, about 1 kB each. There is no other way to it. Nor does it know which of the icons that it
        has scaled are still there; it would keep 10 MB of them."""
        QPixmapCache.clear()
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        if app.styleSheet():
            app.style().unpolish(app)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show and isinstance(watched, QWidget) and not watched.testAttribute(POLISHED):
            _dress(watched)
        return False

    def _go_on(self) -> None:
        until = time.perf_counter() + AT_ONCE
        while self.waiting and time.perf_counter() < until:
            widget = self.waiting.pop()
            if isValid(widget) and not widget.testAttribute(POLISHED):
                _dress(widget)
        if not self.waiting:
            self._timer.stop()
            app = QApplication.instance()
            assert app is not None
            app.removeEventFilter(self)


def _dress(widget: QWidget) -> None:
    widget.style().polish(widget)
    widget.setAttribute(POLISHED)
    widget.update()
