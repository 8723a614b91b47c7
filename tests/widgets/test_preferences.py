"""What the window remembers between two starts, and the dialog that changes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from dgm_studio.training import CHECKPOINT_EVERY
from widgets.preferences import KEEP_EVERY, Preferences
from widgets.preferences_dialog import show_preferences
from widgets.settings_form import ChoiceBox


@pytest.fixture
def preferences() -> Preferences:
    result = Preferences()
    result._settings.clear()
    return result


def test_what_was_chosen_is_there_at_the_next_start(qtbot: QtBot, preferences: Preferences, tmp_path: Path) -> None:
    preferences.folder = tmp_path
    themes: list[str] = []
    parent = QWidget()
    qtbot.addWidget(parent)
    dialog = show_preferences(parent, preferences, themes.append)
    assert not dialog.isModal()
    assert dialog.findChild(QLabel, "preferFolder").toolTip() == str(tmp_path)
    dialog.findChild(QSpinBox, "keepEvery").setValue(45)
    dialog.findChild(ChoiceBox, "preferTheme").setCurrentIndex(1)
    assert themes == ["dark"]
    preferences.sync()
    assert Preferences().keep_every == 45


@pytest.mark.parametrize(("written", "read"), [("1", KEEP_EVERY[0]), ("99999", KEEP_EVERY[1]), ("soon", 20)])
def test_a_settings_file_edited_by_hand_is_survived(preferences: Preferences, written: str, read: int) -> None:
    preferences._settings.setValue("keepEvery", written)
    assert preferences.keep_every == read


def test_states_are_kept_as_often_as_without_a_window_unless_a_person_chooses(preferences: Preferences) -> None:
    assert preferences.keep_every == CHECKPOINT_EVERY


def test_a_file_is_familiar_until_it_changes(preferences: Preferences) -> None:
    preferences._settings.setValue("familiar", ["edited by hand", "(5, 6)"])
    assert not preferences.familiar
    preferences.know((1, 2, 3, 4))
    assert preferences.familiar == {(1, 2, 3, 4)}
    preferences.know(None)  # one that has changed already
    preferences.know((5, 6, 7, 8))
    assert preferences.familiar == {(1, 2, 3, 4), (5, 6, 7, 8)}
    for n in range(200):
        preferences.know((n, 0, 0, 0))
    assert (1, 2, 3, 4) not in preferences.familiar
