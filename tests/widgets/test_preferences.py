"""What the window remembers between two starts, and the dialog that changes it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from person import Person
from PySide6.QtCore import QSettings
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QCheckBox, QFileDialog, QLabel, QLineEdit, QPushButton, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from dgm_studio.training import CHECKPOINT_EVERY
from widgets.editors import ChoiceBox
from widgets.palette.offers import PREFERENCES
from widgets.preferences import KEEP_EVERY, Preferences, keep_thumbnail, thumbnail_file
from widgets.preferences_dialog import PreferencesDialog


@pytest.fixture
def preferences() -> Preferences:
    result = Preferences()
    result._settings.clear()
    return result


def test_what_was_chosen_counts_at_once_and_is_there_at_the_next_start(
    qtbot: QtBot, preferences: Preferences, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preferences.folder = tmp_path
    dialog = PreferencesDialog(preferences)
    qtbot.addWidget(dialog)
    dialog.show()
    assert not dialog.isModal()
    assert dialog.findChild(QLabel, "preferFolder").toolTip() == str(tmp_path)
    told: list[object] = []
    dialog.changed.connect(lambda: told.append(1))
    dialog.findChild(QSpinBox, "keepEvery").setValue(45)
    dialog.findChild(QSpinBox, "preferFont").setValue(150)
    dialog.findChild(QCheckBox, "preferStill").setChecked(True)
    dialog.findChild(ChoiceBox, "preferTheme").setCurrentIndex(1)
    dialog.findChild(ChoiceBox, "preferDevice").choose("cpu")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "other"))
    dialog.findChild(QPushButton, "chooseFolder").click()
    assert len(told) == 6
    preferences.sync()
    kept = Preferences()
    assert (kept.keep_every, kept.font_percent, kept.still, kept.theme, kept.device) == (45, 150, True, "dark", "cpu")
    assert kept.folder == tmp_path / "other"
    # found by a word of their name, their help or what else they may be called
    find = dialog.findChild(QLineEdit, "findPreference")
    for text, visible in (("zoom", {"preferFont"}), ("CRASH state", {"keepEvery"}), ("xyzzy", set())):
        find.setText(text)
        names = ("preferTheme", "preferFont", "preferStill", "keepEvery", "preferDevice")
        assert {name for name in names if dialog.findChild(QWidget, name).isVisible()} == visible
    assert dialog.findChild(QLabel, "noPreference").isVisible()
    assert list(PREFERENCES) == [row.name.replace("&", "") for _, rows in dialog._groups for row, _ in rows]
    for name in PREFERENCES:  # where the palette leads to
        dialog.find(name)
        assert not dialog.findChild(QLabel, "noPreference").isVisible(), name
    find.clear()
    preferences.remember(tmp_path)
    dialog.findChild(QPushButton, "resetPreferences").click()
    assert (preferences.keep_every, preferences.font_percent, preferences.still) == (CHECKPOINT_EVERY, 100, False)
    assert dialog.findChild(QSpinBox, "preferFont").value() == 100
    assert preferences._list("recent")  # projects stay known
    assert dialog.findChild(QPushButton, "preferencesFile").toolTip() == str(preferences.file)


def test_what_was_chosen_in_explorers_is_there_at_the_next_start(preferences: Preferences) -> None:
    assert preferences.explored == {}
    preferences.explored = {"map": {"plane of 4": [3, 2], "tool": ""}}
    preferences.sync()
    assert Preferences().explored == {"map": {"plane of 4": [3, 2], "tool": ""}}
    for damaged in ("{", "[1]", '{"map": 3}'):
        preferences._settings.setValue("window/explored", damaged)
        assert preferences.explored == {}


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


@pytest.fixture
def elsewhere() -> Iterator[Callable[[Path], None]]:
    """Settings are kept in another folder."""

    def keep(folder: Path) -> None:
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))

    yield keep
    keep(Path(os.environ["XDG_CONFIG_HOME"]))


def test_settings_that_cannot_be_written_are_said_when_a_project_opens(
    person: Person, elsewhere: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder can be made in it")
    elsewhere(tmp_path / "file")
    person.window.preferences._settings = Preferences()._settings
    person.preferences.folder = tmp_path / "projects"
    person.desk.projects.new()
    assert "recent projects, panels and preferences" in person.bar("cannot be written").notice.text
    (tmp_path / "file").unlink()
    assert person.preferences.sync()


def test_the_picture_of_a_project_is_kept_where_a_newer_one_finds_no_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project = tmp_path / "p.dgm"
    first, second = QImage(9, 9, QImage.Format.Format_RGB32), QImage(8, 8, QImage.Format.Format_RGB32)
    keep_thumbnail(project, first)
    assert QImage(str(thumbnail_file(project))).size() == first.size()
    monkeypatch.setattr(os, "fsync", _no_room)
    keep_thumbnail(project, second)
    assert QImage(str(thumbnail_file(project))).size() == first.size()
    assert [path.name for path in thumbnail_file(project).parent.glob(f"*{thumbnail_file(project).stem}*")] == [
        thumbnail_file(project).name
    ]


def _no_room(file: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
