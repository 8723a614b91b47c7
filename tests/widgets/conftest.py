"""What the tests of the window share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from person import Person
from pytestqt.qtbot import QtBot

from widgets.preferences import Preferences


@pytest.fixture
def person(qtbot: QtBot, tmp_path: Path) -> Iterator[Person]:
    preferences = Preferences()
    preferences._settings.clear()
    person = Person(qtbot, tmp_path / "projects")
    yield person
    for window in list(person.windows):
        person.close(window)
