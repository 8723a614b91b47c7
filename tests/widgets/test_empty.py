"""Pages that have nothing to show."""

from __future__ import annotations

from person import Person
from pytestqt.qtbot import QtBot

from widgets.empty import READABLE, Empty


def test_a_wide_page_has_lines_of_a_readable_length_and_can_be_made_narrow_again(qtbot: QtBot) -> None:
    page = Empty("Nothing yet", "what to do " * 30)
    qtbot.addWidget(page)
    page.resize(1400, 600)
    page.show()
    longest = READABLE * page.fontMetrics().averageCharWidth()
    qtbot.waitUntil(lambda: abs(page.text.geometry().center().x() - page.rect().center().x()) <= 1)
    assert page.text.width() == longest
    page.resize(400, 600)
    assert page.width() == 400
    assert page.minimumSizeHint().width() < 400
    qtbot.waitUntil(lambda: 360 < page.text.width() <= 400)
    assert page.text.height() >= page.text.heightForWidth(page.text.width())  # nothing of it is cut


def test_a_project_without_runs_leaves_the_window_as_wide_as_it_was(person: Person) -> None:
    person.desk.workspace.project_file.create("Some")
    person.until(lambda: person.desk.docks["showModel"].isVisible())
    assert person.window.width() == 1280
