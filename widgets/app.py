"""The application around the window: its look, its last resort for exceptions, and when garbage is collected."""

from __future__ import annotations

import gc
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication

from dgm_studio import __version__
from widgets.main_window import MainWindow
from widgets.notices import Log, Notice
from widgets.preferences import Preferences
from widgets.theme import chosen_theme, look

if TYPE_CHECKING:
    from dgm_studio.commands.album import Album

LOAD_AFTER = 1500  # ms


class Collector(QObject):
    """Runs Python's cyclic garbage collector from a timer of the window's thread, and nowhere else: in another thread
    it could destroy Qt objects that belong to this one."""

    EVERY = 1000  # ms

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thresholds = gc.get_threshold()
        gc.disable()
        self._timer = QTimer(self, interval=self.EVERY)
        self._timer.timeout.connect(self.collect)
        self._timer.start()

    def collect(self) -> None:
        """Collect the generations that are due."""
        for generation, (count, threshold) in reversed(
            list(enumerate(zip(gc.get_count(), self._thresholds, strict=True)))
        ):
            if count > threshold:
                gc.collect(generation)
                return

    def settle(self) -> None:
        """What is there now stays: no collection looks at it again."""
        gc.collect()
        gc.freeze()

    def end(self) -> None:
        self._timer.stop()
        gc.unfreeze()
        gc.enable()


class LastResort(QObject):
    """Exceptions that nobody caught, from any thread, become a message in the window and stand in the log."""

    _raised = Signal(str, str)

    def __init__(self, log: Log, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._log = log
        self._raised.connect(self._say)
        sys.excepthook = self._hook
        threading.excepthook = lambda args: self._hook(args.exc_type, args.exc_value, args.exc_traceback)

    def _hook(self, kind: type[BaseException], error: BaseException | None, where: TracebackType | None) -> None:
        details = "".join(traceback.format_exception(kind, error, where))
        sys.stderr.write(details)
        self._raised.emit(
            f"Something went wrong that should not: {error or kind.__name__}. Your runs are kept.", details
        )

    def _say(self, text: str, details: str) -> None:
        self._log.say(Notice("bad", text, details))

    def end(self) -> None:
        sys.excepthook, threading.excepthook = sys.__excepthook__, threading.__excepthook__


def application(argv: list[str]) -> QApplication:
    """The QApplication, named and dressed."""
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(argv)
    app.setApplicationName("DGM Studio")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("dgm-studio")
    return app


def main(argv: list[str]) -> int:
    """Open the window, on the project that `argv[1]` names if there is one. Returns the exit code."""
    app = application(argv[:1])
    preferences, log = Preferences(), Log()
    look.apply(app, chosen_theme(preferences.theme))
    last_resort, collector = LastResort(log), Collector()
    window = MainWindow(preferences, log)
    window.loaded.connect(collector.settle)
    room = window.screen().availableSize()
    if window.width() >= room.width() or window.height() >= room.height():
        window.setWindowState(window.windowState() | Qt.WindowState.WindowMaximized)  # a title bar needs room too
    window.show()
    app.setQuitOnLastWindowClosed(False)  # one that was closed while it loads is hidden first, and Qt counts it no more
    window.ended.connect(app.quit)
    window.appeared.connect(window.load)
    QTimer.singleShot(LOAD_AFTER, window.load)  # a window that starts minimised is not painted
    if len(argv) > 1:
        window.open(Path(argv[1]))
    code = app.exec()
    preferences.sync()
    collector.end()
    last_resort.end()
    return code


def screenshots(album: Album) -> list[Path]:
    """Pictures of the window: see widgets/screenshots.py, which the window itself does not need."""
    from widgets.screenshots import take

    return take(album)
