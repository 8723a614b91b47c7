"""The evidence of a hidden Markov chain as a sum over every path of states: what the recursions are checked against."""

from __future__ import annotations

import torch
from torch import Tensor

from models.capabilities import HiddenStates
from models.distributions import gaussian_log_prob


def all_paths(states: int, steps: int) -> Tensor:
    """Every sequence of `steps` states: (states ** steps, steps) int64."""
    return torch.cartesian_prod(*[torch.arange(states)] * steps).reshape(-1, steps)


def emission_log_probs(chain: HiddenStates, x: Tensor) -> Tensor:
    """log p(x_t | z_t) of one sequence, (T,) or (T, dims): (T, K)."""
    if chain.deviation is None:
        return chain.emission.log()[:, x.long()].t()
    values = x.reshape(len(x), 1, -1)
    return gaussian_log_prob(values, chain.emission, chain.deviation.log()).sum(-1)


def path_log_probs(chain: HiddenStates, emitted: Tensor, paths: Tensor) -> Tensor:
    """log P(x, path) of every path (N, T), given what `emission_log_probs` says of x: (N,)."""
    steps = torch.arange(paths.shape[1])
    found = chain.initial.log()[paths[:, 0]] + emitted[steps, paths].sum(1)
    return found + chain.transition.log()[paths[:, :-1], paths[:, 1:]].sum(1)


def state_posteriors(log_joint: Tensor, paths: Tensor, states: int) -> Tensor:
    """P(z_t = k | x), (T, K): the share of the paths that go through k at step t."""
    share = log_joint.softmax(0)
    return torch.stack([(share[:, None] * (paths == k)).sum(0) for k in range(states)], 1)
