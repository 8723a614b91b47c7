"""The exact Wasserstein distance of samples and held-out data."""

from __future__ import annotations

from collections.abc import Iterator

from dgm_studio.evaluations.base import (
    Evaluation,
    draw,
    finite,
    held_out_examples,
    samples_can_be_compared,
    shuffled,
    small_print,
    stage,
    training_examples,
)
from dgm_studio.evaluations.fidelity import describe_held_out
from dgm_studio.inference import Subject
from dgm_studio.reports import Column, Note, Report, Table
from models.estimation.measure import Measure
from models.estimation.transport import wasserstein
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
    broken = int((~finite(samples)).sum())
    if broken:
        yield Note("Not measured", f"{broken} of {n} samples are not finite numbers: training has diverged.", "bad")
        return
    where, theirs = describe_held_out(subject), data[:n].flatten(1)
    found: list[tuple[str, Measure]] = []
    for name, x in (("Samples of the model", samples), ("Training examples, as if they were samples", train[:n])):
        work = wasserstein(x.flatten(1), theirs, where, subject.generator, settings.repeats)
        found.append((name, (yield from stage(work, 0.2 + 0.4 * len(found), 0.4))))
    yield _table(found)


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
