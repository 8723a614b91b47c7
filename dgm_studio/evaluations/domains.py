"""What adaptation from one domain to another is worth: accuracy on both, beside the same network that learned without
it, and how far apart the features are."""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from dgm_studio.datasets.base import Dataset, Split
from dgm_studio.evaluations.base import Evaluation, chunks, describe, stage, training_examples
from dgm_studio.reports import NOT_MEASURED, Column, Note, Report, Table
from dgm_studio.subject import Subject
from models.capabilities import Classifies, ExtractsFeatures, TellsDomains
from models.estimation.measure import Kind, wilson
from models.perceptron import Perceptron, fit, start_anew
from models.settings import Settings, setting
from models.spec import DataSpec

APART = 1000  # training examples of each domain from which a linear classifier learns to tell them apart
APART_STEPS, APART_RATE = 300, 0.01


class DomainSettings(Settings):
    steps: int = setting(
        1000,
        title="Steps of the others",
        help="Updates of the networks that this run is compared with; 0 compares with none.",
        unit="steps",
        zero="none",
        ge=0,
        le=1_000_000,
    )
    batch_size: int = setting(100, title="Batch size", help="Examples in each of their steps.", ge=1, le=10_000)
    learning_rate: float = setting(1e-3, title="Learning rate", help="Step size of their Adam.", gt=0, le=1, log=True)


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, ExtractsFeatures) and issubclass(model, Classifies) and spec.other is not None


def _run(subject: Subject, settings: DomainSettings) -> Iterator[float | Report]:
    source, target = subject.dataset.domains
    rows: list[tuple[Any, ...]] = []
    run: Any = subject.model
    distances = [("this run", (yield from stage(_distance(subject, run), 0.0, 0.1)))]
    rows += _rows("this run", run, subject, (source, target), "as it is")
    if isinstance(subject.learner, TellsDomains):
        rows.append(_told_apart(subject, subject.learner))
    if settings.steps:
        others = [
            ("no reversal: source labels alone", source, 0.1),
            ("target labels, which adaptation lacks", target, 0.5),
        ]
        for name, domain, start in others:
            if not (domain.train.y >= 0).any():
                continue
            network = yield from stage(_trained(subject, domain, settings), start, 0.35)
            how = f"same layers from random weights, {settings.steps} steps"
            rows += _rows(name, network, subject, (source, target), how)
            found = yield from stage(_distance(subject, network), start + 0.35, 0.05)
            distances.append((name, found))
    columns = (
        Column("What learned"),
        Column("Measured"),
        Column("Examples", "number", decimals=0),
        Column("Accuracy", "number", "%"),
        Column("95 % interval", "interval", "%"),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    )
    where = f"{describe(source, source.test)}, and {describe(target, target.test)}"
    note = f"{where}. Intervals are Wilson's. Of domains, 50 % means that the discriminator cannot tell them apart."
    yield Table("Accuracy on both domains", columns, tuple(rows), note)
    yield _distances(distances)
    if not (target.test.y >= 0).any():
        yield Note(NOT_MEASURED, "No test example of the target has a label: its accuracy is not known.", "warn")


def _rows(name: str, model: Any, subject: Subject, domains: tuple[Dataset, Dataset], how: str) -> list[tuple[Any, ...]]:
    """The share of labelled test examples that are classified right, of each domain that has any."""
    rows = []
    for title, domain in zip(("source accuracy", "target accuracy"), domains, strict=True):
        known = (domain.test.y >= 0).nonzero().flatten()
        if len(known) == 0:
            continue
        said = [
            model.classify(model.features(x)).argmax(1).cpu() for _, x in chunks(domain.test.x[known], subject.device)
        ]
        right = (torch.cat(said) == domain.test.y[known]).double().mean().item()
        rows.append((name, title, *_share(right, len(known)), how))
    return rows


def _told_apart(subject: Subject, learner: TellsDomains) -> tuple[Any, ...]:
    """How many test examples of both domains the discriminator places right, both counting the same."""
    shares, n = [], 0
    for k, domain in enumerate(subject.dataset.domains):
        said = torch.cat([learner.target_probability(x).cpu() for _, x in chunks(domain.test.x, subject.device)])
        shares.append(((said > 0.5) == bool(k)).double().mean().item())
        n += len(said)
    return ("this run", "domain accuracy", *_share(sum(shares) / 2, n), "by the discriminator of this run")


def _share(right: float, n: int) -> tuple[float, float, tuple[float, float], str]:
    low, high = wilson(right, n)
    return float(n), 100 * right, (100 * low, 100 * high), str(Kind.ESTIMATE)


class _Logits(nn.Module):
    # a classifier as `fit` takes it
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def while_learning(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        logits: Tensor = self.model.classify(self.model.features(x))
        return logits


def _trained(subject: Subject, domain: Dataset, settings: DomainSettings) -> Generator[float, None, Any]:
    """A network like the run's, from random weights, that learned from the labels of one domain alone."""
    network = _Logits(copy.deepcopy(subject.model)).requires_grad_(True)
    start_anew(network, subject.generator)
    known = (domain.train.y >= 0).nonzero().flatten()
    x, y = domain.train.x[known].to(subject.device), domain.train.y[known].to(subject.device)
    work = fit(network, x, y, settings.steps, settings.batch_size, settings.learning_rate, 0.0, subject.generator)
    yield from work
    return network.model.eval()


def _distance(subject: Subject, model: Any) -> Generator[float, None, float]:
    """The proxy A-distance of the features: 2 (1 - 2 ε), ε the error by which a linear classifier tells test examples
    of the domains apart, both counting the same (Ben-David et al., 2007; here it is logistic regression)."""

    def features(domain: Dataset, split: Split) -> Tensor:
        seen = split.x if split is domain.test else training_examples(domain, subject, APART)
        return torch.cat([model.features(x) for _, x in chunks(seen, subject.device)])

    learned = [features(domain, domain.train) for domain in subject.dataset.domains]
    held = [features(domain, domain.test) for domain in subject.dataset.domains]
    deviation, mean = torch.std_mean(torch.cat(learned), 0)
    scale = torch.where(deviation > 0, deviation, 1.0)
    x = (torch.cat(learned) - mean) / scale
    y = torch.cat([torch.full((len(part),), k, device=x.device) for k, part in enumerate(learned)])
    with torch.device("meta"):
        linear = Perceptron([x.shape[1]], 2)
    linear = linear.to_empty(device=subject.device)
    start_anew(linear, subject.generator)
    yield from fit(linear, x, y, APART_STEPS, 100, APART_RATE, 0.0, subject.generator)
    wrong = [(linear((part - mean) / scale).argmax(1) != k).double().mean().item() for k, part in enumerate(held)]
    return 2 * (1 - sum(wrong))  # 2 ε is the sum of both


def _distances(found: list[tuple[str, float]]) -> Table:
    columns = (Column("Features of"), Column("Proxy A-distance", "number", decimals=2), Column("Kind", "kind"))
    note = (
        f"2 (1 − 2ε), ε the test error of a logistic regression on {APART} examples of each domain at most, "
        f"{APART_STEPS} steps of Adam: 0 where it cannot tell the domains apart, 2 where it can; below 0 by chance."
    )
    rows = tuple((name, value, str(Kind.ESTIMATE)) for name, value in found)
    return Table("How far apart the features are", columns, rows, note)


EVALUATION = Evaluation(
    "domains",
    "Adaptation",
    "Accuracy on both domains, beside the same network without adaptation, and how far apart the features are.",
    DomainSettings,
    _admits,
    _run,
)
