"""What a run shows of itself while it learns: samples, or what it makes of held-out examples where it draws none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from dgm_studio.datasets.base import Dataset
from models.capabilities import Classifies, Samples, SamplesMeans, Translates
from models.learning.base import Learner
from models.spec import DataSpec, Layout


@dataclass(frozen=True)
class Heading:
    """What is said over what a run shows."""

    title: str
    where: str  # it comes from, after the step
    explained: str


def heading(model: type, spec: DataSpec | None) -> Heading:
    """Of a run of this model, on this data if they are known."""
    if issubclass(model, Samples):
        text = "Drawn from the same noise each time, so that what changes is the model."
        return Heading("Samples", "from fixed noise", text)
    if issubclass(model, Translates):
        text = "Held-out examples of the first domain as examples of the second"
        beside = spec is not None and _beside_each_other(spec)
        text += ", each beside what it was." if beside else ", in the colour of their classes where these are known."
        return Heading("Translations", "of held-out examples", text)
    where = "target examples" if spec is not None and spec.other is not None else "examples"
    how = "in the colour" if spec is not None and spec.layout is Layout.POINTS else "in the order"
    text = f"This model draws no samples. Held-out {where} stand {how} of the class that they are taken for."
    return Heading("Classes", f"held-out {where}", text)


def beside(model: type, dataset: Dataset) -> Dataset:
    """The data that what a run of this model shows is compared with: the second domain, where it draws no samples."""
    return dataset if issubclass(model, Samples) else dataset.domains[-1]


def shown(learner: Learner, dataset: Dataset, n: int, means: bool, generator: Generator) -> tuple[Tensor, DataSpec]:
    """n examples (n, *event), or fewer, and what they are examples of. With `means` conditional means where the model
    has them.

    A model that translates shows held-out examples of the first domain as examples of the second: images each behind
    what it was, where both have one shape; points in the plane with the number of their class, where it is known.

    A model that only classifies shows held-out examples, of the second domain where there are two: images in the order
    of the class that they are taken for, points in the plane with the number of that class behind their coordinates.
    """
    model: Any = learner.sampler()
    if isinstance(model, Samples):
        if means and isinstance(model, SamplesMeans):
            return model.sample_mean(n, generator), dataset.spec
        return model.sample(n, generator), dataset.spec
    if isinstance(model, Translates):
        return _translations(model, dataset, n, generator)
    classifier = next((one for one in (learner, model) if isinstance(one, Classifies)), None)
    assert classifier is not None, "a model shows samples or classes"
    held = dataset.domains[-1].valid.x[:n].to(generator.device)
    taken_for = classifier.class_log_prob(held).argmax(1)
    if dataset.spec.layout is Layout.POINTS:
        return torch.cat([held, taken_for[:, None].to(held)], 1), dataset.domains[-1].spec
    return held[taken_for.argsort(stable=True)], dataset.domains[-1].spec


def _translations(model: Translates, dataset: Dataset, n: int, generator: Generator) -> tuple[Tensor, DataSpec]:
    spec = dataset.spec
    assert spec.other is not None, "what translates learns from two domains"
    beside = _beside_each_other(spec)
    held, labels = dataset.valid.x[:n].to(generator.device), dataset.valid.y[:n].to(generator.device)
    held, labels = (held[: n // 2], labels[: n // 2]) if beside else (held, labels)
    made = model.translate(held)
    if beside:
        return torch.stack([held, made], 1).flatten(0, 1), spec.other
    if spec.other.layout is Layout.POINTS and spec.classes:
        made = torch.cat([made, labels[:, None].to(made)], 1)
    return made, spec.other


def _beside_each_other(spec: DataSpec) -> bool:
    """Whether examples of both domains can stand in one grid of pictures."""
    other = spec.other
    images = other is not None and spec.layout is other.layout is Layout.IMAGE
    return images and other is not None and (spec.event_shape, spec.support) == (other.event_shape, other.support)
