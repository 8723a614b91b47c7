"""Another theme: what is seen wears it at once, everything else by the time it is seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from memory import counted, in_use
from PySide6.QtGui import QColor, QPixmap, QPixmapCache
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QLabel,
    QPushButton,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot
from shiboken6 import delete

from widgets.building import label
from widgets.theme import DARK, LIGHT, Theme, look


@pytest.fixture
def pages(qtbot: QtBot, qapp: QApplication) -> Iterator[QStackedWidget]:
    """Two pages of which one is seen, in the dark theme."""
    look.apply(qapp, DARK)
    stack = QStackedWidget()
    qtbot.addWidget(stack)
    for name in ("seen", "behind"):
        page = QWidget(objectName=name)
        column = QVBoxLayout(page)
        for part in (QPushButton("Do"), label("wrong", "error"), QComboBox()):
            column.addWidget(part)
        stack.addWidget(page)
    stack.show()
    yield stack
    look.apply(qapp, DARK)
    look.wardrobe.finish()
    qapp.setStyleSheet("")


def ground(button: QPushButton) -> str:
    return button.grab().toImage().pixelColor(button.width() // 2, 4).name()


def worn(page: QWidget) -> tuple[str, str]:
    """The colours that a button is filled with, and an error written in."""
    error = page.findChild(QLabel)
    return ground(page.findChild(QPushButton)), error.palette().color(error.foregroundRole()).name()


def expected(theme: Theme) -> tuple[str, str]:
    return QColor(theme.raised).name(), QColor(theme.bad).name()


def test_what_is_seen_changes_at_once_and_what_is_shown_then_too(qapp: QApplication, pages: QStackedWidget) -> None:
    assert worn(pages.widget(0)) == expected(DARK)
    pages.setCurrentIndex(1)
    pages.setCurrentIndex(0)
    look.apply(qapp, LIGHT)
    assert worn(pages.widget(0)) == expected(LIGHT)
    assert pages.widget(1) in look.wardrobe.waiting
    pages.setCurrentIndex(1)  # no event was handled in between
    assert worn(pages.widget(1)) == expected(LIGHT)


def test_what_is_not_seen_follows_when_nothing_else_is_to_be_done(
    qtbot: QtBot, qapp: QApplication, pages: QStackedWidget
) -> None:
    pages.setCurrentIndex(1)
    pages.setCurrentIndex(0)
    gone = QLabel(pages.widget(1))
    gone.ensurePolished()
    look.apply(qapp, LIGHT)
    look.apply(qapp, DARK)
    look.apply(qapp, LIGHT)  # before it had its turn
    gone.setParent(None)
    gone.deleteLater()
    qtbot.waitUntil(lambda: not look.wardrobe.waiting)
    error = pages.widget(1).findChild(QLabel)
    assert error.palette().color(error.foregroundRole()) == QColor(LIGHT.bad)
    qapp.setStyleSheet(qapp.styleSheet() + " ")  # Qt's own way gives nothing else
    assert error.palette().color(error.foregroundRole()) == QColor(LIGHT.bad)


def test_text_of_another_size_waits_for_nobody(qapp: QApplication, pages: QStackedWidget) -> None:
    small = label("small", "small")
    pages.widget(1).layout().addWidget(small)
    pages.setCurrentIndex(1)
    pages.setCurrentIndex(0)
    before = small.font().pixelSize()
    look.apply(qapp, LIGHT)
    assert look.wardrobe.waiting
    try:
        look.apply(qapp, LIGHT, 1.5)
        assert not look.wardrobe.waiting
        assert small.font().pixelSize() > before
        assert worn(pages.widget(0)) == expected(LIGHT)
    finally:
        look.apply(qapp, LIGHT, 1.0)


def test_the_style_sheet_is_one_for_all_themes(qapp: QApplication, pages: QStackedWidget) -> None:
    dark = qapp.styleSheet()
    look.apply(qapp, LIGHT)
    assert qapp.styleSheet() == dark


@counted
def test_what_the_style_has_looked_up_for_widgets_that_died_is_forgotten(
    qapp: QApplication, pages: QStackedWidget
) -> None:
    def in_use_after_many_widgets() -> int:
        for widget in [make() for make in (QComboBox, QSpinBox) for _ in range(500)]:
            delete(widget)
        return in_use()

    seen = pages.grab().toImage()
    in_use_after_many_widgets()
    look.wardrobe.forget()
    before = in_use()
    assert in_use_after_many_widgets() > before + 500_000  # if not, Qt has mended it, and nothing need be forgotten
    look.wardrobe.forget()
    assert in_use() < before + 50_000
    assert pages.grab().toImage() == seen


def test_icons_that_were_scaled_are_forgotten(qapp: QApplication, pages: QStackedWidget) -> None:
    QPixmapCache.insert("scaled", QPixmap(8, 8))
    kept = QPixmap()
    assert QPixmapCache.find("scaled", kept)
    look.wardrobe.forget()
    assert not QPixmapCache.find("scaled", kept)
