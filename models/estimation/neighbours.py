"""Distances to the nearest of many points, and what they say of samples: precision, recall, density and coverage.

Each set of points has a manifold: the balls around its points that reach to the k-th nearest other point of the set.
"""

from __future__ import annotations

import math
from collections.abc import Generator as Yields
from dataclasses import dataclass

import torch
from torch import Tensor

from models.estimation.measure import Kind, Measure, wilson
from models.estimation.progress import stage

DISTANCES = 4_000_000  # held in memory at once


@dataclass(frozen=True)
class Fidelity:
    """Whether samples lie where data lies (precision, density), and whether all data have samples near them (recall,
    coverage). Intervals of precision and recall are those of a share of one set, given the other, which hardly matters;
    those of density and coverage are over both sets."""

    precision: Measure
    recall: Measure
    density: Measure
    coverage: Measure


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances of x (N, D) and y (M, D): (N, M), float64. In double precision the product of matrices tells
    a copy from its original to some 1e-8 of their norms."""
    x, y = x.double(), y.double()
    squared = torch.addmm(y.square().sum(1), x, y.t(), alpha=-2) + x.square().sum(1, keepdim=True)
    return squared.clamp_(min=0).sqrt_()


def nearest(x: Tensor, y: Tensor, k: int, same: bool = False) -> Yields[float, None, tuple[Tensor, Tensor]]:
    """Distances to, and indices of, the k nearest of y (M, D) for each of x (N, D): both (N, k), the nearest first.
    With `same`, x and y are one set, and no point is its own neighbour."""
    size = max(1, DISTANCES // len(y))
    found, places = [], []
    for begin in range(0, len(x), size):
        part = distances(x[begin : begin + size], y)
        if same:
            rows = torch.arange(len(part), device=part.device)
            part[rows, rows + begin] = torch.inf
        nearest_k = part.topk(k, largest=False)
        found.append(nearest_k.values)
        places.append(nearest_k.indices)
        yield min(1.0, (begin + size) / len(x))
    return torch.cat(found), torch.cat(places)


def fidelity(samples: Tensor, data: Tensor, k: int, where: str) -> Yields[float, None, Fidelity]:
    """Precision and recall (Kynkäänniemi et al., 2019, equations 1 and 2), density and coverage (Naeem et al., 2020,
    equations 6 and 7) of samples (M, D) against data (N, D), both of more than k points.

    Precision and recall are the part of one set that lies in the manifold of the other. Density counts in how many
    balls of the data a sample lies, over k: one outlier among the data, with its large ball, spoils it less. Coverage
    is the part of the data's balls that hold a sample: it needs no ball around samples.
    """
    m, n = len(samples), len(data)
    if min(m, n) <= k:
        raise ValueError(f"Balls to the {k}. neighbour need more than {k} samples and data, not {m} and {n}")
    of_data = (yield from stage(nearest(data, data, k, same=True), 0.0, 0.3))[0][:, -1]
    of_samples = (yield from stage(nearest(samples, samples, k, same=True), 0.3, 0.3))[0][:, -1]
    balls = torch.zeros(m, dtype=torch.float64, device=data.device)  # of the data around each sample
    inside_of = torch.zeros(n, dtype=torch.float64, device=data.device)  # samples in each ball of the data
    last = torch.zeros(n, dtype=torch.int64, device=data.device)  # one of them
    recalled = torch.zeros(n, dtype=torch.bool, device=data.device)
    size = max(1, DISTANCES // n)
    for begin in range(0, m, size):
        part = slice(begin, begin + size)
        between = distances(samples[part], data)
        inside = between <= of_data
        balls[part] = inside.sum(1).double()
        inside_of += inside.sum(0)
        last = torch.where(inside.any(0), inside.int().argmax(0) + begin, last)
        recalled |= (between <= of_samples[part, None]).any(0)
        yield 0.6 + 0.4 * min(1.0, (begin + size) / m)
    protocol = f"{where}; {m} samples against {n} examples, balls that reach the nearest {k} of the same set"
    alone = torch.bincount(last[inside_of == 1], minlength=m)  # balls that would hold nothing without a sample
    return Fidelity(
        _share("precision", balls > 0, protocol, "samples"),
        _share("recall", recalled, protocol, "examples"),
        _density(balls / k, inside_of * n / (m * k), protocol),
        _share("coverage", inside_of > 0, protocol, "examples", alone.double() / n),
    )


def expected_coverage(samples: int, data: int, k: int) -> float:
    """The coverage of M samples that are distributed as the N data, in any space (Naeem et al., 2020, section 3.3): a
    ball holds none of them when the k nearest of all other points are data. Ties aside."""
    n, m = data, samples
    return 1 - math.prod((n - i) / (m + n - i) for i in range(1, k + 1))


def _share(name: str, hits: Tensor, protocol: str, of: str, pulls: Tensor | None = None) -> Measure:
    """`pulls`: by how much the share would be less without each point of the other set, whose scatter then counts too,
    by the jackknife."""
    share, n = hits.double().mean().item(), float(len(hits))
    if pulls is not None and 0 < share < 1:
        own = share * (1 - share)
        n = own / (own / n + (pulls - pulls.mean()).square().sum().item())
    return Measure(name, share, *wilson(share, n), Kind.ESTIMATE, f"share of {of}", protocol)


def _density(by_sample: Tensor, by_example: Tensor, protocol: str) -> Measure:
    """Both have the density as their mean, and scatter."""
    value = by_sample.mean().item()
    half = 1.96 * math.sqrt(sum((part.var() / len(part)).item() for part in (by_sample, by_example)))
    return Measure("density", value, max(0.0, value - half), value + half, Kind.ESTIMATE, "balls / k", protocol)
