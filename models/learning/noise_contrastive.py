"""Noise-contrastive estimation: learn an energy, and log Z with it, by telling data from noise."""

from __future__ import annotations

import math
from abc import abstractmethod
from contextlib import suppress

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import HasFreeEnergy, StartsFromData, SumsExactly, TooLarge
from models.distributions import LOG_2PI, bernoulli
from models.learning.ascent import AscentSettings, GradientAscent, require_free_energy
from models.learning.base import Learning, Quantity, means
from models.settings import setting
from models.spec import Batch, DataSpec, Support

LEAST = 0.01  # probability of either value of a noise bit, so that no example is impossible
FULL = 256  # coordinates: up to so many, Gaussian noise has the data's covariance, above it their variances
RIDGE = 0.01  # of the mean variance, is added to every variance of Gaussian noise
TINY = 1e-6  # and this much, where all variances are 0


class NoiseContrastiveSettings(AscentSettings):
    learning_rate: float = setting(
        3e-3,
        title="Learning rate",
        help="Step size of Adam.",
        reference="Kingma & Ba (2015), α",
        gt=0,
        le=1,
        log=True,
    )
    noise: int = setting(
        10,
        title="Noise samples ν",
        help="Noise samples per example; more are slower and nearer to maximum likelihood.",
        reference="Gutmann & Hyvärinen (2012), ν",
        ge=1,
        le=10_000,
    )
    constant_rate: float = setting(
        10.0,
        title="Speed of log Z",
        help="How many times as fast as the other parameters log Z is learned: it must follow all of them.",
        gt=0,
        le=10_000,
        log=True,
    )


