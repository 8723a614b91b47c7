"""A game in the plane whose generator has a known density."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.implicit import ImplicitModel, ImplicitSettings
from models.learning.adversarial import NON_SATURATING, Adversarial, AdversarialSettings, Objective
from models.spec import Batch, DataSpec, Layout, Support

PLANE = DataSpec((2,), Support.REALS, Layout.POINTS)


class Gaussian(ImplicitModel):
    """G(z) = μ + σz with a known density, to play the game against."""

    def __init__(self, mean: float, sigma: float = 1.0) -> None:
        super().__init__(ImplicitSettings(latent=2), PLANE, nn.Identity())
        self.mean = nn.Parameter(torch.tensor([mean, 0.0]))
        self.sigma = sigma

    def example(self, output: Tensor) -> Tensor:
        return self.mean + self.sigma * output

    def log_prob(self, x: Tensor) -> Tensor:
        z = (x - self.mean.detach()) / self.sigma
        return -0.5 * z.square().sum(-1) - math.log(2 * math.pi * self.sigma**2)


def batch(x: Tensor) -> Batch:
    index = torch.arange(len(x))
    return Batch(x, index, index)


def game(model: nn.Module, objective: Objective = NON_SATURATING, **settings: object) -> Adversarial:
    learner = Adversarial(model, AdversarialSettings(**settings), PLANE, 1000, objective)  # type: ignore[arg-type]
    learner.begin()
    return learner
