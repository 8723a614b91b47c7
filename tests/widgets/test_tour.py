"""The tour: once, by keys alone, and never in the way."""

from __future__ import annotations

from person import Person
from PySide6.QtCore import QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from dgm_studio.lessons.reading import lessons


def test_somebody_is_shown_around_once_and_by_keys(person: Person) -> None:
    window, desk = person.window, person.desk
    assert not window.actions_["tour"].isEnabled()
    window.tour._by_itself = True  # as the program has it; windows of tests do not begin by themselves
    desk.projects.new()
    window.activateWindow()
    person.until(lambda: window.tour.bubble is not None)
    bubble = window.tour.bubble
    assert bubble is not None
    assert not bubble.isModal()
    titles = []
    while window.tour.bubble is not None:
        target = bubble._stops[bubble.at].place()
        assert isinstance(target, QWidget)
        titles.append(bubble.findChild(QLabel, "tourTitle").text())
        place = QRect(bubble.pos(), bubble.size())
        assert window.rect().contains(place), titles[-1]
        body = place.adjusted(10, 10, -10, -10)  # without its tip
        assert not body.intersects(QRect(target.mapTo(window, target.rect().topLeft()), target.size())), titles[-1]
        assert person.window.isAncestorOf(QApplication.focusWidget())
        QTest.keyClick(bubble, Qt.Key.Key_Right)
    assert 5 <= len(set(titles)) <= 6
    assert person.preferences.toured
    # again from the menu, past a panel that is hidden, back, and away
    desk.docks["showRuns"].hide()
    notes = desk.model.family
    notes.setFocus()
    person.do("tour")
    assert notes is not QApplication.focusWidget()
    seen = []
    for _ in range(3):
        seen.append(bubble.findChild(QLabel, "tourTitle").text())
        QTest.keyClick(bubble, Qt.Key.Key_Right)
    assert seen == [titles[0], titles[1], titles[3]]
    QTest.keyClick(bubble, Qt.Key.Key_Left)
    assert bubble.findChild(QLabel, "tourTitle").text() == titles[3]
    QTest.keyClick(bubble, Qt.Key.Key_Escape)
    assert window.tour.bubble is None
    assert notes.hasFocus()
    person.do("tour")
    desk.projects.leave()
    person.until(lambda: window.tour.bubble is None)
    # and not by itself a second time
    desk.projects.new()
    person.until(lambda: desk.workspace.project is not None)
    person.qtbot.wait(100)
    window.tour._begin_by_itself()
    assert window.tour.bubble is None


def test_who_reads_a_lesson_is_not_shown_around_in_it(person: Person) -> None:
    window, desk = person.window, person.desk
    desk.lessons.open(lessons()[0])
    person.until(lambda: desk.workspace.project is not None and desk.area.page == "Lesson")
    window.activateWindow()
    person.until(window.isActiveWindow)
    window.tour._begin_by_itself()
    assert window.tour.bubble is None
    assert not person.preferences.toured
    desk.area.show_page("Train")
    window.tour._begin_by_itself()
    assert window.tour.bubble is not None
