"""What each coordinate costs given those before it, and whether its probability can be believed."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, chunks, describe, mean_interval, stage
from dgm_studio.reports import Column, Curves, HeatMap, Note, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import ScoresEach
from models.estimation.measure import wilson
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support

BINS = 10
REPEATS, DRAWS = 50, 20_000_000  # simulations of a model that is calibrated, and the most events drawn for them
BITS = ("P(x_d = 1 | before)", "share of ones")  # what is predicted, and what is observed of it
BEST = ("P(most probable value | before)", "share that is right")
VALUES = (Support.LEVELS, Support.SYMBOLS)


class ConditionalsSettings(Settings):
    questions: int = setting(
        1000,
        title="Questions",
        help="How often all probabilities of a coordinate, drawn at random from the test examples, are asked for: each "
        "takes as many passes as a coordinate has values. Bits take none.",
        ge=2,
        le=100_000,
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, ScoresEach) and spec.support in (Support.BITS, *VALUES)


def _run(subject: Subject, settings: ConditionalsSettings) -> Iterator[float | Report]:
    test, spec = subject.dataset.test, subject.spec
    where, bits = describe(subject.dataset, test), spec.support is Support.BITS
    scored = yield from stage(_scored(subject), 0.0, 0.9 if bits else 0.3)
    yield from _contributions(scored, spec, where)
    if bits:
        p = torch.where(test.x.flatten(1) == 1, scored.exp(), -scored.expm1())
        answers = Answers(p, test.x.flatten(1).double())
        yield from _calibration(answers, BITS, where, subject.generator)
    else:
        answers = yield from stage(_best_values(subject, settings.questions), 0.3, 0.7)
        n, of_each = answers.p.shape
        asked = f"{where}, of which {n} were asked for {of_each} of their coordinates, drawn at random"
        yield from _calibration(answers, BEST, asked, subject.generator)


def _scored(subject: Subject) -> Generator[float, None, Tensor]:
    """log p(x_d | before) of all test examples: (N, D), float64, on the CPU."""
    parts = []
    for fraction, x in chunks(subject.dataset.test.x, subject.device):
        parts.append(subject.model.log_conditionals(x).flatten(1).cpu().double())
        yield fraction
    return torch.cat(parts)


def _contributions(scored: Tensor, spec: DataSpec, where: str) -> Iterator[Report]:
    """The mean of -log p(x_d | before) of each coordinate: together they are the mean of -log p(x)."""
    each = -scored.mean(0)
    total, (low, high) = mean_interval(-scored.sum(1), 0.0)
    share = each.sort(descending=True).values[: max(1, len(each) // 10)].sum().item() / max(total, 1e-12)
    title = "What each coordinate costs, given those before it"
    note = (
        f"The mean of −log p(x_d | before) over {where}. Together: {total:.2f} nats per example "
        f"({low:.2f} … {high:.2f}), the negative log-likelihood. The dearest tenth of the coordinates takes "
        f"{100 * share:.0f} % of it."
    )
    if spec.layout is Layout.IMAGE:
        picture = each.reshape(spec.event_shape)
        if len(picture) > 1:
            note += " Of a pixel's channels, the sum."
        yield HeatMap(title, picture.sum(0).numpy(), "nats per pixel", note)
    else:
        places = np.arange(1, len(each) + 1, dtype=float)
        yield Curves(title, "coordinate", "nats", (Series("−log p(x_d | before)", places, each.numpy()),), note)


@dataclass(frozen=True)
class Answers:
    """Probabilities that the model gave to events, and whether they came: (N examples, M of each)."""

    p: Tensor
    came: Tensor


def _best_values(subject: Subject, questions: int) -> Generator[float, None, Answers]:
    """The most probable values of some coordinates of some test examples, and whether they stand there.

    All values of coordinate d are tried in its place: log p(x_d | before) does not depend on what comes after.
    """
    test, values, generator = subject.dataset.test.x, subject.spec.categories, subject.generator
    device = generator.device
    examples = torch.randperm(len(test), generator=generator, device=device)[:questions].cpu()
    of_each = min(subject.spec.dimensions, -(-questions // len(examples)))
    noise = torch.rand(len(examples), subject.spec.dimensions, generator=generator, device=device)
    places = noise.argsort(1)[:, :of_each].reshape(-1, 1).cpu()
    x = test[examples].repeat_interleave(of_each, 0)
    tried = []
    for value in range(values):
        changed = x.flatten(1).scatter(1, places, float(value)).reshape(x.shape)
        parts = []
        for fraction, part in chunks(changed, subject.device):
            parts.append(subject.model.log_conditionals(part).flatten(1).cpu().double())
            yield (value + fraction) / values
        tried.append(torch.cat(parts).gather(1, places))
    log_p = torch.cat(tried, 1)  # (questions, values)
    best = log_p.argmax(1, keepdim=True)
    stands = x.flatten(1).gather(1, places)
    p, came = log_p.gather(1, best).exp(), (best == stands).double()
    return Answers(p.reshape(-1, of_each), came.reshape(-1, of_each))


@dataclass(frozen=True)
class Bin:
    low: float
    high: float
    count: int
    predicted: float  # the mean probability
    observed: float  # the share of events that came
    interval: tuple[float, float]  # 95 %, of `observed`


def binned(answers: Answers, bins: int = BINS) -> list[Bin]:
    """The answers by their probability, in `bins` equal stretches of 0 … 1; empty ones are left out.

    Events within an example hang together, so the interval of a share is that of a ratio of sums over examples; or
    Wilson's for independent events, where that is wider.
    """
    place = _places(answers.p, bins)
    found = []
    for i in range(bins):
        inside = (place == i).double()
        counts, came = inside.sum(1), (inside * answers.came).sum(1)
        n = counts.sum().item()
        if n == 0:
            continue
        share = came.sum().item() / n
        spread = (came - share * counts).square().sum().item()
        half = 1.96 * math.sqrt(spread * len(counts) / max(1, len(counts) - 1)) / n
        low, high = wilson(share, n)
        interval = max(0.0, min(low, share - half)), min(1.0, max(high, share + half))
        predicted = (inside * answers.p).sum().item() / n
        found.append(Bin(i / bins, (i + 1) / bins, int(n), predicted, share, interval))
    return found


def _places(p: Tensor, bins: int) -> Tensor:
    """In which bin each is. One on an edge is above it, also where rounding has put it below: rounding can depend on
    what came."""
    return (p * bins + 1e-5).long().clamp(0, bins - 1)


def calibration_error(bins: list[Bin]) -> float:
    """The expected calibration error: the mean of |observed - predicted| over bins, weighted by their counts (Guo et
    al., 2017, equation 3)."""
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.observed - one.predicted) for one in bins) / total


def _calibration(answers: Answers, event: tuple[str, str], where: str, generator: torch.Generator) -> Iterator[Report]:
    predicted, observed = event
    bins = binned(answers)
    error, best = calibration_error(bins), _calibrated_error(answers, generator)
    x = np.array([one.predicted for one in bins])
    ends = np.array([0.0, 1.0])
    low, high = (np.array([one.interval[end] for one in bins]) for end in (0, 1))
    around = np.concatenate([x, x[::-1], x[:1]]), np.concatenate([low, high[::-1], low[:1]])
    series = (
        Series("observed", x, np.array([one.observed for one in bins])),
        Series("its 95 % interval", *around),
        Series("calibrated", ends, ends),
    )
    yield Curves("Calibration of the conditionals", f"predicted: {predicted}", f"observed: {observed}", series)
    columns = (
        Column("Predicted between"),
        Column("Mean predicted", "number", "", 3),
        Column("Observed", "number", "", 3),
        Column("95 % interval", "interval", "", 3),
        Column("Predictions", "number", "", 0),
    )
    rows = tuple(
        (f"{one.low:.1f} and {one.high:.1f}", one.predicted, one.observed, one.interval, float(one.count))
        for one in bins
    )
    note = (
        f"Expected calibration error {error:.4f}: the mean of |observed − predicted| over these bins, weighted by "
        f"their predictions (Guo et al., 2017). It is never 0, because shares scatter: a calibrated model would score "
        f"{best:.4f} on so many independent ones. Measured on {where}."
    )
    yield Table("Predicted and observed", columns, rows, note)
    outside = [one for one in bins if not one.interval[0] <= one.predicted <= one.interval[1]]
    if not outside or error <= 2 * best:
        text = "Predicted probabilities are what is observed, up to the scatter of so many predictions."
        yield Note("Calibrated", text, "good")
    else:
        # of a bit that is probably 0, an event that comes too often is what the model was too sure of
        sides = [-1 if event is BITS and one.predicted < 0.5 else 1 for one in bins]
        surplus = sum(s * one.count * (one.observed - one.predicted) for s, one in zip(sides, bins, strict=True))
        what = "too sure" if surplus < 0 else "not sure enough"
        text = (
            f"In {len(outside)} of {len(bins)} bins the mean prediction lies outside the interval of what was observed."
        )
        yield Note(f"The model is {what}", text, "warn")


def _calibrated_error(answers: Answers, generator: torch.Generator) -> float:
    """The mean calibration error of events that do come with the predicted probabilities, independently."""
    p: Any = answers.p.to(generator.device)
    errors = []
    for _ in range(max(2, min(REPEATS, DRAWS // p.numel()))):
        came = (torch.rand(p.shape, generator=generator, device=p.device, dtype=p.dtype) < p).double()
        place = _places(p, BINS).flatten()
        surplus = torch.zeros(BINS, device=p.device, dtype=p.dtype).index_add_(0, place, (came - p).flatten())
        errors.append(surplus.abs().sum() / p.numel())
    return torch.stack(errors).mean().item()


EVALUATION = Evaluation(
    "conditionals",
    "Conditionals",
    "What each coordinate costs given those before it, and whether predicted probabilities are what is observed.",
    ConditionalsSettings,
    _admits,
    _run,
)
