"""The application around the window: exceptions that nobody caught, and who collects garbage."""

from __future__ import annotations

import gc
import os
import signal
import threading
import weakref
from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from widgets.app import SIGHUP, TOLD, Collector, LastResort, close_when_told
from widgets.notices import Log


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.end()


def test_garbage_is_collected_from_a_timer_and_nowhere_else(qtbot: QtBot, collector: Collector) -> None:
    class Knot:
        pass

    assert not gc.isenabled()
    knots = []
    for _ in range(2000):
        knot = Knot()
        knot.self = knot  # type: ignore[attr-defined]
        knots.append(weakref.ref(knot))
    del knot
    assert any(ref() is not None for ref in knots)
    qtbot.waitUntil(lambda: all(ref() is None for ref in knots))


def test_until_it_has_settled_the_collector_looks_at_the_youngest_alone(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector, seen = Collector(young_only=True), list[int]()
    with monkeypatch.context() as patched:
        patched.setattr(gc, "collect", seen.append)
        patched.setattr(gc, "get_count", lambda: (10**6, 10**6, 10**6))
        collector.collect()
        collector.settle()
        collector.collect()
    collector.end()
    assert seen == [0, 2]


def test_the_collector_gives_back_what_it_took(qtbot: QtBot) -> None:
    Collector().end()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_exception_in_any_thread_is_said_in_the_window(qtbot: QtBot, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log()
    last = LastResort(log)
    try:
        with qtbot.waitSignal(log.said) as said:
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()
    finally:
        last.end()
    (notice,) = said.args
    assert "division by zero" in notice.text
    assert "ZeroDivisionError" in notice.details
    assert notice.lasting
    assert "division by zero" in "\n".join(log.lines)


@pytest.fixture
def handlers() -> Iterator[None]:
    """Signals are heard, which a shell may have had ignored for what it runs in the background; and as before after
    the test."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in TOLD}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", TOLD)
def test_a_request_to_terminate_closes_the_window_and_the_second_ends_the_process(
    qtbot: QtBot, collector: Collector, handlers: None, number: signal.Signals
) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    close_when_told(window.close)
    assert window.isVisible()
    os.kill(os.getpid(), number)
    qtbot.waitUntil(lambda: not window.isVisible())
    # of a terminal both the system and the shell may tell
    assert signal.getsignal(number) is (signal.SIG_IGN if number == SIGHUP else signal.SIG_DFL)


def test_a_window_that_is_to_outlive_its_terminal_does(qtbot: QtBot, handlers: None) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    signal.signal(TOLD[-1], signal.SIG_IGN)  # as nohup does
    close_when_told(window.close)
    assert signal.getsignal(TOLD[-1]) is signal.SIG_IGN
