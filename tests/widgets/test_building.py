"""Small parts of panels."""

from __future__ import annotations

import numpy as np
from memory import counted, in_use
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget
from pytestqt.qtbot import QtBot

from widgets.building import empty, label


def ink(part: QLabel) -> np.ndarray:
    """Which pixels of a label are not as its corner: (height, width)."""
    picture = part.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    grey = np.frombuffer(picture.constBits(), np.uint8).reshape(picture.height(), picture.bytesPerLine())
    return np.abs(grey[:, : picture.width()].astype(int) - grey[0, 0]) > 60


def test_a_name_without_room_ends_in_an_ellipsis_and_asks_for_no_more(qtbot: QtBot) -> None:
    name = "a-run-with-a-name-that-nobody-has-room-for"
    elided = label(name, elided=True)
    qtbot.addWidget(elided)
    whole = elided.sizeHint().width()
    assert elided.minimumSizeHint().width() < whole / 3
    assert elided.text() == name  # to be read out
    elided.resize(whole // 2, 30)
    short = ink(elided)
    elided.resize(whole + 20, 30)
    complete = ink(elided)
    same = slice(0, whole // 2 - elided.fontMetrics().horizontalAdvance("…mm"))
    assert np.array_equal(short[:, same], complete[:, same])  # it begins as the whole name does
    tail = short[:, whole // 2 - elided.fontMetrics().horizontalAdvance("…") :]
    assert tail.any()
    assert not tail[: len(tail) // 2].any()  # dots, which lie at the base line


@counted
def test_a_layout_that_is_emptied_leaves_nothing(qtbot: QtBot) -> None:
    page = QWidget()
    qtbot.addWidget(page)
    grid = QGridLayout(page)

    def fill_and_empty() -> None:
        for row in range(2000):
            grid.addWidget(QWidget(), row, 0)
        empty(grid)
        qtbot.waitUntil(lambda: not page.children()[1:])

    fill_and_empty()
    before = in_use()
    fill_and_empty()
    assert grid.count() == 0
    assert in_use() < before + 100_000  # 192 kB of items stayed when they were taken one by one
