"""The numbers behind a plot of a report, as a table for a file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dgm_studio.reports import Bars, Column, Curves, HeatMap, Points, Series, StackedBars, Table


def values_of(report: Curves | Points | Bars | StackedBars | HeatMap) -> Table:
    """One row for each point, bar or cell."""
    match report:
        case Curves() | Points():
            return table_of_series(report.title, report.x_title, report.y_title, report.series)
        case Bars():
            marked = report.mark_title or "marked"
            columns = Column(report.x_title or "label"), Column(report.y_title or "value", "number"), Column(marked)
            bars = zip(report.labels, report.values, report.marked, strict=True)
            rows = tuple((label, float(value), "yes" if mark else "no") for label, value, mark in bars)
            return Table(report.title, columns, rows, report.note)
        case StackedBars():
            numbers = [(part.name, part.values) for part in report.parts]
            numbers += [(report.mark_title or "mark", report.marks)] if len(report.marks) else []
            heads = (Column(report.x_title or "label"), *(Column(n, "number", report.y_title) for n, _ in numbers))
            stacks: list[tuple[str | float, ...]] = []
            for i, label in enumerate(report.labels):
                stacks.append((label, *(float(heights[i]) for _, heights in numbers)))
            return Table(report.title, heads, tuple(stacks), report.note)
        case HeatMap():
            height, width = report.values.shape
            down = report.rows or tuple(str(i) for i in range(height))
            across = report.columns or tuple(str(i) for i in range(width))
            cells = (Column("row"), Column("column"), Column("value", "number", report.unit))
            places = ((i, j) for i in range(height) for j in range(width))
            values = tuple((down[i], across[j], float(report.values[i, j])) for i, j in places)
            return Table(report.title, cells, values, report.note)


def table_of_series(title: str, x_title: str, y_title: str, series: Sequence[Series]) -> Table:
    """One row for each point, with the name of its series before it."""
    columns = Column("series"), Column(x_title or "x", "number"), Column(y_title or "y", "number")
    rows = tuple((one.name, _whole(x), float(y)) for one in series for x, y in zip(one.x, one.y, strict=True))
    return Table(title, columns, rows)


def _whole(x: np.number) -> float:
    """Steps stay whole numbers."""
    return int(x) if isinstance(x, np.integer) else float(x)
