"""What is lost when a Gaussian posterior is replaced by independent factors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.conjugate import cholesky, inverse, log_determinant


@dataclass(frozen=True)
class Factorised:
    """A Gaussian with covariance Σ, and the two products of independent Gaussians that are nearest to it (Bishop, 2006,
    section 10.1.2). All have the same mean."""

    covariance: Tensor  # (L, L)  Σ
    mean_field: Tensor  # (L,)  variances 1 / (Σ⁻¹)_ii of the q with the smallest KL(q ‖ p): never too large
    matched: Tensor  # (L,)  variances Σ_ii of the q with the smallest KL(p ‖ q): those of p itself
    mean_field_kl: Tensor  # 0-d, nats  KL(q ‖ p), by which the evidence bound falls short
    matched_kl: Tensor  # 0-d, nats  KL(p ‖ q)


def factorised(covariance: Tensor) -> Factorised:
    """Both in closed form, for one covariance (L, L), in double precision."""
    covariance = covariance.detach().cpu().double()
    root = cholesky(covariance)
    log_det = log_determinant(root)
    mean_field, matched = 1 / inverse(root).diagonal(), covariance.diagonal()
    return Factorised(
        covariance,
        mean_field,
        matched,
        0.5 * (log_det - mean_field.log().sum()),
        0.5 * (matched.log().sum() - log_det),
    )


def most_correlated(covariance: Tensor) -> tuple[int, int]:
    """The two different coordinates with the largest squared correlation."""
    scale = covariance.diagonal().sqrt()
    correlation = (covariance / scale[:, None] / scale).square().triu(1)
    place = int(correlation.argmax()) if len(covariance) > 1 else 0
    first, second = divmod(place, len(covariance))
    return (first, second) if first != second else (0, min(1, len(covariance) - 1))


def contour(covariance: Tensor, sigmas: float = 2.0, points: int = 200) -> Tensor:
    """Points `sigmas` standard deviations from the mean 0: (2, 2) -> (points, 2)."""
    angle = torch.linspace(0, 2 * torch.pi, points, dtype=covariance.dtype)
    return sigmas * torch.stack([angle.cos(), angle.sin()], 1) @ cholesky(covariance).T


def in_blocks(covariance: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Structured mean field: the product of Gaussians over blocks of `size` neighbouring coordinates with the smallest
    KL(q ‖ p) to a Gaussian with this covariance (L, L). The precision of each block is that block of Σ⁻¹ (Wainwright &
    Jordan, 2008, section 5.5). Its variances, (L,), and KL(q ‖ p) in nats, 0-d."""
    root = cholesky(covariance.detach().cpu().double())
    precision = inverse(root)
    variances, log_det = [], log_determinant(root)
    for begin in range(0, len(precision), size):
        block = inverse(cholesky(precision[begin : begin + size, begin : begin + size]))
        variances.append(block.diagonal())
        log_det = log_det - log_determinant(cholesky(block))
    return torch.cat(variances), 0.5 * log_det


def ascended(covariance: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """What `in_blocks` says, found by descent on KL(q ‖ p) instead, from a q of unit variances."""
    root = cholesky(covariance.detach().cpu().double())
    precision, latent = inverse(root), len(root)
    place = torch.arange(latent) // size
    inside = (place[:, None] == place).double().tril(-1)
    logs = torch.zeros(latent, dtype=torch.float64, requires_grad=True)
    below = torch.zeros(latent, latent, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logs, below], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def factor() -> Tensor:
        return logs.exp().diag() + below * inside

    def divergence() -> Tensor:
        q = factor()
        return 0.5 * ((precision @ q * q).sum() - latent + log_determinant(root)) - logs.sum()

    def closure() -> float:
        optimiser.zero_grad()
        value = divergence()
        value.backward()
        return float(value.detach())

    with torch.enable_grad():
        optimiser.step(closure)
    return factor().detach().square().sum(1), divergence().detach()
