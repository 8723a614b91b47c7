"""What a model, or a learner, can do. Views, learners and estimators ask for these and never for a class.

Every capability is a Protocol of methods, so that `issubclass(model_class, Samples)` answers before a model is built.
`generator` is the source of randomness; None means the process-wide one, which belongs to the training session alone:
whoever only looks at a model passes a generator of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Generator, Tensor

from models.distributions import Distribution


@dataclass(frozen=True)
class Elbo:
    """The two sides of the evidence lower bound, in nats per example: ELBO = reconstruction - kl."""

    reconstruction: Tensor  # (B,)  E_q[log p(x | z)], a Monte Carlo estimate
    kl: Tensor  # (B,)  KL(q(z | x) || p(z))
    kl_per_dimension: Tensor  # (B, latent)

    @property
    def value(self) -> Tensor:
        return self.reconstruction - self.kl


@dataclass(frozen=True)
class ChainState:
    """One state of a Markov chain over examples."""

    x: Tensor  # (B, *event)  the visible state
    mean: Tensor  # (B, *event)  its conditional mean in the last transition: what is shown


@dataclass(frozen=True)
class Completion:
    """Examples whose unknown coordinates were drawn one after the other."""

    x: Tensor  # (n, *event)
    probability: Tensor  # (n, *event)  P(x_d = 1 | those before d), also where x_d was known


@runtime_checkable
class Samples(Protocol):
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n examples drawn from the model (or its chain, then approximately): (n, *event)."""
        ...


@runtime_checkable
class SamplesMeans(Protocol):
    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        """Like `sample`, but ends with the mean of p(x | latent state) instead of a draw: better to look at."""
        ...


@runtime_checkable
class ScoresExactly(Protocol):
    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats: (B, *event) -> (B,)."""
        ...


@runtime_checkable
class BoundsEvidence(Protocol):
    def elbo(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        """A one-sample estimate of the evidence lower bound, differentiable by reparameterisation."""
        ...


@runtime_checkable
class WeighsEvidence(Protocol):
    def log_weights(self, x: Tensor, samples: int, generator: Generator | None = None) -> Tensor:
        """log p(x, z_k) - log q(z_k | x) for z_k ~ q: (samples, B). Their mean weight estimates p(x) without bias."""
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


class TooLarge(ValueError):
    """An enumeration that would not end; the sentence says how large it is and what the limit is."""


@runtime_checkable
class Anneals(Protocol):
    """Has a path of distributions p_0 ... p_1 from a tractable base to the model, for annealed importance sampling."""

    def annealed_base(self, data_mean: Tensor) -> Tensor:
        """Parameters of the base: logits of independent bits that match `data_mean` (*event) -> (D,)."""
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
        """One transition that leaves the intermediate density invariant."""
        ...


@runtime_checkable
class Decodes(Protocol):
    def prior(self) -> Distribution:
        """p(z), without a batch dimension: its mean has shape (latent,)."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """The mean of p(x | z), or the generated example: (B, latent) -> (B, *event)."""
        ...


@runtime_checkable
class Encodes(Protocol):
    def encode(self, x: Tensor) -> Distribution:
        """q(z | x): (B, *event) -> a distribution over (B, latent)."""
        ...


@runtime_checkable
class Completes(Protocol):
    def order(self) -> Tensor:
        """The order in which coordinates are generated: (D,) int64 indices into the flattened example."""
        ...

    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Completion:
        """Keep `x` where `known` (bool), draw the rest in order, each given those before it. Both (n, *event)."""
        ...


@runtime_checkable
class RunsChain(Protocol):
    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        """n states from which a chain can start, without data."""
        ...

    def transition(
        self,
        x: Tensor,
        clamp: Tensor | None = None,
        temperature: float = 1.0,
        generator: Generator | None = None,
    ) -> ChainState:
        """One transition of the model's chain from `x` (B, *event).

        `clamp` (bool, (*event) or (B, *event)) marks coordinates that are kept as in `x`."""
        ...


@runtime_checkable
class HasConditionals(Protocol):
    """A joint distribution of a visible and a hidden layer, each easy to draw given the other: a harmonium.

    `draw_…` takes the mean that `…_mean` gave, so that a mean that is needed for itself is computed once."""

    def hidden_mean(self, v: Tensor) -> Tensor:
        """E[h | v]: (B, *event) -> (B, *hidden)."""
        ...

    def visible_mean(self, h: Tensor) -> Tensor:
        """E[v | h]: (B, *hidden) -> (B, *event)."""
        ...

    def draw_hidden(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        """h drawn given its conditional mean: (B, *hidden)."""
        ...

    def draw_visible(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        """v drawn given its conditional mean: (B, *event)."""
        ...

    def add_statistics(self, sums: Mapping[str, Tensor], v: Tensor, h: Tensor, scale: float, keep: float = 1) -> None:
        """sums[name of θ] ← keep × itself + scale × Σ_batch -∂E(v, h)/∂θ, in place, for every parameter θ."""
        ...


@runtime_checkable
class HasFilters(Protocol):
    def filters(self) -> Tensor:
        """The weights of each hidden unit as an example: (hidden, *event)."""
        ...


# Capabilities of learners.


@runtime_checkable
class HasDiscriminator(Protocol):
    def discriminate(self, x: Tensor) -> Tensor:
        """P(real | x) by the discriminator of the game: (B, *event) -> (B,)."""
        ...


@runtime_checkable
class HasChains(Protocol):
    def chains(self) -> Tensor:
        """The states of the learner's own Markov chains: (chains, *event)."""
        ...
