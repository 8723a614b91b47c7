"""Questions to a model that runs a Markov chain over examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from dgm_studio.inference import Subject
from dgm_studio.questions.arrays import array, tensor
from models.capabilities import HasFreeEnergy, TooLarge


@dataclass(frozen=True)
class ChainFrame:
    """Chains at one moment."""

    x: np.ndarray  # (n, *event), the states
    mean: np.ndarray  # (n, *event), their conditional means in the last transition
    free_energy: np.ndarray | None  # (n,) nats; None where the model has none


@dataclass(frozen=True)
class StartChains:
    """`n` states to start from, without data."""

    n: int

    def __call__(self, subject: Subject) -> ChainFrame:
        state = subject.model.start_chain(self.n, subject.generator)
        return ChainFrame(array(state.x), array(state.mean), _free_energy(subject, state.x))


@dataclass(frozen=True)
class Advance:
    """`steps` transitions from the states `x` (n, *event), where `clamp` (n, *event, bool) is kept as it is."""

    x: np.ndarray
    clamp: np.ndarray
    steps: int = 1
    temperature: float = 1.0

    def __call__(self, subject: Subject) -> ChainFrame:
        x = tensor(subject, self.x)
        clamp = tensor(subject, self.clamp) if self.clamp.any() else None
        mean = x
        for _ in range(self.steps):
            state = subject.model.transition(x, clamp, self.temperature, subject.generator)
            x, mean = state.x, state.mean
        return ChainFrame(array(x), array(mean), _free_energy(subject, x))


@dataclass(frozen=True)
class Filters:
    """The weights of at most `limit` hidden units, those with the largest norm first: (k, *event)."""

    limit: int = 100

    def __call__(self, subject: Subject) -> np.ndarray:
        weights = subject.model.filters()
        strongest = weights.flatten(1).norm(dim=1).argsort(descending=True)[: self.limit]
        return array(weights[strongest])


def _free_energy(subject: Subject, x: Tensor) -> np.ndarray | None:
    """None also where there is one that is too large to be summed."""
    if not isinstance(subject.model, HasFreeEnergy):
        return None
    try:
        return array(subject.model.free_energy(x))
    except TooLarge:
        return None
