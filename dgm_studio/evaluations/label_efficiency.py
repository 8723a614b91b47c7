"""What learning without labels is worth: a classifier that begins from the run's weights against one that begins from
random weights, both with few labels and with many."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator

import numpy as np
import torch
from torch import Tensor

from dgm_studio.datasets.base import Split
from dgm_studio.evaluations.base import CHUNK, Evaluation, chunks, describe, stage, training_examples
from dgm_studio.inference import Subject
from dgm_studio.reports import Column, Curves, Note, Report, Series, Table
from models.capabilities import HasLabelUnits, HasRecognition
from models.perceptron import Perceptron, fit, perceptron_for
from models.settings import Settings, setting
from models.spec import DataSpec

COUNTS = (1, 3, 10, 30, 100, 300, 1000, 3000)  # labels of each class at which it is measured
STARTS = ("from the run's weights", "from random weights")


class LabelEfficiencySettings(Settings):
    fewest: int = setting(
        10, title="Fewest labels", help="Labelled examples of each class that the curve begins at.", ge=1, le=1000
    )
    most: int = setting(
        0,
        title="Most labels",
        help="Labelled examples of each class that the curve ends at; 0 takes all of the smallest class.",
        ge=0,
        le=1_000_000,
    )
    repeats: int = setting(
        5,
        title="Repeats",
        help="How often labelled examples are drawn at each number of labels, and both classifiers trained on them.",
        ge=3,
        le=100,
    )
    enough: float = setting(
        0.01,
        title="Learned below",
        help="A classifier has learned its examples when their cross-entropy is below this, and stops.",
        unit="nats",
        gt=0,
        le=10,
        log=True,
    )
    steps: int = setting(
        3000, title="Most steps", help="Updates after which a classifier stops in any case.", ge=1, le=1_000_000
    )
    batch_size: int = setting(100, title="Batch size", help="Labelled examples in each step.", ge=1, le=10_000)
    learning_rate: float = setting(
        1e-3, title="Learning rate", help="Step size of Adam, of both classifiers.", gt=0, le=1, log=True
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, HasRecognition) and spec.classes > 1


def _run(subject: Subject, settings: LabelEfficiencySettings) -> Iterator[float | Report]:
    train, test = subject.dataset.train, subject.dataset.test
    of_class = [(train.y == k).nonzero().flatten() for k in range(subject.spec.classes)]
    smallest = min(len(places) for places in of_class)
    held = test.y >= 0
    if smallest < settings.fewest or not held.any():
        text = f"A class has {smallest} labelled training examples, fewer than {settings.fewest}."
        yield Note("Not measured", text if held.any() else "No test example has a label.")
        return
    most = max(settings.fewest, min(settings.most or smallest, smallest))
    counts = sorted({settings.fewest, *[n for n in COUNTS if settings.fewest < n < most], most})
    x, labelled = training_examples(subject.dataset, subject), Split(test.x[held], test.y[held])
    errors = torch.zeros(len(STARTS), len(counts), settings.repeats, dtype=torch.float64)
    taken = torch.zeros_like(errors)
    done, total = 0, len(counts) * settings.repeats * len(STARTS)
    for i, count in enumerate(counts):
        for repeat in range(settings.repeats):
            places = torch.cat([_draw(of_one, count, subject.generator) for of_one in of_class])
            chosen = Split(x[places.to(subject.device)], train.y[places])
            state = subject.generator.get_state()
            for start in range(len(STARTS)):
                subject.generator.set_state(state)  # the same head and the same order of examples for both
                work = _error(subject, settings, chosen, labelled, from_run=start == 0)
                errors[start, i, repeat], taken[start, i, repeat] = yield from stage(work, done / total, 1 / total)
                done += 1
    yield _curve(counts, errors)
    yield _table(subject, settings, counts, errors, taken)
    if (taken == settings.steps).any():
        text = f"Some classifiers had not learned their examples after {settings.steps} steps: allow more."
        yield Note("Not learned to the end", text, "warn")
    if isinstance(subject.model, HasLabelUnits) and subject.model.label_units():
        text = "This model has label units: its weights have seen all labels already. Measure one without them."
        yield Note("Not a fair start", text, "warn")


def _draw(places: Tensor, count: int, generator: torch.Generator) -> Tensor:
    order = torch.randperm(len(places), generator=generator, device=generator.device).to(places.device)
    return places[order[:count]]


def _error(
    subject: Subject, settings: LabelEfficiencySettings, chosen: Split, held: Split, from_run: bool
) -> Generator[float, None, tuple[float, int]]:
    """The part of held-out examples that a classifier gets wrong which learned from `chosen`, and its steps."""
    network = _network(subject, from_run)
    y = chosen.y.to(subject.device)
    work = fit(
        network,
        chosen.x,
        y,
        settings.steps,
        settings.batch_size,
        settings.learning_rate,
        settings.enough,
        subject.generator,
    )
    taken = yield from stage(work, 0.0, 0.95)
    wrong = 0
    for (_, part), labels in zip(chunks(held.x, subject.device), held.y.split(CHUNK), strict=True):
        wrong += int((network(part).argmax(1).cpu() != labels).sum())
    yield 1.0
    return wrong / len(held.y), taken


def _network(subject: Subject, from_run: bool) -> Perceptron:
    """Drawn from the subject's generator: what builds a network by itself draws from the process-wide one."""
    with torch.device("meta"):
        network = perceptron_for(subject.model, subject.spec)
    network = network.to_empty(device=subject.device)
    network.start_anew(subject.generator)
    if from_run:
        network.unroll(subject.model.recognition_layers())
    return network


