"""Stochastic gradient ascent on the log-likelihood itself."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from models.capabilities import ConditionsOnClass, EstimatesLogProb, ScoresExactly, SumsExactly
from models.learning.ascent import AscentSettings, GradientAscent
from models.learning.base import Learning, Quantity, means
from models.settings import setting
from models.spec import Batch


class MaximumLikelihoodSettings(AscentSettings):
    learning_rate: float = setting(
        3e-3,
        title="Learning rate",
        help="Step size of Adam. Larger than usual: the gradient has no noise but that of the batch.",
        reference="Kingma & Ba (2015), α",
        gt=0,
        le=1,
        log=True,
    )
    weight_penalty: float = setting(
        0.0,
        title="Penalty on weights",
        help="So many nats for each unit of a weight's size, in a batch's mean of log p(x): weights that say less rest "
        "at 0, a remedy for learning by heart. Not on biases, nor anything else that is a plain vector. 0 leaves all "
        "free.",
        reference="Tibshirani (1996), λ",
        zero="off",
        ge=0,
        le=1,
    )


class MaximumLikelihood(GradientAscent):
    """Maximises the mean of log p(x) with Adam, for any model that gives log p(x) exactly.

    A model that conditions on classes learns log p(x | class) from the examples that have a label; one whose log p(x)
    is dear (an ensemble of several orders) learns from its estimate, whose mean is a lower bound. Where log p(x) needs
    log Z, it is summed at every step; `begin` raises TooLarge when it cannot be.
    """

    settings: MaximumLikelihoodSettings
    needs = (ScoresExactly,)
    quantities = (
        Quantity("log_prob", "Log-likelihood log p(x)", goal="higher"),
        Quantity("log_prob_of_class", "Log-likelihood log p(x | class)", goal="higher"),
        Quantity("log_prob_estimate", "Bound on log p(x)", goal="higher"),
    )

    def begin(self) -> None:
        if isinstance(self.model, SumsExactly):
            with torch.no_grad():
                self.model.log_partition()
        super().begin()

    def step(self, batch: Batch) -> dict[str, Tensor]:
        self.start(batch.x)
        key, value = self._objective(batch, None)
        objective = value.mean()
        self.ascend(objective - self._penalty() if self.settings.weight_penalty else objective)
        return means(**{key: objective})

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        key, value = self._objective(batch, generator)
        return means(**{key: value})

    def _penalty(self) -> Tensor:
        """λ Σ |w|: 0-d."""
        sizes = (weight.abs().sum() for weight in self.model.parameters() if weight.ndim > 1)
        return self.settings.weight_penalty * sum(sizes, start=torch.zeros(()))

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


LEARNING = Learning(
    "maximum-likelihood",
    "Maximum likelihood",
    "Deep auto-regressive models",
    MaximumLikelihood,
    MaximumLikelihoodSettings,
)
