"""Waiting for a window that works on meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QEventLoop, QTimer

from widgets.desk import Desk
from widgets.live import Live

PATIENCE = 120.0  # seconds
SETTLES = 8.0  # seconds that a view has to answer all its questions; one that plays never does
QUIET = 0.25  # seconds without a question after which a view is as it will stay


def settle(desk: Desk, quiet: float = QUIET) -> None:
    """Let the window work until no view of it waits for an answer."""
    since = time.monotonic()

    def settled() -> bool:
        nonlocal since
        lives = [live for live in desk.workspace.viewing.findChildren(Live) if live.newest is not None]
        if desk.workspace.files.busy or any(not live.inference.resting for live in lives):
            since = time.monotonic()
        return time.monotonic() - since > quiet

    wait(settled, SETTLES)


def rest(seconds: float) -> None:
    """Let the window work for a while."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def wait(until: Callable[[], bool], at_most: float = PATIENCE) -> None:
    """Let the window work until something holds, or for so long."""
    loop = QEventLoop()
    timer = QTimer(interval=20)
    timer.timeout.connect(lambda: loop.quit() if until() else None)
    timer.start()
    QTimer.singleShot(round(1000 * at_most), loop.quit)
    loop.exec()
    timer.stop()
