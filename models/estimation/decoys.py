"""Models of bits made to show that likelihood and the look of samples are two things (Theis, van den Oord & Bethge,
2016, section 3.1): one of good likelihood that draws noise, and one that draws data and has a bad likelihood."""

from __future__ import annotations

import math
from collections.abc import Generator as Yields

import torch
from torch import Generator, Tensor

from models.distributions import LOG_2, bernoulli

AT_ONCE = 2**22  # distances held in memory
FLIPS = tuple(2.0**-k for k in range(1, 15))  # probabilities that are tried where one is chosen


def noise_log_prob(x: Tensor) -> Tensor:
    """Of fair coins, bits (B, D): (B,), nats."""
    return torch.full((len(x),), -x.shape[1] * LOG_2, dtype=torch.float64, device=x.device)


def mixed_log_prob(of_model: Tensor, of_noise: Tensor, share: float) -> Tensor:
    """log(share · p + (1 - share) · q) from log p and log q, (B,) each: never less than log p + log share."""
    ours = of_model.double() + math.log(share)
    return ours if share == 1 else torch.logaddexp(ours, of_noise.double() + math.log1p(-share))


def mixed(of_model: Tensor, share: float, generator: Generator) -> Tensor:
    """Draws (N, D) of which each is one of the model's with probability `share`, and otherwise fair coins."""
    kept = bernoulli(of_model.new_full((len(of_model), 1), share), generator)
    return torch.where(kept > 0, of_model, bernoulli(torch.full_like(of_model, 0.5), generator))


def hamming(x: Tensor, others: Tensor) -> Tensor:
    """In how many bits they differ: (B, D), (N, D) -> (B, N)."""
    return x.sum(1, keepdim=True) + others.sum(1) - 2 * x @ others.t()


def memory_log_prob(x: Tensor, memory: Tensor, flip: float) -> Yields[float, None, Tensor]:
    """log (1/N) Σ_n ε^d (1 - ε)^(D - d), d being how many bits of x differ from the n-th that is remembered: one of
    them is drawn, and every bit of it is flipped with probability ε. (B, D), (N, D) -> (B,), nats."""
    parts, size = [], max(1, AT_ONCE // len(memory))
    for begin in range(0, len(x), size):
        distance = hamming(x[begin : begin + size], memory).double()
        log_p = distance * math.log(flip) + (x.shape[1] - distance) * math.log1p(-flip)
        parts.append(log_p.logsumexp(1) - math.log(len(memory)))
        yield min(1.0, (begin + size) / len(x))
    return torch.cat(parts)


def remembered(memory: Tensor, n: int, flip: float, generator: Generator) -> Tensor:
    """Draws of that model: (n, D)."""
    chosen = memory[torch.randint(len(memory), (n,), generator=generator, device=memory.device)]
    return (chosen - bernoulli(torch.full_like(chosen, flip), generator)).abs()


def nearest(x: Tensor, others: Tensor) -> Tensor:
    """In how many bits each of x differs from the nearest of others: (B, D), (N, D) -> (B,)."""
    size = max(1, AT_ONCE // len(others))
    return torch.cat([hamming(part, others).amin(1) for part in x.split(size)])
