"""What an evaluation is, and what several of them need."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from dgm_studio.basis import HIGHER, NOTHING, Basis
from dgm_studio.datasets.base import Dataset, Split
from dgm_studio.reports import NOT_MEASURED, Column, Note, Report, Table
from dgm_studio.subject import Subject
from models.capabilities import Samples, SamplesMeans
from models.distributions import bernoulli
from models.estimation.measure import Kind, Measure, ended, mean_measure
from models.estimation.progress import stage as stage
from models.likelihoods import Likelihood
from models.settings import Settings
from models.spec import DataSpec, Layout, Support

CHUNK = 500  # examples measured at once: bounds the memory, and how long a cancel waits

T = TypeVar("T")


@dataclass(frozen=True)
class Evaluation:
    """Something that can be measured of a run.

    `admits(model class, learner class, data)` asks for capabilities only. `run(subject, settings)` yields the fraction
    done, and reports as they become ready; it may be abandoned at any yield. Every random number comes from the
    subject's generator, and no gradient is recorded while it runs.
    """

    key: str
    title: str
    summary: str
    settings: type[Settings]
    admits: Callable[[type, type, DataSpec], bool]
    run: Callable[[Subject, Any], Iterator[float | Report]]
    without_effect: Callable[[type], tuple[str, ...]] = lambda model: ()  # settings that a form need not show
    timed: bool = False  # whether some of its figures are times, which no seed repeats


def chunks(x: Tensor, device: torch.device, size: int = CHUNK) -> Iterator[tuple[float, Tensor]]:
    """(fraction done with this chunk, chunk on the device), in order."""
    for begin in range(0, len(x), size):
        part = x[begin : begin + size]
        yield (begin + len(part)) / len(x), part.to(device)


def training_examples(dataset: Dataset, subject: Subject, limit: int | None = None) -> Tensor:
    """The first `limit` training examples as the model sees them, on its device: bits are drawn once where training
    draws them anew at each visit."""
    x = dataset.train.x[:limit].to(subject.device)
    return bernoulli(x, subject.generator) if dataset.draws_bits else x


def samples_can_be_compared(model: type, spec: DataSpec) -> bool:
    """Whether the model draws examples between which there is a distance."""
    supports = (Support.BITS, Support.UNIT, Support.REALS, Support.LEVELS)
    layouts = (Layout.IMAGE, Layout.VECTOR, Layout.POINTS)
    return issubclass(model, Samples) and spec.layout in layouts and spec.support in supports


def draw(
    subject: Subject, n: int, means: bool = False, at_once: int = CHUNK
) -> Generator[float, None, tuple[Tensor, str]]:
    """n samples (n, *event), and what is to be said about them: means of p(x | latent state) where `means` and the
    model has them, draws otherwise."""
    means = means and isinstance(subject.model, SamplesMeans)
    sample = subject.model.sample_mean if means else subject.model.sample
    parts = []
    for begin in range(0, n, at_once):
        parts.append(sample(min(at_once, n - begin), subject.generator))
        yield min(1.0, (begin + at_once) / n)
    return torch.cat(parts), ", as means" if means else ""


def held_out_examples(subject: Subject) -> Tensor:
    """All examples that nothing was learned from: those of the validation and of the test part."""
    return torch.cat([subject.dataset.valid.x, subject.dataset.test.x]).to(subject.device)


def shuffled(x: Tensor, subject: Subject) -> Tensor:
    return x[torch.randperm(len(x), generator=subject.generator, device=x.device)]


def broken(samples: Tensor) -> Note | None:
    """What stands in place of figures where not all samples (N, *event) are finite numbers; None where they are."""
    count = int((~samples.flatten(1).isfinite().all(1)).sum())
    text = f"{count} of {len(samples)} samples are not finite numbers: training has diverged."
    return Note(NOT_MEASURED, text, "bad") if count else None


def small_print(measure: Measure) -> str:
    return measure.protocol + (f"; {measure.note}" if measure.note else "")


def describe(dataset: Dataset, split: Split, name: str = "test") -> str:
    """Which examples something was measured on: data, preparation, how many."""
    protocol = f", {dataset.spec.protocol}" if dataset.spec.protocol else ""
    return f"{dataset.provenance.title}{protocol}, {len(split)} {name} examples"


def mean_interval(
    values: Tensor, least: float = -math.inf, most: float = math.inf
) -> tuple[float, tuple[float, float]]:
    """The mean of per-example values and its normal 95 % interval, which ends where values do (`ended`)."""
    measured = ended(mean_measure("", values, Kind.ESTIMATE, ""), least, most)
    return measured.value, (measured.low, measured.high)


def are_discrete(spec: DataSpec) -> bool:
    """Whether examples have probabilities, and not densities."""
    return spec.support in (Support.BITS, Support.LEVELS, Support.SYMBOLS)


def gives_densities(subject: Subject) -> bool:
    """Whether p(x | z) of the model is a density wherever data lie: a Gaussian's is one at bits too."""
    return any(isinstance(part, Likelihood) and part.is_density for part in subject.model.modules())


