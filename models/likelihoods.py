"""p(x | z) whose coordinates are independent given z: what a decoder's output says of each of them.

The output of a network for an example is (outputs, *event): so many numbers for each coordinate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import prod
from typing import Literal, get_args

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.distributions import bernoulli, bernoulli_log_likelihood, gaussian_log_prob, limited, logistic
from models.settings import Settings, setting
from models.spec import DataSpec, Support, require

LikelihoodName = Literal["automatic", "Bernoulli", "Gaussian", "categorical", "discretised logistic"]

AT_ONCE = 2**23  # numbers: probabilities of all levels that are in memory beside each other when means are taken
NARROWEST, WIDEST = -7.0, 7.0  # of the log scale of a discretised logistic (Salimans et al., 2017)


class Likelihood(nn.Module, ABC):
    """A distribution for each coordinate of an example, given the output of a network."""

    outputs: int = 1  # numbers for each coordinate
    is_density: bool = False  # whatever data it is given: then its logarithm may be above 0

    def __init__(self, settings: LikelihoodSettings, spec: DataSpec) -> None:
        super().__init__()
        self.event_shape = spec.event_shape
        self.takes_bits = spec.support is Support.BITS
        self.brightest = spec.brightest

    @abstractmethod
    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """log p of each example, in nats: x (B, *event), output (..., B, outputs, *event) -> (..., B)."""

    def log_prob_of_each(self, x: Tensor, output: Tensor) -> Tensor:
        """`log_prob` of every example under every output: x (B, *event), output (S, outputs, *event) -> (S, B)."""
        return self.log_prob(x, output.unsqueeze(1).expand(-1, len(x), *[-1] * (output.ndim - 1)))

    @abstractmethod
    def mean(self, output: Tensor) -> Tensor:
        """The mean of each coordinate, in the data's own values: (B, outputs, *event) -> (B, *event)."""

    @abstractmethod
    def sample(self, output: Tensor, generator: Generator | None = None) -> Tensor:
        """A draw of each coordinate, which lies where data lie: (B, outputs, *event) -> (B, *event)."""

    def scaled(self, x: Tensor) -> Tensor:
        """x as a network reads it: levels become values in 0…1, all else stays."""
        return x if self.brightest == 1 else x / self.brightest

    def simulate(self, output: Tensor, generator: Generator | None = None) -> Tensor:
        """A draw from what `log_prob` scores, wherever data lie."""
        return self.sample(output, generator)

    def _sum(self, each: Tensor) -> Tensor:
        """(..., *event) -> (...)."""
        return each.flatten(-len(self.event_shape)).sum(-1)

    def _of(self, output: Tensor, number: int) -> Tensor:
        """One of the outputs of each coordinate: (..., outputs, *event) -> (..., *event)."""
        return output.select(self._place(), number)

    def _place(self) -> int:
        """The dimension of the outputs."""
        return -1 - len(self.event_shape)


class Bernoulli(Likelihood):
    """P(x_d = 1 | z) = σ(output). Of values between 0 and 1 it is the usual cross-entropy, which is no probability, and
    a draw of them is the mean."""

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        logits = self._of(output, 0)
        return bernoulli_log_likelihood(x.flatten(1), logits.flatten(-len(self.event_shape)))

    def log_prob_of_each(self, x: Tensor, output: Tensor) -> Tensor:
        """x · logits - Σ_d softplus(logits): a product of matrices."""
        logits = self._of(output, 0).flatten(1)
        return logits @ x.flatten(1).t() - F.softplus(logits).sum(1, keepdim=True)

    def mean(self, output: Tensor) -> Tensor:
        return self._of(output, 0).sigmoid()

    def sample(self, output: Tensor, generator: Generator | None = None) -> Tensor:
        mean = self.mean(output)
        return bernoulli(mean, generator) if self.takes_bits else mean

    def simulate(self, output: Tensor, generator: Generator | None = None) -> Tensor:
        return bernoulli(self.mean(output), generator)


class Gaussian(Likelihood):
    """x_d | z ~ N(output, σ²) with one σ for all coordinates, learned or not."""

    is_density = True

    def __init__(self, settings: LikelihoodSettings, spec: DataSpec) -> None:
        super().__init__(settings, spec)
        log_scale = torch.full((), settings.scale).log()
        if settings.learn_scale:
            self.log_scale: Tensor = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale)

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        return self._sum(gaussian_log_prob(x, self._of(output, 0), self.log_scale))

    def mean(self, output: Tensor) -> Tensor:
        return self._of(output, 0)

    def sample(self, output: Tensor, generator: Generator | None = None) -> Tensor:
        mean = self.mean(output)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + self.log_scale.exp() * noise


class Categorical(Likelihood):
    """P(x_d = k | z) = softmax(outputs)_k: every level has a logit of its own, and does not know its neighbours."""

    def __init__(self, settings: LikelihoodSettings, spec: DataSpec) -> None:
        super().__init__(settings, spec)
        self.outputs = spec.categories

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        logits = output.movedim(self._place(), 1) if output.ndim > 2 + len(self.event_shape) else output
        target = x.long().expand(*logits.shape[:1], *logits.shape[2:])
        return self._sum(-F.cross_entropy(logits, target, reduction="none"))

    def mean(self, output: Tensor) -> Tensor:
        levels = torch.arange(self.outputs, device=output.device, dtype=output.dtype)
        place = self._place()
        return torch.tensordot(output.softmax(place), levels, dims=([output.ndim + place], [0]))

    def sample(self, output: Tensor, generator: Generator | None = None) -> Tensor:
        p = output.softmax(self._place()).movedim(self._place(), -1)
        drawn = p.reshape(-1, self.outputs).multinomial(1, generator=generator)
        return drawn.reshape(p.shape[:-1]).to(output.dtype)


