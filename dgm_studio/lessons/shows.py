"""What a lesson's page shows, as reports: the window and the project file know how to draw and keep those."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dgm_studio.lessons.curves import HELD_OUT, quantity_of
from dgm_studio.lessons.entries import Show, ShowCurve, ShowPoints, ShowReport, ShowSamples, ShowTable
from dgm_studio.lessons.expressions import Value
from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.found import Found
from dgm_studio.lessons.predictions import Spread
from dgm_studio.lessons.settings_titles import title_of
from dgm_studio.reports import NOT_MEASURED, Cell, Column, Curves, Pictures, Points, Report, Series, Table

Values = Mapping[Value, Mapping[int, float]]

Curve = tuple[np.ndarray, np.ndarray]  # steps and values

CURVE_POINTS = 400  # of a curve, at most
SAMPLES = 16  # of each run
PLANE_SAMPLES = 500


def reports(lesson: Lesson, seeds: int, values: Values, found: Found) -> dict[str, tuple[Report, ...]]:
    """By the key of each show what there is to draw: nothing, while nothing is known."""
    return {key: tuple(_reports(lesson, show, seeds, values, found)) for key, show in lesson.shows.items()}


def _reports(lesson: Lesson, show: Show, seeds: int, values: Values, found: Found) -> Sequence[Report]:
    match show:
        case ShowTable():
            return _table(lesson, show, seeds, values)
        case ShowCurve():
            return _curves(lesson, show, seeds, found)
        case ShowPoints():
            return _points(lesson, show, values)
        case ShowSamples():
            return _samples(lesson, show, found)
        case ShowReport():
            result = found.result(lesson.runs[show.run].config(), show.evaluation, show.settings)
            if result is None:
                return ()
            of = {title: [one for one in result.reports if one.title == title] for title in (show.report, NOT_MEASURED)}
            chosen = of[show.report] or of[NOT_MEASURED]  # or why there is none
            if not chosen:
                number = list(lesson.shows).index(show.key)
                there = "; ".join(report.title for report in result.reports)
                problem = f"{show.evaluation} has no report {show.report!r} (it has: {there})"
                raise lesson.error(("shows", number, "report"), problem)
            if len(lesson.runs) == 1:
                return chosen
            return [replace(report, title=f"{report.title}  ·  {lesson.runs[show.run].title}") for report in chosen]


def _table(lesson: Lesson, show: ShowTable, seeds: int, values: Values) -> Sequence[Report]:
    columns = [Column("Run")]
    for key in show.table:
        quantity = lesson.quantities[key]
        columns.append(Column(quantity.title, "number", quantity.unit, quantity.decimals))
        if seeds > 1:
            columns.append(Column("95 % interval", "interval", "", quantity.decimals))
    rows: list[tuple[Cell, ...]] = []
    for run in lesson.runs_of(show):
        row: list[Cell] = [lesson.runs[run].title]
        for key in show.table:
            known = list(values[key, run].values())
            spread = Spread.of(known) if known else None
            row.append(spread.mean if spread else math.nan)
            if seeds > 1:
                row.append((spread.low, spread.high) if spread and len(known) > 1 else (math.nan, math.nan))
        if not all(isinstance(cell, float) and math.isnan(cell) for cell in row[1:] if not isinstance(cell, tuple)):
            rows.append(tuple(row))
    over = f"Means over {seeds} seeds; intervals by Student's t." if seeds > 1 else ""
    note = " ".join(part for part in (show.note, over) if part)
    return [Table(show.title or "What was measured", tuple(columns), tuple(rows), note)] if rows else ()


def _curves(lesson: Lesson, show: ShowCurve, seeds: int, found: Found) -> Sequence[Report]:
    series = []
    for run in lesson.runs_of(show):
        stored = [found.run(lesson.runs[run].config(seed)) for seed in range(seeds)]
        curves = [one.metrics[show.curve] for one in stored if one is not None and show.curve in one.metrics]
        curves = [(steps, rows) for steps, rows in curves if len(steps)]
        if curves:
            series.append(_mean_curve(lesson.runs[run].title, curves))
    runs = [found.finished(lesson.runs[run].config()) for run in lesson.runs_of(show)]
    if not series and all(run is not None for run in runs):
        there = dict.fromkeys(key for run in runs if run is not None for key in run.metrics)
        place = ("shows", list(lesson.shows).index(show.key), "curve")
        raise lesson.error(place, f"no run here has recorded {show.curve!r} (there are: {', '.join(there)})")
    return [_drawn(lesson, show, seeds, series)] if series else ()


def _drawn(lesson: Lesson, show: ShowCurve, seeds: int, series: Sequence[Series]) -> Curves:
    note = " ".join(part for part in (show.note, f"Means over {seeds} seeds." if seeds > 1 else "") if part)
    y_title = _called(lesson, show)
    return Curves(show.title or y_title, "step", y_title, tuple(series), note)


def growing(
    lesson: Lesson, key: str, seeds: int, run: str, seed: int, curve: Curve, stored: Sequence[Report]
) -> Sequence[Report]:
    """What the show `key`, of training curves, has to draw while one of its runs trains: that curve beside what is
    `stored`."""
    show = lesson.shows[key]
    if not isinstance(show, ShowCurve) or not len(curve[0]):
        return stored
    which = f", seed {seed}" if seeds > 1 else ""
    series = _mean_curve(f"{lesson.runs[run].title}{which}, in training", [curve])
    before = [one for report in stored if isinstance(report, Curves) for one in report.series]
    return [_drawn(lesson, show, seeds, [*before, series])]


def curve_of(lesson: Lesson, key: str, run: str) -> str:
    """Of which quantity the show `key` draws the training curve of a run; empty where it draws none."""
    show = lesson.shows[key]
    return show.curve if isinstance(show, ShowCurve) and run in lesson.runs_of(show) else ""


def _called(lesson: Lesson, show: ShowCurve) -> str:
    """What a training curve is called, with its unit. Raises LessonError where no run of the show can have it."""
    quantity, held_out = quantity_of(lesson, show), ", held out" if show.curve.startswith(HELD_OUT) else ""
    return f"{quantity.title}{held_out}" + (f" ({quantity.unit})" if quantity.unit else "")


def _mean_curve(name: str, curves: Sequence[Curve]) -> Series:
    """Their mean up to where the shortest ends, in blocks so that no more than CURVE_POINTS are left."""
    end = min(int(steps[-1]) for steps, _ in curves)
    steps = curves[0][0][curves[0][0] <= end].astype(float)
    mean = np.mean([np.interp(steps, *curve) for curve in curves], axis=0)
    width = -(-len(steps) // CURVE_POINTS)
    blocks = [slice(at, at + width) for at in range(0, len(steps), width)]
    return Series(name, np.array([steps[b].mean() for b in blocks]), np.array([mean[b].mean() for b in blocks]))


def _points(lesson: Lesson, show: ShowPoints, values: Values) -> Sequence[Report]:
    x_title = _axis(lesson, show.x)
    downs = show.y if isinstance(show.y, list) else [show.y]
    units = dict.fromkeys(lesson.quantities[key].unit for key in downs)
    y_title = _axis(lesson, downs[0]) if len(downs) == 1 else ", ".join(filter(None, units))
    of_runs = "." not in show.x and len(downs) == 1 and not show.log  # no order in which a line could go
    series: list[Series] = []
    for key in downs:
        places, names = [], []
        for run in lesson.runs_of(show):
            x, known = _x(lesson, show, run, values), list(values[key, run].values())
            if known and x is not None:
                places.append((x, Spread.of(known).mean))
                names.append(lesson.runs[run].title)
        if places and of_runs:
            series += [Series(name, *np.array([place], float).T) for name, place in zip(names, places, strict=True)]
        elif places:
            across, down = np.array(sorted(places), float).T
            if show.log:
                across, down = np.log10(across), np.log10(down)
            series.append(Series(lesson.quantities[key].title, across, down))
    if not series:
        return ()
    if show.log:
        x_title, y_title = f"log₁₀ {x_title}", f"log₁₀ {y_title}"
    kind = Points if of_runs else Curves
    return [kind(show.title or f"{y_title} over {x_title}", x_title, y_title, tuple(series), show.note)]


def _x(lesson: Lesson, show: ShowPoints, run: str, values: Values) -> float | None:
    if "." not in show.x:
        known = list(values[show.x, run].values())
        return Spread.of(known).mean if known else None
    config = lesson.runs[run].config()
    group, _, field = show.x.partition(".")
    place = ("shows", list(lesson.shows).index(show.key), "x")
    if group == "training":
        return float(getattr(config.training, field))
    if group == "data":
        value = config.data.settings.get(field)
    else:
        value = _setting(lesson, run, group, field)
    if not isinstance(value, int | float):
        raise lesson.error(place, f"{show.x!r} is no number of the run {run!r}")
    return float(value)


def _setting(lesson: Lesson, run: str, group: str, field: str) -> object:
    from models.catalog import Recipe

    config = lesson.runs[run].config()
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    return getattr(recipe.model if group == "model" else recipe.learner, field, None)


def _axis(lesson: Lesson, name: str) -> str:
    if name in lesson.quantities:
        quantity = lesson.quantities[name]
        return f"{quantity.title} ({quantity.unit})" if quantity.unit else quantity.title
    return title_of(next(iter(lesson.runs.values())).config(), name)


def _samples(lesson: Lesson, show: ShowSamples, found: Found) -> Sequence[Report]:
    """Images of one shape side by side, a row of groups; points in one plane."""
    newest = {}
    for run in lesson.runs_of(show):
        stored = found.run(lesson.runs[run].config())
        steps = stored.frame_steps() if stored is not None else []
        if stored is not None and steps:
            newest[lesson.runs[run].title] = stored.frame(steps[-1])[0]
    images = {title: drawn[:SAMPLES] for title, drawn in newest.items() if drawn.ndim == 4 and drawn.dtype == np.uint8}
    planes = {title: drawn[:PLANE_SAMPLES] for title, drawn in newest.items() if drawn.ndim == 2 and drawn.shape[1] > 1}
    title, made = show.title or "Samples", list[Report]()
    for shape in dict.fromkeys(drawn.shape[1:] for drawn in images.values()):
        alike = {name: drawn for name, drawn in images.items() if drawn.shape[1:] == shape}
        n = min(map(len, alike.values()))
        together = np.stack([drawn[:n] for drawn in alike.values()], 1).reshape(-1, *shape)
        made.append(Pictures(title, together, tuple(alike), note=show.note))
    if planes:
        series = [Series(name, drawn[:, 0].astype(float), drawn[:, 1].astype(float)) for name, drawn in planes.items()]
        made.append(Points(title, "x₁", "x₂", tuple(series), show.note, square=True))
    return made
