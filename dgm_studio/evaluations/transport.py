"""The exact Wasserstein distance of samples and held-out data."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from dgm_studio.evaluations.base import (
    Evaluation,
    broken,
    difference_interval,
    draw,
    held_out_examples,
    samples_can_be_compared,
    shuffled,
    small_print,
    stage,
    training_examples,
)
from dgm_studio.evaluations.fidelity import describe_held_out
from dgm_studio.reports import NO_INTERVAL, Column, Report, Table
from dgm_studio.subject import Subject
from models.capabilities import FacesDiscriminator, HasCritic
from models.estimation.measure import Kind, Measure
from models.estimation.transport import dual_bound, wasserstein
from models.settings import Settings, setting
from models.spec import DataSpec, Layout

MOST = 10  # dimensions: in more, sets of any size that can be matched lie far from each other


class TransportSettings(Settings):
    samples: int = setting(
        1000,
        title="Samples",
        help="How many the model draws; no more than there are held-out examples. The time grows as their cube.",
        ge=10,
        le=5000,
    )
    repeats: int = setting(
        20, title="Bootstrap draws", help="Draws of both sets that the interval is estimated from.", ge=2, le=1000
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    low = spec.layout in (Layout.POINTS, Layout.VECTOR) and spec.dimensions <= MOST
    return low and samples_can_be_compared(model, spec)


def _run(subject: Subject, settings: TransportSettings) -> Iterator[float | Report]:
    train = shuffled(training_examples(subject.dataset, subject), subject)
    data = shuffled(held_out_examples(subject), subject)
    n = min(settings.samples, len(data), len(train))
    samples, _ = yield from stage(draw(subject, n), 0.0, 0.2)
    if wrong := broken(samples):
        yield wrong
        return
    where, theirs = describe_held_out(subject), data[:n].flatten(1)
    found: list[tuple[str, Measure]] = []
    for name, x in (("Samples of the model", samples), ("Training examples, as if they were samples", train[:n])):
        work = wasserstein(x.flatten(1), theirs, where, subject.generator, settings.repeats)
        found.append((name, (yield from stage(work, 0.2 + 0.4 * len(found), 0.4))))
    yield _table(found)
    learner, model = subject.learner, subject.learner.model
    # where something stands beside examples, the distance is one of pairs
    if isinstance(learner, HasCritic) and isinstance(model, FacesDiscriminator) and not model.shown_as().beside:
        yield _of_critic(learner, data[:n], samples, found[0][1])


def _of_critic(critic: HasCritic, data: Tensor, samples: Tensor, exact: Measure) -> Table:
    on_data, on_samples = critic.criticise(data), critic.criticise(samples)
    value, low, high = difference_interval(on_data, on_samples)
    slope, bound = dual_bound(on_data, on_samples, data.flatten(1), samples.flatten(1))
    rows = (
        ("Critic's estimate E f(x) − E f(G(z))", value, (low, high), str(Kind.ESTIMATE), exact.protocol),
        ("Its greatest slope from an example to a sample", slope, NO_INTERVAL, str(Kind.EXACT), ""),
        ("Estimate over that slope", bound, NO_INTERVAL, str(Kind.LOWER_BOUND), "a bound on W₁ of these two sets"),
        ("W₁ of these two sets", exact.value, NO_INTERVAL, str(Kind.EXACT), "by assignment"),
    )
    columns = (
        Column("Of the same samples and data"),
        Column("Value", "number", decimals=4),
        Column("95 % interval", "interval", decimals=4),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    )
    note = (
        "A function of slope 1 at most says no more than W₁, and the best one says W₁. The critic learned from the "
        "generator that plays; where samples are of an average of it, they may lie nearer to the data than it believes."
    )
    return Table("What the critic says", columns, rows, note)


def _table(found: list[tuple[str, Measure]]) -> Table:
    columns = (
        Column("Distance of"),
        Column("W₁", "number", decimals=4),
        Column("95 % interval", "interval", decimals=4),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    )
    rows = tuple((name, m.value, (m.low, m.high), str(m.kind), small_print(m)) for name, m in found)
    note = (
        "To the held-out data: how far a point has to be moved on average to make one set the other. Two sets of the "
        "same distribution are not at 0, because both scatter: the second row is what a perfect sampler gets."
    )
    return Table("Wasserstein distance", columns, rows, note)


EVALUATION = Evaluation(
    "transport",
    "Wasserstein distance",
    "The exact distance between samples and held-out data in few dimensions, beside what a perfect sampler gets.",
    TransportSettings,
    _admits,
    _run,
)
