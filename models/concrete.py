"""Independent discrete units, and relaxed draws of them that a gradient flows through.

A relaxed draw is a draw by the Gumbel-max trick in which the maximum is a softmax at a temperature τ > 0: it is one of
a unit's values on as τ → 0, and whatever τ is, its largest coordinate is a draw of the unit itself (Jang, Gu & Poole,
2017; Maddison, Mnih & Teh, 2017). Its distribution is called Gumbel-softmax, or concrete.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from models.distributions import Distribution, bernoulli, bernoulli_log_prob


class DiscreteUnits(Distribution):
    """Units that are independent given their logits. A state holds bits, or one of each unit's values on."""

    logits: Tensor

    @abstractmethod
    def relaxed(self, temperature: Tensor | float, hard: bool = False, generator: Generator | None = None) -> Tensor:
        """A relaxed draw, like `logits`, whose gradient with respect to them flows. With `hard` it is the state that
        the relaxed draw is nearest to, with that draw's gradient (straight-through)."""

    @abstractmethod
    def log_density(self, z: Tensor, temperature: Tensor | float) -> Tensor:
        """log of the density of a relaxed draw z of each unit: (..., N). Of one among several values it is the density
        of all its coordinates but the last."""

    @abstractmethod
    def kl(self, other: DiscreteUnits) -> Tensor:
        """KL(self ‖ other) of each unit, in nats: (..., N). Both are of the same kind."""


class Bits(DiscreteUnits):
    """P(h_j = 1) = σ(logit_j). logits, and states: (..., N).

    Relaxed, it is the binary concrete distribution (Maddison et al., 2017, appendix B): that of the first of two values
    whose logits differ by as much.
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def mean(self) -> Tensor:
        return self.logits.sigmoid()

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return bernoulli(self.mean.expand(n, *self.logits.shape), generator)

    def log_prob(self, z: Tensor) -> Tensor:
        return bernoulli_log_prob(z, self.logits.expand_as(z)).sum(-1)

    def kl(self, other: DiscreteUnits) -> Tensor:
        p = self.mean
        on = F.logsigmoid(self.logits) - F.logsigmoid(other.logits)
        off = F.logsigmoid(-self.logits) - F.logsigmoid(-other.logits)
        return p * on + (1 - p) * off

    def relaxed(self, temperature: Tensor | float, hard: bool = False, generator: Generator | None = None) -> Tensor:
        u = torch.rand(self.logits.shape, generator=generator, device=self.logits.device, dtype=self.logits.dtype)
        logistic = torch.logit(u, eps=torch.finfo(u.dtype).eps / 2)  # the difference of two Gumbel variables
        odds = self.logits + logistic
        soft = (odds / temperature).sigmoid()
        return _straight_through((odds > 0).to(soft), soft) if hard else soft

    def log_density(self, z: Tensor, temperature: Tensor | float) -> Tensor:
        """Equation (24) there, by way of the log-odds of z, which are a logistic variable divided by τ."""
        temperature = torch.as_tensor(temperature).to(z)
        away = self.logits - temperature * z.logit()
        of_odds = temperature.log() + away - 2 * F.softplus(away)
        return of_odds - z.log() - torch.log1p(-z)


class Categories(DiscreteUnits):
    """P(unit n takes value k) = softmax of its logits. logits, and states, in which one of the values is on:
    (..., N, K)."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def mean(self) -> Tensor:
        return self.logits.softmax(-1)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        perturbed = self._perturbed(torch.Size((n, *self.logits.shape)), generator).detach()
        return _one_hot(perturbed)

    def log_prob(self, z: Tensor) -> Tensor:
        return (z * self.logits.log_softmax(-1)).sum((-2, -1))

    def kl(self, other: DiscreteUnits) -> Tensor:
        log_p, log_q = self.logits.log_softmax(-1), other.logits.log_softmax(-1)
        return (log_p.exp() * (log_p - log_q)).sum(-1)

    def relaxed(self, temperature: Tensor | float, hard: bool = False, generator: Generator | None = None) -> Tensor:
        perturbed = self._perturbed(self.logits.shape, generator)
        soft = (perturbed / temperature).softmax(-1)
        return _straight_through(_one_hot(perturbed), soft) if hard else soft

    def log_density(self, z: Tensor, temperature: Tensor | float) -> Tensor:
        """Maddison et al. (2017), equation (10)."""
        temperature, values = torch.as_tensor(temperature).to(z), z.shape[-1]
        away = self.logits - temperature * z.log()
        scale = torch.lgamma(temperature.new_tensor(values)) + (values - 1) * temperature.log()
        return scale + away.sum(-1) - values * away.logsumexp(-1) - z.log().sum(-1)

    def _perturbed(self, shape: torch.Size, generator: Generator | None) -> Tensor:
        """Logits with a standard Gumbel variable added to each, which is less the log of an exponential one."""
        noise = torch.empty(shape, device=self.logits.device, dtype=self.logits.dtype)
        return self.logits - noise.exponential_(generator=generator).log_()


def _one_hot(scores: Tensor) -> Tensor:
    """1 at the largest of the last dimension."""
    return torch.zeros_like(scores).scatter_(-1, scores.argmax(-1, keepdim=True), 1)


def _straight_through(state: Tensor, soft: Tensor) -> Tensor:
    """The state itself, to the last bit, with the gradient of `soft`."""
    return state.detach() + (soft - soft.detach())