class NoiseContrastive(GradientAscent):
    """Maximises E_data[log P(data | x)] + ν E_noise[log P(noise | u)] with Adam, where P(data | x) = σ(log p(x) -
    log q(x) - log ν), log p(x) = -F(x) - c, and q is the noise (Gutmann & Hyvärinen, 2010, equations 1 to 4; 2012 with
    ν). The constant c is learned like a parameter and tends to log Z.

    Noise: independent bits with the data's means; a Gaussian with the data's mean and covariance; on the unit interval,
    uniform. It is drawn anew at every step, and its moments are those of all examples fed so far.
    """

    needs = (HasFreeEnergy,)
    quantities = (
        Quantity("objective", "Objective", goal="higher"),
        Quantity("log_likelihood", "−F(x) − learned log Z", goal="higher"),
        Quantity("log_partition", "Learned log Z"),
        Quantity("log_partition_error", "Error of learned log Z"),
        Quantity("told_apart", "Told from noise", unit="probability"),
    )
    fed: Tensor

    def __init__(self, model: nn.Module, settings: NoiseContrastiveSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.ratio, self.speed = settings.noise, settings.constant_rate
        self.constant = nn.Parameter(torch.zeros(()))  # c / speed: Adam's steps are as long for every parameter
        self.noise = NOISE[spec.support](spec)
        self.register_buffer("fed", torch.zeros((), dtype=torch.int64))

    def begin(self) -> None:
        require_free_energy(self.model, self.spec)
        super().begin()

    def log_partition(self) -> Tensor:
        """The learned log Z, a 0-d tensor."""
        return self.speed * self.constant

    def step(self, batch: Batch) -> dict[str, Tensor]:
        if self.is_first(self.fed) and isinstance(self.model, StartsFromData):
            self.model.start_from(batch.x, self.examples)
        with torch.no_grad():
            self.noise.follow(batch.x, len(batch.x) / (self.fed + len(batch.x)))
            noise = self.noise.sample(self.ratio * len(batch.x))
        energy = self.model.free_energy(noise)
        with torch.no_grad():
            # starts where the first noise puts it, as an importance-weighted mean
            log_weights = -energy - self.noise.log_prob(noise)
            start = (log_weights.logsumexp(0) - math.log(len(noise))) / self.speed
            self.constant.copy_(torch.where(self.fed == 0, start, self.constant))
            self.fed.add_(len(batch.x))
        objective, found = self._told_apart(batch.x, noise, energy)
        self.ascend(objective)
        return means(objective=objective, **found)

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        noise = self.noise.sample(self.ratio * len(batch.x), generator)
        objective, found = self._told_apart(batch.x, noise, self.model.free_energy(noise))
        if isinstance(self.model, SumsExactly):
            with suppress(TooLarge):
                found["log_partition_error"] = found["log_partition"] - self.model.log_partition()
        return means(objective=objective, **found)

    def _told_apart(self, x: Tensor, noise: Tensor, energy: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective, a 0-d tensor, and what is told of data x and noise beside it; `energy`: F of the noise."""
        constant = self.log_partition()
        log_p = -self.model.free_energy(x) - constant
        real = log_p - self.noise.log_prob(x)  # log p(x) / q(x)
        fake = -energy - constant - self.noise.log_prob(noise)
        prior = math.log(self.ratio)
        objective = F.logsigmoid(real - prior).mean() + self.ratio * F.logsigmoid(prior - fake).mean()
        with torch.no_grad():
            right = (real.sign().mean() - fake.sign().mean()) / 4 + 0.5
        return objective, {"log_likelihood": log_p, "log_partition": constant, "told_apart": right}


class Noise(nn.Module):
    """A distribution with the data's first moments, known exactly, from which draws are cheap."""

    mean: Tensor  # (D,)

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.event_shape, self.dimensions = spec.event_shape, spec.dimensions
        self.register_buffer("mean", torch.full((spec.dimensions,), 0.0 if spec.support is Support.REALS else 0.5))

    @torch.no_grad()
    def follow(self, x: Tensor, part: Tensor) -> None:
        """Move the moments towards those of x (B, *event), which are `part` of all examples so far."""
        self.mean.lerp_(x.flatten(1).mean(0), part)

    @abstractmethod
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """(n, *event)."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """log q(x) in nats: (B, *event) -> (B,)."""


class Bits(Noise):
    """Independent bits."""

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return bernoulli(self._means().expand(n, -1), generator).reshape(n, *self.event_shape)

    def log_prob(self, x: Tensor) -> Tensor:
        mean = self._means()
        return x.flatten(1) @ mean.logit() + (1 - mean).log().sum()

    def _means(self) -> Tensor:
        return self.mean.clamp(LEAST, 1 - LEAST)


class UnitInterval(Noise):
    """Uniform on [0, 1]."""

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        shape = (n, *self.event_shape)
        return torch.rand(shape, generator=generator, device=self.mean.device, dtype=self.mean.dtype)

    def log_prob(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x))


class Gaussian(Noise):
    """A Gaussian with the data's covariance, or its variances where there are many coordinates."""

    covariance: Tensor  # (D, D), or (D,)

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        d = spec.dimensions
        self.register_buffer("covariance", torch.zeros(d, d) if d <= FULL else torch.zeros(d))

    @torch.no_grad()
    def follow(self, x: Tensor, part: Tensor) -> None:
        x = x.flatten(1)
        moved = x.mean(0) - self.mean
        away = x - x.mean(0)
        if self.covariance.ndim == 2:
            now, between = away.t() @ away / len(x), moved.outer(moved)
        else:
            now, between = away.square().mean(0), moved.square()
        self.covariance.lerp_(now, part).add_(part * (1 - part) * between)
        self.mean.lerp_(x.mean(0), part)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        shape = (n, self.dimensions)
        noise = torch.randn(shape, generator=generator, device=self.mean.device, dtype=self.mean.dtype)
        scale = self._factor()
        noise = noise @ scale.t() if scale.ndim == 2 else noise * scale
        return (self.mean + noise).reshape(n, *self.event_shape)

    def log_prob(self, x: Tensor) -> Tensor:
        away, scale = x.flatten(1) - self.mean, self._factor()
        if scale.ndim == 2:
            standard = torch.linalg.solve_triangular(scale, away.t(), upper=False).t()
            scale = scale.diagonal()
        else:
            standard = away / scale
        return -0.5 * (standard.square().sum(1) + self.dimensions * LOG_2PI) - scale.log().sum()

    def _factor(self) -> Tensor:
        """The covariance's lower Cholesky factor, or the deviations."""
        if self.covariance.ndim == 1:
            return (self.covariance + RIDGE * self.covariance.mean() + TINY).sqrt()
        ridge = RIDGE * self.covariance.diagonal().mean() + TINY
        identity = torch.eye(self.dimensions, device=self.mean.device, dtype=self.mean.dtype)
        return torch.linalg.cholesky_ex(self.covariance + ridge * identity).L


NOISE: dict[Support, type[Noise]] = {
    Support.BITS: Bits,
    Support.UNIT: UnitInterval,
    Support.REALS: Gaussian,
}


LEARNING = Learning(
    "noise-contrastive",
    "Noise-contrastive estimation",
    "Boltzmann machines",
    NoiseContrastive,
    NoiseContrastiveSettings,
)
