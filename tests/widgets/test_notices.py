"""The bars above the pages: their texts can be read, and what holds is among them."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from widgets.notices import Log, Notice, NoticeBar, Notices, Remedy

WIDTH = 640  # px, of the pages in a window of 1280 with both docks open


@pytest.mark.parametrize("many", [2, 4])
def test_remedies_of_a_long_text_stand_below_it_and_within_its_width(qtbot: QtBot, many: int) -> None:
    ways = ("feature matching", "packing of 2", "minibatch features", "5 unrolled steps")[:many]
    remedies = tuple(Remedy(f"Train anew with {way}", lambda: None) for way in ways)
    bar = NoticeBar(Notice("warn", 8 * "The generator leaves out data. ", "Measured thus.", remedies))
    qtbot.addWidget(bar)
    bar.setFixedWidth(WIDTH)
    bar.show()
    text = bar.findChild(QLabel, "noticeText")
    buttons = [button for button in bar.findChildren(QPushButton) if button.objectName() == "remedy"]
    assert bar.minimumSizeHint().width() < WIDTH
    assert text.width() > WIDTH / 2
    assert len(buttons) == len(ways)
    assert all(bar.rect().contains(button.geometry()) for button in buttons)
    assert all(button.y() >= text.geometry().bottom() for button in buttons)
    places = [button.geometry() for button in buttons]
    assert not any(one.intersects(other) for one in places for other in places if one is not other)


def test_what_was_taken_back_is_shown_when_it_is_said_again_at_once(qtbot: QtBot) -> None:
    log = Log()
    notices = Notices(log)
    qtbot.addWidget(notices)
    notices.show()
    notice = Notice("bad", "The disk is full.")
    log.say(notice)
    log.take_back(notice)
    assert notices.bars() == []
    log.say(notice)
    assert [bar.notice for bar in notices.bars()] == [notice]
