"""Exponential families for conjugate models: second moments of examples, Normal-Wishart and Dirichlet distributions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

AT_ONCE = 2**18  # values of one chunk of examples: what fits the processor's cache


def wide(x: Tensor) -> Tensor:
    """In double precision, where the device has it."""
    return x if x.device.type == "mps" else x.double()


def features(x: Tensor) -> Tensor:
    """(1, x, x_i x_j for i ≤ j) of each example, as columns: (B, D) -> (1 + D + D(D + 1)/2, B).

    An inner product with these is any quadratic function of x, so that densities of Gaussians and their sufficient
    statistics are each one matrix product.
    """
    columns = x.t().contiguous()
    i, j = torch.triu_indices(len(columns), len(columns), device=x.device)
    return torch.cat([torch.ones_like(columns[:1]), columns, columns[i] * columns[j]])


def quadratic(constant: Tensor, linear: Tensor, square: Tensor) -> Tensor:
    """c + b·x + xᵀ A x as weights of `features`: (K,), (K, D), (K, D, D) -> (K, features)."""
    d = linear.shape[-1]
    i, j = torch.triu_indices(d, d, device=linear.device)
    twice = torch.where(i == j, 1.0, 2.0).to(linear)
    return torch.cat([constant[:, None], linear, square[:, i, j] * twice], dim=1)


def moments(sums: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted sums of `features` (K, features) as Σ w (K,), Σ w x (K, D) and Σ w x xᵀ (K, D, D)."""
    d = int((math.isqrt(1 + 8 * sums.shape[1]) - 3) // 2)
    i, j = torch.triu_indices(d, d, device=sums.device)
    square = sums.new_zeros(len(sums), d, d)
    square[:, i, j] = sums[:, 1 + d :]
    square[:, j, i] = sums[:, 1 + d :]
    return sums[:, 0], sums[:, 1 : 1 + d], square


def expected_log_determinant(degrees: Tensor, factor: Tensor) -> Tensor:
    """E[log |Λ|] of Wishart(W, ν) with W⁻¹ = L Lᵀ (Bishop, 2006, equation B.81): (K,), (K, D, D) -> (K,)."""
    d = factor.shape[-1]
    return _multi_digamma(degrees / 2, d) + d * math.log(2) - log_determinant(factor)


def cholesky(matrix: Tensor) -> Tensor:
    """The lower factor of a positive definite matrix, without waiting for the device to say whether it was one."""
    return torch.linalg.cholesky_ex(matrix).L


def inverse(factor: Tensor) -> Tensor:
    """(L Lᵀ)⁻¹ from L, likewise without waiting: (..., D, D)."""
    identity = torch.eye(factor.shape[-1], device=factor.device, dtype=factor.dtype)
    root = torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
    return root.mT @ root


def log_determinant(factor: Tensor) -> Tensor:
    """log |L Lᵀ|: (..., D, D) -> (...)."""
    return 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def wishart_kl(degrees: Tensor, factor: Tensor, prior_degrees: Tensor, prior_factor: Tensor) -> Tensor:
    """KL(Wishart(W, ν) ‖ Wishart(W₀, ν₀)), with W⁻¹ = L Lᵀ and W₀⁻¹ = L₀ L₀ᵀ: (K,) of (K,), (K, D, D) each."""
    d = factor.shape[-1]
    ratio = torch.linalg.solve_triangular(factor, prior_factor, upper=False)  # tr(W₀⁻¹ W) = |L⁻¹ L₀|²
    half, prior_half = degrees / 2, prior_degrees / 2
    return (
        prior_half * (log_determinant(factor) - log_determinant(prior_factor))
        + half * (ratio.square().sum((-2, -1)) - d)
        + _multi_lgamma(prior_half, d)
        - _multi_lgamma(half, d)
        + (half - prior_half) * _multi_digamma(half, d)
    )


def dirichlet_kl(concentration: Tensor, prior: Tensor) -> Tensor:
    """KL(Dirichlet(α) ‖ Dirichlet(α₀)): (K,), (K,) -> 0-d."""
    total, prior_total = concentration.sum(), prior.sum()
    expected_log = concentration.digamma() - total.digamma()
    return (
        total.lgamma()
        - prior_total.lgamma()
        + (prior.lgamma() - concentration.lgamma() + (concentration - prior) * expected_log).sum()
    )


def _multi_lgamma(a: Tensor, d: int) -> Tensor:
    """log of the multivariate gamma function, up to a constant that depends on d alone."""
    return (a[..., None] - _halves(a, d)).lgamma().sum(-1)


def _multi_digamma(a: Tensor, d: int) -> Tensor:
    return (a[..., None] - _halves(a, d)).digamma().sum(-1)


def _halves(a: Tensor, d: int) -> Tensor:
    return torch.arange(d, device=a.device, dtype=a.dtype) / 2


def spread_out(x: Tensor, centres: int) -> Tensor:
    """A partition of examples to start from, by the nearest of some that lie far from each other (k-means++: Arthur &
    Vassilvitskii, 2007): (B, D) -> (B,) int64 in 0…centres - 1.

    Draws from the process-wide generator of the CPU, so that all devices start alike.
    """
    u = torch.rand(centres, dtype=torch.float64).to(x)
    chosen = x[(u[:1] * len(x)).long()]
    nearest = torch.full_like(x[:, 0], math.inf)
    for k in range(1, centres):
        nearest = torch.minimum(nearest, (x - chosen[-1]).square().sum(1))
        reach = nearest.cumsum(0)
        place = torch.searchsorted(reach, (u[k] * reach[-1])[None], right=True).clamp(max=len(x) - 1)
        chosen = torch.cat([chosen, x[place]])
    return torch.cdist(x, chosen).argmin(1)
