"""log Z by enumeration against annealed importance sampling with few and many temperatures."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from dgm_studio.evaluations.base import Evaluation, stage
from dgm_studio.evaluations.few_labels import student
from dgm_studio.reports import NO_INTERVAL, Cell, Column, Curves, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import Anneals, HasFreeEnergy, SumsExactly
from models.estimation.annealing import LogPartition, annealed_log_weights, log_mean
from models.estimation.measure import Kind
from models.settings import Settings, setting
from models.spec import DataSpec

FEWEST = 3  # temperatures


class PartitionSettings(Settings):
    temperatures: int = setting(
        1000,
        title="Most temperatures",
        help="Annealing is done with 3, 10, 30 and so on, up to so many.",
        reference="Neal (2001)",
        ge=10,
        le=1_000_000,
    )
    chains: int = setting(
        100, title="Chains", help="Annealed chains whose weights make one estimate.", ge=2, le=100_000
    )
    repeats: int = setting(
        50,
        title="Repeats",
        help="How many such estimates are made at each number of temperatures, each with an interval of its own.",
        ge=2,
        le=1000,
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return all(issubclass(model, one) for one in (HasFreeEnergy, Anneals, SumsExactly))


def _run(subject: Subject, settings: PartitionSettings) -> Iterator[float | Report]:
    model, data = subject.model, subject.dataset.train.x
    exact = (yield from stage(model.log_partition_in_parts(), 0.0, 0.1)).item()
    numbers = _numbers(settings.temperatures)
    found: dict[int, list[LogPartition]] = {}
    done, total = 0, sum(numbers)
    for n in numbers:
        work = annealed_log_weights(model, data, n, settings.chains * settings.repeats, subject.generator)
        weights = yield from stage(work, 0.1 + 0.9 * done / total, 0.9 * n / total)
        found[n] = [log_mean(part, n) for part in weights.reshape(settings.repeats, settings.chains)]
        done += n
    yield _estimates(exact, found)
    yield _errors(exact, found, settings)
    yield _curve(exact, found)


def _numbers(most: int) -> list[int]:
    """3, 10, 30, … up to `most`, which is the last."""
    steps = [k * 10**power for power in range(8) for k in (1, 3)]
    return [*[n for n in steps if FEWEST <= n < most], most]


def _estimates(exact: float, found: dict[int, list[LogPartition]]) -> Table:
    columns = (
        Column("log Z"),
        Column("Value", "number", "nats", 3),
        Column("95 % interval", "interval", "nats", 3),
        Column("Error", "number", "nats", 3),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    )
    rows: list[tuple[Cell, ...]] = [("by enumeration", exact, NO_INTERVAL, 0.0, str(Kind.EXACT), "")]
    for n, (one, *_) in found.items():
        said = f"{one.chains} chains, {one.effective_samples:.1f} effective samples"
        cells = (one.value, (one.low, one.high), one.value - exact, str(Kind.ESTIMATE), said)
        rows.append((f"annealed, {n} temperatures", *cells))
    return Table("One estimate of log Z", columns, tuple(rows), "The first of those that are made at each number.")


def _errors(exact: float, found: dict[int, list[LogPartition]], settings: PartitionSettings) -> Table:
    columns = (
        Column("Temperatures"),
        Column("Mean error", "number", "nats", 3),
        Column("95 % interval", "interval", "nats", 3),
        Column("Root mean square error", "number", "nats", 3),
        Column("Intervals that hold log Z", "number", "%", 0),
        Column("Naive intervals that do", "number", "%", 0),
        Column("Effective samples", "number", f"of {settings.chains}", 1),
        Column("Kind", "kind"),
    )
    rows: list[tuple[Cell, ...]] = []
    for n, estimates in found.items():
        error = _error(exact, estimates)
        half = student(len(error) - 1) * error.std(ddof=1) / math.sqrt(len(error))
        held = np.mean([one.low <= exact <= one.high for one in estimates])
        naive = np.array([1.96 * math.sqrt(one.delta_variance) for one in estimates])
        cells = (
            float(error.mean()),
            (float(error.mean() - half), float(error.mean() + half)),
            math.sqrt(float((error**2).mean())),
            100 * float(held),
            100 * float((abs(error) <= naive).mean()),
            float(np.mean([one.effective_samples for one in estimates])),
            str(Kind.ESTIMATE),  # each is a mean or a share over the repeats
        )
        rows.append((str(n), *cells))
    note = (
        f"{settings.repeats} estimates at each number of temperatures, of {settings.chains} chains each, against log Z "
        "by enumeration. The mean of the weights is Z on average; its logarithm is too small on average. "
        "A naive interval takes the spread of the weights that were drawn at its word; "
        "where few of them count, the large ones were probably not drawn."
    )
    return Table("Errors of annealing", columns, tuple(rows), note)


def _error(exact: float, estimates: list[LogPartition]) -> np.ndarray:
    return np.array([one.value - exact for one in estimates])


def _curve(exact: float, found: dict[int, list[LogPartition]]) -> Curves:
    x = np.log10(np.array(list(found), dtype=np.float64))
    errors = [np.sort(_error(exact, estimates)) for estimates in found.values()]
    ends = [("19 of 20 are below", 0.95), ("half are below", 0.5), ("1 of 20 is below", 0.05)]
    series = tuple(Series(name, x, np.array([np.quantile(error, part) for error in errors])) for name, part in ends)
    return Curves("Errors by temperatures", "temperatures (log₁₀)", "estimated less exact log Z (nats)", series)


EVALUATION = Evaluation(
    "partition",
    "Partition function",
    "log Z by annealed importance sampling, with few and with many temperatures, against its exact value.",
    PartitionSettings,
    _admits,
    _run,
)
