"""What learners by closed-form steps share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.capabilities import Frames, HasComponents, StartsFromData
from models.learning.base import Learner
from models.learning.frames import FrameStore
from models.settings import Settings
from models.spec import DataSpec


class ClosedForm(Learner):
    """A learner whose steps have no gradient: it may start from data, and keeps the way of the model's components."""

    remedies = "a wider prior, or a larger floor of variances"
    steps: Tensor

    def __init__(self, model: nn.Module, settings: Settings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        if isinstance(model, HasComponents):
            self.store = FrameStore(*model.components().means.shape)

    def start(self, x: Tensor) -> None:
        """Where the model starts from data, and this is the first batch, do so."""
        if self.is_first(self.steps) and isinstance(self.model, StartsFromData):
            self.model.start_from(x, self.examples)

    def record(self, value: Tensor) -> None:
        """Count a step that is about to change the model, and keep its components; `value` is what is reported."""
        if isinstance(self.model, HasComponents) and len(self.store.steps):
            self.store.record(self.steps, value, self.model.components())
        self.steps.add_(1)

    def frames(self) -> Frames:
        """For models that have components only."""
        return self.store.frames()
