"""Stochastic gradient ascent on the evidence lower bound through relaxed draws of discrete units."""

from __future__ import annotations

from torch import Generator, Tensor

from models.capabilities import RelaxesDiscrete
from models.learning.base import Learning, Quantity
from models.learning.bound import (
    ELBO,
    EVIDENCE,
    GRADIENT_VARIANCE,
    KL,
    RECONSTRUCTION,
    BoundAscent,
    BoundSettings,
    terms_of,
)
from models.learning.kl_weight import KlSettings, charged_kl, kl_weight
from models.learning.temperature import TemperatureSettings, temperature_at
from models.spec import Batch


class GumbelSoftmaxSettings(TemperatureSettings, KlSettings, BoundSettings):
    pass


class GumbelSoftmax(BoundAscent):
    """Maximises E[log p(x | h)] - w KL(q ‖ p) with relaxed draws h, through which gradients flow as through any other
    (Jang, Gu & Poole, 2017; Maddison, Mnih & Teh, 2017). What is reported is not weighted.

    With relaxed draws the objective is no bound on log p(x), as the model is of states: it is reported as `relaxed`,
    and `elbo` is always that of states.
    """

    capturable = True
    needs = (RelaxesDiscrete,)
    quantities = (
        ELBO,
        Quantity("relaxed", "Relaxed objective", goal="higher"),
        RECONSTRUCTION,
        KL,
        Quantity("temperature", "Temperature τ", ""),
        GRADIENT_VARIANCE,
        EVIDENCE,
    )

    def temperature(self) -> Tensor | float:
        """τ now."""
        return temperature_at(self.settings, self.steps)

    def surrogate(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        temperature, hard = self.temperature(), self.settings.straight_through
        terms = self.model.relaxed_elbo(x, temperature, hard, generator)
        weighed = kl_weight(self.settings, self.steps) * charged_kl(self.settings, terms.kl_per_dimension)
        loss = weighed - terms.reconstruction.mean()
        reported = terms_of(terms) if hard else {"relaxed": terms.value.mean(), "kl": terms.kl.mean()}
        return loss, reported | {"temperature": loss.new_zeros(()) + temperature}

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        reported = super().held_out(batch, generator)
        del reported["temperature"]
        return reported | terms_of(self.model.relaxed_elbo(batch.x, self.temperature(), True, generator))


LEARNING = Learning(
    "gumbel-softmax",
    "Gumbel-softmax",
    "Variational auto-encoders",
    GumbelSoftmax,
    GumbelSoftmaxSettings,
)
