"""p(x | z) whose coordinates are independent given z: what a decoder's output says of each of them.

The output of a network for an example is (outputs, *event): so many numbers for each coordinate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, get_args

import torch
from torch import Generator, Tensor, nn

from models.distributions import bernoulli, bernoulli_log_prob, gaussian_log_prob
from models.settings import Settings, setting
from models.spec import DataSpec, Support, require

LikelihoodName = Literal["automatic", "Bernoulli", "Gaussian"]


class Likelihood(nn.Module, ABC):
    """A distribution for each coordinate of an example, given the output of a network."""

    outputs: ClassVar[int] = 1  # numbers for each coordinate

    def __init__(self, settings: LikelihoodSettings, spec: DataSpec) -> None:
        super().__init__()
        self.event_shape = spec.event_shape
        self.takes_bits = spec.support is Support.BITS

    @abstractmethod
    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """log p of each example, in nats: x (B, *event), output (..., B, outputs, *event) -> (..., B)."""

    @abstractmethod
    def mean(self, output: Tensor) -> Tensor:
        """The mean of each coordinate, in the data's own values: (B, outputs, *event) -> (B, *event)."""

    @abstractmethod
    def sample(self, output: Tensor, generator: Generator | None = None) -> Tensor:
        """A draw of each coordinate, which lies where data lie: (B, outputs, *event) -> (B, *event)."""

    def _sum(self, each: Tensor) -> Tensor:
        """(..., *event) -> (...)."""
        return each.flatten(-len(self.event_shape)).sum(-1)

    def _of(self, output: Tensor, number: int) -> Tensor:
        """One of the outputs of each coordinate: (..., outputs, *event) -> (..., *event)."""
        return output.select(-1 - len(self.event_shape), number)


class Bernoulli(Likelihood):
    """P(x_d = 1 | z) = σ(output). Of values between 0 and 1 it is the usual cross-entropy, which is no probability, and
    a draw of them is the mean."""

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        logits = self._of(output, 0)
        return self._sum(bernoulli_log_prob(x.expand_as(logits), logits))

    def mean(self, output: Tensor) -> Tensor:
        return self._of(output, 0).sigmoid()

    def sample(self, output: Tensor, generator: Generator | None = None) -> Tensor:
        mean = self.mean(output)
        return bernoulli(mean, generator) if self.takes_bits else mean


class Gaussian(Likelihood):
    """x_d | z ~ N(output, σ²) with one σ for all coordinates, learned or not."""

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


_KINDS: dict[str, type[Likelihood]] = {"Bernoulli": Bernoulli, "Gaussian": Gaussian}
assert set(_KINDS) == set(get_args(LikelihoodName)) - {"automatic"}


class LikelihoodSettings(Settings):
    """What every model whose decoder ends in a `Likelihood` lets a person choose of it."""

    likelihood: LikelihoodName = setting(
        "automatic",
        title="Likelihood",
        help="p(x|z): Bernoulli for bits and for values in 0…1, Gaussian for real numbers. Automatic chooses so.",
        reference="Kingma & Welling (2014), appendix C",
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
    if settings.likelihood == "Bernoulli":
        require(spec, Support.BITS, Support.UNIT, model="A Bernoulli likelihood")
    else:
        require(spec, Support.BITS, Support.UNIT, Support.REALS, model=model)


def _name(settings: LikelihoodSettings, spec: DataSpec) -> str:
    if settings.likelihood != "automatic":
        return settings.likelihood
    return "Gaussian" if spec.support is Support.REALS else "Bernoulli"
