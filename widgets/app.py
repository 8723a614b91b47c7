"""The application around the window: its look, its last resort for exceptions, and when garbage is collected."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QApplication

from dgm_studio import __version__
from widgets.crash import NativeCrashes, of_native, state_folder
from widgets.crash_dialog import CrashDialogs, what_is_kept
from widgets.last_resort import LastResort
from widgets.main_window import MainWindow
from widgets.notices import Log
from widgets.preferences import Preferences
from widgets.theme import chosen_theme, look

if TYPE_CHECKING:
    from dgm_studio.commands.album import Album

LOAD_AFTER = 1500  # ms


class Collector(QObject):
    """Runs Python's cyclic garbage collector from a timer of the window's thread, and nowhere else: in another thread
    it could destroy Qt objects that belong to this one."""

    EVERY = 1000  # ms

    def __init__(self, young_only: bool = False) -> None:
        """`young_only`: until it has settled, look at the youngest generation alone. While everything is loaded, what
        is imported stays, and looking through it took 0.1 s."""
        super().__init__()
        self._thresholds = gc.get_threshold()
        self._settled = not young_only
        gc.disable()
        self._timer = QTimer(self, interval=self.EVERY)
        self._timer.timeout.connect(self.collect)
        self._timer.start()

    def collect(self) -> None:
        """Collect the generations that are due."""
        for generation, (count, threshold) in reversed(
            list(enumerate(zip(gc.get_count(), self._thresholds, strict=True)))
        ):
            if count > threshold and (self._settled or generation == 0):
                gc.collect(generation)
                return

    def settle(self) -> None:
        """What is there now stays: no collection looks at it again. A last one would hold the window for 0.2 s of
        processor time, and find a few thousand of 280,000 objects at most."""
        gc.freeze()
        self._settled = True

    def end(self) -> None:
        self._timer.stop()
        gc.unfreeze()
        gc.enable()


def application(argv: list[str]) -> QApplication:
    """The QApplication, named and dressed."""
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(argv)
    app.setApplicationName("DGM Studio")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("dgm-studio")
    return app


SIGHUP = getattr(signal, "SIGHUP", None)  # not on Windows
TOLD = [number for number in (signal.SIGINT, signal.SIGTERM, SIGHUP) if number is not None]


def close_when_told(close_unasked: Callable[[], object]) -> None:
    """Ctrl+C in the terminal, a terminal that is closed, and a request to terminate, as a session that ends sends it,
    close the window as a person does, but without a question: what trains is stopped and kept. The second time they end
    the process at once, but for the terminal, whose shell says so as well. What is not to be heard (nohup) is not.
    Python acts on signals between two of its own instructions: within `Collector.EVERY` when nothing else happens."""

    def close(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN if number == SIGHUP else signal.SIG_DFL)
        QTimer.singleShot(0, close_unasked)

    for number in TOLD:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, close)


def main(argv: list[str]) -> int:
    """Open the window, on the project that `argv[1]` names if there is one. Returns the exit code."""
    app = application(argv[:1])
    preferences, log = Preferences(), Log()
    look.apply(app, chosen_theme(preferences.theme), preferences.font_percent / 100)
    look.be_still(preferences.still)
    last_resort, collector = LastResort(log), Collector(young_only=True)
    native = NativeCrashes(state_folder())
    left = native.left()
    native.begin()
    window = MainWindow(preferences, log, tour=True)
    dialogs = CrashDialogs(lambda: window)
    last_resort.show, last_resort.kept = dialogs.show, partial(what_is_kept, window)
    if left:
        window.loaded.connect(lambda: dialogs.show(of_native(left[0])))
    window.loaded.connect(collector.settle)
    room = window.screen().availableSize()
    if window.width() >= room.width() or window.height() >= room.height():
        window.setWindowState(window.windowState() | Qt.WindowState.WindowMaximized)  # a title bar needs room too
    window.show()
    app.setQuitOnLastWindowClosed(False)  # one that was closed while it loads is hidden first, and Qt counts it no more
    window.ended.connect(app.quit)
    close_when_told(window.close_unasked)
    window.appeared.connect(window.load)
    QTimer.singleShot(LOAD_AFTER, window.load)  # a window that starts minimised is not painted
    if len(argv) > 1:
        window.open(Path(argv[1]))
    code = app.exec()
    preferences.sync()
    collector.end()
    last_resort.end()
    native.end()
    return code


def screenshots(album: Album) -> list[Path]:
    """Pictures of the window: see widgets/screenshots.py, which the window itself does not need."""
    from widgets.screenshots import take

    return take(album)
