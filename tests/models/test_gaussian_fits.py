"""Fits by either divergence, against densities for which both are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models.estimation.gaussian_fits import Fit, covering, lattice, reverse_divergence, seeking

P = Fit(torch.tensor([1.0, -0.5]).double(), torch.tensor([[0.8, 0.0], [0.5, 0.4]]).double())


def box(reach: float) -> tuple[Tensor, Tensor]:
    return torch.full((2,), -reach), torch.full((2,), reach)


def test_of_a_gaussian_both_fits_are_itself() -> None:
    p = lattice(P.log_prob, *box(8))
    assert p.mass == pytest.approx(1, abs=1e-6)
    start = Fit(torch.zeros(2).double(), torch.eye(2).double())
    for fit in (covering(p), seeking(P.log_prob, [start])):
        assert torch.allclose(fit.mean, P.mean, atol=1e-4)
        assert torch.allclose(fit.covariance, P.covariance, atol=1e-4)
        assert p.divergence_to(fit) == pytest.approx(0, abs=1e-6)
    assert P.area == pytest.approx(4 * math.pi * 0.8 * 0.4)


def test_divergences_of_gaussians_are_those_in_closed_form() -> None:
    q = Fit(torch.tensor([0.7, 0.1]).double(), torch.tensor([[1.0, 0.0], [0.2, 0.6]]).double())
    normal = [torch.distributions.MultivariateNormal(f.mean, scale_tril=f.root) for f in (P, q)]
    forward = torch.distributions.kl_divergence(*normal).item()
    backward = torch.distributions.kl_divergence(*reversed(normal)).item()
    assert lattice(P.log_prob, *box(8)).divergence_to(q) == pytest.approx(forward, abs=1e-6)
    assert reverse_divergence(q, P.log_prob).item() == pytest.approx(backward, abs=1e-4)


def test_of_two_far_modes_one_fit_covers_both_and_the_other_takes_one() -> None:
    scale = 0.3

    def log_density(x: Tensor) -> Tensor:
        modes = [Fit(torch.tensor([m, 0.0]).double(), scale * torch.eye(2).double()) for m in (-1.5, 1.5)]
        return torch.stack([mode.log_prob(x) for mode in modes]).logsumexp(0) - math.log(2)

    p = lattice(log_density, *box(4))
    wide = covering(p)
    narrow = seeking(log_density, [wide, Fit(torch.tensor([1.2, 0.1]).double(), 0.2 * torch.eye(2).double())])
    assert wide.mean.tolist() == pytest.approx([0, 0], abs=1e-6)
    assert wide.covariance.diagonal().tolist() == pytest.approx([scale**2 + 1.5**2, scale**2], rel=1e-4)
    assert narrow.mean.tolist() == pytest.approx([1.5, 0], abs=1e-2)
    assert reverse_divergence(narrow, log_density).item() == pytest.approx(math.log(2), abs=1e-3)
    assert p.divergence_to(wide) < p.divergence_to(narrow)
    assert reverse_divergence(wide, log_density) > reverse_divergence(narrow, log_density)
