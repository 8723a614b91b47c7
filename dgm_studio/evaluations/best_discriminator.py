"""A game's discriminator beside the best one, where the density of the data is known."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dgm_studio.datasets.base import Density
from dgm_studio.evaluations.base import Evaluation, chunks, mean_interval, stage
from dgm_studio.questions.landscapes import sampling
from dgm_studio.reports import NO_INTERVAL, NOT_MEASURED, Cell, Column, Note, Pictures, Points, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import HasDiscriminator, Samples, SamplesOfClass
from models.estimation.discrimination import Discrimination, discrimination
from models.estimation.divergence import Binned, Grid
from models.estimation.measure import Kind
from models.settings import Settings, setting
from models.spec import DataSpec, Layout

AT_ONCE = 5000
SMALLEST = 1e-30  # of a probability whose logarithm is taken
KNOWN = 50  # draws in a cell from which it is shown


class BestDiscriminatorSettings(Settings):
    samples: int = setting(
        100_000,
        title="Draws",
        help="How many of the model and of the data are counted in cells and judged.",
        ge=1000,
        le=10_000_000,
    )
    cells: int = setting(64, title="Cells to a side", help="Of the grid over the data.", ge=8, le=256)


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return spec.layout is Layout.POINTS and issubclass(model, Samples) and issubclass(learner, HasDiscriminator)


def _run(subject: Subject, settings: BestDiscriminatorSettings) -> Iterator[float | Report]:
    density = subject.dataset.density
    if density is None:
        yield Note(NOT_MEASURED, "The density of this data is not known, and so the best discriminator is not.")
        return
    if isinstance(subject.model, SamplesOfClass) and subject.model.conditional_classes():
        yield Note(NOT_MEASURED, "This discriminator is told classes: it judges pairs of a point and a class.")
        return
    n = settings.samples
    samples, other = yield from stage(_samples(subject, n), 0.0, 0.4)
    data, more = density.sample(2 * n, torch.Generator().manual_seed(subject.generator.initial_seed())).split(n)
    on_data = yield from stage(_judged(subject, data), 0.4, 0.2)
    on_samples = yield from stage(_judged(subject, samples), 0.6, 0.2)
    try:
        target = Binned(density, Grid.around(subject.dataset.train.x, settings.cells))
    except ValueError as error:
        yield Note(NOT_MEASURED, str(error), "warn")
        return
    found = discrimination(target, data, samples, on_data, on_samples)
    half = torch.full((n,), 0.5)
    again = discrimination(target, more, other, half, half)  # D* of other draws
    yield _table(found, again, on_data, on_samples, density)
    yield _pictures(found, settings.cells, 2 * n)
    yield _cells(found, 2 * n)


def _samples(subject: Subject, n: int) -> Generator[float, None, tuple[Tensor, Tensor]]:
    """Twice n of the generator that plays: the discriminator has not met an average of it."""
    model, parts = sampling(subject, False), list[Tensor]()
    for begin in range(0, 2 * n, AT_ONCE):
        parts.append(model.sample(min(AT_ONCE, 2 * n - begin), subject.generator).cpu())
        yield min(1.0, (begin + AT_ONCE) / (2 * n))
    ours, other = torch.cat(parts).split(n)
    return ours, other


def _judged(subject: Subject, x: Tensor) -> Generator[float, None, Tensor]:
    learner: Any = subject.learner
    parts = []
    for fraction, part in chunks(x, subject.device, AT_ONCE):
        parts.append(learner.discriminate(part).cpu())
        yield fraction
    return torch.cat(parts)


def _table(
    found: Discrimination, again: Discrimination, on_data: Tensor, on_samples: Tensor, density: Density
) -> Table:
    n = len(on_data)
    values = on_data.clamp_min(SMALLEST).log() + (1 - on_samples).clamp_min(SMALLEST).log()
    value, interval = mean_interval(values)
    seen = ~found.said.isnan()
    scatter = (found.weight * (found.best - again.best).abs())[seen].sum() / found.weight[seen].sum()
    nothing = (found.weight * (found.best - 0.5).abs()).sum().item()
    estimate, exact = str(Kind.ESTIMATE), str(Kind.EXACT)
    how = f"{n} draws of the density and {n} samples of the generator that plays, {len(found.best) - 1} cells"
    rows: tuple[tuple[Cell, ...], ...] = (
        ("The discriminator", found.distance, value, interval, estimate, how),
        (
            "The best one, D*",
            scatter.item(),
            found.best_value,
            NO_INTERVAL,
            estimate,
            f"2 JS − log 4 between cells; its distance is to D* of {n} other samples, and only their scatter",
        ),
        ("One that knows nothing, D = ½", nothing, -math.log(4), NO_INTERVAL, exact, "distance: half total variation"),
    )
    columns = (
        Column("Which"),
        Column("Distance from D*", "number", "probability", 4),
        Column("Value", "number", "nats", 4),
        Column("95 % interval", "interval", "nats", 4),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    )
    note = (
        "Distance: mean |D − D*| over a fair mixture of data and samples, D by its mean in each cell. No discriminator "
        "has a greater value V = E log D(x) + E log(1 − D(G(z))) than D* = p / (p + q); between cells a little is lost."
    )
    return Table("The discriminator and the best one", columns, rows, note)


def _pictures(found: Discrimination, cells: int, draws: int) -> Pictures:
    """Both over the plane, the upper edge first; ½ where hardly anything is."""
    known = found.weight * draws >= KNOWN
    shown = []
    for values in (found.said, found.best):
        plane = torch.where(known & ~values.isnan(), values, 0.5)[:-1].reshape(cells, cells).flip(0)
        shown.append((255 * plane).round().to(torch.uint8).numpy()[None])
    note = f"White: data, black: samples, grey: both, or fewer than {KNOWN} of all draws."
    return Pictures("Over the plane", np.stack(shown), ("the discriminator", "the best one"), note=note)


def _cells(found: Discrimination, draws: int) -> Points:
    known = (found.weight * draws >= KNOWN) & ~found.said.isnan()
    diagonal = np.linspace(0, 1, 101)
    series = (
        Series("where both say the same", diagonal, diagonal),
        Series("cells", found.best[known].numpy(), found.said[known].numpy()),
    )
    note = f"Cells with {KNOWN} or more of all draws."
    return Points("What it says and what is best", "D* = p / (p + q)", "D", series, note, square=True)


EVALUATION = Evaluation(
    "best-discriminator",
    "The best discriminator",
    "A game's discriminator against D* = p / (p + q), and its value against 2 JS − log 4.",
    BestDiscriminatorSettings,
    _admits,
    _run,
)
