"""What an encoder loses against a search for each example alone, and what either costs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, describe, mean_interval, most_log_prob
from dgm_studio.reports import Column, Curves, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import BoundsEvidence, RefinesPosterior, WeighsEvidence
from models.estimation.amortisation import Search, bounds
from models.settings import Settings, setting
from models.spec import DataSpec

REPEATS = 20  # of the encoder's call, of which the shortest counts
FINEST = 5  # stages of the search at first: as many steps each
GROWTH = 1.25  # of stages from then on
SMALLEST = 1e-3  # nats, in the curves: less is the noise of bounds and steps
AT_ONCE = 500  # importance weights of each example

ENCODER, OTHER, SEARCHED, REFINED = "encoder", "encoder, of another example", "search", "search, from the encoder's q"


class AmortisationSettings(Settings):
    examples: int = setting(50, title="Examples", help="How many of the first test examples, at most.", ge=2, le=1000)
    steps: int = setting(
        400, title="Steps", help="Steps of Adam in the search for each example's q.", unit="steps", ge=1, le=100_000
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
    bound_draws: int = setting(
        50,
        title="Draws of a bound",
        help="Draws of z for each example by which the bound of every q is measured: the same for all.",
        ge=1,
        le=10_000,
    )
    importance_samples: int = setting(
        5000,
        title="Importance samples",
        help="Of each example, for the log p(x) that bounds are held against.",
        reference="Burda et al. (2016), k",
        ge=1,
        le=1_000_000,
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, RefinesPosterior) and issubclass(model, BoundsEvidence)


def _run(subject: Subject, settings: AmortisationSettings) -> Iterator[float | Report]:
    """Every q is measured with the same draws of noise."""
    model, test, device = subject.model, subject.dataset.test, subject.device
    x = test.x[: settings.examples].to(device)
    seed = int(torch.randint(2**31, (1,), generator=subject.generator, device=device))
    bound_of = partial(bounds, model, x, draws=settings.bound_draws, seed=seed)
    said, of_encoder = _timed_encoder(model, x)
    found = {
        ENCODER: bound_of(said),
        OTHER: bound_of(said.roll(1, 0)),
    }
    curves, of_steps = {}, []
    starts = {SEARCHED: said.mean(0, keepdim=True).expand_as(said), REFINED: said}
    overtaken = math.nan  # steps after which a search that knew nothing is first as good as the encoder
    for number, (name, start) in enumerate(starts.items()):
        search = Search(model, x, start, settings.steps, settings.rate, settings.draws, subject.generator)
        places, values = [0], [bound_of(start)]
        for stage in _stages(settings.steps):
            while search.done < stage:
                begin = _now(device)
                search.go(search.done + 1)
                of_steps.append(_now(device) - begin)
            places.append(stage)
            values.append(bound_of(search.parameters))
            if name == SEARCHED and math.isnan(overtaken) and values[-1].mean() >= found[ENCODER].mean():
                overtaken = float(stage)
            yield 0.9 * (number + stage / settings.steps) / len(starts)
        found[name] = values[-1]
        curves[name] = np.array(places, float), torch.stack(values).mean(1).cpu().numpy()
    evidence = _evidence(subject, x, settings.importance_samples) if isinstance(model, WeighsEvidence) else None
    where = f"{describe(subject.dataset, test)}, the first {len(x)} of them"
    yield _table(found, evidence, most_log_prob(subject), where, settings)
    yield _gaps(found, evidence)
    yield _cost(of_encoder, min(of_steps), overtaken, len(x), settings.steps)
    yield _curves(curves, found[ENCODER].mean().item(), settings.steps)


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


def _evidence(subject: Subject, x: Tensor, count: int) -> Tensor:
    """log p(x) of each example by importance weights of the encoder's q: (B,)."""
    sizes = [min(AT_ONCE, count - done) for done in range(0, count, AT_ONCE)]
    parts = [subject.model.log_weights(x, size, subject.generator).double().logsumexp(0) for size in sizes]
    return torch.stack(parts).logsumexp(0) - math.log(count)


