"""k-means by Lloyd's algorithm (1982), in chunks that can be abandoned."""

from __future__ import annotations

from collections.abc import Generator as Yields

import torch
from torch import Generator, Tensor

DISTANCES = 20_000_000  # held in memory at once


def k_means(x: Tensor, k: int, iterations: int, generator: Generator | None = None) -> Yields[float, None, Tensor]:
    """Centroids (k, D) of the points x (N, D), N ≥ k, after at most `iterations`, from k of the points at random.

    A centroid that no point is nearest to stays where it is.
    """
    centroids = x[torch.randperm(len(x), generator=generator, device=x.device)[:k]].clone()
    before: Tensor | None = None
    for iteration in range(iterations):
        parts = []
        for done, part in _parts(x, k):
            parts.append(nearest(part, centroids))
            yield (iteration + done) / iterations
        assigned = torch.cat(parts)
        if before is not None and torch.equal(assigned, before):
            break
        before = assigned
        counts = torch.bincount(assigned, minlength=k).to(x).unsqueeze(1)
        sums = torch.zeros_like(centroids).index_add_(0, assigned, x)
        centroids = torch.where(counts > 0, sums / counts.clamp(min=1), centroids)
    return centroids


def nearest(x: Tensor, centroids: Tensor) -> Tensor:
    """The index of the centroid (k, D) nearest to each point (N, D): (N,) int64."""
    # |x|² is the same for all centroids
    return torch.addmm(centroids.square().sum(1), x, centroids.t(), alpha=-2).argmin(1)


def _parts(x: Tensor, k: int) -> Yields[tuple[float, Tensor], None, None]:
    size = max(1, DISTANCES // k)
    for begin in range(0, len(x), size):
        part = x[begin : begin + size]
        yield (begin + len(part)) / len(x), part
