"""The buttons of the header do what their actions do, however often these change."""

from __future__ import annotations

import pytest
from PySide6.QtCore import SIGNAL, QObject
from PySide6.QtGui import QAction
from pytestqt.qtbot import QtBot

from widgets.actions import Actions
from widgets.header import Header


@pytest.fixture
def made(qtbot: QtBot) -> tuple[Header, Actions, QObject]:
    parent = QObject()
    actions = Actions(parent)
    header = Header(actions)
    qtbot.addWidget(header)
    return header, actions, parent


@pytest.mark.parametrize("key", ["train", "step", "stop", "discard", "theme"])
def test_a_button_shows_its_action_and_triggers_it(key: str, made: tuple[Header, Actions, QObject]) -> None:
    header, actions, _ = made
    button, action = header.buttons[key], actions[key]
    assert (button.text(), button.toolTip()) == (action.iconText(), action.toolTip())
    done: list[QAction] = []
    action.triggered.connect(lambda _: done.append(action))
    action.setEnabled(False)
    assert not button.isEnabled()
    button.click()
    assert not done
    action.setEnabled(True)
    button.click()
    assert len(done) == 1
    action.setText("&Other")
    assert button.text() == "Other"


def test_an_action_that_changes_often_is_not_followed_more_and_more(made: tuple[Header, Actions, QObject]) -> None:
    _, actions, _ = made
    changed = SIGNAL("changed()")
    before = {key: action.receivers(changed) for key, action in actions}
    for _, action in actions:
        for _ in range(10):
            action.setEnabled(not action.isEnabled())
    assert {key: action.receivers(changed) for key, action in actions} == before
