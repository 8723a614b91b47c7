"""Two results of one evaluation of a run, beside each other: what changed between their states."""

from __future__ import annotations

import math
from dataclasses import replace

from dgm_studio.evaluation import Result
from dgm_studio.reports import Cell, Column, Curves, Note, Report, Series, Table


def changes(before: Result, after: Result) -> tuple[Report, ...]:
    """Every number that both results have, with its change, and the curves of both in one picture. A note where they
    were not measured alike, so that more than the state may have changed them."""
    first, second = f"Step {before.step}", f"Step {after.step}"
    if before.step == after.step:
        first, second = "Earlier", "Later"
    rows: list[tuple[Cell, ...]] = []
    found: list[Report] = []
    tables = {report.title: report for report in before.reports if isinstance(report, Table)}
    curves = {report.title: report for report in before.reports if isinstance(report, Curves)}
    for report in after.reports:
        if isinstance(report, Table) and report.title in tables:
            rows += _rows(tables[report.title], report)
        elif isinstance(report, Curves) and report.title in curves:
            found.append(_both(curves[report.title], report, first, second))
    unlike = _unlike(before, after)
    if unlike:
        found.insert(0, Note("Not measured alike", unlike, "warn"))
    if rows:
        columns = (
            Column("Measured"),
            Column(first, "number", decimals=3),
            Column(second, "number", decimals=3),
            Column("Change", "number", decimals=3),
        )
        found.insert(0, Table("What changed", columns, tuple(rows)))
    return tuple(found)


def _rows(before: Table, after: Table) -> list[tuple[Cell, ...]]:
    """A row for each number that stands in both tables, under the same head, in a row of the same name."""
    numbers = [place for place, column in enumerate(after.columns) if column.format == "number"]
    places = {column.head: place for place, column in enumerate(before.columns) if column.format == "number"}
    of_name = {str(row[0]): row for row in before.rows}
    found: list[tuple[Cell, ...]] = []
    for row in after.rows:
        old = of_name.get(str(row[0]))
        for place in numbers:
            column = after.columns[place]
            if old is None or column.head not in places:
                continue
            a, b = old[places[column.head]], row[place]
            if isinstance(a, float | int) and isinstance(b, float | int) and not (math.isnan(a) or math.isnan(b)):
                named = str(row[0]) if place == numbers[0] else f"{row[0]}: {column.title.lower()}"
                found.append((named, float(a), float(b), float(b) - float(a)))
    return found


def _both(before: Curves, after: Curves, first: str, second: str) -> Curves:
    series = [
        Series(f"{when}, {one.name}", one.x, one.y)
        for when, report in ((first, before), (second, after))
        for one in report.series
    ]
    return replace(after, series=tuple(series), note="")


def _unlike(before: Result, after: Result) -> str:
    """In what the two were measured differently; empty where in nothing that matters."""
    names = [
        name.replace("_", " ")
        for name in sorted({*before.settings, *after.settings})
        if before.settings.get(name) != after.settings.get(name)
    ]
    if before.seed != after.seed:
        names.append("seed")
    if before.data and after.data and before.data != after.data:
        names.append("data")
    return f"They differ in {', '.join(names)} as well." if names else ""
