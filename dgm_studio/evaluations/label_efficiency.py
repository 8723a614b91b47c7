"""What learning without labels is worth: a classifier that begins from the run's weights against one that begins from
random weights, both with few labels and with many. Where the run has a classifier that learned from few labels and all
examples, against one like it with labels alone (labels_alone.py)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dgm_studio.datasets.base import Split
from dgm_studio.evaluations import labels_alone
from dgm_studio.evaluations.base import Evaluation, describe, stage, training_examples
from dgm_studio.evaluations.few_labels import LabelEfficiencySettings, draw, error_after, fresh, interval
from dgm_studio.reports import NOT_MEASURED, Column, Curves, Note, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import HasLabelUnits, HasRecognition, LearnsFromLabels
from models.perceptron import Perceptron, perceptron_for
from models.spec import DataSpec

COUNTS = (1, 3, 10, 30, 100, 300, 1000, 3000)  # labels of each class at which it is measured
STARTS = ("from the run's weights", "from random weights")


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return spec.classes > 1 and (issubclass(model, HasRecognition) or issubclass(learner, LearnsFromLabels))


def _run(subject: Subject, settings: LabelEfficiencySettings) -> Iterator[float | Report]:
    train, test = subject.dataset.train, subject.dataset.test
    of_class = [(train.y == k).nonzero().flatten() for k in range(subject.spec.classes)]
    smallest = min(len(places) for places in of_class)
    held = test.y >= 0
    if smallest < settings.fewest or not held.any():
        text = f"A class has {smallest} labelled training examples, fewer than {settings.fewest}."
        yield Note(NOT_MEASURED, text if held.any() else "No test example has a label.")
        return
    most = max(settings.fewest, min(settings.most or smallest, smallest))
    counts = sorted({settings.fewest, *[n for n in COUNTS if settings.fewest < n < most], most})
    x, labelled = training_examples(subject.dataset, subject), Split(test.x[held], test.y[held])
    if not isinstance(subject.model, HasRecognition):
        yield from labels_alone.run(subject, settings, counts, x, labelled)
        return
    errors = torch.zeros(len(STARTS), len(counts), settings.repeats, dtype=torch.float64)
    taken = torch.zeros_like(errors)
    done, total = 0, len(counts) * settings.repeats * len(STARTS)
    for i, count in enumerate(counts):
        for repeat in range(settings.repeats):
            places = torch.cat([draw(of_one, count, subject.generator) for of_one in of_class])
            chosen = Split(x[places.to(subject.device)], train.y[places])
            state = subject.generator.get_state()
            for start in range(len(STARTS)):
                subject.generator.set_state(state)  # the same head and the same order of examples for both
                work = error_after(subject, settings, _network(subject, start == 0), chosen, labelled)
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


def _network(subject: Subject, from_run: bool) -> Perceptron:
    network: Perceptron = fresh(subject, lambda: perceptron_for(subject.model, subject.spec))
    if from_run:
        network.unroll(subject.model.recognition_layers())
    return network


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
            *interval(errors[0, i]),
            *interval(errors[1, i]),
            *interval(errors[1, i] - errors[0, i]),
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
    "What the run gives a classifier with few labels, or many: beside one from random weights, or with labels alone.",
    LabelEfficiencySettings,
    _admits,
    _run,
)
