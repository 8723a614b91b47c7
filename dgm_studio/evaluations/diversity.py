"""Are samples of discrete values possible ones, and are there as many different ones as in the data?"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dgm_studio.datasets.base import Density
from dgm_studio.evaluations.base import Evaluation, describe, draw, stage, training_examples
from dgm_studio.reports import Cell, Column, Note, Report, Table
from dgm_studio.subject import Subject
from models.capabilities import Samples
from models.estimation.diversity import distinct, n_gram_divergence, total_variation
from models.estimation.measure import Kind, wilson
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support

ORDERS = (2, 4)  # runs of symbols that are compared
COLLAPSED = 0.5  # of the different examples that as many data have


class DiversitySettings(Settings):
    samples: int = setting(
        1000, title="Samples", help="How many examples are drawn; all rows have as many.", ge=10, le=100_000
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    sequences = spec.support is Support.SYMBOLS and spec.layout is Layout.SEQUENCE and len(spec.event_shape) == 1
    return issubclass(model, Samples) and (sequences or spec.support is Support.BITS)


def _run(subject: Subject, settings: DiversitySettings) -> Iterator[float | Report]:
    data, density = training_examples(subject.dataset, subject, settings.samples).cpu(), subject.dataset.density
    n = min(settings.samples, len(data))
    x, _ = yield from stage(draw(subject, n), 0.0, 0.8)
    x = x.cpu()
    generator = torch.Generator().manual_seed(subject.generator.initial_seed())
    rows = {"Model": x, "Training data": data[:n]}
    if density is not None:
        rows["Perfect sampler"] = density.sample(n, generator).cpu()
    values = subject.spec.categories or 2
    rows["Uniformly random"] = torch.randint(values, x.shape, generator=generator).to(x)
    yield 0.85
    test, spec = subject.dataset.test.x, subject.spec
    orders = tuple(order for order in ORDERS if spec.support is Support.SYMBOLS and order <= spec.dimensions)
    kind = str(Kind.ESTIMATE)
    cells = tuple(
        (name, *_measured(drawn, density), *(n_gram_divergence(drawn, test, order, values) for order in orders), kind)
        for name, drawn in rows.items()
    )
    yield Table("Possible and different examples", _columns(density is not None, orders), cells, _note(subject, n))
    yield _said(x, data[:n])


def _measured(x: Tensor, density: Density | None) -> tuple[Cell, ...]:
    types, counts = distinct(x)
    shares = counts.double() / len(x)
    found: tuple[Cell, ...] = (100 * len(types) / len(x), -(shares * shares.log()).sum().item())
    if density is None:
        return found
    possible = density.log_prob(types).isfinite()
    valid = counts[possible].sum().item() / len(x)
    low, high = wilson(valid, len(x))
    away = total_variation(x, density.log_prob)
    return (100 * valid, (100 * low, 100 * high), float(possible.sum()), away, *found)


def _columns(known: bool, orders: tuple[int, ...]) -> tuple[Column, ...]:
    valid = (
        Column("Possible", "number", "%", 1),
        Column("95 % interval", "interval", "%", 1),
        Column("Different possible ones", "number", decimals=0),
        Column("Total variation", "number", "0…1", 3),
    )
    runs = tuple(Column(f"Runs of {order}", "number", "JS, nats", 3) for order in orders)
    different = (Column("Different", "number", "%", 1), Column("Entropy of shares", "number", "nats"))
    return (Column("Drawn from"), *(valid if known else ()), *different, *runs, Column("Kind", "kind"))


def _note(subject: Subject, n: int) -> str:
    where = describe(subject.dataset, subject.dataset.test)
    text = f"{n} examples in each row."
    if subject.dataset.density is not None:
        text += (
            " Possible: of a probability above 0 under the density that the data come from. Total variation from it is "
            "above 0 for a perfect sampler too, by chance."
        )
    if subject.spec.support is Support.SYMBOLS:
        text += f" Runs of symbols are compared with those in held-out examples ({where})."
    return text


def _said(x: Tensor, data: Tensor) -> Note:
    ours, theirs = len(distinct(x)[0]), len(distinct(data)[0])
    text = f"{ours} different ones among {len(x)} samples, {theirs} among as many training examples."
    if ours < COLLAPSED * theirs:
        return Note("Diversity", f"{text} The model repeats itself: a collapse onto few of them.", "bad")
    return Note("Diversity", text, "good" if ours <= 1.5 * theirs else "plain")


EVALUATION = Evaluation(
    "diversity",
    "Possible and different samples",
    "How many samples could be data, and how many different ones there are, beside the data and chance.",
    DiversitySettings,
    _admits,
    _run,
)
