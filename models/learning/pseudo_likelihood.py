"""Pseudo-likelihood: every coordinate given all others, so that log Z need not be known."""

from __future__ import annotations

from torch import Generator, Tensor, nn

from models.capabilities import HasFreeEnergy
from models.estimation.likelihood import pseudo_log_likelihood
from models.learning.ascent import AscentSettings, GradientAscent, require_free_energy
from models.learning.base import Learning, Quantity, means
from models.settings import setting
from models.spec import Batch, DataSpec


class PseudoLikelihoodSettings(AscentSettings):
    learning_rate: float = setting(
        3e-3,
        title="Learning rate",
        help="Step size of Adam.",
        reference="Kingma & Ba (2015), α",
        gt=0,
        le=1,
        log=True,
    )
    coordinates: int = setting(
        8,
        title="Coordinates per step",
        help="Of each example so many coordinates, drawn anew in every step, stand for all; the gradient is right on "
        "average. 0 takes all, which costs as many passes as an example has values.",
        reference="Besag (1975)",
        zero="all",
        ge=0,
        le=100_000,
    )


class PseudoLikelihood(GradientAscent):
    """Maximises the mean of Σ_i log p(x_i | x_-i) with Adam, for energies of bits (Besag, 1975).

    Its maximum tends to the data's distribution as examples are added, where the model can represent it. Where it
    cannot, conditionals come out well and the distribution as a whole may not.
    """

    needs = (HasFreeEnergy,)
    quantities = (Quantity("pseudo_likelihood", "Pseudo-log-likelihood", goal="higher"),)

    def __init__(self, model: nn.Module, settings: PseudoLikelihoodSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.coordinates = settings.coordinates or spec.dimensions

    def begin(self) -> None:
        require_free_energy(self.model, self.spec)
        super().begin()

    def step(self, batch: Batch) -> dict[str, Tensor]:
        objective = self._objective(batch.x).mean()
        self.ascend(objective)
        return means(pseudo_likelihood=objective)

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        return means(pseudo_likelihood=self._objective(batch.x, generator))

    def _objective(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        return pseudo_log_likelihood(self.model, x, generator, self.coordinates)


LEARNING = Learning(
    "pseudo-likelihood",
    "Pseudo-likelihood",
    "Boltzmann machines",
    PseudoLikelihood,
    PseudoLikelihoodSettings,
)
