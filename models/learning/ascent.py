"""Gradient ascent with Adam: what learners share that follow an objective."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from models.capabilities import StartsFromData
from models.learning.base import AdamSettings, Learner, adam
from models.settings import setting
from models.spec import DataSpec

FINAL_RATE = 0.02  # where the decay of the learning rate ends, as a part of its start


class DecaySettings(AdamSettings):
    """For a learning rate that may fall."""

    decay: int = setting(
        0,
        title="Learning-rate decay",
        help="The learning rate falls along half a cosine to a fiftieth over this many steps, and stays there, so that "
        "a run can be continued; 0 keeps it.",
        unit="steps",
        reference="Loshchilov & Hutter (2017), equation (5)",
        zero="off",
        ge=0,
        le=100_000_000,
    )


class AscentSettings(DecaySettings):
    clip: float = setting(
        0.0,
        title="Largest gradient norm",
        help="Longer gradients are scaled down to this norm, a remedy for jumps of recurrent nets; 0 leaves them.",
        reference="Pascanu, Mikolov & Bengio (2013), algorithm 1",
        zero="off",
        ge=0,
        le=1e6,
    )


def begin_decay(optimizer: torch.optim.Optimizer, rate: float, steps: Tensor) -> None:
    """Before the first step of an optimiser whose learning rate, `rate` at first, will fall."""
    for group in optimizer.param_groups:
        # a tensor, so that nothing waits for the device when it changes
        group["lr"] = torch.full_like(steps, rate)


def decay(optimizer: torch.optim.Optimizer, rate: float, over: int, steps: Tensor) -> None:
    """Set the learning rate as it is after `steps` steps, 0-d, of `over` in which it falls."""
    part = (steps / over).clamp(max=1)
    fallen = FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + (math.pi * part).cos())
    for group in optimizer.param_groups:  # which are others after a resume
        group["lr"].copy_(rate * fallen)


class GradientAscent(Learner):
    """Raises an objective with Adam, over the parameters of the model and the learner's own."""

    capturable = True
    steps: Tensor  # only where the learning rate decays

    def __init__(self, model: nn.Module, settings: AscentSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.settings = settings
        if settings.decay:
            self.register_buffer("steps", torch.zeros(()))

    def begin(self) -> None:
        self.optimizers = {"model": adam(self, self.settings.learning_rate)}
        if self.settings.decay:
            begin_decay(self.optimizers["model"], self.settings.learning_rate, self.steps)

    def start(self, x: Tensor) -> None:
        """Before the first step, of which Adam knows, a model that starts from data does so with its batch x."""
        if isinstance(self.model, StartsFromData) and not self.optimizers["model"].state:
            self.model.start_from(x, self.examples)

    def ascend(self, objective: Tensor) -> None:
        """One step of Adam up the gradient of `objective`, a 0-d tensor."""
        if self.settings.decay:
            decay(self.optimizers["model"], self.settings.learning_rate, self.settings.decay, self.steps)
            self.steps.add_(1)
        self.optimizers["model"].zero_grad()
        (-objective).backward()
        if self.settings.clip:
            nn.utils.clip_grad_norm_(self.parameters(), self.settings.clip)
        self.optimizers["model"].step()


@torch.no_grad()
def require_free_energy(model: Any, spec: DataSpec) -> None:
    """Raise TooLarge now, and not at the first step, where the free energy of an example cannot be summed."""
    model.free_energy(next(model.parameters()).new_zeros(1, *spec.event_shape))
