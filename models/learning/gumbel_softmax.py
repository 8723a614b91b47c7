"""Stochastic gradient ascent on the evidence lower bound through relaxed draws of discrete units."""

from __future__ import annotations

from typing import Literal

from torch import Generator, Tensor

from models.capabilities import RelaxesDiscrete
from models.learning.base import Quantity
from models.learning.bound import ELBO, GRADIENT_VARIANCE, KL, RECONSTRUCTION, BoundAscent, BoundSettings, terms_of
from models.learning.kl_weight import KlSettings, charged_kl, kl_weight
from models.settings import setting
from models.spec import Batch


class GumbelSoftmaxSettings(KlSettings, BoundSettings):
    straight_through: bool = setting(
        False,
        title="Straight-through",
        help="Draw states, and take only the gradient from the relaxed draw. Otherwise the model sees the relaxed draw "
        "itself while it learns.",
        reference="Jang, Gu & Poole (2017), section 2.2",
    )
    temperature: float = setting(
        1.0,
        title="Temperature τ at the start",
        help="How far relaxed draws are from states. When it is low, gradients have little bias and a large variance.",
        reference="Jang, Gu & Poole (2017), τ",
        ge=0.01,
        le=100,
        log=True,
    )
    final_temperature: float = setting(
        0.5,
        title="Temperature τ at the end",
        help="Where the temperature comes to, and stays.",
        reference="Jang, Gu & Poole (2017), section 4.2: 0.5",
        ge=0.01,
        le=100,
        log=True,
    )
    cooling: Literal["exponential", "linear"] = setting(
        "exponential", title="Cooling", help="How the temperature goes from the one to the other."
    )
    cooling_steps: int = setting(
        5000,
        title="Cooling steps",
        help="Over how many steps it does; 0 keeps the temperature of the start.",
        unit="steps",
        ge=0,
        le=100_000_000,
    )


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
    )

    def temperature(self) -> Tensor | float:
        """τ now: a tensor while it falls, so that nothing waits for the device."""
        first, last = float(self.settings.temperature), float(self.settings.final_temperature)
        if not self.settings.cooling_steps:
            return first
        done = (self.steps / self.settings.cooling_steps).clamp(max=1)
        if self.settings.cooling == "linear":
            return first + (last - first) * done
        return first * (last / first) ** done

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
