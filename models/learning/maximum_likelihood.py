"""Stochastic gradient ascent on the log-likelihood itself."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from models.capabilities import ScoresExactly, SumsExactly
from models.learning.base import Learner, Quantity, adam, means
from models.settings import Settings, setting
from models.spec import Batch, DataSpec


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


class MaximumLikelihood(Learner):
    """Maximises the mean of log p(x) with Adam, for any model that gives log p(x) exactly.

    Where that needs log Z, it is summed at every step; `begin` raises TooLarge when it cannot be.
    """

    needs = (ScoresExactly,)
    quantities = (Quantity("log_prob", "Log-likelihood log p(x)", goal="higher"),)

    def __init__(self, model: nn.Module, settings: MaximumLikelihoodSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.settings = settings

    def begin(self) -> None:
        if isinstance(self.model, SumsExactly):
            with torch.no_grad():
                self.model.log_partition()
        self.optimizers = {"model": adam(self.model, self.settings.learning_rate)}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        log_prob = self.model.log_prob(batch.x).mean()
        self.optimizers["model"].zero_grad()
        (-log_prob).backward()
        self.optimizers["model"].step()
        return means(log_prob=log_prob)

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        return means(log_prob=self.model.log_prob(batch.x))
