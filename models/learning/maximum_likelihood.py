"""Stochastic gradient ascent on the log-likelihood itself."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from models.capabilities import ConditionsOnClass, EstimatesLogProb, ScoresExactly, SumsExactly
from models.learning.base import Learner, Quantity, adam, means
from models.settings import Settings, setting
from models.spec import Batch, DataSpec

FINAL_RATE = 0.02  # where the decay of the learning rate ends, as a part of its start


class MaximumLikelihoodSettings(Settings):
    learning_rate: float = setting(
        3e-3,
        title="Learning rate",
        help="Step size of Adam. Larger than usual: the gradient has no noise but that of the batch.",
        reference="Kingma & Ba (2015), α",
        gt=0,
        le=1,
        log=True,
    )
    decay: int = setting(
        0,
        title="Learning-rate decay",
        help="The learning rate falls along half a cosine to a fiftieth over this many steps, and stays there, so that "
        "a run can be continued; 0 keeps it.",
        unit="steps",
        reference="Loshchilov & Hutter (2017), equation (5)",
        ge=0,
        le=100_000_000,
    )
    clip: float = setting(
        0.0,
        title="Largest gradient norm",
        help="Longer gradients are scaled down to this norm, a remedy for jumps of recurrent nets; 0 leaves them.",
        reference="Pascanu, Mikolov & Bengio (2013), algorithm 1",
        ge=0,
        le=1e6,
    )


class MaximumLikelihood(Learner):
    """Maximises the mean of log p(x) with Adam, for any model that gives log p(x) exactly.

    A model that conditions on classes learns log p(x | class) from the examples that have a label; one whose log p(x)
    is dear (an ensemble of several orders) learns from its estimate, whose mean is a lower bound. Where log p(x) needs
    log Z, it is summed at every step; `begin` raises TooLarge when it cannot be.
    """

    capturable = True
    needs = (ScoresExactly,)
    quantities = (
        Quantity("log_prob", "Log-likelihood log p(x)", goal="higher"),
        Quantity("log_prob_of_class", "Log-likelihood log p(x | class)", goal="higher"),
        Quantity("log_prob_estimate", "Bound on log p(x)", goal="higher"),
    )
    steps: Tensor  # only where the learning rate decays

    def __init__(self, model: nn.Module, settings: MaximumLikelihoodSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.settings = settings
        if settings.decay:
            self.register_buffer("steps", torch.zeros(()))

    def begin(self) -> None:
        if isinstance(self.model, SumsExactly):
            with torch.no_grad():
                self.model.log_partition()
        self.optimizers = {"model": adam(self.model, self.settings.learning_rate)}
        if self.settings.decay:
            for group in self.optimizers["model"].param_groups:
                # a tensor, so that nothing waits for the device when it changes
                group["lr"] = torch.full_like(self.steps, self.settings.learning_rate)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        if self.settings.decay:
            part = (self.steps / self.settings.decay).clamp(max=1)
            fallen = FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + (math.pi * part).cos())
            rate = self.settings.learning_rate * fallen
            for group in self.optimizers["model"].param_groups:  # which are others after a resume
                group["lr"].copy_(rate)
            self.steps.add_(1)
        key, value = self._objective(batch, None)
        objective = value.mean()
        self.optimizers["model"].zero_grad()
        (-objective).backward()
        if self.settings.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizers["model"].step()
        return means(**{key: objective})

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        key, value = self._objective(batch, generator)
        return means(**{key: value})

    def _objective(self, batch: Batch, generator: Generator | None) -> tuple[str, Tensor]:
        """What is maximised, for each example, and what it is called."""
        model = self.model
        if isinstance(model, ConditionsOnClass) and model.conditional_classes():
            return "log_prob_of_class", self._of_labelled(batch)
        if isinstance(model, EstimatesLogProb) and model.learns_from_estimate():
            return "log_prob_estimate", model.log_prob_estimate(batch.x, generator)
        return "log_prob", model.log_prob(batch.x)

    def _of_labelled(self, batch: Batch) -> Tensor:
        """log p(x | class) of each example, so weighted that the mean is over those with a label; others say nothing
        about a class, and log p(x) would cost as many passes as there are classes."""
        labelled = batch.y >= 0
        weight = labelled * (len(batch.y) / labelled.sum().clamp(min=1))
        value: Tensor = self.model.log_prob_of_class(batch.x, batch.y.clamp(min=0))
        return weight * value
