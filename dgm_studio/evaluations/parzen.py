"""Parzen windows at samples, beside what the data themselves and k-means score: an estimate that misleads."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from dgm_studio.basis import NOTHING, Basis
from dgm_studio.evaluations.base import (
    Evaluation,
    basis_of,
    decimals_of,
    describe,
    diagnosis,
    draw,
    stage,
    training_examples,
)
from dgm_studio.reports import Column, Curves, Note, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import Samples, SamplesMeans
from models.estimation.k_means import k_means
from models.estimation.parzen import Parzen, parzen_log_likelihood
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support

EXAMPLES_PER_CENTROID = 5  # at least: with fewer, centroids are little else than training examples


class ParzenSettings(Settings):
    samples: int = setting(
        10_000,
        title="Samples",
        help="How many the model draws; no more than there are training examples, so that rows can be compared.",
        reference="Bengio et al. (2014); Goodfellow et al. (2014)",
        ge=10,
        le=1_000_000,
    )
    means: bool = setting(
        True,
        title="Means instead of draws",
        help="Bits and grey values: take means of p(x | latent state), as published figures do, where the model has "
        "them. Real numbers are always drawn.",
        reference="Bengio et al. (2014)",
    )
    validation: int = setting(
        1000,
        title="Validation examples",
        help="Examples on which the width σ is chosen.",
        reference="Breuleux, Bengio & Vincent (2011)",
        ge=2,
        le=1_000_000,
    )
    iterations: int = setting(
        10, title="Iterations of k-means", help="At most, for the row of centroids.", ge=1, le=10_000
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return (
        issubclass(model, Samples)
        and spec.layout in (Layout.IMAGE, Layout.VECTOR, Layout.POINTS)
        and spec.support in (Support.BITS, Support.UNIT, Support.REALS)
    )


def _without_effect(model: type) -> tuple[str, ...]:
    return () if issubclass(model, SamplesMeans) else ("means",)


def _run(subject: Subject, settings: ParzenSettings) -> Iterator[float | Report]:
    """Each row has its own σ, chosen on the same examples."""
    dataset = subject.dataset
    valid = dataset.valid.x[: settings.validation].flatten(1).to(subject.device)
    test = dataset.test.x.flatten(1).to(subject.device)
    where = describe(dataset, dataset.test)
    train = training_examples(dataset, subject).flatten(1)
    train = train[torch.randperm(len(train), generator=subject.generator, device=train.device)]
    n = min(settings.samples, len(train))
    means = settings.means and subject.spec.support is not Support.REALS
    samples, how = yield from stage(draw(subject, n, means), 0.0, 0.4)
    rows: list[tuple[str, Parzen]] = []

    def measured(name: str, x: Tensor, start: float) -> Generator[float, None, None]:
        rows.append((name, (yield from stage(parzen_log_likelihood(x, valid, test, where), start, 0.1))))

    yield from measured(f"Samples of the model{how}", samples.flatten(1), 0.4)
    yield from measured("Training examples, as if they were samples", train[:n], 0.5)
    k = max(1, min(n, len(train) // EXAMPLES_PER_CENTROID))
    yield from measured("Training examples, as many as centroids", train[:k], 0.6)
    centroids = yield from stage(k_means(train, k, settings.iterations, subject.generator), 0.7, 0.2)
    yield from measured("Centroids of k-means on the training examples", centroids, 0.9)
    way = f"{n} samples{how}, σ chosen on {len(valid)} validation examples"
    bases = [basis_of(found.measure, test, where, subject.spec.support, way) for _, found in rows]
    no_order = replace(bases[0], better=NOTHING)  # see the warning below
    yield _table(rows, (no_order, *(replace(basis, quantity="") for basis in bases[1:])))
    yield _warning(rows)
    yield from diagnosis([replace(found.measure, name=name) for name, found in rows])
    yield _choice(rows)


def _table(rows: list[tuple[str, Parzen]], bases: tuple[Basis, ...]) -> Table:
    decimals = decimals_of((found.measure.low, found.measure.high) for _, found in rows)
    columns = (
        Column("Gaussians at"),
        Column("Value", "number", "nats per example", decimals),
        Column("95 % interval", "interval", "nats per example", decimals),
        Column("Kind", "kind"),
        Column("σ", "number", decimals=3),
        Column("Protocol", "detail"),
    )
    cells = tuple(
        (
            name,
            found.measure.value,
            (found.measure.low, found.measure.high),
            str(found.measure.kind),
            found.sigma,
            found.measure.protocol + (f". {found.measure.note}" if found.measure.note else ""),
        )
        for name, found in rows
    )
    note = (
        "The mean log-density of the test examples under a Gaussian at each sample. It is a density over real numbers, "
        "also where the data are bits. Intervals are those of the mean over test examples, for these samples."
    )
    return Table("Parzen windows", columns, cells, note, bases)


def _warning(rows: list[tuple[str, Parzen]]) -> Note:
    model, train, few, centroids = (found.measure.value for _, found in rows)
    text = (
        "In more than a few dimensions Parzen windows stay far below log p(x) for any number of samples that can be "
        "drawn, and they rank models wrongly (Theis, van den Oord & Bethge, 2015)."
    )
    if centroids > train:
        text += " Here too: centroids of k-means, which are no samples at all, score above the data themselves."
        if few < train:
            text += " As many of the data score below, so that it is not for their being few."
    if model > train:
        text += " The model scores above as many examples of the data themselves, which are perfect samples."
    return Note("Do not choose a model by this figure", text, "warn")


def _choice(rows: list[tuple[str, Parzen]]) -> Curves:
    series = []
    for name, found in rows:
        near = (found.sigmas >= found.sigma / 2) & (found.sigmas <= 2 * found.sigma)  # farther out, values are extreme
        series.append(Series(name, found.sigmas[near].numpy(), found.validation.cpu()[near].numpy()))
    note = "Each row takes the σ at which the validation examples are most probable."
    return Curves("The choice of σ", "σ", "log-density of validation examples (nats)", tuple(series), note)


EVALUATION = Evaluation(
    "parzen",
    "Parzen windows",
    "A Gaussian at each sample, for models without a likelihood: the old estimate, with its warning and references.",
    ParzenSettings,
    _admits,
    _run,
    _without_effect,
)
