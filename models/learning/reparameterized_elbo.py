"""Stochastic gradient ascent on the evidence lower bound by reparameterisation."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from models.capabilities import BoundsEvidence
from models.learning.base import AdamSettings, Learner, Quantity, adam
from models.settings import setting
from models.spec import Batch, DataSpec


class ReparameterizedElboSettings(AdamSettings):
    kl_weight: float = setting(
        1.0,
        title="KL weight β",
        help="Weight of the KL term. 1 is the evidence bound; more compresses the code, less reconstructs better.",
        reference="Higgins et al. (2017), β",
        ge=0,
        le=100,
    )
    kl_annealing: int = setting(
        0,
        title="KL annealing",
        help="The KL weight grows linearly from 0 over this many steps: a remedy for posterior collapse.",
        unit="steps",
        reference="Bowman et al. (2016)",
        ge=0,
        le=10_000_000,
    )


class ReparameterizedElbo(Learner):
    """Maximises E_q[log p(x|z)] - w KL(q||p), with z = μ + σε so that gradients flow through the sample.

    Kingma & Welling (2014), algorithm 1. Reported terms are unweighted; `elbo` is the true bound, whatever w is.
    """

    capturable = True
    needs = (BoundsEvidence,)
    quantities = (
        Quantity("elbo", "Evidence lower bound", goal="higher"),
        Quantity("reconstruction", "Reconstruction E[log p(x|z)]", goal="higher"),
        Quantity("kl", "KL(q‖p)"),
    )
    steps: Tensor

    def __init__(self, model: nn.Module, settings: ReparameterizedElboSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.settings = settings
        self.register_buffer("steps", torch.zeros(()))

    def begin(self) -> None:
        self.optimizers = {"model": adam(self.model, self.settings.learning_rate)}

    def kl_weight(self) -> Tensor | float:
        """The weight now: a tensor while it is annealed, so that nothing waits for the device."""
        if not self.settings.kl_annealing:
            return self.settings.kl_weight
        return self.settings.kl_weight * (self.steps / self.settings.kl_annealing).clamp(max=1)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        terms = self.model.elbo(batch.x)
        reconstruction, kl = terms.reconstruction.mean(), terms.kl.mean()
        loss = self.kl_weight() * kl - reconstruction
        self.optimizers["model"].zero_grad()
        loss.backward()
        self.optimizers["model"].step()
        self.steps.add_(1)
        return _reported(reconstruction.detach(), kl.detach())

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        terms = self.model.elbo(batch.x, generator)
        return _reported(terms.reconstruction.mean(), terms.kl.mean())


def _reported(reconstruction: Tensor, kl: Tensor) -> dict[str, Tensor]:
    return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}
