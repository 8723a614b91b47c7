"""What a run shows of itself while it learns: samples, or what it makes of held-out examples where it draws none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from dgm_studio.datasets.base import Dataset
from models.capabilities import Classifies, Samples, SamplesMeans
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
    where = "target examples" if spec is not None and spec.other is not None else "examples"
    how = "in the colour" if spec is not None and spec.layout is Layout.POINTS else "in the order"
    text = f"This model draws no samples. Held-out {where} stand {how} of the class that they are taken for."
    return Heading("Classes", f"held-out {where}", text)


def shown(learner: Learner, dataset: Dataset, n: int, means: bool, generator: Generator) -> tuple[Tensor, DataSpec]:
    """n examples (n, *event), or fewer, and what they are examples of. With `means` conditional means where the model
    has them.

    A model that only classifies shows held-out examples, of the second domain where there are two: images in the order
    of the class that they are taken for, points in the plane with the number of that class behind their coordinates.
    """
    model: Any = learner.sampler()
    if isinstance(model, Samples):
        if means and isinstance(model, SamplesMeans):
            return model.sample_mean(n, generator), dataset.spec
        return model.sample(n, generator), dataset.spec
    classifier = next((one for one in (learner, model) if isinstance(one, Classifies)), None)
    assert classifier is not None, "a model shows samples or classes"
    held = dataset.domains[-1].valid.x[:n].to(generator.device)
    taken_for = classifier.class_log_prob(held).argmax(1)
    if dataset.spec.layout is Layout.POINTS:
        return torch.cat([held, taken_for[:, None].to(held)], 1), dataset.domains[-1].spec
    return held[taken_for.argsort(stable=True)], dataset.domains[-1].spec
