"""Distributions with explicit randomness.

torch.distributions draws from the process-wide generator only. Here every draw takes a generator, because the
process-wide one belongs to the training session (see ARCHITECTURE.md, "Randomness has one owner").
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

LOG_2 = math.log(2)
LOG_2PI = math.log(2 * math.pi)


class Distribution(ABC):
    """A distribution over vectors; log-probabilities are summed over the last dimension."""

    @property
    @abstractmethod
    def mean(self) -> Tensor: ...

    @abstractmethod
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n draws: (n, *mean.shape). Differentiable with respect to the parameters where the family allows it."""

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor: ...


@runtime_checkable
class HasMarginals(Protocol):
    def log_prob_each(self, z: Tensor) -> Tensor:
        """The log-density of each dimension by itself: (..., D). Of independent ones, log_prob is the sum."""
        ...


class LocationScale(Distribution):
    """z = location + scale · e with independent e of a standard law: location and log scale (..., D). The location is
    the mean, e being symmetric."""

    def __init__(self, location: Tensor, log_scale: Tensor) -> None:
        self.location, self.log_scale = location, log_scale

    @staticmethod
    @abstractmethod
    def noise(shape: Sequence[int], like: Tensor, generator: Generator | None) -> Tensor:
        """Finite draws of e, on the device and in the precision of `like`."""

    @staticmethod
    @abstractmethod
    def standard_log_prob(e: Tensor) -> Tensor:
        """The log-density of e, elementwise."""

    @property
    def mean(self) -> Tensor:
        return self.location

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.location + self.log_scale.exp() * self.noise((n, *self.location.shape), self.location, generator)

    def log_prob_each(self, z: Tensor) -> Tensor:
        return self.standard_log_prob((z - self.location) * (-self.log_scale).exp()) - self.log_scale

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_prob_each(z).sum(-1)


class Normal(LocationScale):
    """Independent normals with mean and log standard deviation of the same shape (..., D)."""

    @staticmethod
    def noise(shape: Sequence[int], like: Tensor, generator: Generator | None) -> Tensor:
        return torch.randn(shape, generator=generator, device=like.device, dtype=like.dtype)

    @staticmethod
    def standard_log_prob(e: Tensor) -> Tensor:
        return -0.5 * e.square() - 0.5 * LOG_2PI

    def kl_from_standard(self) -> Tensor:
        """KL(self || N(0, I)) per dimension: (..., D)."""
        return 0.5 * (self.location.square() + (2 * self.log_scale).exp() - 1) - self.log_scale


class Laplace(LocationScale):
    """Independent Laplace distributions, e^(-|z - location| / scale) / (2 scale)."""

    @staticmethod
    def noise(shape: Sequence[int], like: Tensor, generator: Generator | None) -> Tensor:
        """The difference of two exponentials, neither of which is ever infinite."""
        return exponential(shape, like, generator) - exponential(shape, like, generator)

    @staticmethod
    def standard_log_prob(e: Tensor) -> Tensor:
        return -e.abs() - LOG_2

    def kl_from_standard(self) -> Tensor:
        """KL(self || Laplace(0, 1)) per dimension, E|z| being |location| + scale e^(-|location| / scale): (..., D)."""
        away = self.location.abs()
        return away + (self.log_scale - away * (-self.log_scale).exp()).exp() - self.log_scale - 1


class Logistic(LocationScale):
    """Independent logistic distributions: P(z ≤ t) = σ((t - location) / scale). Their KL has no closed form."""

    @staticmethod
    def noise(shape: Sequence[int], like: Tensor, generator: Generator | None) -> Tensor:
        return logistic(shape, like, generator)

    @staticmethod
    def standard_log_prob(e: Tensor) -> Tensor:
        return F.logsigmoid(e) + F.logsigmoid(-e)


class LogNormal(Distribution):
    """z = e^y with y ~ `log`, independent normals: the mean is e^(μ + σ²/2)."""

    def __init__(self, location: Tensor, log_scale: Tensor) -> None:
        self.log = Normal(location, log_scale)

    @property
    def mean(self) -> Tensor:
        return (self.log.location + 0.5 * (2 * self.log.log_scale).exp()).exp()

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.log.sample(n, generator).exp()

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_prob_each(z).sum(-1)

    def log_prob_each(self, z: Tensor) -> Tensor:
        y = z.clamp(min=torch.finfo(z.dtype).tiny).log()
        return torch.where(z > 0, self.log.log_prob_each(y) - y, -math.inf)

    def kl_from_standard(self) -> Tensor:
        """KL(self || the law of e^y, y ~ N(0, I)) per dimension, which is that of y, e^y being one to one."""
        return self.log.kl_from_standard()


