"""Does the model copy its training set: are samples nearer to it than new data are?"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np
from torch import Tensor

from dgm_studio.evaluations.base import (
    Evaluation,
    broken,
    describe,
    draw,
    samples_can_be_compared,
    small_print,
    stage,
    training_examples,
)
from dgm_studio.evaluations.samples import beside_nearest
from dgm_studio.reports import Column, Curves, Note, Pictures, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import SamplesMeans
from models.estimation.copying import RARE, nearer_share, suspicious_share
from models.estimation.measure import Measure
from models.estimation.neighbours import nearest
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support

NEIGHBOURS = 3


class CopiesSettings(Settings):
    samples: int = setting(1000, title="Samples", help="How many the model draws.", ge=10, le=100_000)
    shown: int = setting(
        12,
        title="Samples shown",
        help="Images: those that lie nearest to a training example, beside the three examples nearest to each.",
        ge=0,
        le=100,
    )
    means: bool = setting(
        True,
        title="Means instead of draws",
        help="Grey values: take means of p(x | latent state), where the model has them. Bits and real numbers are "
        "always drawn: a grey mean lies nearer to every picture of bits than another picture of bits does.",
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return samples_can_be_compared(model, spec)


def _without_effect(model: type) -> tuple[str, ...]:
    return () if issubclass(model, SamplesMeans) else ("means",)


def _run(subject: Subject, settings: CopiesSettings) -> Iterator[float | Report]:
    spec, dataset = subject.spec, subject.dataset
    means = settings.means and spec.support is Support.UNIT
    samples, how = yield from stage(draw(subject, settings.samples, means), 0.0, 0.4)
    if wrong := broken(samples):
        yield wrong
        return
    train = training_examples(dataset, subject)
    ours, places = yield from stage(_to_training(samples, train, spec), 0.4, 0.3)
    new, _ = yield from stage(_to_training(dataset.test.x.to(subject.device), train, spec), 0.7, 0.15)
    again, _ = yield from stage(_to_training(dataset.valid.x.to(subject.device), train, spec), 0.85, 0.15)
    where = f"{describe(dataset, dataset.test)}, {len(train)} training examples"
    share, perfect = nearer_share(ours[:, 0], new[:, 0], where), nearer_share(again[:, 0], new[:, 0], where)
    near, perfect_near = suspicious_share(ours[:, 0], new[:, 0], where), suspicious_share(again[:, 0], new[:, 0], where)
    yield _table([(share, perfect), (near, perfect_near)], how)
    yield _verdict(share, near, means and isinstance(subject.model, SamplesMeans))
    yield _curves({"samples": ours[:, 0], "test examples": new[:, 0], "validation examples": again[:, 0]})
    if spec.layout is Layout.IMAGE and settings.shown:
        yield _pictures(samples, train, ours, places, settings.shown, spec)


def _to_training(x: Tensor, train: Tensor, spec: DataSpec) -> Generator[float, None, tuple[Tensor, Tensor]]:
    """Euclidean distances to the nearest training examples, white at 1, and which they are."""
    found, places = yield from nearest(x.flatten(1), train.flatten(1), min(NEIGHBOURS, len(train)))
    return found / spec.brightest, places


def _table(rows: list[tuple[Measure, Measure]], how: str) -> Table:
    columns = (
        Column("Measure"),
        Column("Samples", "number", "%", 1),
        Column("95 % interval", "interval", "%", 1),
        Column("Perfect sampler", "number", "%", 1),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    )
    names = ("Nearer to training than a test example is", f"Nearer than {100 * (1 - RARE):.0f} % of test examples are")
    cells = tuple(
        (name, 100 * m.value, (100 * m.low, 100 * m.high), 100 * perfect.value, str(m.kind), small_print(m))
        for name, (m, perfect) in zip(names, rows, strict=True)
    )
    note = (
        "The first row is the chance that a sample lies nearer to its nearest training example than a test example "
        "does to its own: 50 % for a perfect sampler, 100 % for copies. The perfect sampler's place is taken by "
        f"validation examples. Samples{how or ' as they are drawn'}."
    )
    return Table("Copies of the training set", columns, cells, note)


def _verdict(share: Measure, near: Measure, means: bool) -> Note:
    if near.low > 0.5:
        text = f"{100 * near.value:.0f} % of the samples lie nearer to a training example than new data hardly ever do."
        return Note("The model copies", text, "bad")
    if near.low > 2 * RARE:
        text = (
            f"{100 * near.value:.1f} % of the samples lie nearer to a training example than {100 * (1 - RARE):.0f} % "
            "of new data do. Copies do; so do smooth pictures and samples from the middle of a mode. Look at the "
            "neighbours."
        )
        return Note("Some samples are very near to the training set", text, "warn")
    if share.low > 0.5:
        text = "Samples lie nearer to the training set than new data would, but none of them is a copy."
        smooth = " Means are smoother than data, and smooth pictures lie nearer to all others." if means else ""
        return Note("Nearer than new data", text + smooth)
    if share.high < 0.5:
        text = "Samples lie farther from the training set than new data do: no copies, and no perfect samples."
        return Note("No copies", text)
    return Note("No copies", "Samples lie as far from the training set as new data do.", "good")


def _curves(distances: dict[str, Tensor]) -> Curves:
    series = tuple(
        Series(name, x.sort().values.cpu().numpy(), np.arange(1, len(x) + 1, dtype=np.float64) / len(x))
        for name, x in distances.items()
    )
    note = "Where the samples' curve lies left of the others, they are nearer to the training set than new data."
    return Curves(
        "How far from the training set", "distance to the nearest example", "share that is nearer", series, note
    )


def _pictures(
    samples: Tensor, train: Tensor, distances: Tensor, places: Tensor, shown: int, spec: DataSpec
) -> Pictures:
    order = distances[:, 0].argsort(stable=True)[:shown]
    title, how = "The samples nearest to the training set", f"Of {len(samples)} samples."
    return beside_nearest(title, samples[order], train[places[order]], distances[order], how, spec)


EVALUATION = Evaluation(
    "copies",
    "Copies of the training set",
    "Whether samples lie nearer to training examples than new data do, and the nearest of them to look at.",
    CopiesSettings,
    _admits,
    _run,
    _without_effect,
)
