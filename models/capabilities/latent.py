"""Latent variables: what bounds the evidence by them, infers them, and decodes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Generator, Tensor

from models.capabilities.samples import SamplesOfClass
from models.distributions import Distribution, FullNormal


@dataclass(frozen=True)
class Elbo:
    """The two sides of the evidence lower bound, in nats per example: ELBO = reconstruction - kl."""

    reconstruction: Tensor  # (B,)  E_q[log p(x | z)], a Monte Carlo estimate
    kl: Tensor  # (B,)  KL(q(z | x) || p(z))
    kl_per_dimension: Tensor  # (B, units) of all latent units; those of the code that `Decodes` takes come first

    @property
    def value(self) -> Tensor:
        return self.reconstruction - self.kl


@dataclass(frozen=True)
class PosteriorDraw:
    """Draws h ~ q(h | x) of all latent variables, through which no gradient flows. Their difference, averaged, is the
    evidence lower bound; in nats."""

    log_joint: Tensor  # (samples, B)  log p(x, h), differentiable in the generative parameters
    log_posterior: Tensor  # (samples, B)  log q(h | x), differentiable in the parameters of recognition


@runtime_checkable
class BoundsEvidence(Protocol):
    def elbo(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        """A one-sample estimate of the evidence lower bound, differentiable by reparameterisation."""
        ...


@runtime_checkable
class EstimatesBound(Protocol):
    """In place of `BoundsEvidence`, where the bound can be measured but draws let no gradient through: latent variables
    may then be of any kind. Units are of bits, or have several values of which one is on."""

    def bound_terms(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        """A one-sample estimate of the evidence lower bound, with the terms of every latent unit: a term of a single
        draw may be negative."""
        ...

    def code_mean(self, x: Tensor) -> Tensor:
        """As of `HasCodeMean`."""
        ...


@runtime_checkable
class SumsBound(Protocol):
    def summed_elbo(self, x: Tensor) -> Tensor:
        """The evidence lower bound in nats, of a code with few enough states to visit all of them: no draw, and
        differentiable. (B, *event) -> (B,). Raises TooLarge."""
        ...


@runtime_checkable
class HasCodeMean(Protocol):
    """Says of every latent unit what it is on average, also of those that are no part of a code that it encodes to."""

    def code_mean(self, x: Tensor) -> Tensor:
        """What each latent unit is on average given x, by the model's own approximation, where units that depend on
        others hear of their means; in the order of `Elbo.kl_per_dimension`: (B, *event) -> (B, units) or (B, units,
        values)."""
        ...


@runtime_checkable
class WeighsEvidence(Protocol):
    def log_weights(self, x: Tensor, samples: int, generator: Generator | None = None) -> Tensor:
        """log p(x, z_k) - log q(z_k | x) for z_k ~ q: (samples, B). Their mean weight estimates p(x) without bias."""
        ...


@runtime_checkable
class DrawsPosterior(Protocol):
    """For estimators that need no gradient through a draw, so that latent variables of any kind will do."""

    def draw_posterior(self, x: Tensor, samples: int = 1, generator: Generator | None = None) -> PosteriorDraw:
        """`samples` draws for each example: (B, *event)."""
        ...


@runtime_checkable
class Dreams(Protocol):
    def score_dreams(self, n: int, generator: Generator | None = None) -> Tensor:
        """log q(h | x) in nats of n pairs (x, h) drawn from the model itself, differentiable in the parameters of
        recognition only: (n,)."""
        ...


@runtime_checkable
class RefinesPosterior(Protocol):
    """Beside `BoundsEvidence`: q(z | x) of each example has parameters that can be changed for that example alone."""

    def posterior_parameters(self, x: Tensor) -> Tensor:
        """What the encoder says of q: (B, *event) -> (B, parameters)."""
        ...

    def elbo_of(self, x: Tensor, parameters: Tensor, generator: Generator | None = None) -> Elbo:
        """Like `elbo`, with q of these parameters: (B, *event), (B, parameters)."""
        ...


@runtime_checkable
class RelaxesDiscrete(Protocol):
    """Has discrete latent variables with a continuous relaxation (Jang et al., 2017; Maddison et al., 2017)."""

    def relaxed_elbo(
        self, x: Tensor, temperature: Tensor | float, hard: bool = False, generator: Generator | None = None
    ) -> Elbo:
        """A one-sample estimate of the evidence lower bound with relaxed draws at `temperature` > 0, differentiable
        through them. With `hard` the draws are discrete and the gradient alone is that of the relaxed ones
        (straight-through)."""
        ...


@runtime_checkable
class DrawsDownwards(Protocol):
    """Has layers of discrete hidden units, drawn from the top downwards. A layer's state is (units,) of bits, or
    (units, values) with one of a unit's values on."""

    def hidden_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each hidden layer's state, the lowest first."""
        ...

    def infer(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, ...]:
        """Hidden states drawn given x by the model's own approximation: each (B, *layer)."""
        ...

    def draw_hidden_layers(self, n: int, generator: Generator | None = None) -> tuple[Tensor, ...]:
        """Hidden states drawn without data, the topmost layer from its prior: each (n, *layer)."""
        ...

    def top_down(self, layer: int, h: Tensor) -> Tensor:
        """What hidden layer `layer` in state h makes of the visible units, through means of the layers between:
        (B, *layer) -> (B, *event)."""
        ...


