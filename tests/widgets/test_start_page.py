"""The start page: cards that start, projects that open, by mouse and by keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QProgressBar, QPushButton, QScrollArea
from pytestqt.qtbot import QtBot

from dgm_studio.presets import presets
from widgets.building import Card
from widgets.start_page import StartPage


@pytest.fixture
def page(qtbot: QtBot, tmp_path: Path) -> StartPage:
    recent = [tmp_path / "one.dgm", tmp_path / "two.dgm"]
    page = StartPage(presets(), recent)
    qtbot.addWidget(page)
    page.resize(1264, 736)
    page.show()
    return page


def test_every_preset_has_a_card_and_a_click_on_it_chooses_it(qtbot: QtBot, page: StartPage) -> None:
    assert presets()
    for preset in presets():
        card = page.findChild(Card, f"preset-{preset.key}")
        assert card.accessibleName() == preset.title
        with qtbot.waitSignal(page.preset_chosen) as chosen:
            qtbot.mouseClick(card, Qt.MouseButton.LeftButton)
        assert chosen.args == [preset]


def test_a_card_is_chosen_by_keyboard(qtbot: QtBot, page: StartPage) -> None:
    card = page.findChild(Card, f"preset-{presets()[0].key}")
    assert card.focusPolicy() & Qt.FocusPolicy.TabFocus
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Space):
        with qtbot.waitSignal(page.preset_chosen):
            qtbot.keyClick(card, key)


def test_a_press_that_leaves_the_card_chooses_nothing(qtbot: QtBot, page: StartPage) -> None:
    card = page.findChild(Card, f"preset-{presets()[0].key}")
    with qtbot.assertNotEmitted(page.preset_chosen):
        qtbot.mousePress(card, Qt.MouseButton.LeftButton)
        qtbot.mouseRelease(card, Qt.MouseButton.LeftButton, pos=card.rect().bottomRight() * 2)


def test_recent_projects_are_listed_and_open(qtbot: QtBot, page: StartPage, tmp_path: Path) -> None:
    cards = page.findChildren(Card, "recentProject")
    assert [card.toolTip() for card in cards] == [str(tmp_path / "one.dgm"), str(tmp_path / "two.dgm")]
    with qtbot.waitSignal(page.recent_chosen) as chosen:
        qtbot.mouseClick(cards[1], Qt.MouseButton.LeftButton)
    assert chosen.args == [tmp_path / "two.dgm"]


def test_a_new_list_of_recent_projects_replaces_the_old_one(qtbot: QtBot, page: StartPage, tmp_path: Path) -> None:
    page.show_recent([tmp_path / "three.dgm"])

    def shown() -> list[str]:
        return [card.accessibleName() for card in page.findChildren(Card, "recentProject") if card.isVisible()]

    qtbot.waitUntil(lambda: shown() == ["Open three"])


def test_buttons_for_new_and_open(qtbot: QtBot, page: StartPage) -> None:
    for name, signal in (("newProject", page.new_project), ("openProject", page.open_project)):
        with qtbot.waitSignal(signal):
            page.findChild(QPushButton, name).click()


def test_loading_is_said_until_all_is_ready(page: StartPage) -> None:
    text, bar = page.findChild(QLabel, "loadingText"), page.findChild(QProgressBar, "loadingBar")
    page.say_loading("Loading torch …")
    assert (text.text(), bar.isVisible()) == ("Loading torch …", True)
    page.say_loading("")
    assert (text.text(), bar.isVisible()) == ("", False)


@pytest.mark.parametrize("width", [800, 1264, 2400])
def test_cards_fill_the_width_and_none_is_cut_off(page: StartPage, width: int) -> None:
    page.resize(width, 736)
    area = page.findChild(QScrollArea, "startScroll")
    content = area.widget()
    assert content.width() <= area.viewport().width()
    for card in page.findChildren(Card):
        for text in card.findChildren(QLabel):
            if text.wordWrap():
                assert text.height() >= text.heightForWidth(text.width()), text.text()
