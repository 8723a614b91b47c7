"""Samples in the plane against a density that is known: modes found, share of good samples, divergence."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dgm_studio.datasets.base import Density
from dgm_studio.evaluations.base import Evaluation, draw, small_print, stage
from dgm_studio.reports import NO_INTERVAL, NOT_MEASURED, Cell, Column, Note, Points, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import Samples
from models.estimation.coverage import Mixture, as_mixture, coverage_of, perfect_quality
from models.estimation.divergence import Grid, divergences_of
from models.settings import Settings, setting
from models.spec import DataSpec, Layout

DRAWN_AT_ONCE = 2500
SHOWN = 2500


class CoverageSettings(Settings):
    samples: int = setting(
        2500, title="Samples for modes", help="Draws that are counted at the modes.", ge=100, le=1_000_000
    )
    histogram: int = setting(
        50_000,
        title="Samples for divergences",
        help="Draws in the histogram that is compared with the exact density.",
        ge=1000,
        le=10_000_000,
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return spec.layout is Layout.POINTS and issubclass(model, Samples)


def _run(subject: Subject, settings: CoverageSettings) -> Iterator[float | Report]:
    density = subject.dataset.density
    wanted = max(settings.samples, settings.histogram if density is not None else 0)
    x, _ = yield from stage(draw(subject, wanted, at_once=DRAWN_AT_ONCE), 0.0, 0.8)
    x = x.cpu()
    data = subject.dataset.test.x[:SHOWN]
    series = (_series("held-out data", data), _series("samples", x[:SHOWN]))
    yield Points("Samples on held-out data", "x₁", "x₂", series, square=True)
    if density is None:
        yield Note("No exact density", "The density of this data is not known, so there is nothing to compare with.")
        return
    perfect = density.sample(wanted, torch.Generator().manual_seed(subject.generator.initial_seed()))
    yield 0.85
    mixture = as_mixture(density)
    if mixture is not None:
        yield _modes(x[: settings.samples], perfect[: settings.samples], mixture)
    yield _divergences(x[: settings.histogram], perfect[: settings.histogram], density, subject.dataset.train.x)


def _modes(x: Tensor, perfect: Tensor, mixture: Mixture) -> Table:
    ours, theirs = coverage_of(x, mixture), coverage_of(perfect, mixture)
    rows: tuple[tuple[Cell, ...], ...] = (
        (
            "Modes found",
            f"{ours.modes.value:.0f} {ours.modes.unit}",
            NO_INTERVAL,
            f"{theirs.modes.value:.0f} {theirs.modes.unit}",
            str(ours.modes.kind),
            small_print(ours.modes),
        ),
        (
            "High-quality samples (%)",
            100 * ours.quality.value,
            (100 * ours.quality.low, 100 * ours.quality.high),
            100 * theirs.quality.value,
            str(ours.quality.kind),
            small_print(ours.quality),
        ),
    )
    expected = 100 * perfect_quality(x.shape[1])
    note = (
        f"The perfect sampler draws from the density itself; {expected:.2f} % of its samples are of high quality on "
        "average. A model above that is collapsing onto the centres of the modes."
    )
    return Table("Modes", _columns(2), rows, note)


def _divergences(x: Tensor, perfect: Tensor, density: Density, data: Tensor) -> Report:
    grid = Grid.around(data)
    try:
        ours, theirs = divergences_of(x, density, grid), divergences_of(perfect, density, grid)
    except ValueError as error:
        return Note(NOT_MEASURED, f"Divergences: {error}", "warn")
    rows = tuple(
        (
            f"{a.name} ({a.unit})",
            a.value,
            (a.low, a.high) if a.low < a.high else NO_INTERVAL,
            b.value,
            str(a.kind),
            small_print(a),
        )
        for a, b in zip(ours, theirs, strict=True)
    )
    return Table("Divergence from the exact density", _columns(4), rows)


def _columns(decimals: int) -> tuple[Column, ...]:
    return (
        Column("Measure"),
        Column("Model", "number", decimals=decimals),
        Column("95 % interval", "interval", decimals=decimals),
        Column("Perfect sampler", "number", decimals=decimals),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    )


def _series(name: str, x: Tensor) -> Series:
    return Series(name, x[:, 0].numpy(), x[:, 1].numpy())


EVALUATION = Evaluation(
    "coverage",
    "Modes and divergence",
    "Samples against the exact density: modes found, share of good samples, Jensen–Shannon divergence.",
    CoverageSettings,
    _admits,
    _run,
)
