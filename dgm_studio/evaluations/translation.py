"""How well a model translates between two domains: what comes back, what stays, and whether it is the right one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dgm_studio.datasets.base import Dataset, counterparts
from dgm_studio.evaluations.base import Evaluation, describe, mean_interval
from dgm_studio.reports import Cell, Column, Note, Pictures, Report, Table
from dgm_studio.state import as_bytes
from dgm_studio.subject import Subject
from models.capabilities import Translates
from models.estimation.measure import Kind, wilson
from models.settings import Settings, setting
from models.spec import DataSpec, Layout

NEIGHBOURS = 5  # whose classes are counted, of a translation
SHOWN = 16
NOTE = (
    "A small cycle error says that nothing of an example is lost on the way, not that its translation is right: there "
    "are many ways to lose nothing."
)
KIND = str(Kind.ESTIMATE)  # each is a mean or a share over examples
COLUMNS = (
    Column("Measured"),
    Column("Value", "number", decimals=3),
    Column("95 % interval", "interval", decimals=3),
    Column("For comparison", "number", decimals=3),
    Column("Kind", "kind"),
    Column("How", "detail"),
)


class TranslationSettings(Settings):
    examples: int = setting(
        500,
        title="Examples",
        help="Held-out examples of each domain that are translated, of the test part.",
        ge=2,
        le=5000,
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return spec.other is not None and issubclass(model, Translates)


def _run(subject: Subject, settings: TranslationSettings) -> Iterator[float | Report]:
    for number, back in enumerate((False, True)):
        domains = subject.dataset.domains
        here, there = domains[::-1] if back else domains
        x, y = (part[: settings.examples] for part in (here.test.x, here.test.y))
        made = subject.model.translate(x.to(subject.device), back).cpu()
        again = subject.model.translate(made.to(subject.device), not back).cpu()
        yield (2 * number + 1) / 4
        names = [domain.provenance.title for domain in (here, there)]
        if names[0] == names[1]:
            names = ["the second domain", "the first"] if back else ["the first domain", "the second"]
        title = f"From {names[0]} to {names[1]}"
        yield Table(title, COLUMNS, tuple(_rows(subject, back, x, y, made, again)), NOTE)
        if here.spec.layout is there.spec.layout is Layout.IMAGE and x.shape == made.shape:
            groups = torch.stack([x, made, again], 1)[:SHOWN].flatten(0, 1)
            pictures = as_bytes(groups.float().numpy(), here.spec)
            yield Pictures(title, pictures, ("original", "translated", "and back"))
        yield (number + 1) / 2
    if counterparts(subject.dataset) is None:
        yield Note("No pairs", "It is not known of these data what an example would look like in the other domain.")


Row = tuple[Cell, ...]


def _rows(subject: Subject, back: bool, x: Tensor, y: Tensor, made: Tensor, again: Tensor) -> Iterator[Row]:
    here, there = subject.dataset.domains[::-1] if back else subject.dataset.domains
    value, interval = mean_interval(_distance(again, x), 0.0)
    unrelated = _distance(x.roll(1, 0), x).mean().item()
    how = f"mean absolute difference per value, the first {len(x)} of {describe(here, here.test)}"
    yield "Cycle error", value, interval, unrelated, KIND, f"{how}; for comparison between two unrelated examples"
    if here.spec.event_shape == there.spec.event_shape:
        own = there.test.x[: len(x)]
        left = subject.model.translate(own.to(subject.device), back).cpu()
        value, interval = mean_interval(_distance(left, own), 0.0)
        between = _distance(own.roll(1, 0), own).mean().item()
        yield (
            "Identity error",
            value,
            interval,
            between,
            KIND,
            f"what the generator changes of examples that are of the domain it translates to, {len(own)} of them; for "
            "comparison between two unrelated ones",
        )
    right = counterparts(subject.dataset, back)
    if right is not None:
        true = right(x)
        value, interval = mean_interval(_distance(made, true), 0.0)
        wrong = _distance(true.roll(1, 0), true).mean().item()
        text = "from the right translation, which is known of these data; for comparison of another example's"
        yield "Distance from the right one", value, interval, wrong, KIND, text
        found = (torch.cdist(made.flatten(1), true.flatten(1)).argmin(1) == torch.arange(len(x))).double()
        share = found.mean().item()
        text = f"share whose nearest among the right translations of all {len(x)} is its own; for comparison chance"
        yield "Pairs recovered", share, wilson(share, len(x)), 1 / len(x), KIND, text
    if here.spec.classes and here.spec.class_names == there.spec.class_names and (y >= 0).all():
        agreed = (_class_of(made, there) == y).double().mean().item()
        known = (_class_of(there.test.x, there) == there.test.y).double().mean().item()
        text = (
            f"share of the original's class, by {NEIGHBOURS} nearest training examples of the other domain; for "
            f"comparison of that domain's own {len(there.test)} test examples"
        )
        yield "Class kept", agreed, wilson(agreed, len(y)), known, KIND, text


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference per value: (N,)."""
    return (a - b).abs().flatten(1).mean(1)


def _class_of(x: Tensor, domain: Dataset) -> Tensor:
    """The class that most of the nearest training examples have: (N,)."""
    nearest = torch.cdist(x.flatten(1), domain.train.x.flatten(1)).topk(NEIGHBOURS, largest=False).indices
    return domain.train.y[nearest].mode(1).values


EVALUATION = Evaluation(
    "translation",
    "Translation",
    "What comes back from there and back, and, where it is known, whether a translation is the right one and of the "
    "same class.",
    TranslationSettings,
    _admits,
    _run,
)
