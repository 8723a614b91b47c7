"""What independent factors make of a Gaussian, against divergences of torch."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from models.estimation.mean_field import contour, factorised, most_correlated


def correlated(size: int = 3) -> Tensor:
    root = torch.randn(size, size, generator=Generator().manual_seed(0), dtype=torch.float64)
    return root @ root.T + 0.1 * torch.eye(size).double()


def divergence(a: Tensor, b: Tensor) -> Tensor:
    zero = torch.zeros(len(a)).double()
    normal = torch.distributions.MultivariateNormal
    return torch.distributions.kl_divergence(normal(zero, a), normal(zero, b))


def test_both_divergences_are_those_of_torch_and_no_other_variances_have_smaller_ones() -> None:
    p = correlated()
    found = factorised(p)
    assert torch.allclose(found.mean_field_kl, divergence(found.mean_field.diag(), p))
    assert torch.allclose(found.matched_kl, divergence(p, found.matched.diag()))
    generator = Generator().manual_seed(1)
    for _ in range(20):
        factors = (0.1 * torch.randn(3, generator=generator, dtype=torch.float64)).exp()
        assert divergence((found.mean_field * factors).diag(), p) > found.mean_field_kl
        assert divergence(p, (found.matched * factors).diag()) > found.matched_kl
    assert (found.mean_field < found.matched).all()


def test_nothing_is_lost_without_correlation() -> None:
    found = factorised(torch.tensor([0.5, 2.0]).diag())
    assert found.mean_field_kl.abs() < 1e-12
    assert found.matched_kl.abs() < 1e-12
    assert torch.allclose(found.mean_field, found.matched)


def test_the_most_correlated_pair_is_found() -> None:
    covariance = torch.diag(torch.tensor([1.0, 4.0, 9.0, 1.0]))
    covariance[1, 3] = covariance[3, 1] = -1.5
    covariance[0, 2] = covariance[2, 0] = 1.0
    assert most_correlated(covariance) == (1, 3)
    assert most_correlated(torch.eye(3)) == (0, 1)


def test_a_contour_lies_at_its_distance() -> None:
    p = correlated(2)
    curve = contour(p)
    assert torch.allclose(torch.einsum("ni,ij,nj->n", curve, p.inverse(), curve), torch.tensor(4.0).double())
