"""Mixtures and hidden Markov models: exact posteriors, expectation maximisation, mean field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from torch import Tensor


@dataclass(frozen=True)
class Components:
    """The Gaussians that a model consists of, in the space of flattened examples."""

    weights: Tensor  # (K,)
    means: Tensor  # (K, D)
    covariances: Tensor  # (K, D, D)
    mean_covariances: Tensor  # (K, D, D)  how uncertain each mean is; 0 for a point estimate


@dataclass(frozen=True)
class Frames:
    """Components as they were at some steps of learning, in order, and what the learner reported there."""

    steps: Tensor  # (F,) int64
    values: Tensor  # (F,)  the first of the learner's quantities
    components: Components  # each with a first axis of frames


@dataclass(frozen=True)
class Explanation:
    """What K hidden states make of sequences of T steps. Probabilities over states sum to 1 at each step."""

    log_prob: Tensor  # (B,)  the evidence log p(x), in nats
    forward: Tensor  # (B, T, K)  p(z_t | x_1…x_t)
    backward: Tensor  # (B, T, K)  p(x_{t+1}…x_T | z_t), scaled to sum to 1 over z_t
    posterior: Tensor  # (B, T, K)  p(z_t | x)
    path: Tensor  # (B, T) int64  the most probable z as a whole (Viterbi)
    path_log_prob: Tensor  # (B,)  log p(path | x), in nats


@dataclass(frozen=True)
class HiddenStates:
    """The parameters of a hidden Markov chain and of what its K states emit."""

    initial: Tensor  # (K,)
    transition: Tensor  # (K, K)  from row to column
    emission: Tensor  # (K, symbols) probabilities; where values are real, means (K, dims)
    deviation: Tensor | None = None  # (K, dims), where values are real


@runtime_checkable
class HasComponents(Protocol):
    def components(self) -> Components:
        """The model as a mixture of Gaussians: exactly, or at the expectations of a posterior."""
        ...

    def responsibilities(self, x: Tensor) -> Tensor:
        """P(component | x): (B, *event) -> (B, K)."""
        ...


@runtime_checkable
class StartsFromData(Protocol):
    """Learning begins at a place that data give."""

    def start_from(self, x: Tensor, examples: int) -> None:
        """Called once before the first step, with its batch; `examples` is the size of the training set. Draws from the
        process-wide generator."""
        ...


@runtime_checkable
class ExplainsSequences(Protocol):
    """Explains each sequence by a Markov chain of hidden states, exactly."""

    def explain(self, x: Tensor) -> Explanation:
        """Of sequences (B, T) or (B, T, dims), which may be of another length than those in training."""
        ...

    def hidden_states(self) -> HiddenStates:
        """How the states follow each other, and what they emit."""
        ...


Statistics: TypeAlias = dict[str, Tensor]  # sums over examples, by name; every learner may add and scale them


@runtime_checkable
class MaximizesExpectation(Protocol):
    """Learns by expectation maximisation (Dempster, Laird & Rubin, 1977)."""

    def expected_statistics(self, x: Tensor) -> Statistics:
        """E-step: Σ_batch E[sufficient statistics | x], and "log_prob": Σ_batch log p(x), 0-d, of the present
        parameters."""
        ...

    def maximize(self, statistics: Statistics) -> None:
        """M-step, in place: the parameters at which the expected complete log-likelihood is largest."""
        ...


@runtime_checkable
class HasConjugatePosterior(Protocol):
    """A factorised posterior q(local) q(global) in the exponential family, where each factor's best value given the
    others has a closed form (Blei, Kucukelbir & McAuliffe, 2017, sections 2.4 and 4)."""

    def local_statistics(self, x: Tensor) -> Statistics:
        """The best q(local) of each example given q(global): Σ_batch of expected sufficient statistics, and
        "local_bound": the examples' share of the evidence bound, a 0-d tensor."""
        ...

    def update_posterior(self, statistics: Statistics, scale: float = 1.0, rate: Tensor | float = 1.0) -> None:
        """λ ← (1 - rate) λ + rate (prior + scale × statistics), for the natural parameters λ of q(global), in place.

        With statistics of all examples, scale 1 and rate 1 that is coordinate ascent; with those of a minibatch,
        scale N / B and a falling rate it is stochastic variational inference (Hoffman et al., 2013)."""
        ...

    def evidence_bound(self, local_bound: Tensor) -> Tensor:
        """The evidence lower bound of all data in nats, every constant included: the examples' share less
        KL(q(global) ‖ p(global)). A 0-d tensor."""
        ...
