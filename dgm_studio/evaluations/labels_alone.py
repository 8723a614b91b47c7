"""A run's classifier, which saw all examples and few of their labels, against one like it that has labels alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dgm_studio.datasets.base import Split
from dgm_studio.evaluations.base import chunks, describe, stage
from dgm_studio.evaluations.few_labels import LabelEfficiencySettings, draw, error_after, fresh, interval
from dgm_studio.reports import NO_INTERVAL, Cell, Column, Curves, Report, Series, Table
from dgm_studio.subject import Subject
from models.estimation.measure import wilson

NOT_A_NUMBER = float("nan")


def run(
    subject: Subject, settings: LabelEfficiencySettings, counts: list[int], x: Tensor, held: Split
) -> Iterator[float | Report]:
    """`x`: training examples as the model sees them; `held`: those it is measured on, all with a label."""
    learner: Any = subject.learner
    y = subject.dataset.train.y
    of_class = [(y == k).nonzero().flatten() for k in range(subject.spec.classes)]
    own = learner.labelled()
    chosen = Split(x[(y >= 0).nonzero().flatten().to(x.device)], y[y >= 0]) if own is None else Split(own[0], own[1])
    most = torch.bincount(chosen.y.cpu(), minlength=1).max().item()
    budget = "all labels" if own is None else f"{most:.0f} labels of each class"
    said = torch.cat([learner.class_log_prob(part).argmax(1).cpu() for _, part in chunks(held.x, subject.device)])
    error = (said != held.y).double().mean().item()
    errors = torch.zeros(1 + len(counts), settings.repeats, dtype=torch.float64)
    done, total = 0, errors.numel()
    for i, count in enumerate((None, *counts)):
        for repeat in range(settings.repeats):
            if count is not None:
                places = torch.cat([draw(of_one, count, subject.generator) for of_one in of_class])
                chosen = Split(x[places.to(x.device)], y[places])
            network = fresh(subject, learner.new_classifier)
            work = error_after(subject, settings, network, chosen, held)
            errors[i, repeat], _ = yield from stage(work, done / total, 1 / total)
            done += 1
    yield _curve(counts, errors[1:], error, budget)
    yield _table(subject, settings, counts, errors, error, budget, len(held))


def _curve(counts: list[int], errors: Tensor, error: float, budget: str) -> Curves:
    x = np.log10(np.array(counts, dtype=np.float64))
    alone = Series("labels alone", x, 100 * errors.mean(1).numpy())
    ends = x[[0, -1]] if len(x) > 1 else np.array([x[0], x[0] + 0.1])
    this = Series(f"this run, {budget}", ends, np.full(2, 100 * error))
    note = "Where the lines cross, labels alone are worth as much as this run made of its own."
    return Curves("Error by number of labels", "labels of each class (log₁₀)", "test error (%)", (this, alone), note)


def _table(
    subject: Subject,
    settings: LabelEfficiencySettings,
    counts: list[int],
    errors: Tensor,
    error: float,
    budget: str,
    tested: int,
) -> Table:
    ends = wilson(error, tested)
    rows: list[tuple[Cell, ...]] = [
        (f"this run: {budget}", 100 * error, (100 * ends[0], 100 * ends[1]), NOT_A_NUMBER, NO_INTERVAL)
    ]
    names = ["labels alone: the same", *(f"labels alone: {count:,} of each class" for count in counts)]
    rows += [(name, *interval(values), *interval(values - error)) for name, values in zip(names, errors, strict=True)]
    columns = (
        Column("Classifier"),
        Column("Test error", "number", "%"),
        Column("95 % interval", "interval", "%"),
        Column("More than this run", "number", "points"),
        Column("95 % interval", "interval", "points"),
    )
    note = (
        f"{describe(subject.dataset, subject.dataset.test)}. A network like this run's classifier, with the same noise "
        f"while it learns, and no generator: {settings.repeats} times from new weights, each time on other labelled "
        f"examples except in its first row; Adam at {settings.learning_rate:g} on batches of {settings.batch_size}, "
        f"{settings.steps} steps at most. Estimates: this run's interval is Wilson's, over test examples; the others "
        "are Student's, over the repeats, and may pass 0."
    )
    return Table("Test error by number of labels", columns, tuple(rows), note)
