"""The window with larger text, and mirrored."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QFontInfo
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QMenuBar, QPushButton
from pytestqt.qtbot import QtBot

from models.catalog import FAMILIES
from widgets.building import label
from widgets.explorers.slider_row import SliderRow
from widgets.main_window import MainWindow
from widgets.model_panel import FamilyBox
from widgets.notices import Log
from widgets.plots import Plot
from widgets.preferences import Preferences
from widgets.readout import Readout
from widgets.theme import look, px


@pytest.fixture
def window(qtbot: QtBot, qapp: QApplication) -> Iterator[MainWindow]:
    preferences = Preferences()
    preferences._settings.clear()
    look.apply(qapp, look.theme)
    window = MainWindow(preferences, Log())
    window.resize(1280, 800)
    window.show()
    yield window
    preferences._settings.clear()
    window.follow_preferences()
    qapp.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
    with qtbot.waitSignal(window.ended):
        window.close()
    window.deleteLater()


def test_text_grows_at_once_and_everything_with_it(qtbot: QtBot, qapp: QApplication, window: MainWindow) -> None:
    parts = [label("A label"), label("small", "small"), Readout(role="small"), Readout()]
    for part in parts:
        part.setParent(window)
        part.show()
    title = window.start_page.findChild(QLabel, "loadingText")
    before = [QFontInfo(part.font()).pixelSize() for part in (*parts, title, window.header)]
    height = window.status.height()
    window.preferences.font_percent = 150
    window.follow_preferences()
    after = [QFontInfo(part.font()).pixelSize() for part in (*parts, title, window.header)]
    assert all(1.35 <= b / a <= 1.7 for a, b in zip(before, after, strict=True)), (before, after)
    assert window.status.height() > height
    assert px(20) == 30
    assert window.minimumSizeHint().width() <= 1280
    window.preferences.font_percent = 100
    window.follow_preferences()
    assert [QFontInfo(part.font()).pixelSize() for part in (*parts, title, window.header)] == before
    assert look.scale == 1


def test_a_mirrored_window_has_its_menus_and_plots_run_on_from_left_to_right(
    qtbot: QtBot, qapp: QApplication, window: MainWindow
) -> None:
    qapp.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    bar = window.header.findChild(QMenuBar)
    QApplication.processEvents()
    for action in bar.actions():
        assert bar.rect().contains(bar.actionGeometry(action)), action.text()
    plot, slider = Plot(window), SliderRow("z", -1, 1, 0)
    slider.setParent(window)
    plot.resize(300, 200)
    plot.show()
    QApplication.processEvents()
    left = plot.getAxis("left").sceneBoundingRect()
    assert left.center().x() < plot.box.sceneBoundingRect().left() + 1
    assert slider.layoutDirection() is Qt.LayoutDirection.LeftToRight


def test_explorers_go_below_the_pages_before_a_tab_is_cut(qtbot: QtBot, window: MainWindow) -> None:
    window.load()
    qtbot.waitUntil(lambda: window.desk is not None, timeout=60_000)
    assert window.desk is not None
    window.desk.projects.new()
    area = window.desk.area
    qtbot.waitUntil(area.isVisible)
    area.show_page("Explore")
    switch, tabs = area.explore.switch, area.tabs
    segments = [QPushButton(f"An explorer of a long name {i}", switch) for i in range(3)]
    for segment in segments:
        switch.layout().addWidget(segment)
        segment.show()
    qtbot.waitUntil(lambda: switch.y() >= tabs.geometry().bottom())
    assert tabs.width() >= tabs.sizeHint().width()
    area.show_page("Train")
    for segment in segments:
        segment.hide()
    area.show_page("Explore")
    qtbot.waitUntil(lambda: switch.y() < tabs.geometry().bottom())


def test_a_family_is_found_by_any_part_of_its_name(qtbot: QtBot) -> None:
    box = FamilyBox()
    qtbot.addWidget(box)
    box.choose("vae")
    box.show()
    with qtbot.waitActive(box):
        box.activateWindow()
    box.clearFocus()
    QTest.mouseClick(box.lineEdit(), Qt.MouseButton.LeftButton, pos=QPoint(60, 10))
    assert box.lineEdit().selectedText() == box.currentText()
    QTest.keyClicks(box.lineEdit(), "regresive density")
    QTest.mouseClick(box.lineEdit(), Qt.MouseButton.LeftButton, pos=QPoint(60, 10))  # for a place in what was typed
    assert not box.lineEdit().hasSelectedText()
    box.lineEdit().setCursorPosition(len("regres"))
    QTest.keyClicks(box.lineEdit(), "s")
    found = box.completer().popup()
    qtbot.waitUntil(found.isVisible)
    longest = max(box.fontMetrics().horizontalAdvance(family.title) for family in FAMILIES)
    assert found.width() > longest  # however narrow the field is
    with qtbot.waitSignal(box.chosen) as chosen:
        QTest.keyClick(found, Qt.Key.Key_Down)
        QTest.keyClick(found, Qt.Key.Key_Return)
    assert chosen.args == ["nade"]
    box.choose("nade")
    assert box.lineEdit().selectedText() == box.currentText()  # what is typed next looks for another
    QTest.mouseClick(box.lineEdit(), Qt.MouseButton.LeftButton, pos=QPoint(60, 10))
    assert box.lineEdit().selectedText() == box.currentText()
    QTest.keyClicks(box.lineEdit(), "nothing of that name")
    assert box.lineEdit().text() == "nothing of that name"
    QTest.keyClick(box, Qt.Key.Key_Escape)
    assert box.lineEdit().selectedText() == box.currentText() == box.itemText(box.currentIndex())


def test_return_takes_the_family_that_was_found_first(qtbot: QtBot) -> None:
    box = FamilyBox()
    qtbot.addWidget(box)
    box.choose("vae")
    box.show()
    heard: list[str] = []
    box.chosen.connect(heard.append)
    for typed in ("nothing of that name", ""):
        box.lineEdit().setText(typed)
        QTest.keyClick(box.lineEdit(), Qt.Key.Key_Return)
        assert heard == []
    for typed, key in (("regressive density", "nade"), ("VAE", "vae"), ("orderless", "eonade"), ("nade", "nade")):
        box.lineEdit().selectAll()
        QTest.keyClicks(box.lineEdit(), typed)
        found = box.completer().popup()
        qtbot.waitUntil(found.isVisible)
        titles = [found.model().index(row, 0).data() for row in range(found.model().rowCount())]
        QTest.keyClick(found, Qt.Key.Key_Return)
        assert heard.pop() == key
        assert heard == []
        assert box.currentData() == key
        assert box.lineEdit().text() == box.currentText() in titles  # by short names too, and by no other text
