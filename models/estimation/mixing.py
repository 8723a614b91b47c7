"""How well Markov chains mix: how long they remember, and how many independent draws they are worth.

Several chains are judged together, each split in halves, so that chains which sit in different places count as unmixed
even where each of them looks calm (Gelman & Rubin, 1992; Vehtari et al., 2021, sections 3.1 and 3.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SHORTEST = 8  # transitions: fewer cannot be split and judged


@dataclass(frozen=True)
class Mixing:
    """Of one number that was followed along C chains of N transitions each."""

    autocorrelation: Tensor  # (N // 2,) float64  at lags 0, 1, …; of all chains together
    time: float  # integrated autocorrelation time, in transitions: 1 for independent draws; NaN where nothing moved
    effective: float  # C N / time: the independent draws whose mean is as precise
    r_hat: float  # 1 where chains agree; the root of (variance of all draws) / (variance within a chain)


def mixing(values: Tensor) -> Mixing:
    """values: (C, N), what was seen along each chain. Raises ValueError for fewer than SHORTEST transitions."""
    if values.shape[1] < SHORTEST:
        raise ValueError(f"A chain of {values.shape[1]} transitions is too short to be judged; {SHORTEST} are needed.")
    values = values.detach().cpu().double()
    half = values.shape[1] // 2
    halves = torch.cat([values[:, :half], values[:, -half:]])
    chains, n = halves.shape
    within = halves.var(1).mean()
    between = halves.mean(1).var()  # of the chains' means; the mean of N draws has it
    whole = within * (n - 1) / n + between
    if whole <= 1e-12 * halves.square().mean():  # nothing but rounding: the number never changed
        nothing = torch.full((n,), math.nan, dtype=torch.float64)
        return Mixing(nothing, math.nan, math.nan, math.nan)
    # what a chain's own covariance leaves out, how far chains lie apart, is a correlation that never falls
    correlation = 1 - (within - _autocovariance(halves).mean(0) * n / (n - 1)) / whole
    correlation[0] = 1
    time = max(integrated_time(correlation), 1 / math.log10(chains * n))
    r_hat = math.sqrt(whole / within) if within > 0 else math.inf
    return Mixing(correlation, time, values.numel() / time, r_hat)


def integrated_time(correlation: Tensor) -> float:
    """1 + 2 Σ_t ρ_t of autocorrelations ρ from lag 0 on, cut where noise begins: (N,) -> transitions.

    Sums of two neighbours are positive and fall for a reversible chain; the first that is not positive ends the sum,
    and none counts for more than the one before it (Geyer, 1992, section 3.3).
    """
    pairs = correlation[: len(correlation) // 2 * 2].reshape(-1, 2).sum(1)
    end = (pairs <= 0).nonzero()
    pairs = pairs[: int(end[0])] if len(end) else pairs
    return 2 * pairs.cummin(0).values.sum().item() - 1 if len(pairs) else 0.0


def _autocovariance(x: Tensor) -> Tensor:
    """(1 / N) Σ_i (x_i - mean)(x_{i+t} - mean) for t = 0, 1, … of each chain: (C, N) -> (C, N)."""
    n = x.shape[1]
    spectrum = torch.fft.rfft(x - x.mean(1, keepdim=True), 2 * n)
    return torch.fft.irfft(spectrum.abs().square(), 2 * n)[:, :n] / n
