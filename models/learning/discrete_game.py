"""Adversarial games over discrete samples, in which the discriminator's gradient is led around the draws."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from models.capabilities import Embeds, FacesDiscriminator, RelaxesDraws, ScoresExactly, Shown
from models.learning.adversarial import NON_SATURATING, ProbabilityGame, ProbabilitySettings
from models.learning.base import Learning, Quantity, Symptom, Ways, means
from models.learning.game import Game
from models.learning.game_symptoms import repetition
from models.learning.temperature import TemperatureSettings, temperature_at
from models.settings import setting
from models.spec import Batch, DataSpec, Support


class DiscreteGameSettings(ProbabilitySettings):
    discriminator_rate: float = setting(
        1e-3,
        title="Discriminator learning rate",
        help="Step size of the discriminator's Adam.",
        gt=0,
        le=1,
        log=True,
    )
    penalty: float = setting(
        1.0,
        title="Gradient penalty γ",
        help="How much the discriminator may not change around the data. Data lie on points apart from each other, "
        "between which it could become steeper for ever; 0 lets it.",
        reference="Mescheder, Geiger & Nowozin (2018), R₁",
        zero="off",
        ge=0,
        le=1000,
    )


class DiscreteGame(ProbabilityGame):
    """The non-saturating game over examples of bits or symbols.

    The discriminator lowers beside its loss γ/2 E‖∇D(x)‖² over the data, D being its logit and x the point that it is
    shown (Mescheder, Geiger & Nowozin, 2018, equation 9). Where the model has an exact likelihood, that of held-out
    data is reported: the game does not raise it.
    """

    quantities = (*ProbabilityGame.quantities, Quantity("log_prob", "Log-likelihood log p(x)"))

    def __init__(self, model: nn.Module, settings: DiscreteGameSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.objective = NON_SATURATING

    def discriminator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss, reported = super().discriminator_loss(batch)
        if self.settings.penalty:
            loss = loss + self.settings.penalty / 2 * self._steepness(batch)
        return loss, reported

    def diagnose(self, batch: Batch, generator: Generator) -> Symptom | None:
        return super().diagnose(batch, generator) or self.repeats(batch, generator)

    def repeats(self, batch: Batch, generator: Generator) -> Symptom | None:
        """Whether samples of symbols, between which there is no distance, repeat each other."""
        if self.spec.support is not Support.SYMBOLS or not self.settled():
            return None
        samples: Any = self.sampler()
        return repetition(batch.x, samples.sample(len(batch.x), generator), self.against_collapse())

    def against_collapse(self) -> Ways:
        return Game.against_collapse(self)

    def _steepness(self, batch: Batch) -> Tensor:
        """E‖∇D(x)‖² over the examples of the batch, 0-d."""
        x = self.model.show_data(batch).x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.discriminator(Shown(x)).sum(), x, create_graph=True)
        return gradient.flatten(1).square().sum(1).mean()

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        reported = super().held_out(batch, generator)
        if isinstance(self.model, ScoresExactly):
            reported |= means(log_prob=self.model.log_prob(batch.x))
        return reported


class GumbelGanSettings(TemperatureSettings, DiscreteGameSettings):
    straight_through: bool = setting(
        True,
        title="Straight-through",
        help="The discriminator sees samples, and only the gradient is that of the relaxed ones. Otherwise it sees "
        "relaxed samples, and can tell them from data by that.",
        reference="Jang, Gu & Poole (2017), section 2.2",
    )
    cooling_steps: int = setting(
        2000,
        title="Cooling steps",
        help="Over how many steps the temperature falls; 0 keeps that of the start.",
        unit="steps",
        zero="off",
        ge=0,
        le=100_000_000,
    )


class GumbelGan(DiscreteGame):
    """A game with relaxed samples, through which the discriminator's gradient flows (Kusner & Hernández-Lobato, 2016).

    That gradient is biased: it is of the relaxed samples' distribution, or, straight-through, of none. The bias falls
    with the temperature τ, and the gradient's variance grows.
    """

    needs = (FacesDiscriminator, RelaxesDraws)
    quantities = (*DiscreteGame.quantities, Quantity("temperature", "Temperature τ", ""))
    steps: Tensor  # 0-d

    def __init__(self, model: nn.Module, settings: GumbelGanSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.register_buffer("steps", torch.zeros(()))

    def temperature(self) -> Tensor | float:
        """τ now."""
        return temperature_at(self.settings, self.steps)

    def show_samples(self, batch: Batch, generator: Generator | None = None) -> Shown:
        hard = self.settings.straight_through
        return Shown(self.model.draw_relaxed(len(batch.x), self.temperature(), hard, generator))

    def step(self, batch: Batch) -> dict[str, Tensor]:
        temperature = self.steps.new_zeros(()) + self.temperature()
        reported = super().step(batch)
        self.steps.add_(1)
        return reported | {"temperature": temperature}


class EmbeddingGanSettings(DiscreteGameSettings):
    noise: float = setting(
        0.0,
        title="Noise",
        help="Standard deviation of noise on all that the discriminator is shown, where values are 1 apart. It hides "
        "that data lie on the places of the values, and samples only near them.",
        reference="Sønderby et al. (2017), instance noise",
        ge=0,
        le=10,
    )


class EmbeddingGan(DiscreteGame):
    """A game in a continuous space in which every value has a place; samples are points between the places, and
    decoded to the nearest (Gulrajani et al., 2017, section 5.4).

    No draw is in the way of the gradient. A discriminator that sees how far samples are from the places drives them
    there: `away` is the root mean square of what is between a sample and the nearest example. A learned embedding would
    be a linear map of what is shown, as the discriminator's first layer is.
    """

    needs = (FacesDiscriminator, Embeds)
    quantities = (*DiscreteGame.quantities, Quantity("away", "Distance from the nearest values", unit=""))

    def show_data(self, batch: Batch, generator: Generator | None = None) -> Shown:
        return self._blurred(self.model.show_data(batch).x, generator)

    def show_samples(self, batch: Batch, generator: Generator | None = None) -> Shown:
        return self._blurred(self.model.draw_embedded(len(batch.x), generator), generator)

    def generator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        e = self.model.draw_embedded(len(batch.x))
        loss, reported = self.lowered(self.show_data(batch), self._blurred(e, None))
        return loss, reported | {"away": self._away(e)}

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        away = self._away(self.model.draw_embedded(len(batch.x), generator))
        return super().held_out(batch, generator) | {"away": away}

    def _away(self, e: Tensor) -> Tensor:
        number = torch.zeros(len(e), dtype=torch.int64, device=e.device)
        nearest = self.model.show_data(Batch(self.model.nearest(e.detach()), number, number)).x
        return (e.detach() - nearest).square().mean().sqrt()

    def _blurred(self, e: Tensor, generator: Generator | None) -> Shown:
        if not self.settings.noise:
            return Shown(e)
        noise = torch.randn(e.shape, generator=generator, device=e.device, dtype=e.dtype)
        return Shown(e + self.settings.noise * noise)


GUMBEL_LEARNING = Learning(
    "gumbel-gan",
    "Adversarial, relaxed draws",
    "Generative adversarial networks",
    GumbelGan,
    GumbelGanSettings,
)


EMBEDDING_LEARNING = Learning(
    "embedding-gan",
    "Adversarial, embedded",
    "Generative adversarial networks",
    EmbeddingGan,
    EmbeddingGanSettings,
)
