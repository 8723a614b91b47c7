"""Codes of all the data against the prior that samples are drawn from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, chunks, describe, training_examples
from dgm_studio.number_texts import indexed
from dgm_studio.reports import Bars, Column, Curves, Note, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import Decodes, Encodes
from models.distributions import HasMarginals, Point
from models.estimation.aggregated import Aggregated, aggregated_posterior
from models.settings import Settings, setting
from models.spec import DataSpec

BINS = 40
PRIOR_DRAWS = 100_000
FEWER = 200  # examples, where each pair of code and example costs a pass through a network
FAR = 0.5  # nats between q(z_j) and p(z_j) that are worth a word
LABELLED = 64  # bars


class AggregatedSettings(Settings):
    examples: int = setting(
        2000,
        title="Examples",
        help="Training examples at most whose posteriors are mixed; the information found is log of them at most.",
        reference="Hoffman & Johnson (2016), N",
        ge=10,
        le=100_000,
    )
    shown: int = setting(
        4, title="Dimensions shown", help="How many are drawn: those farthest from the prior.", ge=0, le=64
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, Encodes) and issubclass(model, Decodes)


def _run(subject: Subject, settings: AggregatedSettings) -> Iterator[float | Report]:
    dataset = subject.dataset
    x = training_examples(dataset, subject, settings.examples)
    said = subject.model.encode(x[:1])
    if isinstance(said, Point):
        yield from _points(subject, x, settings)
        return
    if not isinstance(said, HasMarginals):
        x = x[:FEWER]
    where = f"{describe(dataset, dataset.train, 'training')}, the first {len(x):,}"
    found = yield from aggregated_posterior(subject.model, x, where, subject.generator)
    yield _table(found)
    prior = subject.model.prior().sample(PRIOR_DRAWS, subject.generator)
    if found.of_each is not None:
        yield _bars(found.of_each, found.active)
        chosen = found.of_each.argsort(descending=True)[: settings.shown].sort().values
    else:
        chosen = torch.arange(min(settings.shown, prior.shape[1]))
    for j in chosen.tolist():
        yield _densities(j, found.draws[:, j], prior[:, j])
    if found.doubt:
        yield Note("More than these examples can tell", found.doubt, "warn")
    if found.of_each is not None and found.of_each.max() > FAR:
        worst = int(found.of_each.argmax())
        yield Note(
            "Codes lie elsewhere than the prior",
            f"{indexed('z', worst)} is {found.of_each[worst]:.2f} nats from it: samples decode codes that no data led "
            "to, and miss some that data do lead to.",
            "warn",
        )


def _points(subject: Subject, x: Tensor, settings: AggregatedSettings) -> Iterator[float | Report]:
    """Of codes without a spread, which have no density: what can be compared are their histograms."""
    parts = []
    for fraction, part in chunks(x, subject.device):
        parts.append(subject.model.encode(part).mean)
        yield fraction
    codes, prior = torch.cat(parts), subject.model.prior().sample(PRIOR_DRAWS, subject.generator)
    yield Note(
        "No distance in nats",
        "This encoder says one code for each example. Such codes have no density, so that nothing that needs one, a KL "
        "or an information, is defined; how far codes would have to be moved to lie as the prior does, is.",
    )
    n = min(len(codes), len(prior))
    away = (codes[:n].sort(0).values - prior[:n].sort(0).values).abs().mean(0)
    order = away.argsort(descending=True)
    yield Bars(
        "Each dimension's distance from the prior",
        "latent unit, sorted",
        "Wasserstein distance W₁",
        tuple(indexed("z", j) for j in order[:LABELLED].tolist()),
        away[order[:LABELLED]].double().cpu().numpy(),
        np.ones(min(len(order), LABELLED), np.uint8),
        note=f"Of {n:,} codes from as many draws of the prior, dimension by dimension, exactly.",
    )
    for j in order[: settings.shown].sort().values.tolist():
        yield _densities(j, codes[:, j], prior[:, j], "codes of the data")


def _table(found: Aggregated) -> Table:
    measures = [found.rate, found.information, found.divergence]
    measures += [] if found.total_correlation is None else [found.total_correlation]
    columns = (
        Column("Quantity"),
        Column("Mean", "number", "nats", 3),
        Column("95 % interval", "interval", "nats", 3),
        Column("Kind", "kind"),
    )
    rows = tuple((m.name, m.value, (m.low, m.high), str(m.kind)) for m in measures)
    note = (
        f"{found.rate.protocol}. The first is the sum of the next two, of which I(n; z) is log N = "
        f"{np.log(len(found.draws)):.2f} at most. Exact up to the draws for these N examples; kinds are for all "
        f"examples there could be. {int(found.active.sum())} of {len(found.active)} units are active."
    )
    return Table("Aggregated posterior and prior", columns, rows, note)


def _bars(of_each: Tensor, active: Tensor) -> Bars:
    order = of_each.argsort(descending=True)[:LABELLED]
    return Bars(
        "Each dimension's distance from the prior",
        "latent unit, sorted",
        "KL(q(zⱼ)‖p(zⱼ)) (nats)",
        tuple(indexed("z", j) for j in order.tolist()),
        of_each[order].cpu().numpy(),
        active[order].byte().cpu().numpy(),
        "active",
        "Of the aggregated posterior, dimension by dimension; its total correlation comes on top.",
    )


def _densities(j: int, codes: Tensor, prior: Tensor, name: str = "aggregated posterior") -> Curves:
    """Histograms on the same bins, as densities."""
    z, p = codes.double().cpu().numpy(), prior.double().cpu().numpy()
    both = np.concatenate([z, np.quantile(p, [0.001, 0.999])])
    edges = np.linspace(both.min(), both.max() + 1e-9, BINS + 1)
    width, middle = edges[1] - edges[0], (edges[1:] + edges[:-1]) / 2
    series = tuple(
        Series(name, middle, np.histogram(values, edges)[0] / (len(values) * width))
        for name, values in ((name, z), ("prior", p))
    )
    note = f"Histograms of {len(z):,} codes, one for each example, and of {len(p):,} draws of the prior."
    return Curves(f"{indexed('z', j)}: codes and prior", indexed("z", j), "density", series, note)


EVALUATION = Evaluation(
    "aggregated-posterior",
    "Codes against the prior",
    "Whether codes of all the data fill the prior: index-code information, divergence, total correlation.",
    AggregatedSettings,
    _admits,
    _run,
)
