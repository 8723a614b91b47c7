"""Two results beside each other: every number that both have, and what else may have changed it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dgm_studio.evaluation import Result
from dgm_studio.reports import Column, Curves, Note, Series, Table
from dgm_studio.result_changes import changes

COLUMNS = (Column("Measure"), Column("Value", "number", "nats"), Column("Kind", "kind"))


def result(step: int, elbo: float, **others: object) -> Result:
    table = Table("Likelihood", COLUMNS, (("ELBO", elbo, "lower bound"), ("lost", math.nan, "exact")))
    line = Curves("Curve", "x", "y", (Series("a", np.array([0.0, 1.0]), np.array([elbo, 0.0])),))
    return replace(Result("likelihood", step, {"draws": 3}, 0, 1.0, "CPU", (table, line), "digits"), **others)  # type: ignore[arg-type]


def test_every_number_of_both_stands_with_its_change_and_curves_in_one_picture() -> None:
    table, both = changes(result(100, -21.0), result(2000, -18.5))
    assert isinstance(table, Table)
    assert [column.title for column in table.columns][1:] == ["Step 100", "Step 2000", "Change"]
    assert table.rows == (("ELBO", -21.0, -18.5, 2.5),)
    assert isinstance(both, Curves)
    assert [series.name for series in both.series] == ["Step 100, a", "Step 2000, a"]


def test_what_else_differs_is_said() -> None:
    _, note, _ = changes(result(100, -21.0), result(100, -20.0, settings={"draws": 30}, data="moons"))
    assert isinstance(note, Note)
    assert note.text == "They differ in draws, data as well."


def test_a_coordinate_is_found_under_the_name_that_an_older_studio_gave_it() -> None:
    def of(name: str, value: float) -> Result:
        found = result(100, value, reports=(Table("Posterior", COLUMNS, ((name, value, "exact"),)),))
        return Result.read("posterior", 100, found.tree())

    table, *_ = changes(of("z1", 0.5), of("z₁", 0.75))
    assert isinstance(table, Table)
    assert table.rows == (("z₁", 0.5, 0.75, 0.25),)
