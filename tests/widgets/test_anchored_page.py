"""A page that grows while it is read holds the place that is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from person import PATIENCE, Person
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from dgm_studio.lessons.reading import lesson
from dgm_studio.reports import Curves, Series
from widgets.lesson.anchored import Anchored

SIDE = 200  # px of each block


class Reader:
    """Reads a page of ten blocks, of which two are seen at once."""

    def __init__(self, qtbot: QtBot) -> None:
        self.qtbot = qtbot
        self.area = Anchored("area")
        qtbot.addWidget(self.area)
        self.area.resize(300, 2 * SIDE)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.blocks = [QFrame() for _ in range(10)]
        for block in self.blocks:
            block.setFixedHeight(SIDE)
            column.addWidget(block)
        column.addStretch(1)
        self.area.show_blocks(content, self.blocks)
        self.area.show()
        qtbot.waitExposed(self.area)

    def scroll(self, value: int) -> None:
        self.area.verticalScrollBar().setValue(value)

    def become(self, block: int, height: int) -> None:
        self.blocks[block].setFixedHeight(height)
        self.qtbot.waitUntil(lambda: self.blocks[block].height() == height)
        self.qtbot.wait(20)

    def seen_at(self, block: int) -> int:
        return self.blocks[block].mapTo(self.area.viewport(), QPoint()).y()


@pytest.fixture
def reader(qtbot: QtBot) -> Reader:
    return Reader(qtbot)


@pytest.mark.parametrize("height", [SIDE // 2, SIDE + 37, 4 * SIDE])
def test_what_changes_above_does_not_move_what_is_read(reader: Reader, height: int) -> None:
    reader.scroll(5 * SIDE)
    reader.become(1, height)
    reader.qtbot.waitUntil(lambda: reader.seen_at(5) == 0, timeout=PATIENCE)
    reader.scroll(reader.area.verticalScrollBar().value() + 30)  # read on: block 6 begins in the upper half
    reader.become(0, height)
    reader.qtbot.waitUntil(lambda: reader.seen_at(6) == SIDE - 30, timeout=PATIENCE)


def test_a_block_that_is_seen_in_part_grows_upwards(reader: Reader) -> None:
    reader.scroll(5 * SIDE - 60)
    reader.become(4, 3 * SIDE)
    reader.qtbot.waitUntil(lambda: reader.seen_at(5) == 60, timeout=PATIENCE)


def test_what_changes_below_moves_nothing(reader: Reader) -> None:
    for value in (0, 5 * SIDE):
        reader.scroll(value)
        reader.become(8, 2 * SIDE + value)
        assert reader.area.verticalScrollBar().value() == value


def test_a_page_that_is_short_for_a_moment_comes_back_to_its_place(reader: Reader) -> None:
    reader.scroll(8 * SIDE)  # its end
    reader.become(2, 0)
    reader.become(3, 0)
    reader.qtbot.waitUntil(lambda: reader.area.verticalScrollBar().value() == 6 * SIDE, timeout=PATIENCE)
    reader.become(3, SIDE)
    reader.become(2, 2 * SIDE)
    reader.qtbot.waitUntil(lambda: reader.seen_at(8) == 0, timeout=PATIENCE)


def test_a_text_whose_lines_break_elsewhere_is_as_far_down(qtbot: QtBot) -> None:
    area, content = Anchored("area"), QWidget()
    qtbot.addWidget(area)
    text = QLabel("many words that have to be read " * 200, wordWrap=True)
    QVBoxLayout(content).addWidget(text)
    area.resize(400, 300)
    area.show_blocks(content, [text])
    area.show()
    qtbot.waitExposed(area)
    bar = area.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    before, height = bar.value(), text.height()
    bar.setValue(before + height // 3)
    area.resize(800, 300)
    qtbot.waitUntil(lambda: text.height() < 0.7 * height)
    assert (bar.value() - text.y()) / text.height() == pytest.approx(1 / 3, abs=0.03)


def test_results_that_come_above_leave_the_text_of_a_lesson_where_it_is(person: Person, tmp_path: Path) -> None:
    person.desk.lessons.open(lesson("posterior-collapse"))
    page = person.desk.area.lesson
    person.until(lambda: page.lesson is not None and page.isVisible())
    sheet, article = page.sheet, page.sheet._article
    assert article is not None
    curves = Curves("KL", "step", "nats", (Series("A", np.arange(9.0), np.arange(9.0)),), "")
    read = article.blocks[-1]  # below all figures
    sheet.verticalScrollBar().setValue(read.mapTo(sheet.widget(), QPoint()).y() - 20)
    person.qtbot.wait(50)
    before = read.mapTo(sheet.viewport(), QPoint()).y()
    height = article.height()
    article.show_reports(dict.fromkeys(sheet.figures, (curves,)))

    def held() -> bool:  # it was once found a pixel off, for a reason that is not known; results move it by hundreds
        return abs(read.mapTo(sheet.viewport(), QPoint()).y() - before) <= 2

    person.until(lambda: article.height() > height + 200 and held())
