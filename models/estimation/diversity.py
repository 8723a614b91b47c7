"""How many different examples a sampler of discrete values draws, and how far their distribution is from another."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def distinct(x: Tensor) -> tuple[Tensor, Tensor]:
    """The different examples among x (N, *event), and how often each occurs: (types, *event), (types,)."""
    types, counts = torch.unique(x, dim=0, return_counts=True)
    return types, counts


def total_variation(x: Tensor, log_prob: Callable[[Tensor], Tensor]) -> float:
    """½ Σ |p̂ - p| between the shares p̂ of examples x (N, *event) and the p that `log_prob` gives.

    Both sum to 1, so that it is the sum of p̂ - p where that is above 0: over what was drawn. N draws of p itself are
    away from it too, by about ½ Σ √(2 p (1 - p) / π N).
    """
    types, counts = distinct(x)
    return (counts / counts.sum() - log_prob(types).double().exp()).clamp(min=0).sum().item()


def n_grams(x: Tensor, order: int, categories: int) -> tuple[Tensor, Tensor]:
    """The different runs of `order` symbols in sequences x (N, T), each as one number, and how often each occurs.
    Raises ValueError where one number cannot hold a run, or there is none."""
    if order > x.shape[1] or categories**order >= 2**62:
        raise ValueError(f"Sequences of {x.shape[1]} out of {categories} symbols have no runs of {order}.")
    windows = x.long().unfold(1, order, 1)  # (N, T - order + 1, order)
    base = categories ** torch.arange(order - 1, -1, -1, device=x.device)
    runs, counts = torch.unique((windows * base).sum(-1), return_counts=True)
    return runs, counts


def n_gram_divergence(x: Tensor, y: Tensor, order: int, categories: int) -> float:
    """Jensen-Shannon divergence in nats, 0…log 2, between the runs of `order` symbols in two sets of sequences."""
    found = [n_grams(sequences, order, categories) for sequences in (x, y)]
    every = torch.unique(torch.cat([runs for runs, _ in found]))
    p, q = (_shares(every, runs, counts) for runs, counts in found)
    middle = (p + q) / 2
    return ((torch.special.xlogy(p, p / middle) + torch.special.xlogy(q, q / middle)).sum() / 2).item()


def _shares(every: Tensor, runs: Tensor, counts: Tensor) -> Tensor:
    shares = torch.zeros(len(every), dtype=torch.float64, device=every.device)
    shares[torch.searchsorted(every, runs)] = counts.double() / counts.sum()
    return shares