class Exponential(Distribution):
    """Independent exponentials e^(-z / scale) / scale, z ≥ 0, with the log scale (..., D). The scale is the mean."""

    def __init__(self, log_scale: Tensor) -> None:
        self.log_scale = log_scale

    @property
    def mean(self) -> Tensor:
        return self.log_scale.exp()

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.mean * exponential((n, *self.log_scale.shape), self.log_scale, generator)

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_prob_each(z).sum(-1)

    def log_prob_each(self, z: Tensor) -> Tensor:
        log_p = -z * (-self.log_scale).exp() - self.log_scale
        return torch.where(z >= 0, log_p, -math.inf)

    def kl_from_standard(self) -> Tensor:
        """KL(self || Exponential(1)) per dimension: (..., D)."""
        return self.log_scale.exp() - self.log_scale - 1


class NormalMixture(Distribution):
    """Equal mixtures of K independent normals, each with mean and log standard deviation: (..., K, D)."""

    def __init__(self, means: Tensor, log_scales: Tensor) -> None:
        self.means, self.log_scales = means, log_scales

    @property
    def mean(self) -> Tensor:
        return self.means.mean(-2)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Differentiable with respect to parameters of the components that are drawn."""
        *batch, components, size = self.means.shape
        chosen = torch.randint(components, (n, *batch, 1, 1), generator=generator, device=self.means.device)
        chosen = chosen.expand(*chosen.shape[:-1], size)
        mean, log_scale = (t.expand(n, *t.shape).gather(-2, chosen) for t in (self.means, self.log_scales))
        return Normal(mean.squeeze(-2), log_scale.squeeze(-2)).sample(1, generator).squeeze(0)

    def log_prob(self, z: Tensor) -> Tensor:
        each = Normal(self.means, self.log_scales).log_prob(z.unsqueeze(-2))
        return each.logsumexp(-1) - math.log(self.means.shape[-2])


class FullNormal(Distribution):
    """Normals with a full covariance C Cᵀ: mean (..., D), lower Cholesky factor C (..., D, D), or (D, D) for all."""

    def __init__(self, mean: Tensor, factor: Tensor) -> None:
        self._mean, self.factor = mean, factor

    @property
    def mean(self) -> Tensor:
        return self._mean

    @property
    def covariance(self) -> Tensor:
        return self.factor @ self.factor.mT

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        shape = (n, *self._mean.shape)
        noise = torch.randn(shape, generator=generator, device=self._mean.device, dtype=self._mean.dtype)
        return self._mean + (self.factor @ noise.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, z: Tensor) -> Tensor:
        away = (z - self._mean).unsqueeze(-1)
        if z.ndim > self.factor.ndim - 1:  # draws lie beside each other, so that no factor is repeated for each
            away = away.transpose(0, -1)
        standard = torch.linalg.solve_triangular(self.factor, away, upper=False)
        if z.ndim > self.factor.ndim - 1:
            standard = standard.transpose(0, -1)
        return (-0.5 * standard.squeeze(-1).square() - self._log_diagonal() - 0.5 * LOG_2PI).sum(-1)

    def log_prob_each(self, z: Tensor) -> Tensor:
        return gaussian_log_prob(z, self._mean, 0.5 * self.factor.square().sum(-1).log())

    def kl_from_standard(self) -> Tensor:
        """KL(self || N(0, I)) by the chain rule: the share of each dimension given those before it, (..., D)."""
        variances = self.factor.square().sum(-1)
        return 0.5 * (self._mean.square() + variances - 1) - self._log_diagonal()

    def _log_diagonal(self) -> Tensor:
        return self.factor.diagonal(dim1=-2, dim2=-1).log()


def standard_normal(dimensions: int, like: Tensor) -> Normal:
    """N(0, I) on the device and in the precision of `like`."""
    zeros = torch.zeros(dimensions, device=like.device, dtype=like.dtype)
    return Normal(zeros, zeros)


def limited(x: Tensor, low: float, high: float) -> Tensor:
    """x, or the nearest of the limits, with the gradient that x has there: what was driven beyond comes back."""
    return x.clamp(low, high).detach() + (x - x.detach())


def exponential(shape: Sequence[int], like: Tensor, generator: Generator | None = None) -> Tensor:
    """Draws of the density e^(-t), t ≥ 0, on the device and in the precision of `like`: never infinite, as 1 is never
    drawn uniformly."""
    return -torch.log1p(-torch.rand(shape, generator=generator, device=like.device, dtype=like.dtype))


def logistic(shape: Sequence[int], like: Tensor, generator: Generator | None = None) -> Tensor:
    """Draws of P(e ≤ t) = σ(t), on the device and in the precision of `like`. 0, which may be drawn uniformly, counts
    as a part of the least number beside it, so that none is infinite."""
    u = torch.rand(shape, generator=generator, device=like.device, dtype=like.dtype)
    return u.clamp(min=torch.finfo(u.dtype).eps / 4).logit()


class Uniform(Distribution):
    """Independent uniforms on [low, high), two tensors of the same shape (..., D)."""

    def __init__(self, low: Tensor, high: Tensor) -> None:
        self.low, self.high = low, high

    @property
    def mean(self) -> Tensor:
        return (self.low + self.high) / 2

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        shape = (n, *self.low.shape)
        u = torch.rand(shape, generator=generator, device=self.low.device, dtype=self.low.dtype)
        return self.low + (self.high - self.low) * u

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_prob_each(z).sum(-1)

    def log_prob_each(self, z: Tensor) -> Tensor:
        return torch.where((z >= self.low) & (z <= self.high), -(self.high - self.low).log(), -math.inf)


class Point(Distribution):
    """All mass at one place z (..., D): what an encoder says that draws nothing. It has no density, so that no figure
    that needs one, such as a KL, can be had of it."""

    def __init__(self, z: Tensor) -> None:
        self._z = z

    @property
    def mean(self) -> Tensor:
        return self._z

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self._z.expand(n, *self._z.shape)

    def log_prob(self, z: Tensor) -> Tensor:
        """Raises NoDensity."""
        raise NoDensity("A single point has no density: what is measured here needs an encoder that says a spread.")


class NoDensity(ValueError):
    """A density was asked of a distribution that has none."""


def require_temperature(temperature: float) -> None:
    """Raise ValueError unless something can be drawn at this temperature."""
    if not temperature > 0:
        raise ValueError(
            f"Nothing can be drawn at temperature {temperature:g}: energies are divided by it. Choose one above 0; at "
            "0.01 draws are already what is most probable, as far as a chain finds it."
        )


def bernoulli(p: Tensor, generator: Generator | None = None) -> Tensor:
    """Bits with P(1) = p, in p's shape and dtype; no gradient flows through them.

    Comparing in place costs less than half of torch.bernoulli on the CPU, and in a Gibbs step it is the draws that
    cost, beside the matrix products.
    """
    return torch.rand(p.shape, generator=generator, device=p.device, dtype=p.dtype).lt_(p.detach())


def bernoulli_log_prob(x: Tensor, logits: Tensor) -> Tensor:
    """Elementwise log Bernoulli(x; sigmoid(logits)); also the usual cross-entropy for x in [0, 1]."""
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none")


def bernoulli_log_likelihood(x: Tensor, logits: Tensor) -> Tensor:
    """The sum of `bernoulli_log_prob` over the last dimension: x (B, D), logits (..., B, D) -> (..., B).

    Where no gradient is asked for, in about half the time on the CPU: with σ(|a|) ≥ ½,

        x a - log(1 + e^a) = (x - ½) a - |a| / 2 + log σ(|a|),

    and of 16 factors the product never vanishes, so that one logarithm serves them.
    """
    if torch.is_grad_enabled():
        return bernoulli_log_prob(x.expand_as(logits), logits).sum(-1)
    linear = torch.einsum("...bd,bd->...b", logits, x - 0.5)
    factors = logits.abs()
    size = factors.sum(-1)
    factors.sigmoid_()
    together = 1
    while factors.shape[-1] % 2 == 0 and together < 16:
        half = factors.shape[-1] // 2
        factors = factors[..., :half] * factors[..., half:]
        together *= 2
    return linear - size / 2 + factors.log_().sum(-1)


def gaussian_log_prob(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Elementwise log N(x; mean, exp(log_scale)^2)."""
    return -0.5 * ((x - mean) * (-log_scale).exp()).square() - log_scale - 0.5 * LOG_2PI
