"""What an encoder loses against a search for each example alone, and what either costs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, describe, mean_interval
from dgm_studio.inference import Subject
from dgm_studio.reports import Column, Curves, Report, Series, Table
from models.capabilities import BoundsEvidence, RefinesPosterior, WeighsEvidence
from models.estimation.amortisation import Search, bounds
from models.settings import Settings, setting
from models.spec import DataSpec

DRAWS = 50  # of z for each example, by which the bound of every q is taken
REPEATS = 20  # of the encoder's call, of which the shortest counts
FINEST = 5  # stages of the search at first: as many steps each
GROWTH = 1.25  # of stages from then on
AT_ONCE = 500  # importance weights of each example

ENCODER, OTHER, SEARCHED, REFINED = "encoder", "encoder, of another example", "search", "search, from the encoder's q"


class AmortisationSettings(Settings):
    examples: int = setting(50, title="Examples", help="How many of the first test examples, at most.", ge=2, le=1000)
    steps: int = setting(
        500, title="Steps", help="Steps of Adam in the search for each example's q.", unit="steps", ge=1, le=100_000
    )
    rate: float = setting(
        0.1,
        title="Step size",
        help="Of these steps at first, in the parameters of q; it falls linearly to 0.",
        gt=0,
        le=1,
        log=True,
    )
    draws: int = setting(
        10, title="Draws of a step", help="Draws of z for each example and step of the search.", ge=1, le=1000
    )
    weights: int = setting(
        5000,
        title="Importance weights",
        help="Of each example, for the log p(x) that bounds are held against.",
        reference="Burda et al. (2016), k",
        ge=1,
        le=1_000_000,
    )


@dataclass(frozen=True)
class Found:
    """A way to q, and what it came to."""

    name: str
    bounds: Tensor  # (B,) nats
    seconds: float  # for all examples together


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, RefinesPosterior) and issubclass(model, BoundsEvidence)


def _run(subject: Subject, settings: AmortisationSettings) -> Iterator[float | Report]:
    """Every q is measured with the same draws of noise."""
    model, test, device = subject.model, subject.dataset.test, subject.device
    x = test.x[: settings.examples].to(device)
    seed = int(torch.randint(2**31, (1,), generator=subject.generator, device=device))
    said, of_encoder = _timed_encoder(model, x)
    found = [
        Found(ENCODER, bounds(model, x, said, DRAWS, seed), of_encoder),
        Found(OTHER, bounds(model, x, said.roll(1, 0), DRAWS, seed), of_encoder),
    ]
    curves = []
    starts = {SEARCHED: said.mean(0, keepdim=True).expand_as(said), REFINED: said}
    for number, (name, start) in enumerate(starts.items()):
        search = Search(model, x, start, settings.steps, settings.rate, settings.draws, subject.generator)
        places, values, spent = [0], [bounds(model, x, start, DRAWS, seed)], [0.0 if number == 0 else of_encoder]
        for stage in _stages(settings.steps):
            begin = _now(device)
            search.go(stage)
            spent.append(spent[-1] + _now(device) - begin)
            places.append(stage)
            values.append(bounds(model, x, search.parameters, DRAWS, seed))
            yield 0.9 * (number + stage / settings.steps) / len(starts)
        found.append(Found(name, values[-1], spent[-1]))
        means = torch.stack(values).mean(1).cpu().numpy()
        curves.append(Series(name, np.array(places, float), means))
        if name == SEARCHED:
            overtaking = _overtaking(places, means, spent, found[0])
    evidence = _evidence(subject, x, settings.weights) if isinstance(model, WeighsEvidence) else None
    where = f"{describe(subject.dataset, test)}, the first {len(x)} of them"
    yield _table(found, evidence, where, settings)
    yield _gaps(found, evidence)
    yield _cost(found, overtaking, settings)
    level = np.full(2, found[0].bounds.mean().item())
    series = (*curves, Series("encoder alone", np.array([0.0, float(settings.steps)]), level))
    note = "Steps become smaller from the first to the last. A search begins from the mean of all examples' parameters."
    yield Curves("The bound during the search", "steps for each example", "nats", series, note)


def _timed_encoder(model: RefinesPosterior, x: Tensor) -> tuple[Tensor, float]:
    seconds = []
    for _ in range(REPEATS):
        begin = _now(x.device)
        said = model.posterior_parameters(x)
        seconds.append(_now(x.device) - begin)
    return said, min(seconds)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _stages(steps: int) -> list[int]:
    """Numbers of steps after which the bound is looked at, the last one all of them."""
    stages, at = [], 0
    while at < steps:
        at = min(steps, max(at + FINEST, round(at * GROWTH)))
        stages.append(at)
    return stages


def _overtaking(places: list[int], means: np.ndarray, spent: list[float], encoder: Found) -> tuple[float, float]:
    """Steps, and seconds for all examples, until the search's mean bound first is the encoder's; NaN if never."""
    good = np.flatnonzero(means >= encoder.bounds.mean().item())
    return (float(places[good[0]]), spent[good[0]]) if len(good) else (math.nan, math.nan)


def _evidence(subject: Subject, x: Tensor, count: int) -> Tensor:
    """log p(x) of each example by importance weights of the encoder's q: (B,)."""
    sizes = [min(AT_ONCE, count - done) for done in range(0, count, AT_ONCE)]
    parts = [subject.model.log_weights(x, size, subject.generator).double().logsumexp(0) for size in sizes]
    return torch.stack(parts).logsumexp(0) - math.log(count)


