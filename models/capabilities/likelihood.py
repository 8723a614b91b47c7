"""What says how probable examples are: exactly, by an estimate, or up to a constant."""

from __future__ import annotations

from collections.abc import Generator as Yields
from typing import Protocol, runtime_checkable

from torch import Generator, Tensor


class TooLarge(ValueError):
    """An enumeration that would not end; the sentence says how large it is and what the limit is."""


@runtime_checkable
class ScoresExactly(Protocol):
    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats: (B, *event) -> (B,)."""
        ...


@runtime_checkable
class SumsLatent(Protocol):
    """Beside `ScoresExactly`: log p(x) is a sum over all states of latent variables."""

    def log_prob_in_parts(self, x: Tensor) -> Yields[float, None, Tensor]:
        """`log_prob`, which raises TooLarge when the sum does not fit; yields the fraction done often enough to be
        shown, and abandoned there."""
        ...


@runtime_checkable
class ScoresEach(Protocol):
    def log_conditionals(self, x: Tensor) -> Tensor:
        """log p(x_d | those before d) of every coordinate, in nats: (B, *event) -> (B, *event).

        They sum to log p(x). Differentiable with respect to x where the layout is an image: its gradient is what a
        pixel's receptive field is read from.
        """
        ...


@runtime_checkable
class PredictsEach(Protocol):
    """For data of few values: LEVELS and SYMBOLS."""

    def log_predictions(self, x: Tensor) -> Tensor:
        """log p(x_d = k | those before d) of every value k at every coordinate, in nats: (B, *event) -> (B, *event,
        categories)."""
        ...


@runtime_checkable
class EstimatesLogProb(Protocol):
    """Has a cheap estimate to learn from, where log p(x) itself is dear to compute."""

    def learns_from_estimate(self) -> bool:
        """Whether learning takes the estimate, or log p(x) itself, which settings can make cheap."""
        ...

    def log_prob_estimate(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """A random value whose mean is a lower bound on log p(x), in nats: (B, *event) -> (B,)."""
        ...


@runtime_checkable
class Ensembles(Protocol):
    """An equal mixture of distributions: p(x) = (1 / K) Σ_k p_k(x). Whole examples are averaged, never coordinates:
    only that is normalised."""

    def members(self) -> int:
        """K."""
        ...

    def member_log_prob(self, x: Tensor, member: int) -> Tensor:
        """log p_k(x) in nats, k = `member`: (B, *event) -> (B,)."""
        ...


@runtime_checkable
class HasFreeEnergy(Protocol):
    def free_energy(self, x: Tensor) -> Tensor:
        """F(x) = -log p(x) - log Z in nats, latent units summed out: (B, *event) -> (B,)."""
        ...


@runtime_checkable
class SumsExactly(Protocol):
    def log_partition(self) -> Tensor:
        """log Z by enumeration, a 0-d tensor. Raises TooLarge when the sum does not fit."""
        ...

    def log_partition_in_parts(self) -> Yields[float, None, Tensor]:
        """The same, which yields the fraction done often enough to be shown, and abandoned there."""
        ...


@runtime_checkable
class Anneals(Protocol):
    """Has a path of distributions p_0 ... p_1 from a tractable base to the model, for annealed importance sampling.

    The states x of the path are examples where the model has a free energy. Where it only bounds it, they may be what
    is left when other units are summed out: hidden units, for one.
    """

    def annealed_base(self, data: Tensor) -> Tensor:
        """Parameters of the base, on the model's device: independent coordinates that match `data` (N, *event), such
        as the logits (D,) of bits with its means."""
        ...

    def annealed_log_prob(self, x: Tensor, beta: float, base: Tensor) -> Tensor:
        """log of the unnormalised intermediate density at inverse temperature `beta`: (B, *event) -> (B,)."""
        ...

    def annealed_log_partition_base(self, base: Tensor) -> Tensor:
        """log Z of the base distribution (beta = 0), exactly: a 0-d tensor."""
        ...

    def annealed_sample_base(self, n: int, base: Tensor, generator: Generator | None = None) -> Tensor:
        """Exact draws of the base: (n, *event)."""
        ...

    def annealed_transition(self, x: Tensor, beta: float, base: Tensor, generator: Generator | None = None) -> Tensor:
        """One transition that leaves the intermediate density invariant, and is reversible."""
        ...


@runtime_checkable
class AnnealsHidden(Protocol):
    """Beside `Anneals`: states of the path may hold hidden units, after those of the example, (B, D + hidden), or in
    their place, so that one that begins at an example has to draw them."""

    def annealed_start(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """A state that belongs to x, and log q of how its hidden part was drawn given x, less log P(x | state) where
        the state does not show x itself: (B, *event) -> (B, *state), (B,)."""
        ...


@runtime_checkable
class BoundsFreeEnergy(Protocol):
    """F(x) itself cannot be had; with log Z, its bound gives a lower bound on log p(x)."""

    def free_energy_bound(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """An upper bound on F(x) = -log p(x) - log Z in nats, in expectation, by an approximate posterior:
        (B, *event) -> (B,)."""
        ...
