"""Adversarial learning: a generator learns from a discriminator that tries to tell its samples from the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import Shown
from models.learning.base import Quantity, means
from models.learning.critics import both
from models.learning.game import Game, GameSettings
from models.spec import Batch, DataSpec


@dataclass(frozen=True)
class Objective:
    """What the two players want, as functions of the discriminator's logits on data and on samples, all (B,)."""

    value: Callable[[Tensor, Tensor], Tensor]  # (data, samples) -> V, which the discriminator raises
    # samples -> what the generator lowers. Where data have a part that the model says, a code, it lowers the same of
    # their logits turned round: what it wants to be taken for samples.
    loss: Callable[[Tensor], Tensor]


def _cross_entropy(data: Tensor, samples: Tensor) -> Tensor:
    """log D(x) + log(1 - D(G(z))), equation (1); at most -log 4 on average once samples and data are alike."""
    return F.logsigmoid(data) + F.logsigmoid(-samples)


# The generator lowers the value itself: exact, but its gradient fades where the discriminator is sure (D(G(z)) -> 0).
MINIMAX = Objective(_cross_entropy, lambda samples: F.logsigmoid(-samples))
# The generator raises log D(G(z)): the same fixed point, strong gradients early (Goodfellow et al., 2014, section 3).
NON_SATURATING = Objective(_cross_entropy, lambda samples: -F.logsigmoid(samples))


class AdversarialSettings(GameSettings):
    """For games whose discriminator gives probabilities."""


class Adversarial(Game):
    """The game min_G max_D V(D, G) (Goodfellow et al., 2014, equation 1).

    The value reported is the discriminator's, before its step: -log 4 = -1.386 when it cannot tell samples from data,
    0 when it always can. Neither player's objective says how good the samples are: each moves with the other player.
    """

    quantities = (
        Quantity("value", "Value of the game V(D, G)"),
        Quantity("generator", "Generator's loss"),
        Quantity("on_data", "D(x) on data", unit="probability"),
        Quantity("on_samples", "D(G(z)) on samples", unit="probability"),
    )

    def __init__(
        self, model: nn.Module, settings: GameSettings, spec: DataSpec, examples: int, objective: Objective
    ) -> None:
        super().__init__(model, settings, spec, examples)
        self.objective = objective

    def discriminate(self, x: Tensor) -> Tensor:
        unlabelled = torch.full((len(x),), -1, device=x.device)
        return torch.sigmoid(self.discriminator(self.model.show_data(Batch(x, unlabelled, unlabelled))))

    def judge(self, data: Shown, samples: Shown) -> tuple[Tensor, Tensor]:
        """The logits of both, each (B,)."""
        on_data, on_samples = self.discriminator(both(data, samples)).chunk(2)
        return on_data, on_samples

    def discriminator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.no_grad():
            shown = self.model.show_data(batch), self.model.show_samples(batch)
        data, samples = self.judge(*shown)
        value = self.objective.value(data, samples)
        return -value.mean(), self._report(data, samples)

    def generator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss = self.objective.loss(self.discriminator(self.model.show_samples(batch)))
        data = self.model.show_data(batch)
        if data.beside is not None and data.beside.requires_grad:
            loss = loss + self.objective.loss(-self.discriminator(data))
        return loss.mean(), {"generator": loss}

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        data = self.discriminator(self.model.show_data(batch, generator))
        samples = self.discriminator(self.model.show_samples(batch, generator))
        return means(**self._report(data, samples), generator=self.objective.loss(samples))

    def _report(self, data: Tensor, samples: Tensor) -> dict[str, Tensor]:
        return {
            "value": self.objective.value(data, samples),
            "on_data": data.sigmoid(),
            "on_samples": samples.sigmoid(),
        }
