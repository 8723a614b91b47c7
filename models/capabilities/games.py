"""Games of a generator with a discriminator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from torch import Generator, Tensor

from models.spec import Batch


@dataclass(frozen=True)
class Shown:
    """What a discriminator is shown: examples, and beside each of them a vector where there is one: a code, a class."""

    x: Tensor  # (B, *shape)
    beside: Tensor | None = None  # (B, K)


@dataclass(frozen=True)
class ScoredDraws:
    """Examples that were drawn, and what their draws cost; through the draws themselves no gradient flows."""

    x: Tensor  # (n, *event)
    # (n, *event)  log p of each coordinate given those drawn before it, and the noise if there is any, in nats;
    # differentiable in the model's parameters. Its gradient's mean is 0 whatever the coordinates before.
    log_prob: Tensor


@dataclass(frozen=True)
class ShownAs:
    """What `Shown` consists of, and the network that suits it."""

    shape: tuple[int, ...]  # of what stands for one example
    beside: int = 0  # K; 0 where nothing stands beside it
    encoded: bool = False  # the model says itself what stands beside data, and so learns from how data are judged too
    network: Literal["dense", "convolutional"] = "dense"


@runtime_checkable
class FacesDiscriminator(Protocol):
    """Learns from a discriminator that tries to tell what is shown of samples from what is shown of data."""

    def shown_as(self) -> ShownAs:
        """What a discriminator has to be made for."""
        ...

    def show_data(self, batch: Batch, generator: Generator | None = None) -> Shown:
        """The examples of a batch. Differentiable in the model's parameters where it says itself what stands beside
        them: their codes, for one."""
        ...

    def show_samples(self, batch: Batch, generator: Generator | None = None) -> Shown:
        """As many samples as the batch has examples, with the same classes if the model is conditional; differentiable
        in the model's parameters, unless samples are drawn from values that cannot move a little."""
        ...


@runtime_checkable
class ScoresDraws(Protocol):
    """Beside `FacesDiscriminator`: samples are drawn from discrete values, with probabilities that are known."""

    def draw_scored(self, n: int, generator: Generator | None = None) -> ScoredDraws:
        """n samples with their log-probabilities."""
        ...


@runtime_checkable
class RelaxesDraws(Protocol):
    """Beside `FacesDiscriminator`: samples of discrete values have a continuous relaxation (Jang et al., 2017)."""

    def draw_relaxed(
        self, n: int, temperature: Tensor | float, hard: bool = False, generator: Generator | None = None
    ) -> Tensor:
        """n relaxed samples at `temperature` > 0, as a discriminator is shown examples: (n, *shape), differentiable.
        With `hard` they are samples, and the gradient alone is that of the relaxed ones (straight-through)."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """Beside `FacesDiscriminator`: makes points of the space in which discrete values have a place each."""

    def draw_embedded(self, n: int, generator: Generator | None = None) -> Tensor:
        """n points, as a discriminator is shown examples: (n, *shape), differentiable."""
        ...

    def nearest(self, e: Tensor) -> Tensor:
        """The example whose place is nearest to each point: (n, *shape) -> (n, *event)."""
        ...


@runtime_checkable
class Translates(Protocol):
    """Translates between two domains."""

    def domains(self) -> tuple[ShownAs, ShownAs]:
        """What a discriminator of examples of the first domain has to be made for, and one of the second."""
        ...

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        """Examples of the first domain as examples of the second, or with `back` the other way: (B, *event) ->
        (B, *event of the other)."""
        ...
