"""How much do the estimators of the bound's gradient vary, and are their means the gradient?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, decimals_of, describe, stage
from dgm_studio.reports import Cell, Column, Note, Points, Report, Series, Table
from dgm_studio.subject import Subject
from dgm_studio.table_texts import number
from models.estimation.gradients import (
    INPUT_DEPENDENT,
    PILOT,
    Spread,
    estimators,
    exact_gradient,
    has_estimators,
    recognition_parameters,
    spread,
    squared_distance,
    squared_norm,
)
from models.estimation.measure import Kind
from models.settings import Settings, setting
from models.spec import DataSpec


class GradientSettings(Settings):
    draws: int = setting(
        400, title="Draws", help="Estimates of the gradient by each estimator, of the same examples.", ge=40, le=100_000
    )
    examples: int = setting(
        20, title="Examples", help="The first test examples: the gradient is that of their mean bound.", ge=1, le=1000
    )
    strength: float = setting(
        1.0,
        title="Part of the baseline",
        help="How much of a baseline is taken from the learning signal. 0 switches baselines off: their rows are then "
        "those without.",
        zero="off",
        ge=0,
        le=1,
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return has_estimators(model)


def _run(subject: Subject, settings: GradientSettings) -> Iterator[float | Report]:
    model, generator = subject.model, subject.generator
    x = subject.dataset.test.x[: settings.examples].to(subject.device)
    parameters = recognition_parameters(model, x, generator)
    found = estimators(model, x, settings.strength, generator)
    share = 1 / (len(found) + 1)
    exact = exact_gradient(model, parameters, x, generator)
    if exact is None:
        best = next(one for one in estimators(model, x, 1.0, generator) if one.name == INPUT_DEPENDENT)
        many = 2 * settings.draws
        truth: Tensor | Spread = yield from stage(spread(best, parameters, x, many, generator), 0.0, share)
        against = f"by {number(many, 0)} other draws of the score function, input-dependent"
    else:
        truth, against = exact
        yield share
    norm = squared_norm(truth)
    rows: list[tuple[Cell, ...]] = []
    series: list[Series] = []
    for i, one in enumerate(found, start=1):
        seen = yield from stage(spread(one, parameters, x, settings.draws, generator), i * share, share)
        variance, low, high = seen.variance()
        bias, least, most = (value / norm if norm > 0 else math.nan for value in squared_distance(seen, truth))
        noise = variance / norm if norm > 0 else math.nan
        rows.append((one.name, variance, (low, high), noise, bias, (least, most), str(Kind.ESTIMATE), one.how))
        if variance > 0 and norm > 0:
            series.append(Series(one.name, np.array([math.log10(variance)]), np.array([bias])))
    numbers = sum(p.numel() for p in parameters)
    where = describe(subject.dataset, subject.dataset.test)
    protocol = (
        f"Of the mean bound of the first {len(x)} of {where}, with respect to the {number(numbers, 0)} parameters that "
        f"q(h|x) depends on; {number(settings.draws, 0)} estimates each. The gradient itself, of squared norm "
        f"{norm:.3g} nats², is found {against}. Baselines are means of {PILOT} other draws."
    )
    yield _table(tuple(rows), protocol)
    if norm > 0:
        yield _picture(tuple(series))
    else:
        yield Note("No gradient", "The gradient is 0 within its error: the recognition is at an optimum.", "warn")


def _table(rows: tuple[tuple[Cell, ...], ...], protocol: str) -> Table:
    decimals = decimals_of(row[2] for row in rows if isinstance(row[2], tuple))
    columns = (
        Column("Estimator"),
        Column("Variance", "number", "nats²", decimals),
        Column("95 % interval", "interval", "nats²", decimals),
        Column("Noise", "number", "of the gradient²"),
        Column("Bias²", "number", "of the gradient²", 4),
        Column("Interval of the bias²", "interval", "of the gradient²", 4),
        Column("Kind", "kind"),
        Column("How", "detail"),
    )
    note = (
        f"{protocol} Variance is the trace of the covariance of one estimate. Noise, variance over the squared norm of "
        "the gradient, is about how many draws it takes until the mean is half signal. Bias² is estimated without bias "
        "of its own, and so may be a little below 0."
    )
    return Table("Estimators of the gradient", columns, rows, note)


def _picture(series: tuple[Series, ...]) -> Points:
    note = "Best is the lower left corner. Draws average the noise away; bias stays."
    return Points("Noise and bias", "log₁₀ of the variance (nats²)", "bias², of the gradient²", series, note)


EVALUATION = Evaluation(
    "gradients",
    "Estimators of the gradient",
    "Score function, baselines, reparameterisation, relaxation: how much each varies, and whether its mean is right.",
    GradientSettings,
    _admits,
    _run,
)
