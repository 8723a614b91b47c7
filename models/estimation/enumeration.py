"""Sums over every state of a few bits: the truth that other estimates are checked against."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from collections.abc import Generator as Yields

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from models.capabilities import TooLarge
from models.estimation.progress import finish
from models.signs import raised

LIMIT = 20  # bits; their 2^20 states take about a second for some hundred units
CHUNK = 2**14  # states looked at together
ENTRIES = 2**23  # numbers held at once, where each of these states meets each of many examples


def require_enumerable(bits: int, what: str, remedy: str = "") -> None:
    """Raise TooLarge, with a sentence on `what` and one on the `remedy`, when 2^bits states are too many to visit."""
    if bits > LIMIT:
        states, most = raised(2, bits), raised(2, LIMIT)
        raise TooLarge(f"{what} is a sum over {states} states; up to {most} are summed exactly. {remedy}".rstrip())


def all_states(bits: int, like: Tensor, chunk: int = CHUNK) -> Iterator[Tensor]:
    """Every vector of `bits` bits, (<= chunk, bits) at a time, counting up with the first bit slowest.

    On the device and in the precision of `like`. Raises TooLarge.
    """
    require_enumerable(bits, "The enumeration")
    places = torch.arange(bits - 1, -1, -1, device=like.device)
    for start in range(0, 2**bits, chunk):
        numbers = torch.arange(start, min(start + chunk, 2**bits), device=like.device)
        yield ((numbers[:, None] >> places) & 1).to(like.dtype)


def log_sum_over_states(bits: int, log_weight: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
    """log Σ_s exp(log_weight(s)) over all s in {0, 1}^bits: a 0-d tensor. `log_weight` maps (n, bits) -> (n,).

    The memory is that of one chunk, also when gradients are recorded: each chunk is computed again on the way back.
    Raises TooLarge.
    """
    return finish(log_sum_in_parts(bits, log_weight, like))


def log_sum_in_parts(bits: int, log_weight: Callable[[Tensor], Tensor], like: Tensor) -> Yields[float, None, Tensor]:
    """`log_sum_over_states`, which yields the fraction done after each chunk, so that it can be abandoned there."""

    def of_chunk(states: Tensor) -> Tensor:
        return log_weight(states).logsumexp(0)

    sums, done = [], 0
    for states in all_states(bits, like):
        sums.append(checkpoint(of_chunk, states, use_reentrant=False, preserve_rng_state=False))
        done += len(states)
        yield done / 2**bits
    return torch.stack(sums).logsumexp(0)


def log_marginal_in_parts(
    v: Tensor, logits_given: Callable[[Tensor], Tensor], states: Tensor, log_p: Tensor
) -> Yields[float, None, Tensor]:
    """log Σ_s p(s) Π_i P(v_i | s), where P(v_i = 1 | s) = σ(logits_given(s)_i), over `states` (S, bits) with their
    log p, (S,): v (B, D), bits -> (B,). Yields the fraction done after each chunk of states."""
    size = max(1, min(CHUNK, ENTRIES // max(1, len(v))))
    total, done = torch.full_like(v[:, 0], -torch.inf), 0

    def log_sum(some: Tensor, weights: Tensor) -> Tensor:
        logits = logits_given(some)  # (states, D)
        return torch.addmm(weights - F.softplus(logits).sum(1), v, logits.t()).logsumexp(1)

    for some, weights in zip(states.split(size), log_p.split(size), strict=True):
        part = checkpoint(log_sum, some, weights, use_reentrant=False, preserve_rng_state=False)  # as above
        total = torch.logaddexp(total, part)
        done += len(some)
        yield done / len(states)
    return total


def log_probabilities(log_prob: Callable[[Tensor], Tensor], event_shape: tuple[int, ...], like: Tensor) -> Tensor:
    """log_prob of every example of bits with this shape, in the order of `all_states`: (2^D,). Raises TooLarge."""
    bits = math.prod(event_shape)
    return torch.cat([log_prob(states.reshape(-1, *event_shape)) for states in all_states(bits, like)])
