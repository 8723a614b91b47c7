"""Adversarial learning with a critic, whose scores estimate the Wasserstein distance of samples from data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn

from models.capabilities import Shown
from models.learning.base import Learning, Quantity, Symptom, means
from models.learning.critics import Critic, judge
from models.learning.game import Game, GameSettings, Player
from models.learning.game_symptoms import STEEP, at_bounds, steepness
from models.settings import setting
from models.spec import Batch

SMALLEST = 1e-12  # added to a squared slope: the root has no derivative at 0

Constraint = Literal["gradient penalty", "clipping", "none"]


class WassersteinSettings(GameSettings):
    constraint: Constraint = setting(
        "gradient penalty",
        title="Constraint on the critic",
        help="What keeps its slope bounded. Gradient penalty: slopes of 1 on lines between data and samples. Clipping: "
        "no weight is larger than the bound below. None: for a critic with spectral normalisation.",
        reference="Gulrajani et al. (2017); Arjovsky et al. (2017)",
    )
    penalty: float = setting(
        10.0,
        title="Weight of the penalty",
        help="How much a slope other than 1 costs, with the gradient penalty. The published 10 suits distances of many "
        "units, such as between images; where data lie within a few units, as points in the plane do, it outweighs the "
        "critic's own aim: take about 1 there.",
        reference="Gulrajani et al. (2017), λ, equation (3)",
        ge=0,
        le=1e6,
        log=True,
    )
    one_sided: bool = setting(
        False,
        title="One-sided penalty",
        help="Only slopes above 1 cost. With both sides a critic that begins with the wrong sign may stay at it, most "
        "of all on a line.",
        reference="Petzka et al. (2018), WGAN-LP, equation (8)",
    )
    clip: float = setting(
        0.01,
        title="Bound of the weights",
        help="Weights and biases of the critic are clipped to this after each of its steps, with clipping. The larger, "
        "the longer the critic needs to its best; the smaller, the flatter it is.",
        reference="Arjovsky et al. (2017), c, algorithm 1",
        gt=0,
        le=10,
        log=True,
    )
    discriminator_steps: int = setting(
        5,
        title="Critic steps",
        help="Updates of the critic before each of the generator, each on a minibatch of its own: the nearer it is to "
        "its best, the better the gradient.",
        reference="Arjovsky et al. (2017), n_critic, algorithm 1",
        ge=1,
        le=100,
    )
    discriminator_rate: float = setting(
        1e-3,
        title="Critic learning rate",
        help="Step size of the critic's Adam. It may learn as fast as it can: no critic is too good.",
        reference="Arjovsky et al. (2017), section 3",
        gt=0,
        le=1,
        log=True,
    )


class Wasserstein(Game):
    """min_G max_f E f(x) - E f(G(z)) over functions of slope 1 at most: the Kantorovich–Rubinstein dual of W₁
    (Arjovsky, Chintala & Bottou, 2017, equation 2). f is a critic without a sigmoid.

    What its best value is depends on the constraint. With a gradient penalty λ E (‖∇f(x̂)‖ - 1)², x̂ = εx + (1 - ε)G(z)
    with ε ~ U(0, 1), it is near W₁ (Gulrajani et al., 2017, equation 3), and above it by a part of about W₁ / 2λ, since
    slopes a little above 1 pay. Clipped weights allow slopes up to some K, and a value of K W₁ at most. Reported are
    the estimate E f(x) - E f(G(z)), the loss -E f(G(z)), and the slope ‖∇f‖ on these lines, of held-out data also the
    greatest.
    """

    settings: Any
    discriminator: Any
    quantities = (
        Quantity("distance", "Critic's estimate", unit="distance"),
        Quantity("generator", "Generator's loss", unit="distance"),
        Quantity("slope", "Slope of the critic", unit=""),
        Quantity("steepest", "Its greatest slope", unit=""),
    )

    @staticmethod
    def out_of_reach(model: type) -> Mapping[str, str]:
        why = "a critic whose score hangs on the others of a minibatch has no slope to bound, and packing does the same"
        return {"minibatch_features": why, "batch_normalisation": why}

    def make_discriminator(self) -> nn.Module:
        # a constant that is added to all scores changes nothing, and never learns
        return Critic(self.settings, self.model.shown_as(), self.spec, constant=False)

    def criticise(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.scores(x, y).mean(0)

    def moved(self, player: Player) -> None:
        if player == "discriminator" and self.settings.constraint == "clipping":
            bound = self.settings.clip
            with torch.no_grad():
                for parameter in self.discriminator.parameters():
                    parameter.clamp_(-bound, bound)

    def discriminator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.no_grad():
            shown = self.model.show_data(batch), self.model.show_samples(batch)
        data, samples = judge(self.discriminator, *shown)
        distance = data.mean() - samples.mean()
        if self.settings.constraint != "gradient penalty":
            return -distance, {"distance": distance}
        slope = slopes(self.discriminator, *shown)
        excess = (slope - 1).clamp_min(0) if self.settings.one_sided else slope - 1
        return self.settings.penalty * excess.square().mean() - distance, {"distance": distance, "slope": slope}

    def generator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss = -self.discriminator(self.model.show_samples(batch)).mean()
        if self.model.shown_as().encoded:  # what the model says of data is its move, too
            loss = loss + self.discriminator(self.model.show_data(batch)).mean()
        return loss, {"generator": loss}

    watches = ("mode collapse", "critic at its bounds", "critic out of bounds")

    def diagnose(self, batch: Batch, generator: Generator) -> Symptom | None:
        return (self._astray(batch, generator) if self.settled() else None) or super().diagnose(batch, generator)

    def _astray(self, batch: Batch, generator: Generator) -> Symptom | None:
        settings = self.settings
        slower = {"a slower critic": {"discriminator_rate": settings.discriminator_rate / 5}}
        penalty = {"a gradient penalty": {"constraint": "gradient penalty"}}
        if settings.constraint == "clipping":
            weights = torch.cat([p.detach().flatten() for p in self.discriminator.parameters() if p.ndim > 1])
            share = (weights.abs() >= 0.999 * settings.clip).float().mean().item()
            return at_bounds(share, settings.clip, penalty)
        shown = self.model.show_data(batch, generator), self.model.show_samples(batch, generator)
        slope = slopes(self.discriminator, *shown, generator).mean().item()
        if settings.constraint != "gradient penalty":
            return steepness(slope, {**penalty, **slower}) if slope > STEEP else None
        stronger = min(10 * settings.penalty, 1000.0)
        return steepness(slope, {f"penalty {stronger:g}": {"penalty": stronger}, **slower})

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        shown = self.model.show_data(batch, generator), self.model.show_samples(batch, generator)
        data, samples = judge(self.discriminator, *shown)
        slope = slopes(self.discriminator, *shown, generator)
        distance = data.mean() - samples.mean()
        lowered = distance if self.model.shown_as().encoded else -samples.mean()
        return means(distance=distance, generator=lowered, slope=slope, steepest=slope.detach().max())


def slopes(critic: Critic, data: Shown, samples: Shown, generator: Generator | None = None) -> Tensor:
    """‖∇f(x̂)‖ of a critic at a random place of the straight line from each example to a sample, over all that it is
    shown at once, differentiable in its parameters: (B,)."""
    with torch.enable_grad():
        ends = critic.packs(data), critic.packs(samples)
        share = torch.rand(len(ends[0].x), generator=generator, device=ends[0].x.device, dtype=ends[0].x.dtype)

        def between(x: Tensor | None, y: Tensor | None) -> Tensor | None:
            if x is None or y is None:
                return None
            at = share.reshape(-1, *[1] * (x.ndim - 1))
            return (at * x.detach() + (1 - at) * y.detach()).requires_grad_()

        x = between(ends[0].x, ends[1].x)
        assert x is not None
        beside = between(ends[0].beside, ends[1].beside)
        inputs = [x] if beside is None else [x, beside]
        gradients = torch.autograd.grad(critic.judge_packs(Shown(x, beside)).sum(), inputs, create_graph=True)
        squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients])
        return (squares.sum(0) + SMALLEST).sqrt()


LEARNING = Learning(
    "wasserstein",
    "Adversarial, Wasserstein",
    "Generative adversarial networks",
    Wasserstein,
    WassersteinSettings,
)
