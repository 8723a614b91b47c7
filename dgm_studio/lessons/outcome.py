"""What came of a lesson, from what its project holds: figures over seeds, whether the claims held, and what is shown.

Everything copes with what is not there yet, so that results appear as they come.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dgm_studio.lessons.entries import Cell, Fact, Metric, Quantity
from dgm_studio.lessons.expressions import Expression, Value
from dgm_studio.lessons.format import Check, Lesson
from dgm_studio.lessons.found import Found
from dgm_studio.lessons.predictions import Spread
from dgm_studio.lessons.shows import reports
from dgm_studio.reports import NOT_MEASURED, Note, Report, Table
from dgm_studio.store import Run


@dataclass(frozen=True)
class Checked:
    """A check and what was measured. `figure` and `counterpart` are of the seeds so far, None before the first one;
    `complete` says that these are all."""

    check: Check
    figure: Spread | None
    counterpart: Spread | None
    complete: bool

    @property
    def predicted(self) -> bool | None:
        """Whether the figure is where the claim has it; None until all seeds are there."""
        return self.check.predicts.holds(self.figure) if self.complete and self.figure else None

    @property
    def told_apart(self) -> bool | None:
        """Whether the prediction fails with the effect switched off, as it has to."""
        return not self.check.predicts.holds(self.counterpart) if self.complete and self.counterpart else None

    @property
    def holds(self) -> bool | None:
        """Whether the claim held: what was predicted came about, and would not have without the effect."""
        if self.predicted is None or self.told_apart is None:
            return None
        return self.predicted and self.told_apart


@dataclass(frozen=True)
class Outcome:
    """`values`: each quantity of a run by seed, as far as they are known. `shows`: the reports of each show."""

    seeds: int
    values: Mapping[Value, Mapping[int, float]]
    checks: tuple[Checked, ...]
    shows: Mapping[str, tuple[Report, ...]]

    @property
    def holds(self) -> bool | None:
        """Whether all claims held; None until all is there."""
        found = [checked.holds for checked in self.checks]
        return None if None in found else all(found)


def outcome(lesson: Lesson, seeds: int, found: Found) -> Outcome:
    """What came of the lesson so far. Raises LessonError where a quantity names what no evaluation reports, or
    what could not be measured."""
    values: dict[Value, dict[int, float]] = {}
    for key, run in lesson.values():
        known = values.setdefault((key, run), {})
        for seed in range(seeds):
            value = _measured(lesson, key, run, seed, found)
            if value is not None:
                known[seed] = value
    checks = tuple(_checked(check, seeds, values) for check in lesson.checks)
    return Outcome(seeds, values, checks, reports(lesson, seeds, values, found))


def _checked(check: Check, seeds: int, values: Mapping[Value, Mapping[int, float]]) -> Checked:
    figure, counterpart = (_over_seeds(entry, seeds, values) for entry in (check.figure, check.counterpart))
    complete = all(len(found) == seeds for found in (figure, counterpart))
    return Checked(check, _spread(figure), _spread(counterpart), complete)


def _spread(values: Sequence[float]) -> Spread | None:
    return Spread.of(values) if values else None


def _over_seeds(entry: Expression, seeds: int, values: Mapping[Value, Mapping[int, float]]) -> list[float]:
    """The figure of each seed of which all that it needs is known."""
    known = [seed for seed in range(seeds) if all(seed in values[value] for value in entry.values)]
    return [entry.of({value: values[value][seed] for value in entry.values}) for seed in known]


def _measured(lesson: Lesson, key: str, run: str, seed: int, found: Found) -> float | None:
    """The value of a quantity; None where it is not measured yet."""
    quantity, config = lesson.quantities[key], lesson.runs[run].config(seed)
    if isinstance(quantity, Cell):
        result = found.result(config, quantity.evaluation, quantity.settings)
        return None if result is None else _cell(lesson, key, quantity, result.reports)
    stored = found.finished(config)
    return None if stored is None else _of_run(lesson, key, quantity, stored)


def _of_run(lesson: Lesson, key: str, quantity: Metric | Fact, run: Run) -> float:
    if isinstance(quantity, Metric):
        curves = run.metrics
        if quantity.metric not in curves:
            there = ", ".join(curves)
            raise lesson.error(("quantities", key), f"the run {run.name!r} has no curve {quantity.metric!r}: {there}")
        return float(curves[quantity.metric][1][-quantity.last :].mean(dtype="float64"))
    wall = run.wall
    seconds = float(wall[1][-1]) if wall is not None and len(wall[1]) else math.nan
    match quantity.fact:
        case "seconds":
            return seconds
        case "seconds per step":
            return seconds / float(wall[0][-1]) if wall is not None and len(wall[0]) else math.nan
        case "parameters":
            return float(run.provenance.get("parameters", math.nan))


def _cell(lesson: Lesson, key: str, quantity: Cell, found: Sequence[Report]) -> float:
    place = ("quantities", key)
    tables = [report for report in found if isinstance(report, Table)]
    wanted = [table for table in tables if table.title == quantity.table]
    if not wanted:
        reasons = " ".join(report.text for report in found if isinstance(report, Note) and report.title == NOT_MEASURED)
        there = "; ".join(table.title for table in tables) or "none"
        problem = (
            f"the table {quantity.table!r} could not be measured: {reasons}"
            if reasons
            else f"{quantity.evaluation} has no table {quantity.table!r} (it has: {there})"
        )
        raise lesson.error((*place, "table"), problem)
    begins = (quantity.row,) if isinstance(quantity.row, str) else tuple(quantity.row)
    for table in wanted:
        titles = [column.title for column in table.columns]
        if quantity.column not in titles:
            continue
        index = titles.index(quantity.column)
        for row in table.rows:
            if row[: len(begins)] == begins:
                return _number(lesson, key, quantity, row[index])
    rows = "; ".join(", ".join(map(str, row[: len(begins)])) for row in wanted[0].rows)
    columns = "; ".join(column.title for column in wanted[0].columns)
    problem = f"{quantity.table!r} has no such cell: its rows are {rows}; its columns are {columns}"
    raise lesson.error((*place, "row"), problem)


def _number(lesson: Lesson, key: str, quantity: Quantity, cell: object) -> float:
    end = quantity.end if isinstance(quantity, Cell) else ""
    if isinstance(cell, tuple) and end:
        return float(cell[end == "high"])
    if isinstance(cell, int | float) and not end:
        return float(cell)
    begins = re.match(r"\d+(?= of \d+$)", cell) if isinstance(cell, str) and not end else None
    if begins:  # "7 of 8" is 7
        return float(begins[0])
    what = 'an interval: end = "low" or "high" takes a part of it' if isinstance(cell, tuple) else f"{cell!r}"
    raise lesson.error(("quantities", key), f"the cell of {key!r} is {what}")