class DiscretisedLogistic(Likelihood):
    """A logistic distribution over the line, of which each level takes what is nearest to it, and the first and the
    last one all that is beyond: P(x = k) = σ((k + ½ - m) / s) - σ((k - ½ - m) / s) (Kingma et al., 2016, section 5.2;
    Salimans et al., 2017, section 2.1). Outputs are m and log s, in units in which levels reach from -1 to 1.
    """

    outputs = 2

    def __init__(self, settings: LikelihoodSettings, spec: DataSpec) -> None:
        super().__init__(settings, spec)
        self.last = spec.categories - 1

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        m, log_scale = self._of(output, 0), limited(self._of(output, 1), NARROWEST, WIDEST)
        sharpness = (-log_scale).exp()
        width = 2 / self.last
        upper, lower = ((x * width - 1 + side * width / 2 - m) * sharpness for side in (1, -1))
        # σ(a) - σ(b) = σ(a) σ(-b) (1 - e^(b - a)), of which no factor is lost where both are near 0 or 1
        within = (-torch.expm1(-width * sharpness)).log()
        first, last = x <= 0, x >= self.last
        each = torch.where(last, 0.0, F.logsigmoid(upper)) + torch.where(first, 0.0, F.logsigmoid(-lower))
        return self._sum(each + torch.where(first | last, 0.0, within))

    def mean(self, output: Tensor) -> Tensor:
        """Σ_k P(x > k), k from 0 to the last but one."""
        at_once = max(1, AT_ONCE // (self.last * prod(self.event_shape)))
        return torch.cat([self._mean(part) for part in output.split(at_once)])

    def sample(self, output: Tensor, generator: Generator | None = None) -> Tensor:
        m, log_scale = self._of(output, 0), limited(self._of(output, 1), NARROWEST, WIDEST)
        drawn = m + log_scale.exp() * logistic(m.shape, m, generator)
        return ((drawn + 1) * (self.last / 2) + 0.5).floor().clamp(0, self.last)

    def _mean(self, output: Tensor) -> Tensor:
        m, log_scale = output[:, :1], limited(output[:, 1:], NARROWEST, WIDEST)
        borders = torch.arange(self.last, device=m.device, dtype=m.dtype) + 0.5
        borders = (borders * (2 / self.last) - 1).reshape(-1, *[1] * len(self.event_shape))
        return ((m - borders) * (-log_scale).exp()).sigmoid().sum(1)


_KINDS: dict[str, type[Likelihood]] = {
    "Bernoulli": Bernoulli,
    "Gaussian": Gaussian,
    "categorical": Categorical,
    "discretised logistic": DiscretisedLogistic,
}
assert set(_KINDS) == set(get_args(LikelihoodName)) - {"automatic"}
_TAKES = {
    "Bernoulli": (Support.BITS, Support.UNIT),
    "Gaussian": (Support.BITS, Support.UNIT, Support.REALS),
    "categorical": (Support.LEVELS,),
    "discretised logistic": (Support.LEVELS,),
}


class LikelihoodSettings(Settings):
    """What every model whose decoder ends in a `Likelihood` lets a person choose of it."""

    likelihood: LikelihoodName = setting(
        "automatic",
        title="Likelihood",
        help="p(x|z). Bernoulli: bits, or values in 0…1. Gaussian: real numbers. For grey levels: categorical, with a "
        "logit for every level, or discretised logistic, with two numbers for all. Automatic chooses Bernoulli, "
        "Gaussian or discretised logistic.",
        reference="Kingma & Welling (2014), appendix C; Kingma et al. (2016), section 5.2",
    )
    learn_scale: bool = setting(
        True, title="Learn the noise", help="Gaussian likelihood only: learn σ (one for all coordinates) or keep it."
    )
    scale: float = setting(
        0.1,
        title="Noise σ",
        help="Gaussian likelihood only: σ at the start, or throughout if it is not learned.",
        gt=0,
        le=10,
        log=True,
    )


def chosen_likelihood(settings: LikelihoodSettings, spec: DataSpec) -> Likelihood:
    return _KINDS[_name(settings, spec)](settings, spec)


def check_likelihood(settings: LikelihoodSettings, spec: DataSpec, model: str) -> None:
    """Raise UnsuitableData when the likelihood that is chosen, or any, cannot be that of these data."""
    if settings.likelihood == "automatic":
        require(spec, Support.BITS, Support.UNIT, Support.REALS, Support.LEVELS, model=model)
    else:
        require(spec, *_TAKES[settings.likelihood], model=f"A {settings.likelihood} likelihood")


def _name(settings: LikelihoodSettings, spec: DataSpec) -> str:
    if settings.likelihood != "automatic":
        return settings.likelihood
    if spec.support is Support.LEVELS:
        return "discretised logistic"
    return "Gaussian" if spec.support is Support.REALS else "Bernoulli"
