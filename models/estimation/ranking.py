"""How often one set of numbers lies above another."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.estimation.measure import Kind, Measure


def above(a: Tensor, b: Tensor, name: str, protocol: str) -> Measure:
    """P(a > b) + P(a = b) / 2 of independent draws (n,) and (m,), the area under the receiver operating curve.

    Its interval is normal, with the variance from the placements of each in the other (DeLong, DeLong & Clarke-Pearson,
    1988): ½ where nothing tells the two apart, 1 where all of a lie above all of b.
    """
    a, b = a.detach().double().cpu(), b.detach().double().cpu()
    of_a, of_b = _placed(a, b), 1 - _placed(b, a)
    value = of_a.mean().item()
    variance = of_a.var().item() / len(a) + of_b.var().item() / len(b)
    half = 1.96 * math.sqrt(variance)
    low, high = max(0.0, value - half), min(1.0, value + half)
    return Measure(name, value, low, high, Kind.ESTIMATE, "", protocol, likelihood=False)


def _placed(x: Tensor, among: Tensor) -> Tensor:
    """The share of `among` below each of x, ties counting half."""
    ordered = among.sort().values
    below = torch.searchsorted(ordered, x, right=False) + torch.searchsorted(ordered, x, right=True)
    return below.double() / (2 * len(among))
