"""Adversarial games: a generator learns from a discriminator that tries to tell its samples from the data."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import get_ema_multi_avg_fn

from models.capabilities import Decodes
from models.learning.base import Learner, Quantity, adam, means
from models.networks import Activation, flat, mlp
from models.settings import Settings, setting
from models.spec import Batch, DataSpec, Support


@dataclass(frozen=True)
class Objective:
    """What the two players want, as functions of the discriminator's logits on data and on samples, all (B,)."""

    value: Callable[[Tensor, Tensor], Tensor]  # (data, samples) -> V, which the discriminator raises
    loss: Callable[[Tensor], Tensor]  # samples -> what the generator lowers


def _cross_entropy(data: Tensor, samples: Tensor) -> Tensor:
    """log D(x) + log(1 - D(G(z))), equation (1); at most -log 4 on average once samples and data are alike."""
    return F.logsigmoid(data) + F.logsigmoid(-samples)


# The generator lowers the value itself: exact, but its gradient fades where the discriminator is sure (D(G(z)) -> 0).
MINIMAX = Objective(_cross_entropy, lambda samples: F.logsigmoid(-samples))
# The generator raises log D(G(z)): the same fixed point, strong gradients early (Goodfellow et al., 2014, section 3).
NON_SATURATING = Objective(_cross_entropy, lambda samples: -F.logsigmoid(samples))


class AdversarialSettings(Settings):
    generator_rate: float = setting(
        1e-3, title="Generator learning rate", help="Step size of the generator's Adam.", gt=0, le=1, log=True
    )
    discriminator_rate: float = setting(
        2e-4,
        title="Discriminator learning rate",
        help="Step size of the discriminator's Adam. Slower than the generator's keeps it from being sure too early on "
        "images; on points in the plane equal rates find more modes.",
        reference="Heusel et al. (2017), two time scales",
        gt=0,
        le=1,
        log=True,
    )
    beta1: float = setting(
        0.5,
        title="Momentum β₁",
        help="Adam's average of gradients, for both players. High values let the game oscillate.",
        reference="Radford et al. (2016)",
        ge=0,
        lt=1,
    )
    discriminator_steps: int = setting(
        1,
        title="Discriminator steps",
        help="Discriminator updates before each generator update, each on a minibatch of its own.",
        reference="Goodfellow et al. (2014), algorithm 1, k",
        ge=1,
        le=100,
    )
    average: float = setting(
        0.99,
        title="Generator average",
        help="Samples are shown from a moving average of the generator's weights with this decay; 0 shows the "
        "generator itself. The game circles its solution, and the average lies nearer to it.",
        reference="Yazıcı et al. (2019), β",
        ge=0,
        lt=1,
    )
    hidden: int = setting(
        128, title="Discriminator units", help="Width of the discriminator's hidden layers.", ge=1, le=4096
    )
    layers: int = setting(
        3, title="Discriminator layers", help="Hidden layers of the discriminator; 0 makes it linear.", ge=0, le=8
    )
    activation: Activation = setting(
        "leaky relu", title="Discriminator activation", help="Non-linearity of the discriminator's hidden layers."
    )


class Discriminator(nn.Module):
    """The logit of P(x is data, not a sample): (B, *event) -> (B,)."""

    def __init__(self, settings: AdversarialSettings, spec: DataSpec) -> None:
        super().__init__()
        self.is_unit = spec.support is Support.UNIT
        self.network = mlp([spec.dimensions, *[settings.hidden] * settings.layers, 1], settings.activation)

    def forward(self, x: Tensor) -> Tensor:
        centred = 2 * x - 1 if self.is_unit else x
        logit: Tensor = self.network(flat(centred)).squeeze(-1)
        return logit


class Adversarial(Learner):
    """The game min_G max_D V(D, G) by alternating Adam steps (Goodfellow et al., 2014, algorithm 1).

    The value reported is the discriminator's, before its step: -log 4 = -1.386 when it cannot tell samples from data,
    0 when it always can. Neither player's objective says how good the samples are: each moves with the other player.
    """

    capturable = True
    needs = (Decodes,)
    quantities = (
        Quantity("value", "Value of the game V(D, G)"),
        Quantity("generator", "Generator's loss"),
        Quantity("on_data", "D(x) on data", unit="probability"),
        Quantity("on_samples", "D(G(z)) on samples", unit="probability"),
    )

    def __init__(
        self, model: nn.Module, settings: AdversarialSettings, spec: DataSpec, examples: int, objective: Objective
    ) -> None:
        super().__init__(model, settings, spec, examples)
        self.settings = settings
        self.objective = objective
        self.minibatches = settings.discriminator_steps
        self.discriminator = Discriminator(settings, spec)
        # kept also with a decay of 0, when it equals the generator, so that there is one way to save and to show
        self.average = copy.deepcopy(model).requires_grad_(False)
        self._follow = get_ema_multi_avg_fn(settings.average)

    def begin(self) -> None:
        settings = self.settings
        betas = (settings.beta1, 0.999)
        self.optimizers = {
            "generator": adam(self.model, settings.generator_rate, betas),
            "discriminator": adam(self.discriminator, settings.discriminator_rate, betas),
        }

    def sampler(self) -> nn.Module:
        return self.average

    def discriminate(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.discriminator(x))

    def step(self, batch: Batch) -> dict[str, Tensor]:
        for data in batch.x.chunk(self.minibatches):
            reported = self._discriminator_step(data)
        return {**reported, **self._generator_step(len(data))}

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        data = self.discriminator(batch.x)
        samples = self.discriminator(self._generate(len(batch.x), generator))
        return {**self._report(data, samples), **means(generator=self.objective.loss(samples))}

    def _discriminator_step(self, x: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            generated = self._generate(len(x))
        # one pass over both halves: the same numbers as two passes, with half the calls
        data, samples = self.discriminator(torch.cat([x, generated])).chunk(2)
        self.optimizers["discriminator"].zero_grad()
        (-self.objective.value(data, samples).mean()).backward()
        self.optimizers["discriminator"].step()
        return self._report(data, samples)

    def _generator_step(self, n: int) -> dict[str, Tensor]:
        loss = self.objective.loss(self.discriminator(self._generate(n)))
        self.optimizers["generator"].zero_grad()
        # gradients pass through the discriminator but are kept for the generator only
        loss.mean().backward(inputs=list(self.model.parameters()))
        self.optimizers["generator"].step()
        self._follow(list(self.average.parameters()), list(self.model.parameters()), None)
        return means(generator=loss)

    def _generate(self, n: int, generator: Generator | None = None) -> Tensor:
        generated: Tensor = self.model.decode(self.model.prior().sample(n, generator))
        return generated

    def _report(self, data: Tensor, samples: Tensor) -> dict[str, Tensor]:
        return means(value=self.objective.value(data, samples), on_data=data.sigmoid(), on_samples=samples.sigmoid())
