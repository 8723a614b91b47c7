"""Does a good likelihood mean good samples? Two models made from this one and its data say that it does not."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from dgm_studio.evaluations.base import (
    CHUNK,
    Evaluation,
    describe,
    draw,
    mean_interval,
    samples_can_be_compared,
    stage,
    training_examples,
)
from dgm_studio.number_texts import signed
from dgm_studio.reports import Cell, Column, Note, Points, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import ScoresExactly
from models.estimation.decoys import (
    FLIPS,
    memory_log_prob,
    mixed,
    mixed_log_prob,
    nearest,
    noise_log_prob,
    remembered,
)
from models.estimation.measure import Kind
from models.settings import Settings, setting
from models.spec import DataSpec, Support

MODEL, MIXTURE, NOISE = "The model", "Mostly noise", "Noise alone"
MEMORY, KERNELS, DATA = "The memoriser", "The memoriser, loosened", "Examples themselves"


class DecoySettings(Settings):
    share: float = setting(
        0.01,
        title="Share of the model",
        help="In the mixture with noise. 1 leaves the noise out.",
        reference="Theis et al. (2016), section 3.1: 0.01",
        gt=0,
        le=1,
    )
    flip: float = setting(
        0.001,
        title="Flips of the memoriser",
        help="The probability with which it flips each bit of a training example. Without any it would give examples "
        "that it never saw no probability at all.",
        gt=0,
        lt=0.5,
        log=True,
    )
    samples: int = setting(500, title="Samples", help="That are drawn from each model.", ge=20, le=100_000)


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, ScoresExactly) and spec.support is Support.BITS and samples_can_be_compared(model, spec)


def _run(subject: Subject, settings: DecoySettings) -> Iterator[float | Report]:
    dataset, generator = subject.dataset, subject.generator
    test, valid = (split.x.flatten(1).to(subject.device) for split in (dataset.test, dataset.valid))
    memory = training_examples(dataset, subject).flatten(1)
    x = dataset.test.x.to(subject.device)
    parts = []
    for begin in range(0, len(x), CHUNK):
        parts.append(subject.model.log_prob(x[begin : begin + CHUNK]))
        yield 0.5 * min(1.0, (begin + CHUNK) / len(x))
    ours, noise = torch.cat(parts), noise_log_prob(test)
    drawn, _ = yield from stage(draw(subject, settings.samples), 0.5, 0.3)
    samples = drawn.flatten(1)
    exact = yield from stage(memory_log_prob(test, memory, settings.flip), 0.8, 0.05)
    loose = FLIPS[0]
    best = -math.inf
    for flip in FLIPS:
        value = (yield from stage(memory_log_prob(valid, memory, flip), 0.85, 0.0)).mean().item()
        if value > best:
            loose, best = flip, value
    wide = yield from stage(memory_log_prob(test, memory, loose), 0.9, 0.05)
    share, n = settings.share, settings.samples
    coins = mixed(samples, 0.0, generator)
    rows = [
        _row(MODEL, ours, samples, test, "as it was learned"),
        _row(
            MIXTURE,
            mixed_log_prob(ours, noise, share),
            mixed(samples, share, generator),
            test,
            f"{share:.4g} of it the model, the rest fair coins; may cost up to {-math.log(share):.3f} nats",
        ),
        _row(NOISE, noise, coins, test, "fair coins"),
        _row(
            MEMORY,
            exact,
            remembered(memory, n, settings.flip, generator),
            test,
            f"one of {len(memory):,} training examples, each bit flipped with probability {settings.flip:.4g}",
        ),
        _row(
            KERNELS,
            wide,
            remembered(memory, n, loose, generator),
            test,
            f"the same with probability {signed(f'{loose:.4g}')}, the best for validation examples",
        ),
        _row(DATA, None, valid[:n], test, "validation examples"),
    ]
    where = describe(dataset, dataset.test)
    yield _table(tuple(rows), where)
    yield _picture(rows)
    cost = (ours.double() - mixed_log_prob(ours, noise, share)).mean().item()
    text = (
        f"To draw noise in {100 * (1 - share):.6g} % of all cases costs {cost:.2f} nats, "
        f"at most {-math.log(share):.2f}, "
        "however many bits an example has. To draw what cannot be told from data costs "
        f"{(ours.double() - exact).mean():.1f} nats."
    )
    yield Note("Likelihood is not quality", text, "plain")


def _row(name: str, log_p: Tensor | None, samples: Tensor, test: Tensor, how: str) -> tuple[Cell, ...]:
    away, interval = mean_interval(nearest(samples, test), 0.0)
    if log_p is None:
        return name, math.nan, (math.nan, math.nan), away, interval, str(Kind.ESTIMATE), how
    value, ends = mean_interval(log_p, most=0.0)
    return name, value, ends, away, interval, str(Kind.EXACT), how


def _table(rows: tuple[tuple[Cell, ...], ...], where: str) -> Table:
    columns = (
        Column("Model"),
        Column("log p(x)", "number", "nats per example"),
        Column("95 % interval", "interval", "nats per example"),
        Column("Nearest example", "number", "bits away"),
        Column("Interval of the nearest", "interval", "bits away"),
        Column("Kind", "kind"),
        Column("How", "detail"),
    )
    note = (
        f"log p(x) is exact, of {where}. The look of samples is measured by how many bits a sample differs in from the "
        "nearest of these examples, which none of the models was made from: examples themselves say what is good."
    )
    return Table("Likelihood and samples", columns, rows, note)


def _picture(rows: list[tuple[Cell, ...]]) -> Points:
    series = []
    for name, value, _, away, *_ in rows:
        if isinstance(value, float) and isinstance(away, float) and math.isfinite(value):
            x, y = torch.tensor([[away], [value]], dtype=torch.float64).numpy()
            series.append(Series(str(name), x, y))
    note = "Good samples are on the left, a good likelihood is at the top. One does not follow from the other."
    return Points("Two kinds of good", "bits to the nearest example", "log p(x), nats per example", tuple(series), note)


EVALUATION = Evaluation(
    "decoys",
    "Likelihood against samples",
    "The model beside one that draws noise at hardly less likelihood, and one that draws data at far less.",
    DecoySettings,
    _admits,
    _run,
)
