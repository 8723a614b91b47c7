"""The evidence lower bound of one example by enumeration of all latent states, for any distribution over them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def bound(log_q: Tensor, log_joint: Tensor) -> Tensor:
    """ELBO(Q) = Σ_h Q(h) (log P(x, h) - log Q(h)), in nats: (B, S), (B, S) -> (B,)."""
    return (log_q.exp() * (log_joint - log_q)).nan_to_num(0.0).sum(1)


def divergence(log_q: Tensor, log_p: Tensor) -> Tensor:
    """KL(Q ‖ P) = Σ_h Q(h) log(Q(h) / P(h)), in nats: (B, S), (B, S) -> (B,)."""
    return (log_q.exp() * (log_q - log_p)).nan_to_num(0.0).sum(1)


def factorial_log_prob(logits: Tensor, states: Tensor) -> Tensor:
    """log Π_j Q(h_j) of bits with these log-odds: (B, units), (S, units) -> (B, S)."""
    return logits @ states.t() - F.softplus(logits).sum(1, keepdim=True)


def best_factorial(log_joint: Tensor, states: Tensor, logits: Tensor, sweeps: int) -> tuple[Tensor, Tensor]:
    """The factorial Q of a (local) maximum of the bound, by coordinate ascent from `logits` (B, units): the best Q of
    one bit given those of the others has the log-odds E_Q[log P(x, h) | h_j = 1] - E_Q[log P(x, h) | h_j = 0] (Saul,
    Jaakkola & Jordan, 1996). Returns its log-odds and the bound before each sweep and after the last:
    (B, units), (sweeps + 1, B).
    """
    logits = logits.clone()
    bounds = [bound(factorial_log_prob(logits, states), log_joint)]
    for _ in range(sweeps):
        for j in range(states.shape[1]):
            on = states[:, j] > 0.5
            others = logits.clone()
            others[:, j] = 0  # then Q is ½ of what the others say, whichever value the bit has
            weight = factorial_log_prob(others, states).exp() * 2
            logits[:, j] = (weight * log_joint * (on.to(weight) * 2 - 1)).sum(1)
        bounds.append(bound(factorial_log_prob(logits, states), log_joint))
    return logits, torch.stack(bounds)