def _interval(values: Tensor) -> tuple[float, tuple[float, float]]:
    """The mean of shares (repeats,) in percent, and the ends of Student's 95 % interval."""
    mean, n = 100 * values.mean().item(), len(values)
    half = student(n - 1) * 100 * values.std().item() / math.sqrt(n)
    return mean, (mean - half, mean + half)


def student(freedom: int) -> float:
    """The 97.5 % point of Student's t, by its expansion about the normal one (Abramowitz & Stegun, 26.7.5); within 3 %
    from 2 degrees of freedom on."""
    z, n = 1.959964, freedom
    terms = (
        z,
        (z**3 + z) / 4 / n,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96 / n**2,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 / n**3,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160 / n**4,
    )
    return sum(terms)


def _curve(counts: list[int], errors: Tensor) -> Curves:
    x = np.log10(np.array(counts, dtype=np.float64))
    series = tuple(Series(name, x, 100 * errors[i].mean(1).numpy()) for i, name in enumerate(STARTS))
    return Curves("Error by number of labels", "labels of each class (log₁₀)", "test error (%)", series)


def _table(
    subject: Subject, settings: LabelEfficiencySettings, counts: list[int], errors: Tensor, taken: Tensor
) -> Table:
    rows = tuple(
        (
            f"{count:,}",
            *_interval(errors[0, i]),
            *_interval(errors[1, i]),
            *_interval(errors[1, i] - errors[0, i]),
            f"{taken[0, i].mean():.0f} steps from the run's weights, {taken[1, i].mean():.0f} from random ones (means)",
        )
        for i, count in enumerate(counts)
    )
    columns = (
        Column("Labels of each class"),
        Column("Run", "number", "%"),
        Column("95 % interval", "interval", "%"),
        Column("Random", "number", "%"),
        Column("95 % interval", "interval", "%"),
        Column("Gain", "number", "points"),
        Column("95 % interval", "interval", "points"),
        Column("Protocol", "detail"),
    )
    note = (
        f"{describe(subject.dataset, subject.dataset.test)}. {settings.repeats} draws of labelled examples, the same "
        f"for both; Adam at {settings.learning_rate:g} on batches of {settings.batch_size} until their cross-entropy "
        f"is below {settings.enough:g} nats, {settings.steps} steps at most. "
        "Estimates; intervals are of the mean over draws; they may pass 0."
    )
    return Table("Test error by number of labels", columns, rows, note)


EVALUATION = Evaluation(
    "label-efficiency",
    "Label efficiency",
    "A classifier that begins from this run's weights against one from random weights, with few labels and many.",
    LabelEfficiencySettings,
    _admits,
    _run,
)
