"""Questions to a model that explains sequences by hidden states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgm_studio.questions.arrays import array, tensor
from dgm_studio.subject import Subject


@dataclass(frozen=True)
class ExplainedSequence:
    """What K hidden states make of one sequence of T steps; see models.capabilities, Explanation and HiddenStates."""

    x: np.ndarray  # (T,) or (T, dims)
    log_prob: float  # log p(x), nats
    data_log_prob: float | None  # that of the exact model the data were drawn from, where it is known
    path_log_prob: float  # log p(path | x), nats
    forward: np.ndarray  # (T, K)
    backward: np.ndarray  # (T, K)
    posterior: np.ndarray  # (T, K)
    path: np.ndarray  # (T,) int64
    initial: np.ndarray  # (K,)
    transition: np.ndarray  # (K, K)
    emission: np.ndarray  # (K, symbols), or means (K, dims)
    deviation: np.ndarray | None  # (K, dims), where values are real


@dataclass(frozen=True)
class ExplainSequence:
    """Explain the sequence `x`: (T,) or (T, dims)."""

    x: np.ndarray

    def __call__(self, subject: Subject) -> ExplainedSequence:
        x = tensor(subject, self.x)[None]
        said, states = subject.model.explain(x), subject.model.hidden_states()
        density = subject.dataset.density
        return ExplainedSequence(
            self.x,
            float(said.log_prob[0]),
            None if density is None else float(density.log_prob(x)[0]),
            float(said.path_log_prob[0]),
            array(said.forward[0]),
            array(said.backward[0]),
            array(said.posterior[0]),
            array(said.path[0]),
            array(states.initial),
            array(states.transition),
            array(states.emission),
            None if states.deviation is None else array(states.deviation),
        )
