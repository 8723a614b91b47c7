"""The messages: found, copied, saved, cleared, and never too many."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QLineEdit, QPushButton, QToolButton, QTreeWidget
from pytestqt.qtbot import QtBot

from widgets.log_view import LogView
from widgets.notices import LONGEST, Log, Notice
from widgets.theme import DARK, LIGHT, look


def test_messages_are_found_copied_saved_and_cleared(
    qtbot: QtBot, qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log()
    log.say(Notice("bad", "An early error.", "Traceback:\n  a line"))
    view = LogView(log)
    qtbot.addWidget(view)
    view.resize(700, 300)
    view.show()
    tree, find = view.findChild(QTreeWidget), view.findChild(QLineEdit)
    for n in range(30):
        log.say(Notice("info", f"number {n}", lasting=False))
    log.say(Notice("warn", "Take care."))
    assert tree.topLevelItemCount() == 32
    assert tree.visualItemRect(tree.topLevelItem(31)).bottom() <= tree.viewport().height()  # it follows
    view.findChild(QPushButton, "followMessages").setChecked(False)
    tree.scrollToTop()
    log.say(Notice("good", "Done."))
    assert tree.verticalScrollBar().value() == 0
    # by level, by words of the message or its details
    view.findChild(QPushButton, "level-info").setChecked(False)
    assert [line.split("  ", 1)[-1] for line in view.text().splitlines()] == [
        "An early error.", "Traceback:", "a line", "Take care.",
    ]  # fmt: skip
    find.setText("TRACE early")
    assert "Take care" not in view.text()
    find.setText("nothing like it")
    assert view.text() == ""
    assert view.findChild(QLabel, "noMessages").isVisible()
    find.clear()
    # details unfold, and go along when their message is copied
    first = tree.topLevelItem(0)
    first.setExpanded(True)
    assert first.child(0).text(1) == "Traceback:\n  a line"
    first.child(0).setSelected(True)
    view.findChild(QToolButton, "copyMessages").click()
    assert QGuiApplication.clipboard().text().endswith("An early error.\nTraceback:\n  a line")
    tree.clearSelection()
    view.findChild(QToolButton, "copyMessages").click()
    assert "Take care." in QGuiApplication.clipboard().text()
    for path, there in ((tmp_path / "log.txt", True), (tmp_path / "none" / "log.txt", False)):
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, path=path: (str(path), ""))
        view.findChild(QToolButton, "saveMessages").click()
        assert path.exists() == there
    assert "not saved" in log.lines[-1]
    for theme in (LIGHT, DARK):
        before = first.icon(0).cacheKey()
        look.apply(qapp, theme)
        assert first.icon(0).cacheKey() != before
        assert first.isExpanded()
    view.findChild(QToolButton, "clearMessages").click()
    assert (log.lines, tree.topLevelItemCount()) == ([], 0)


def test_messages_are_bounded(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Log, "KEPT", 50)
    log = Log()
    view = LogView(log)
    qtbot.addWidget(view)
    log.say(Notice("bad", "long", "x" * 10 * LONGEST))
    assert len(log.entries[0].details) <= LONGEST
    for n in range(70):
        log.say(Notice("info", str(n)))
    assert len(log.entries) == view.findChild(QTreeWidget).topLevelItemCount() == 50
    assert view.text().splitlines()[0].endswith("20")
