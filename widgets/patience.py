"""Waiting for a window that works on meanwhile."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable

from PySide6.QtCore import QEventLoop, QTimer

from widgets.background import Background
from widgets.desk import Desk
from widgets.equation_cache import typesetter
from widgets.live import Live

PATIENCE = 120.0  # seconds
QUIET = 0.25  # seconds without a question after which a view is as it will stay
PLAYS = 8  # questions on one channel within one wait: it goes on by itself, and is not waited for


def settle(desk: Desk, quiet: float = QUIET) -> None:
    """Let the window work until all that its views have asked is answered, and nothing is read, filled in or set."""
    since = time.monotonic()
    seen: dict[tuple[Live, str], set[int]] = defaultdict(set)

    def waits(live: Live) -> bool:
        if live.newest is None:
            return False
        for channel, serial in live.pending.items():
            seen[live, channel].add(serial)
        return any(len(seen[live, channel]) < PLAYS for channel in live.pending)

    def settled() -> bool:
        nonlocal since
        workspace = desk.workspace
        reads = typesetter.busy or any(thread.busy for thread in workspace.findChildren(Background))
        fills = desk.area.evaluate.cards.being_filled
        if reads or fills or any(waits(live) for live in workspace.viewing.findChildren(Live)):
            since = time.monotonic()
        return time.monotonic() - since > quiet

    wait(settled)


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
