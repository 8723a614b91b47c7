"""A crash is told, wherever it comes from, and the window goes on."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QThread, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QLabel, QPlainTextEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from dgm_studio import ROOT, __version__
from widgets.crash import CrashReport, NativeCrashes, of_exception, of_native, shortened
from widgets.crash_dialog import CrashDialog, CrashDialogs, what_is_kept
from widgets.last_resort import LastResort
from widgets.notices import Log, Notice


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def shown(qtbot: QtBot, log: Log) -> Iterator[list[CrashReport]]:
    """Reports that a last resort would show, over a log that has something to say already."""
    reports: list[CrashReport] = []
    for n in range(60):
        log.say(Notice("info", f"message {n}", lasting=False))
    last = LastResort(log)
    last.show = lambda report: not reports.append(report)  # type: ignore[func-returns-value]
    last.kept = lambda: "All of it is kept."
    yield reports
    last.end()


class Worker(QThread):
    def run(self) -> None:
        raise LookupError("in a Qt thread")


def fail(text: str) -> None:
    raise ArithmeticError(text)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_exception_is_told_from_whatever_thread_or_slot(
    qtbot: QtBot, log: Log, shown: list[CrashReport], capsys: pytest.CaptureFixture[str]
) -> None:
    thread = threading.Thread(target=fail, args=["in a thread"])
    thread.start()
    thread.join()
    worker = Worker()
    worker.start()
    worker.wait()
    QTimer.singleShot(0, lambda: fail("in a slot"))
    sys.excepthook(ArithmeticError, ArithmeticError(f"of {Path.home()}/secret"), None)
    qtbot.waitUntil(lambda: len(shown) == 4)
    assert {report.text for report in shown} == {"in a thread.", "in a Qt thread.", "in a slot.", "of ~/secret."}
    for report in shown:
        assert f"DGM Studio {__version__}" in report.details
        assert "message 59" in report.details
        assert "message 5\n" not in report.details  # the last 50 only
        assert str(Path.home()) not in report.whole()
        assert report.kept == "All of it is kept."
    assert "fail" in next(report for report in shown if report.text == "in a slot.").details  # the traceback
    assert sum("went wrong" in said.line for said in log.entries) == 4


def test_nothing_that_tells_of_a_crash_crashes(qtbot: QtBot, log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    class Nasty(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    last = LastResort(log)
    try:
        last.kept = lambda: fail("what is kept")  # type: ignore[assignment,return-value]
        last.show = lambda report: fail("the dialog")  # type: ignore[assignment,return-value]
        sys.excepthook(Nasty, Nasty(), None)
        sys.excepthook(OSError, None, None)
        last.show = CrashDialogs(lambda: 5).show  # type: ignore[arg-type,return-value]
        sys.excepthook(Nasty, Nasty(), None)
    finally:
        last.end()
    assert "Nasty" in log.lines[-2]  # said in the log, as it could not be shown
    assert of_exception((Nasty, Nasty(), None), [], lambda: fail("x")).text == "Nasty."  # type: ignore[arg-type,return-value]


def test_the_dialog_is_copied_saved_and_holds_what_else_goes_wrong(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    dialogs = CrashDialogs(lambda: window)
    first = of_exception((ValueError, ValueError("first"), None), ["12:00  said"], lambda: what_is_kept(window))
    assert dialogs.show(first)
    (dialog,) = window.findChildren(CrashDialog)
    assert not dialog.isModal()
    assert dialog.findChild(QLabel, "crashText").text() == "first."
    assert dialog.findChild(QLabel, "crashKept").text() == "No project was open."
    for _ in range(100):  # as a paint event that fails would
        dialogs.show(of_exception((ValueError, ValueError("second"), None), [], str))
    assert window.findChildren(CrashDialog) == [dialog]
    assert "101" in dialog.findChild(QLabel, "crashMore").text()
    dialog.findChild(QPushButton, "crashShow").click()
    assert dialog.findChild(QPlainTextEdit, "crashDetails").isVisible()
    dialog.findChild(QPushButton, "crashCopy").click()
    copied = QGuiApplication.clipboard().text()
    assert "ValueError: first" in copied
    assert copied.count("ValueError: second") == 1
    for path, there in ((tmp_path / "report.txt", True), (tmp_path / "none" / "report.txt", False)):
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, path=path: (str(path), ""))
        dialog.findChild(QPushButton, "crashSave").click()
        assert path.exists() == there
    assert "not saved" in dialog.findChild(QLabel, "crashMore").text()
    dialog.findChild(QPushButton, "crashClose").click()
    qtbot.waitUntil(lambda: not window.findChildren(CrashDialog))
    assert dialogs.show(first)  # another one
    window.findChild(CrashDialog).close()


def test_a_native_crash_is_found_at_the_next_start_and_told_once(tmp_path: Path) -> None:
    code = (
        "import sys, faulthandler; from pathlib import Path; from widgets.crash import NativeCrashes; "
        f"n = NativeCrashes(Path({str(tmp_path)!r})); n.begin(); "
        "faulthandler._sigsegv() if sys.argv[1] == 'crash' else n.end()"
    )
    for how in ("crash", "end"):
        subprocess.run([sys.executable, "-c", code, how], cwd=ROOT, capture_output=True, check=False)
    here = NativeCrashes(tmp_path)
    (text,) = here.left()
    assert "Segmentation fault" in text or "Fatal Python error" in text
    assert here.left() == []
    assert __version__ in of_native(text).whole()
    assert NativeCrashes(tmp_path / "none").left() == []
    assert not list(tmp_path.glob("*.txt"))


def test_the_home_folder_is_not_told() -> None:
    home = Path.home()
    assert shortened(f"in {home}/x and {str(home).replace('/', chr(92))}").startswith("in ~/x")