def _table(
    found: Mapping[str, Tensor], evidence: Tensor | None, most: float, where: str, settings: AmortisationSettings
) -> Table:
    rows = []
    for name, each in found.items():
        value, interval = mean_interval(each, most=most)
        itself = name == ENCODER
        gained, of_gain = (math.nan, (math.nan, math.nan)) if itself else mean_interval(each - found[ENCODER])
        rows.append((name, value, interval, gained, of_gain))
    if evidence is not None:
        value, interval = mean_interval(evidence, most=most)
        gained, of_gain = mean_interval(evidence - found[ENCODER])
        rows.append(("log p(x), by importance weights", value, interval, gained, of_gain))
    columns = (
        Column("q(z | x) of"),
        Column("ELBO", "number", "nats", 3),
        Column("95 % interval", "interval", decimals=3),
        Column("Above the encoder", "number", "nats", 3),
        Column("95 % interval", "interval", decimals=3),
    )
    note = (
        f"{where}. {settings.steps} steps of Adam from {settings.rate:g}, by {settings.draws} draws of z each; "
        f"bounds by {settings.bound_draws} draws, the same for all; "
        f"{settings.importance_samples} importance weights of the encoder's q."
    )
    return Table("Amortised and searched for", columns, tuple(rows), note)


def _gaps(found: Mapping[str, Tensor], evidence: Tensor | None) -> Table:
    """What is missing from log p(x), in two parts. The better of the two searches counts, example by example."""
    best = torch.maximum(found[SEARCHED], found[REFINED])
    rows = [("amortisation gap: the encoder against its own family", *mean_interval(best - found[ENCODER]))]
    if evidence is not None:
        rows.append(
            ("approximation gap: the best of the family against the posterior", *mean_interval(evidence - best))
        )
        rows.append(("inference gap: both together", *mean_interval(evidence - found[ENCODER])))
    columns = Column("Gap"), Column("Nats", "number", decimals=4), Column("95 % interval", "interval", decimals=4)
    note = "Over examples. The best of a family is what the searches found: the true gap of amortisation is no smaller."
    return Table("What is missing from log p(x)", columns, tuple(rows), note)


def _curves(found: Mapping[str, tuple[np.ndarray, np.ndarray]], encoder: float, steps: int) -> Curves:
    """By step, below the best that was found: the search's first steps gain a hundred times what its last ones do."""
    curves = {**found, "encoder alone": (np.array([0.0, float(steps)]), np.full(2, encoder))}
    best = max(values.max() for _, values in curves.values())
    series = tuple(
        Series(name, places, np.log10(np.maximum(best - values, SMALLEST))) for name, (places, values) in curves.items()
    )
    note = (
        f"The mean bound below the best that was found, which itself is drawn at {SMALLEST:g} nats. A search begins "
        "from the mean of all examples' parameters. Steps become smaller from the first to the last."
    )
    return Curves("What the search has left to gain", "steps for each example", "log₁₀ of nats", series, note)


def _cost(of_encoder: float, of_step: float, overtaken: float, examples: int, steps: int) -> Table:
    ways = {
        "encoder": (0.0, of_encoder),
        "search, one step": (1.0, of_step),
        "search, until it is as good as the encoder": (overtaken, overtaken * of_step),
        "search, all steps": (float(steps), steps * of_step),
    }
    rows = tuple(
        (name, count, 1000 * seconds / examples, seconds / of_encoder) for name, (count, seconds) in ways.items()
    )
    columns = (
        Column("Way"),
        Column("Steps", "number", decimals=0),
        Column("Time of an example", "number", "ms", 4),
        Column("Times the encoder's", "number", decimals=1),
    )
    note = (
        f"{examples} examples beside each other. The encoder's time is the shortest of {REPEATS} calls, that of a step "
        "the shortest that was seen."
    )
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
