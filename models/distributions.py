"""Distributions with explicit randomness.

torch.distributions draws from the process-wide generator only. Here every draw takes a generator, because the
process-wide one belongs to the training session (see ARCHITECTURE.md, "Randomness has one owner").
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

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


class Normal(Distribution):
    """Independent normals with mean and log standard deviation of the same shape (..., D)."""

    def __init__(self, mean: Tensor, log_scale: Tensor) -> None:
        self._mean, self.log_scale = mean, log_scale

    @property
    def mean(self) -> Tensor:
        return self._mean

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        shape = (n, *self._mean.shape)
        noise = torch.randn(shape, generator=generator, device=self._mean.device, dtype=self._mean.dtype)
        return self._mean + self.log_scale.exp() * noise

    def log_prob(self, z: Tensor) -> Tensor:
        standard = (z - self._mean) * (-self.log_scale).exp()
        return (-0.5 * standard.square() - self.log_scale - 0.5 * LOG_2PI).sum(-1)

    def kl_from_standard(self) -> Tensor:
        """KL(self || N(0, I)) per dimension: (..., D)."""
        return 0.5 * (self._mean.square() + (2 * self.log_scale).exp() - 1) - self.log_scale


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
        standard = torch.linalg.solve_triangular(self.factor, away, upper=False).squeeze(-1)
        return (-0.5 * standard.square() - self._log_diagonal() - 0.5 * LOG_2PI).sum(-1)

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
        inside = ((z >= self.low) & (z <= self.high)).all(-1)
        log_volume = (self.high - self.low).log().sum(-1)
        return torch.where(inside, -log_volume, -math.inf)


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


def gaussian_log_prob(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Elementwise log N(x; mean, exp(log_scale)^2)."""
    return -0.5 * ((x - mean) * (-log_scale).exp()).square() - log_scale - 0.5 * LOG_2PI
