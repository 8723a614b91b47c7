"""Rate and distortion of several runs and of every kept state that was measured, plane by plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dgm_studio.evaluation import Result
from dgm_studio.reports import Cell, Column, Points, Table
from dgm_studio.store.run import StoredEvaluation

MEASURED_BY = "rate-distortion"


@dataclass(frozen=True)
class RatePoint:
    """The two sides of the evidence lower bound of a run at one step, in nats per example."""

    run: str  # id
    step: int
    rate: float  # KL(q‖p)
    distortion: float  # −E[log p(x|z)]
    plane: str  # the same for points that were measured on the same examples

    @property
    def elbo(self) -> float:
        return -self.rate - self.distortion


def points_of(run_id: str, kept: Sequence[StoredEvaluation]) -> list[RatePoint]:
    """What was measured of a run: the newest result of each step and plane, in order of steps."""
    found: dict[tuple[str, int], RatePoint] = {}
    for one in kept:
        if one.key != MEASURED_BY:
            continue
        for report in Result.read(one.key, one.step, one.tree).reports:
            if isinstance(report, Points) and report.plane and report.series and len(report.series[0].x):
                series = report.series[0]
                point = RatePoint(run_id, one.step, float(series.x[-1]), float(series.y[-1]), report.plane)
                found[point.plane, point.step] = point
    return sorted(found.values(), key=lambda point: point.step)


def planes(points: Sequence[RatePoint]) -> list[str]:
    """The planes there are points on, those of most runs first."""
    runs = {plane: {point.run for point in points if point.plane == plane} for plane in {p.plane for p in points}}
    return sorted(runs, key=lambda plane: (-len(runs[plane]), plane))


def iso_values(low: float, high: float, about: int = 10) -> list[float]:
    """Round values between `low` and `high`, about so many, for lines of constant rate + distortion."""
    if not high > low:
        return []
    power = 10.0 ** np.floor(np.log10((high - low) / about))
    step = float(min(m * power for m in (1, 2, 5, 10) if m * power >= (high - low) / about))
    return [float(step * n) for n in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def as_table(points: Sequence[RatePoint], names: dict[str, str]) -> Table:
    """The points as a report; `names` of runs, by id."""
    unit = "nats per example"
    columns = (
        Column("Run"),
        Column("Step", "number", decimals=0),
        Column("Rate KL(q‖p)", "number", unit),
        Column("Distortion −E[log p(x|z)]", "number", unit),
        Column("ELBO", "number", unit),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (names[point.run], float(point.step), point.rate, point.distortion, point.elbo) for point in points
    )
    return Table("Rate and distortion", columns, rows, "Measured on the same test examples.")
