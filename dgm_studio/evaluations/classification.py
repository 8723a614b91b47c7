"""How well classes are told apart: the error on held-out examples, of each class, and what is taken for what."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

import torch
from torch import Tensor

from dgm_studio.datasets.base import Split
from dgm_studio.evaluations.base import Evaluation, chunks, describe, mean_interval, training_examples
from dgm_studio.reports import NOT_MEASURED, Column, Note, Pictures, Report, Table
from dgm_studio.state import as_bytes
from dgm_studio.subject import Subject
from models.capabilities import Classifies, HasLabelUnits
from models.estimation.measure import Kind, wilson
from models.settings import Settings, setting
from models.spec import DataSpec, Layout

SMALLEST = 1e-12  # of a probability whose logarithm is taken


class ClassificationSettings(Settings):
    confusions: int = setting(
        10, title="Confusions", help="How many pairs of classes are listed, the most frequent first.", ge=1, le=100
    )
    mistakes: int = setting(
        24,
        title="Mistakes",
        help="How many wrongly classified images are shown, the surest first; 0 shows none.",
        zero="none",
        ge=0,
        le=400,
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    told = issubclass(learner, Classifies) or issubclass(model, Classifies) or issubclass(model, HasLabelUnits)
    return spec.classes > 1 and told


def _run(subject: Subject, settings: ClassificationSettings) -> Iterator[float | Report]:
    found = _classifier(subject)
    if found is None:
        yield Note(NOT_MEASURED, "This model has no label units: it was built without them, by its settings.")
        return
    classify, how = found
    test, train = subject.dataset.test, subject.dataset.train
    learned = Split(training_examples(subject.dataset, subject, len(test)), train.y[: len(test)])
    trained = yield from _classified(subject, classify, learned, 0.0)
    held = yield from _classified(subject, classify, test, 0.5)
    if held is None:
        yield Note(NOT_MEASURED, "No test example has a label.")
        return
    log_prob, y, _ = held
    said = log_prob.argmax(1)
    yield _errors(subject, how, held, trained)
    yield _by_class(subject.spec, said, y)
    wrong = (said != y).nonzero().flatten()
    if len(wrong):
        yield _confusions(subject.spec, said[wrong], y[wrong], y, settings.confusions)
    if len(wrong) and settings.mistakes and subject.spec.layout is Layout.IMAGE:
        yield _mistakes(subject, held, wrong, settings.mistakes)


def _classifier(subject: Subject) -> tuple[Callable[[Tensor], Tensor], str] | None:
    """What gives log P(class | x), and a sentence on it; None where label units are switched off."""
    for one in (subject.learner, subject.model):
        if isinstance(one, Classifies):
            return one.class_log_prob, "By P(class | x)."
    model: Any = subject.model
    if not model.label_units():
        return None
    return (
        lambda x: model.label_probabilities(x).clamp(min=SMALLEST).log(),
        "By the free energy of each label unit, means carried up from the pixels.",
    )


Classified = tuple[Tensor, Tensor, Tensor]  # log P(class | x) (N, classes), y (N,), and the places in the split (N,)


def _classified(
    subject: Subject, classify: Callable[[Tensor], Tensor], split: Split, start: float
) -> Generator[float, None, Classified | None]:
    """The examples of a split that have a label."""
    places = (split.y >= 0).nonzero().flatten()
    if len(places) == 0:
        return None
    parts = []
    for fraction, x in chunks(split.x[places.to(split.x.device)], subject.device):
        parts.append(classify(x).double().cpu())
        yield start + 0.5 * fraction
    return torch.cat(parts), split.y[places], places


def _errors(subject: Subject, how: str, held: Classified, trained: Classified | None) -> Table:
    rows = []
    for name, found in (("test", held), ("training", trained)):
        if found is None:
            continue
        log_prob, y, _ = found
        wrong = (log_prob.argmax(1) != y).double().mean().item()
        low, high = wilson(wrong, len(y))
        surprise, interval = mean_interval(-log_prob.gather(1, y[:, None]).squeeze(1), 0.0)
        kind = str(Kind.ESTIMATE)
        rows.append((name, float(len(y)), 100 * wrong, (100 * low, 100 * high), surprise, interval, kind))
    columns = (
        Column("Examples"),
        Column("Number", "number", decimals=0),
        Column("Error", "number", "%"),
        Column("95 % interval", "interval", "%"),
        Column("Cross-entropy", "number", "nats", 3),
        Column("95 % interval", "interval", "nats", 3),
        Column("Kind", "kind"),
    )
    note = f"{how} {describe(subject.dataset, subject.dataset.test)}; training: the first of them, as many."
    return Table("Classification", columns, tuple(rows), note)


def _by_class(spec: DataSpec, said: Tensor, y: Tensor) -> Table:
    rows = []
    for k, name in enumerate(spec.class_names):
        of_class = y == k
        n = int(of_class.sum())
        if n == 0:
            continue
        wrong = (said[of_class] != k).double().mean().item()
        low, high = wilson(wrong, n)
        rows.append((name, float(n), 100 * wrong, (100 * low, 100 * high)))
    columns = (
        Column("Class"),
        Column("Number", "number", decimals=0),
        Column("Error", "number", "%"),
        Column("95 % interval", "interval", "%"),
    )
    return Table("Error of each class", columns, tuple(rows))


def _confusions(spec: DataSpec, said: Tensor, y: Tensor, all_y: Tensor, most: int) -> Table:
    counts = torch.zeros(spec.classes, spec.classes).index_put_((y, said), torch.ones(len(y)), accumulate=True)
    order = counts.flatten().argsort(descending=True, stable=True)[:most].tolist()
    rows = []
    for place in order:
        true, taken = divmod(place, spec.classes)
        n = counts[true, taken].item()
        if n:
            of_class = int((all_y == true).sum())
            rows.append((f"{spec.class_names[true]} taken for {spec.class_names[taken]}", n, 100 * n / of_class))
    columns = (
        Column("Confusion"),
        Column("Times", "number", decimals=0),
        Column("Share of the class", "number", "%"),
    )
    return Table("Most frequent confusions", columns, tuple(rows))


def _mistakes(subject: Subject, held: Classified, wrong: Tensor, most: int) -> Pictures:
    log_prob, y, places = held
    names = subject.spec.class_names
    surest = wrong[log_prob[wrong].amax(1).argsort(descending=True, stable=True)][:most]
    captions = [f"{names[int(y[i])]}→{names[int(log_prob[i].argmax())]}" for i in surest.tolist()]
    pictures = as_bytes(subject.dataset.test.x[places[surest]].float().numpy(), subject.spec)
    return Pictures(
        "Surest mistakes", pictures, captions=tuple(captions), note="Class → what it was taken for, the surest first."
    )


EVALUATION = Evaluation(
    "classification",
    "Classification",
    "The error on held-out examples with its interval, of each class, and the most frequent confusions.",
    ClassificationSettings,
    _admits,
    _run,
)