def _table(found: list[Found], evidence: Tensor | None, where: str, settings: AmortisationSettings) -> Table:
    rows = []
    for way in found:
        value, interval = mean_interval(way.bounds)
        gained, of_gain = mean_interval(way.bounds - found[0].bounds)
        rows.append((way.name, value, interval, gained, of_gain, 1000 * way.seconds / len(way.bounds)))
    if evidence is not None:
        value, interval = mean_interval(evidence)
        gained, of_gain = mean_interval(evidence - found[0].bounds)
        rows.append(("log p(x), by importance weights", value, interval, gained, of_gain, math.nan))
    columns = (
        Column("q(z | x) of"),
        Column("ELBO", "number", "nats", 3),
        Column("95 % interval", "interval", decimals=3),
        Column("Above the encoder", "number", "nats", 3),
        Column("95 % interval", "interval", decimals=3),
        Column("Time of an example", "number", "ms", 4),
    )
    note = (
        f"{where}. {settings.steps} steps of Adam from {settings.rate:g}, by {settings.draws} draws of z each; "
        f"bounds by {DRAWS} draws, the same for all; "
        f"{settings.weights} importance weights of the encoder's q."
    )
    return Table("Amortised and searched for", columns, tuple(rows), note)


def _gaps(found: list[Found], evidence: Tensor | None) -> Table:
    """What is missing from log p(x), in two parts. The better of the two searches counts, example by example."""
    of = {way.name: way.bounds for way in found}
    best = torch.maximum(of[SEARCHED], of[REFINED])
    rows = [("amortisation gap: the encoder against its own family", *mean_interval(best - of[ENCODER]))]
    if evidence is not None:
        rows.append(
            ("approximation gap: the best of the family against the posterior", *mean_interval(evidence - best))
        )
        rows.append(("inference gap: both together", *mean_interval(evidence - of[ENCODER])))
    columns = Column("Gap"), Column("Nats", "number", decimals=4), Column("95 % interval", "interval", decimals=4)
    note = "Over examples. The best of a family is what the searches found: the true gap of amortisation is no smaller."
    return Table("What is missing from log p(x)", columns, tuple(rows), note)


def _cost(found: list[Found], overtaking: tuple[float, float], settings: AmortisationSettings) -> Table:
    seconds = {way.name: way.seconds for way in found}
    steps, until = overtaking
    rows = (
        ("encoder", 0.0, 1.0),
        ("search, until it is as good as the encoder", steps, until / seconds[ENCODER]),
        ("search, all steps", float(settings.steps), seconds[SEARCHED] / seconds[ENCODER]),
    )
    columns = Column("Way"), Column("Steps", "number", decimals=0), Column("Times as long", "number", decimals=1)
    note = f"{len(found[0].bounds)} examples beside each other. The encoder's time is the shortest of {REPEATS}."
    return Table("How long it takes", columns, rows, note)


EVALUATION = Evaluation(
    "amortisation",
    "Amortised and searched for",
    "What the encoder's q loses against one that is looked for example by example, and what either costs.",
    AmortisationSettings,
    _admits,
    _run,
    timed=True,
)