@runtime_checkable
class EnumeratesLatent(Protocol):
    """Latent variables are bits, of which there may be so few that all their states can be looked at one by one."""

    def latent_states(self) -> Tensor:
        """Every state of all latent bits, those of the lowest layer first: (S, units). Raises TooLarge."""
        ...

    def log_joint_of(self, x: Tensor, states: Tensor) -> Tensor:
        """log p(x, h) in nats, differentiable: (B, *event), (S, units) -> (B, S)."""
        ...

    def log_recognition_of(self, x: Tensor, states: Tensor) -> Tensor:
        """log q(h | x) in nats by the model's own approximation, differentiable: (B, *event), (S, units) -> (B, S)."""
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
class DecodesInTurn(Decodes, Protocol):
    """What a code decodes to is drawn coordinate after coordinate: `decode` is a pass for each of them."""

    def log_conditionals_given(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x_d | those before d, z) of every coordinate, in nats and in one pass: (B, *event), (B, latent) ->
        (B, *event). They sum to log p(x | z)."""
        ...


@runtime_checkable
class DecodesOfClass(SamplesOfClass, Protocol):
    """In place of `Decodes`, where an example takes a class beside its code."""

    def prior(self) -> Distribution:
        """p(z) of every class, without a batch dimension: its mean has shape (latent,)."""
        ...

    def decode_of_class(self, z: Tensor, y: Tensor) -> Tensor:
        """The generated example: (B, latent), (B,) int64 -> (B, *event)."""
        ...


@runtime_checkable
class ScoresGivenCode(Protocol):
    """Beside `Decodes`: p(x | z) can be scored, so that log p(x) can be found by annealing from p(z) to p(z | x)."""

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z) in nats, differentiable in z: x (B, *event), z (..., B, latent) -> (..., B)."""
        ...

    def draw_given(self, z: Tensor, generator: Generator | None = None) -> Tensor:
        """Examples drawn from what `log_likelihood` scores, which are bits where it is the cross-entropy of values in
        0…1: (B, latent) -> (B, *event)."""
        ...


@runtime_checkable
class Encodes(Protocol):
    def encode(self, x: Tensor) -> Distribution:
        """q(z | x): (B, *event) -> a distribution over (B, latent). A `Point`, which has no density, where the encoder
        says one code for each example."""
        ...


@runtime_checkable
class HasEncoderFeatures(Protocol):
    """Beside `Encodes`: the encoder has a hidden layer, which may tell more of an example than its code."""

    def encoder_features(self, x: Tensor) -> Tensor:
        """What the encoder's last layer sees: (B, *event) -> (B, features)."""
        ...


@runtime_checkable
class HasExactPosterior(Protocol):
    def posterior(self, x: Tensor) -> FullNormal:
        """p(z | x) itself: (B, *event) -> a distribution over (B, latent)."""
        ...
