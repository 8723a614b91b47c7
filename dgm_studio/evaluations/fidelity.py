"""Samples against held-out data, in a space that is said: do they look like data, and is all of it there?"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Literal

import torch
from torch import Tensor

from dgm_studio.evaluations.base import (
    Evaluation,
    broken,
    chunks,
    describe,
    draw,
    held_out_examples,
    samples_can_be_compared,
    shuffled,
    small_print,
    stage,
    training_examples,
)
from dgm_studio.reports import NO_INTERVAL, NOT_MEASURED, Cell, Column, Note, Report, Table
from dgm_studio.subject import Subject
from models.capabilities import SamplesMeans
from models.estimation.features import WIDTH, Classifier, features_of, trained_classifier
from models.estimation.frechet import frechet_distance
from models.estimation.measure import Measure
from models.estimation.neighbours import expected_coverage, fidelity
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support

BATCH, SEED = 100, 0  # of the classifier: the same for all runs on the same data


class FidelitySettings(Settings):
    samples: int = setting(
        2000,
        title="Samples",
        help="How many the model draws; no more than there are held-out examples, and as many of these.",
        ge=10,
        le=20_000,
    )
    neighbours: int = setting(
        5,
        title="Neighbours",
        help="The ball around each point reaches to the neighbour of this number.",
        reference="Naeem et al. (2020), k = 5; Kynkäänniemi et al. (2019), k = 3",
        ge=1,
        le=100,
    )
    space: Literal["both", "values", "classifier"] = setting(
        "both",
        title="Compared by",
        help="Values: pixels or coordinates as they are. Classifier: the last hidden layer of a small network that "
        "learns the classes of half of the training examples first, where data have classes.",
        reference="Heusel et al. (2017)",
    )
    steps: int = setting(
        500, title="Steps of the classifier", help="Updates of that network, 100 examples each.", ge=1, le=100_000
    )
    means: bool = setting(
        True,
        title="Means instead of draws",
        help="Grey values: take means of p(x | latent state), as published figures do, where the model has them. Bits "
        "and real numbers are always drawn.",
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return samples_can_be_compared(model, spec)


def _without_effect(model: type) -> tuple[str, ...]:
    return () if issubclass(model, SamplesMeans) else ("means",)


def _run(subject: Subject, settings: FidelitySettings) -> Iterator[float | Report]:
    train = training_examples(subject.dataset, subject)
    # a classifier's features of what it learned from are not those of new data, so that its examples are others
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(SEED))
    perfect, learned = order.chunk(2)
    data = shuffled(held_out_examples(subject), subject)
    n = min(settings.samples, len(data), len(perfect))
    if n <= settings.neighbours:
        text = f"{n} samples and held-out examples are too few for balls to the {settings.neighbours}. neighbour."
        yield Note(NOT_MEASURED, text)
        return
    means = settings.means and subject.spec.support is Support.UNIT
    samples, how = yield from stage(draw(subject, n, means), 0.0, 0.4)
    if wrong := broken(samples):
        yield wrong
        return
    spaces = yield from stage(_spaces(subject, settings, train, learned), 0.4, 0.3)
    for i, (name, network) in enumerate(spaces):
        compared = (samples, data[:n], train[perfect[:n].to(train.device)])
        work = _measured(subject, settings, *(features_of(network, x, subject.spec.brightest) for x in compared))
        found = yield from stage(work, 0.7 + 0.3 * i / len(spaces), 0.3 / len(spaces))
        yield _table(found, name, how, n, settings.neighbours)
    if not spaces:
        yield Note(NOT_MEASURED, "These data have no classes that a network could learn: compare values instead.")


def _spaces(
    subject: Subject, settings: FidelitySettings, train: Tensor, learned: Tensor
) -> Generator[float, None, list[tuple[str, Classifier | None]]]:
    spec, spaces = subject.spec, list[tuple[str, Classifier | None]]()
    if settings.space != "classifier":
        spaces.append(("coordinates" if spec.layout is not Layout.IMAGE else "pixels, white at 1", None))
    learned = learned[subject.dataset.train.y[learned] >= 0]
    if settings.space != "values" and spec.classes > 1 and spec.layout is not Layout.POINTS and len(learned):
        y = subject.dataset.train.y[learned].to(train.device)
        x = train[learned.to(train.device)]
        network = yield from trained_classifier(spec, x, y, settings.steps, BATCH, SEED)
        name = (
            f"{WIDTH} features of a classifier of {len(x)} other training examples, {settings.steps} steps of {BATCH}, "
            f"seed {SEED}"
        )
        spaces.append((f"{name}{_error(subject, network)}", network))
    return spaces


def _error(subject: Subject, network: Classifier) -> str:
    test = subject.dataset.test
    told = test.y >= 0
    if not told.any():
        return ""
    said = torch.cat([network(x).argmax(1).cpu() for _, x in chunks(test.x[told], subject.device)])
    return f", which takes {100 * (said != test.y[told]).double().mean():.1f} % of test examples for another class"


Row = tuple[Measure, Measure]  # the model's samples, and training examples in their place


def _measured(
    subject: Subject, settings: FidelitySettings, samples: Tensor, data: Tensor, train: Tensor
) -> Generator[float, None, list[Row]]:
    where = describe_held_out(subject)
    ours = yield from stage(fidelity(samples, data, settings.neighbours, where), 0.0, 0.4)
    theirs = yield from stage(fidelity(train, data, settings.neighbours, where), 0.4, 0.4)
    rows = [
        (ours.precision, theirs.precision),
        (ours.recall, theirs.recall),
        (ours.density, theirs.density),
        (ours.coverage, theirs.coverage),
    ]
    of_samples = frechet_distance(samples, data, where)
    yield 0.9
    return [*rows, (of_samples, frechet_distance(train, data, where))]


def describe_held_out(subject: Subject) -> str:
    """Which examples samples are compared with."""
    dataset = subject.dataset
    text = describe(dataset, dataset.test, "test")
    return text.replace(" test examples", f" test and {len(dataset.valid)} validation examples")


def _table(rows: list[Row], name: str, how: str, n: int, k: int) -> Table:
    said = {
        "precision": "Precision: samples among the data",
        "recall": "Recall: data among the samples",
        "density": "Density of data at the samples",
        "coverage": "Coverage: data with a sample near",
        "Fréchet distance": "Fréchet distance, squared",
    }
    cells: list[tuple[Cell, ...]] = []
    for ours, theirs in rows:
        interval = (ours.low, ours.high) if ours.low < ours.high else NO_INTERVAL
        cells.append((said[ours.name], ours.value, interval, theirs.value, str(ours.kind), small_print(ours)))
    columns = (
        Column("Measure"),
        Column("Model", "number", decimals=3),
        Column("95 % interval", "interval", decimals=3),
        Column("Perfect sampler", "number", decimals=3),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    )
    note = (
        f"Space: {name}. {n} samples{how}, {n} held-out examples. The perfect sampler's place is taken by {n} training "
        f"examples; on average, samples like the data cover {expected_coverage(n, n, k):.3f} of them and have density "
        "1. The Fréchet distance falls with more samples: compare it at equal numbers only. Copies of training "
        "examples are perfect samples here; the evaluation of copies finds them."
    )
    return Table(f"Fidelity and diversity, by {name.partition(',')[0]}", columns, tuple(cells), note)


EVALUATION = Evaluation(
    "fidelity",
    "Fidelity and diversity",
    "Precision, recall, density, coverage and Fréchet distance of samples and held-out data, in a space that is said.",
    FidelitySettings,
    _admits,
    _run,
    _without_effect,
)
