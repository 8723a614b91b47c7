"""The Fréchet distance of two sets of points: how far apart the Gaussians with their means and covariances are."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.estimation.measure import Kind, Measure


def frechet_distance(samples: Tensor, data: Tensor, where: str, unit: str = "squared distance") -> Measure:
    """d² = |m₁ - m₂|² + tr(C₁ + C₂ - 2 (C₁C₂)^½) of samples (M, D) and data (N, D), the square of the 2-Wasserstein
    distance of two Gaussians (Dowson & Landau, 1982; Heusel et al., 2017, equation 6, in the space of their features).

    With A, B the centred points over √(count - 1), tr (C₁C₂)^½ is the sum of the singular values of A Bᵀ: no root of a
    matrix is taken, and covariances may have any rank. Estimates of both Gaussians scatter, which makes the figure too
    large on average, the more so with fewer points and more dimensions (Chong & Forsyth, 2020): only figures with equal
    numbers of points can be compared. The interval is by the delta method over both sets, around the biased value.
    """
    samples, data = samples.double(), data.double()
    means = samples.mean(0), data.mean(0)
    gap = means[0] - means[1]
    a, b = (x - mean for x, mean in zip((samples, data), means, strict=True))
    (of_a, q_a), (of_b, q_b) = _roots(a), _roots(b)
    left, common, right = torch.linalg.svd(of_a @ of_b.t(), full_matrices=False)
    spreads = [x.square().sum() / (len(x) - 1) for x in (a, b)]
    value = gap.square().sum() + spreads[0] + spreads[1] - 2 * common.sum()
    # What one point more adds: the derivative of d² by its weight. That of the sum of singular values by the weight of
    # row i of A is half of (U S Uᵀ)_ii.
    variance = torch.zeros((), dtype=torch.float64, device=value.device)
    for x, q, factors, sign in ((a, q_a, left, 1), (b, q_b, right.t(), -1)):
        n = len(x)
        shared = ((q @ factors).square() * common).sum(1) * n  # its mean is the sum of singular values
        pull = 2 * sign * (x @ gap) + x.square().sum(1) - shared
        variance += (pull - pull.mean()).square().sum() / n**2
    half = 1.96 * math.sqrt(variance.item())
    protocol = f"{where}; {len(samples)} samples against {len(data)} examples in {samples.shape[1]} dimensions"
    least = max(value.item(), 0.0)  # which rounding may pass
    return Measure("Fréchet distance", least, max(least - half, 0.0), least + half, Kind.ESTIMATE, unit, protocol)


def _roots(x: Tensor) -> tuple[Tensor, Tensor]:
    """R (r, D) and Q (N, r), orthonormal, with x / √(N - 1) = Q R; r is the smaller of N and D."""
    n, d = x.shape
    scaled = x / math.sqrt(n - 1)
    if n <= d:
        return scaled, torch.eye(n, dtype=x.dtype, device=x.device)
    q, r = torch.linalg.qr(scaled)
    return r, q
