"""What holds for every test: one thread for numbers, no display, nothing of the user's touched, nothing left behind."""

from __future__ import annotations

import gc
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator

# before torch, numpy and Qt are imported
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
_home = tempfile.TemporaryDirectory(prefix="dgm-tests-")
for _name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
    os.environ[_name] = os.path.join(_home.name, _name)

import pytest  # noqa: E402
import torch  # noqa: E402
from pytestqt.qtbot import QtBot  # noqa: E402

# its failures show their values; here, because tests outside tests/models import it too, and may come first
pytest.register_assert_rewrite("contract")

# seconds for what is about to happen, as for the end of a thread that was told to: a busy machine takes long
PATIENCE = 60.0

for _wait in (QtBot.waitUntil, QtBot.waitSignal, QtBot.waitSignals, QtBot.waitExposed, QtBot.waitActive):
    _wait.__kwdefaults__["timeout"] = round(1000 * PATIENCE)  # 5 s of pytest-qt's own


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # thousands of collected tests need no looking through either


@pytest.fixture(autouse=True)
def _the_process_wide_generator_starts_equal() -> None:
    """So that no test depends on which ran before it."""
    torch.default_generator.manual_seed(0)  # torch.manual_seed writes a stack trace for each GPU that is not there


@pytest.fixture(autouse=True)
def _no_thread_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test must end the threads it started."""
    before = set(threading.enumerate())
    yield
    after = [thread for thread in threading.enumerate() if thread not in before]
    for thread in after:
        if not isinstance(thread, threading._DummyThread):  # a QThread that ran Python: looked at below
            thread.join(PATIENCE)
    left = [t.name for t in after if t.is_alive() and not isinstance(t, threading._DummyThread)]
    if _uses_qt(request):
        from PySide6.QtCore import QThread
        from shiboken6 import isValid

        # by type: isinstance would ask lazy modules, which answer with a warning
        threads = [o for o in gc.get_objects() if issubclass(type(o), QThread) and isValid(o)]
        left += [
            t.objectName() or type(t).__name__ for t in threads if t.isRunning() and not t.wait(int(PATIENCE * 1000))
        ]
    if left:
        pytest.fail(f"threads still run after the test: {', '.join(left)}")


@pytest.fixture(autouse=True)
def _no_window_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test must close and delete the windows it opened (qtbot.addWidget does)."""
    if _uses_qt(request):
        gc.freeze()  # what is there before is not looked through afterwards: most of the time of these tests
        gc.disable()  # it would run in any thread, and end Qt objects of this one there: see Collector
    yield
    if not _uses_qt(request):
        return
    gc.enable()
    from PySide6.QtCore import QCoreApplication, QEvent, Qt
    from PySide6.QtWidgets import QApplication, QMenu

    if not isinstance(QApplication.instance(), QApplication):
        return
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    gc.collect()
    # menus without a parent belong to pyqtgraph's view boxes, tool tips to Qt
    left = [
        f"{type(w).__name__} {w.objectName()!r}"
        for w in QApplication.topLevelWidgets()
        if not isinstance(w, QMenu) and w.metaObject().className() != "QTipLabel"
    ]
    if left:
        for widget in QApplication.topLevelWidgets():
            if widget.windowType() is not Qt.WindowType.Popup:  # a completer deletes its list itself, a second time
                widget.deleteLater()  # so that the next test is not blamed too
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        pytest.fail(f"windows are still there after the test: {', '.join(left)}")


@pytest.fixture(autouse=True)
def _nothing_unexpected_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Warnings and errors in Python's log fail the test. (Qt's own fail it through pytest-qt: see pyproject.toml.)"""
    yield
    found = [r for r in caplog.get_records("call") if r.levelno >= logging.WARNING]
    if found:
        pytest.fail("logged: " + "; ".join(f"{r.name}: {r.getMessage()}" for r in found))


def _uses_qt(request: pytest.FixtureRequest) -> bool:
    return "PySide6.QtWidgets" in sys.modules and "qapp" in request.fixturenames
