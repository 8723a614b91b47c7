"""Whether what is drawn as an example of a class is one, in the eyes of a classifier that knows the data only."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, chunks, describe, stage, training_examples
from dgm_studio.reports import NOT_MEASURED, Column, Note, Pictures, Report, Table
from dgm_studio.state import as_bytes
from dgm_studio.subject import Subject
from models.capabilities import SamplesOfClass
from models.estimation.measure import Kind, wilson
from models.perceptron import Perceptron, fit, start_anew
from models.settings import Settings, setting
from models.spec import DataSpec, Layout

ENOUGH = 1e-3  # nats: the classifier has learned its examples, and stops
SHOWN = 8  # samples of each class


class ClassAgreementSettings(Settings):
    samples: int = setting(
        200, title="Samples per class", help="How many examples of each class the model draws.", ge=2, le=100_000
    )
    hidden: int = setting(
        128, title="Hidden units", help="Of the classifier, in two hidden layers of logistic units.", ge=1, le=4096
    )
    steps: int = setting(2000, title="Steps", help="Updates of the classifier at most.", ge=1, le=1_000_000)
    batch_size: int = setting(100, title="Batch size", help="Examples in each of these steps.", ge=1, le=10_000)
    learning_rate: float = setting(
        3e-3, title="Learning rate", help="Step size of the classifier's Adam.", gt=0, le=1, log=True
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, SamplesOfClass) and spec.classes > 1 and spec.layout is not Layout.SEQUENCE


@dataclass(frozen=True)
class _Classifier:
    """A perceptron that sees examples with the mean and spread of the training set taken out."""

    network: Perceptron
    mean: Tensor
    spread: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """(B, *event) -> the class of each (B,), on the CPU."""
        return self.network(self.scaled(x)).argmax(1).cpu()

    def scaled(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.spread


def _run(subject: Subject, settings: ClassAgreementSettings) -> Iterator[float | Report]:
    classes, train, test = subject.model.conditional_classes(), subject.dataset.train, subject.dataset.test
    if not classes:
        yield Note(NOT_MEASURED, "This model does not condition on the class: its settings say so.")
        return
    if not (train.y >= 0).any() or not (test.y >= 0).any():
        yield Note(NOT_MEASURED, "No training example, or no test example, has a label.")
        return
    classifier = yield from stage(_learned(subject, settings), 0.0, 0.7)
    held, y = test.x[test.y >= 0], test.y[test.y >= 0]
    said = yield from stage(_said(classifier, held, subject), 0.7, 0.1)
    label = torch.arange(classes).repeat_interleave(settings.samples)
    drawn = yield from stage(_drawn(subject, label), 0.8, 0.1)
    taken = yield from stage(_said(classifier, drawn, subject), 0.9, 0.1)
    yield _table(subject, settings, (taken, label), (said, y))
    if subject.spec.layout is Layout.IMAGE:
        yield _pictures(subject, drawn, taken, label, settings.samples)


def _learned(subject: Subject, settings: ClassAgreementSettings) -> Generator[float, None, _Classifier]:
    """Drawn from the subject's generator: what builds a network by itself draws from the process-wide one."""
    known = (subject.dataset.train.y >= 0).nonzero().flatten()
    x = training_examples(subject.dataset, subject)[known.to(subject.device)]
    y = subject.dataset.train.y[known].to(subject.device)
    with torch.device("meta"):
        sizes = [subject.spec.dimensions, settings.hidden, settings.hidden]
        network = Perceptron(sizes, subject.spec.classes)
    network = network.to_empty(device=subject.device)
    start_anew(network, subject.generator)
    classifier = _Classifier(network, x.mean(), x.std().clamp(min=1e-6))
    steps, batch, rate = settings.steps, settings.batch_size, settings.learning_rate
    yield from fit(network, classifier.scaled(x), y, steps, batch, rate, ENOUGH, subject.generator)
    return classifier


def _said(classifier: _Classifier, x: Tensor, subject: Subject) -> Generator[float, None, Tensor]:
    parts = []
    for fraction, part in chunks(x, subject.device):
        parts.append(classifier(part))
        yield fraction
    return torch.cat(parts)


def _drawn(subject: Subject, label: Tensor) -> Generator[float, None, Tensor]:
    parts = []
    for fraction, part in chunks(label, subject.device):
        parts.append(subject.model.sample_of_class(part, subject.generator))
        yield fraction
    return torch.cat(parts)


def _share(said: Tensor, y: Tensor) -> tuple[float, tuple[float, float]]:
    """How many are right, in percent, and Wilson's 95 % interval."""
    right = (said == y).double().mean().item()
    low, high = wilson(right, len(y))
    return 100 * right, (100 * low, 100 * high)


def _table(
    subject: Subject, settings: ClassAgreementSettings, drawn: tuple[Tensor, Tensor], held: tuple[Tensor, Tensor]
) -> Table:
    names = subject.spec.class_names
    groups = [("all classes", torch.ones_like(drawn[1]).bool(), torch.ones_like(held[1]).bool())]
    groups += [(name, drawn[1] == k, held[1] == k) for k, name in enumerate(names)]
    rows = []
    for name, ours, theirs in groups:
        if not ours.any() or not theirs.any():
            continue
        wrong = drawn[0][ours & (drawn[0] != drawn[1])]
        often = f"most often for {names[int(wrong.mode().values)]}" if len(wrong) and name != "all classes" else ""
        taken = (*_share(drawn[0][ours], drawn[1][ours]), *_share(held[0][theirs], held[1][theirs]))
        rows.append((name, *taken, str(Kind.ESTIMATE), often))
    columns = (
        Column("Samples of"),
        Column("Taken for it", "number", "%"),
        Column("95 % interval", "interval", "%"),
        Column("Test examples", "number", "%"),
        Column("95 % interval", "interval", "%"),
        Column("Kind", "kind"),
        Column("Mistaken", "detail"),
    )
    note = (
        f"{settings.samples} samples of each class, and {describe(subject.dataset, subject.dataset.test)}, by a "
        f"perceptron of 2 × {settings.hidden} units that was trained on the training set alone ({settings.steps} steps "
        "at most). Where it errs, samples cannot be told right; a model that repeats one good example of each class "
        "has 100 %."
    )
    return Table("Class agreement", columns, tuple(rows), note)


def _pictures(subject: Subject, drawn: Tensor, taken: Tensor, label: Tensor, samples: int) -> Pictures:
    names, count = subject.spec.class_names, min(SHOWN, samples)
    chosen = torch.cat([(label == k).nonzero().flatten()[:count] for k in range(int(label.max()) + 1)])
    pairs = zip(label[chosen].tolist(), taken[chosen].tolist(), strict=True)
    captions = tuple(names[y] if y == said else f"{names[y]}→{names[said]}" for y, said in pairs)
    pictures = as_bytes(drawn[chosen.to(drawn.device)].float().cpu().numpy(), subject.spec)
    note = (
        f"A row of {count} for each class, the first that were drawn: the class, and what the classifier took it for "
        "where that is another."
    )
    return Pictures("Samples of each class", pictures, ("",) * count, captions, note, stacked=True)


EVALUATION = Evaluation(
    "class-agreement",
    "Class agreement",
    "Whether samples of a class are taken for that class by a classifier that learned from the data alone.",
    ClassAgreementSettings,
    _admits,
    _run,
)
