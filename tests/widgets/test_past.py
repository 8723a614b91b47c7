"""Changes are taken back and done again, in order, and no more of them are kept than was said."""

from __future__ import annotations

import pytest

from widgets.past import Past


@pytest.fixture
def past() -> Past[str]:
    """a, b and c were left; d is now."""
    past: Past[str] = Past(kept=3)
    for value in "abc":
        past.leave(value)
    return past


def test_what_was_left_comes_back_last_first_and_goes_again(past: Past[str]) -> None:
    assert [past.undo("d"), past.undo("c")] == ["c", "b"]
    assert [past.redo("b"), past.redo("c")] == ["c", "d"]
    assert not past.can_redo
    assert past.undo("d") == "c"


def test_after_another_change_nothing_can_be_done_again(past: Past[str]) -> None:
    past.undo("d")
    assert past.can_redo
    past.leave("c")
    assert not past.can_redo


def test_the_oldest_is_forgotten(past: Past[str]) -> None:
    past.leave("d")
    assert [past.undo(value) for value in "edc"] == ["d", "c", "b"]
    assert not past.can_undo


def test_nothing_is_left_of_a_cleared_past(past: Past[str]) -> None:
    past.undo("d")
    past.clear()
    assert not past.can_undo
    assert not past.can_redo
