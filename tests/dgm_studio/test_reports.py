"""Reports: what they hold, and their trees."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dgm_studio.reports import (
    NO_INTERVAL,
    Bars,
    Column,
    Curves,
    HeatMap,
    Note,
    Part,
    Pictures,
    Points,
    Report,
    Series,
    StackedBars,
    Table,
    from_tree,
    to_tree,
)
from models.estimation.measure import Kind

LINE = Series("a", np.arange(3.0), np.array([0.5, -1.0, 2.0]))
TABLE = Table(
    "Likelihood",
    (Column("Measure"), Column("Value", "number", "nats"), Column("95 %", "interval"), Column("Kind", "kind")),
    (("ELBO", -1234.5678, (-1240.0, -1229.0), Kind.LOWER_BOUND), ("a|b", math.nan, NO_INTERVAL, Kind.EXACT)),
    "A note.",
)
REPORTS: tuple[Report, ...] = (
    TABLE,
    Curves("Curves", "x (nats)", "y", (LINE,), "note"),
    Points("Points", "x", "y", (LINE, LINE), "note", (1.0, 2.0), "−ELBO", "plane", True),
    Bars("Bars", "unit", "KL", ("z₁", "z₂"), np.array([1.0, 0.1]), np.array([1, 0], np.uint8), "active"),
    StackedBars("Stack", "Q", "nats", ("a", "b"), (Part("p", np.ones(2)), Part("q", np.zeros(2))), np.ones(2), "sum"),
    Pictures("Pictures", np.zeros((4, 1, 2, 3), np.uint8), ("sample", "nearest"), ("", "1", "", "2")),
    Pictures("Sheet", np.zeros((4, 1, 2, 3), np.uint8), ("0", "1"), stacked=True),
    HeatMap("Map", np.array([[0.5, 0.25], [0.0, 1.5]]), "nats per pixel", "note"),
    HeatMap("Table", np.array([[0.5, 0.25]]), "nats", "", ("x",), ("z₁", "z₂")),
    Note("Note", "text", "warn"),
)


def _plain(value: object) -> object:
    """A tree that can be compared."""
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, value.tolist())
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return value


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_a_report_comes_back_from_its_tree(report: Report) -> None:
    back = from_tree(to_tree(report))
    assert type(back) is type(report)
    assert _plain(to_tree(back)) == _plain(to_tree(report))


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_a_tree_holds_plain_values_only(report: Report) -> None:
    def check(value: object) -> None:
        if isinstance(value, dict):
            for item in value.values():
                check(item)
        elif isinstance(value, list):
            for item in value:
                check(item)
        else:
            assert type(value) in (str, int, float, bool, np.ndarray)

    check(to_tree(report))


def test_a_report_of_an_unknown_type_becomes_a_note_that_says_so() -> None:
    note = from_tree({"type": "hologram/3", "title": "Ours", "depth": 3})
    assert isinstance(note, Note)
    assert note.title == "Ours"
    assert "hologram/3" in note.text


def test_a_report_that_lacks_a_part_becomes_a_note() -> None:
    tree = to_tree(TABLE)
    del tree["rows"]
    note = from_tree(tree)
    assert isinstance(note, Note)
    assert note.tone == "bad"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Table("t", (Column("a"),), (("x", "y"),)),
        lambda: Table("t", (Column("a", "interval"),), ((1.0,),)),
        lambda: Series("s", np.zeros(2), np.zeros(3)),
        lambda: Bars("b", "", "", ("z₁",), np.zeros(2), np.zeros(2, np.uint8)),
        lambda: StackedBars("s", "", "", ("a",), (Part("p", np.ones(2)),), np.zeros(0)),
        lambda: StackedBars("s", "", "", ("a",), (Part("p", -np.ones(1)),), np.zeros(0)),
        lambda: Pictures("p", np.zeros((1, 1, 2, 2), np.float32)),
        lambda: Pictures("p", np.zeros((3, 1, 2, 2), np.uint8), ("sample", "nearest")),
        lambda: Pictures("p", np.zeros((1, 2, 2, 2), np.uint8)),
        lambda: HeatMap("h", np.zeros((1, 2, 2)), ""),
        lambda: HeatMap("h", np.zeros((0, 2)), ""),
        lambda: HeatMap("h", np.zeros((1, 2)), "", "", ("x",), ("z₁",)),
    ],
)
def test_a_report_that_does_not_fit_together_is_refused(make: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        make()  # type: ignore[operator]
