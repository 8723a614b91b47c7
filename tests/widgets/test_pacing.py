"""What follows a training takes its share of the time, and no more."""

from __future__ import annotations

from time import monotonic, thread_time

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from widgets.pacing import Pace


def passed(pace: Pace, qtbot: QtBot, answering: float, drawing: float = 0.0) -> float:
    """Seconds from a question, at once answered for `answering` seconds, until the next one is due."""
    begun = monotonic()
    pace.ask()
    pace.rest(answering)
    end = thread_time() + drawing
    while thread_time() < end:
        pass
    with qtbot.waitSignal(pace.due):
        pass
    return monotonic() - begun


@pytest.fixture
def pace(qtbot: QtBot) -> Pace:
    parent = QObject()
    made = Pace("samples", parent)
    made._keeps = parent  # type: ignore[attr-defined]
    made.share = 0.1
    return made


def test_the_next_question_waits_until_the_last_one_was_its_share_of_the_time(
    pace: Pace, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert passed(pace, qtbot, 0.03) >= 0.3
    monkeypatch.setattr("widgets.pacing.process_time", monotonic)  # this program gets all there is
    waits: list[bool] = []
    pace.timeout.connect(lambda: waits.append(pace.isActive()))
    pace.share = 1.0
    passed(pace, qtbot, 0.03)
    assert waits == [False]  # for nothing but that the answer was drawn


def test_drawing_the_answer_counts_as_well(pace: Pace, qtbot: QtBot) -> None:
    assert passed(pace, qtbot, 0.0, drawing=0.03) >= 0.3


def test_what_costs_next_to_nothing_comes_as_often_as_it_was_asked_for(pace: Pace, qtbot: QtBot) -> None:
    pace.every = 200
    assert passed(pace, qtbot, 0.0) >= 0.19


def test_where_other_programs_have_the_processors_it_is_asked_less_often(
    pace: Pace, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("widgets.pacing.process_time", lambda: 0.0)  # this one gets nothing of them
    assert passed(pace, qtbot, 0.01) >= 0.39