def most_log_prob(subject: Subject) -> float:
    """What log p(x) of the model is never above, nor a bound on it: 0 where it is the probability of discrete
    values."""
    return 0.0 if are_discrete(subject.spec) and not gives_densities(subject) else math.inf


def decimals_of(intervals: Iterable[tuple[float, float]], most: int = 4) -> int:
    """Decimals that leave the narrowest of these intervals two figures for half of itself: more mean nothing."""
    widths = [high - low for low, high in intervals if 0 < high - low < math.inf]
    return min(most, max(0, 1 - math.floor(math.log10(min(widths) / 2)))) if widths else most


def difference_interval(a: Tensor, b: Tensor) -> tuple[float, float, float]:
    """mean(a) - mean(b) of independent samples, with the ends of its normal 95 % interval."""
    a, b = a.double(), b.double()
    value = (a.mean() - b.mean()).item()
    half = 1.96 * math.sqrt(a.var().item() / len(a) + b.var().item() / len(b))
    return value, value - half, value + half


def checksum(x: Tensor) -> str:
    """Of examples, all of their values and their order."""
    return hashlib.sha256(np.ascontiguousarray(x.detach().cpu().numpy()).tobytes()).hexdigest()[:16]


def basis_of(measure: Measure, x: Tensor, where: str, support: Support, way: str | None = None) -> Basis:
    """What `measure`, of the examples `x` that `where` describes, rests on. `way`: see Basis; without it the rest of
    the protocol, which then must not hold what was found.

    An exact likelihood is one however it was computed. Upper bounds do not speak for a model, and grey values have
    no likelihood at all: under Bernoulli pixels it is a cross-entropy, under Gaussian ones a density.
    """
    exact = measure.kind is Kind.EXACT and measure.likelihood
    said = measure.protocol.removeprefix(where).lstrip("; ,") if way is None else way
    speaks = measure.likelihood and measure.kind is not Kind.UPPER_BOUND and support is not Support.UNIT
    return Basis(
        "log p(x)" if exact else measure.name,
        str(measure.kind),
        measure.unit,
        "" if exact else said,
        where,
        checksum(x),
        HIGHER if speaks else NOTHING,
        measure.doubt,
    )


def diagnosis(measures: Sequence[Measure]) -> Iterator[Report]:
    """Whether the estimators behind these values have converged, as far as each can be seen to; nothing where there is
    nothing to see."""
    rows = [
        (m.name, "yes" if c.passed else "no", f"{c.what}: {c.found}. Wanted: {c.wanted}.")
        for m in measures
        for c in m.checks
    ]
    if not rows:
        return
    columns = (Column("Estimate"), Column("Converged", "kind"), Column("Seen by", "detail"))
    note = "Exact values have nothing to converge. One that has not is a value of its protocol, not of the model."
    yield Table("Have the estimates converged?", columns, tuple(rows), note)
