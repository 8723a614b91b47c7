"""Stochastic gradient ascent on the evidence lower bound by reparameterisation."""

from __future__ import annotations

from torch import Generator, Tensor

from models.capabilities import BoundsEvidence
from models.learning.base import Symptom
from models.learning.bound import ELBO, GRADIENT_VARIANCE, KL, RECONSTRUCTION, BoundAscent, BoundSettings
from models.settings import setting
from models.spec import Batch


class ReparameterizedElboSettings(BoundSettings):
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


class ReparameterizedElbo(BoundAscent):
    """Maximises E_q[log p(x|z)] - w KL(q||p), with z = μ + σε so that gradients flow through the sample.

    Kingma & Welling (2014), algorithm 1. Reported terms are unweighted; `elbo` is the true bound, whatever w is.
    """

    capturable = True
    needs = (BoundsEvidence,)
    quantities = (ELBO, RECONSTRUCTION, KL, GRADIENT_VARIANCE)

    def kl_weight(self) -> Tensor | float:
        """The weight now: a tensor while it is annealed, so that nothing waits for the device."""
        if not self.settings.kl_annealing:
            return float(self.settings.kl_weight)
        return self.settings.kl_weight * (self.steps / self.settings.kl_annealing).clamp(max=1)

    def diagnose(self, batch: Batch, generator: Generator) -> Symptom | None:
        if self.steps < self.settings.kl_annealing:
            return None
        return super().diagnose(batch, generator)

    def surrogate(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        terms = self.model.elbo(x, generator)
        reconstruction, kl = terms.reconstruction.mean(), terms.kl.mean()
        loss = self.kl_weight() * kl - reconstruction
        return loss, {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}
