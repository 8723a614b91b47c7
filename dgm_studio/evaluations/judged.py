"""Samples in the order in which the other player of the game believes them, and how well it tells them apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dgm_studio.evaluations.base import (
    CHUNK,
    Evaluation,
    broken,
    describe,
    draw,
    mean_interval,
    stage,
    training_examples,
)
from dgm_studio.reports import Cell, Column, Curves, Note, Pictures, Points, Report, Series, Table
from dgm_studio.state import as_bytes
from dgm_studio.subject import Subject
from models.capabilities import HasCritic, HasDiscriminator, Samples
from models.estimation.measure import Measure
from models.estimation.ranking import above
from models.settings import Settings, setting
from models.spec import DataSpec, Layout

REMEMBERS = 0.55  # a training example is believed above a test one more often than this


class JudgedSettings(Settings):
    samples: int = setting(1000, title="Samples", help="How many the model draws.", ge=30, le=100_000)
    shown: int = setting(16, title="Shown", help="Samples that are shown of each end and of the middle.", ge=1, le=100)


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    judges = issubclass(learner, HasDiscriminator) or issubclass(learner, HasCritic)
    return judges and issubclass(model, Samples)


def _run(subject: Subject, settings: JudgedSettings) -> Iterator[float | Report]:
    x, _ = yield from stage(draw(subject, settings.samples), 0.0, 0.5)
    if wrong := broken(x):
        yield wrong
        return
    critic = isinstance(subject.learner, HasCritic)
    letter = "f(x)" if critic else "D(x)"
    test = subject.dataset.test.x.to(subject.device)
    train = training_examples(subject.dataset, subject, len(test))
    said = {
        "Training examples": _judge(subject, train),
        "Test examples": _judge(subject, test),
        "Samples": _judge(subject, x),
    }
    yield 0.9
    where = describe(subject.dataset, subject.dataset.test)
    ranks = (
        above(said["Test examples"], said["Samples"], "A test example above a sample", f"{where}; {len(x)} samples"),
        above(
            said["Training examples"],
            said["Test examples"],
            "A training example above a test one",
            f"{where}; as many training examples",
        ),
    )
    yield _table(said, letter)
    yield _ranks(ranks)
    yield from _verdicts(ranks)
    yield from _ordered(subject.spec, x, said["Samples"], settings.shown, letter)
    yield _curves(said, letter)


def _judge(subject: Subject, x: Tensor) -> Tensor:
    learner: Any = subject.learner
    judge = learner.criticise if isinstance(learner, HasCritic) else learner.discriminate
    return torch.cat([judge(part) for part in x.split(CHUNK)]).cpu()


def _table(said: dict[str, Tensor], letter: str) -> Table:
    rows: list[tuple[Cell, ...]] = [(name, *mean_interval(values)) for name, values in said.items()]
    columns = (Column("Judged"), Column(f"Mean {letter}", "number", "", 3), Column("95 % interval", "interval", "", 3))
    note = (
        "D(x) is the discriminator's probability that x is data; the best one says ½ of everything when samples are "
        "distributed like the data."
        if letter == "D(x)"
        else "f(x) is the critic's score, up to a constant and a slope: differences alone say something."
    )
    return Table(f"What is believed: mean {letter}", columns, tuple(rows), note)


def _ranks(ranks: tuple[Measure, ...]) -> Table:
    columns = (
        Column("How often"),
        Column("Share", "number", "", 3),
        Column("95 % interval", "interval", "", 3),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    )
    rows = tuple((m.name, m.value, (m.low, m.high), str(m.kind), m.protocol) for m in ranks)
    note = "½ where nothing tells the two apart (the area under the curve of true and false alarms)."
    return Table("Who is believed more", columns, rows, note)


def _verdicts(ranks: tuple[Measure, ...]) -> Iterator[Note]:
    _, remembered = ranks
    if remembered.low > REMEMBERS:
        yield Note(
            "Training examples are remembered",
            f"One is believed above a test example in {remembered.value:.0%} [{remembered.low:.0%}, "
            f"{remembered.high:.0%}] of pairs. What is learned from such a judge may be the training set itself.",
            "warn",
        )


def _ordered(spec: DataSpec, x: Tensor, score: Tensor, shown: int, letter: str) -> Iterator[Report]:
    """The most and the least believed samples, and those in the middle."""
    order = score.argsort(descending=True)
    n = min(shown, len(x) // 3)
    middle = (len(x) - n) // 2
    chosen = {"most believed": order[:n], "in the middle": order[middle : middle + n], "least believed": order[-n:]}
    title = f"Samples by {letter}"
    if spec.layout is Layout.IMAGE:
        place = torch.stack(list(chosen.values()), 1).flatten()  # (3 n,), groups of three
        pictures = as_bytes(x[place.to(x.device)].cpu().numpy(), spec)
        captions = tuple(f"{value:.2f}" for value in score[place].tolist())
        yield Pictures(title, pictures, tuple(chosen), captions, f"Captions are {letter}, of {len(x)} samples.")
    elif spec.layout is Layout.POINTS:
        parts = order.chunk(4)
        names = ("most believed quarter", "second", "third", "least believed quarter")
        points = x.cpu().double()
        series = tuple(
            Series(name, points[part, 0].numpy(), points[part, 1].numpy())
            for name, part in zip(names, parts, strict=True)
        )
        yield Points(title, "x₁", "x₂", series, f"{len(x)} samples.", square=True)


def _curves(said: dict[str, Tensor], letter: str) -> Curves:
    series = tuple(
        Series(name, v.double().sort().values.numpy(), np.arange(1, len(v) + 1, dtype=np.float64) / len(v))
        for name, v in said.items()
    )
    return Curves(f"How {letter} is distributed", letter, "share below", series)


EVALUATION = Evaluation(
    "judged",
    "Samples by the discriminator",
    "Which samples does the other player of the game believe, which not, and does it remember the training set?",
    JudgedSettings,
    _admits,
    _run,
)
