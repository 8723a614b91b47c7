"""The aggregated posterior against the prior, where both are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from models.distributions import (
    Distribution,
    Exponential,
    FullNormal,
    HasMarginals,
    Laplace,
    LogNormal,
    Normal,
    standard_normal,
)
from models.estimation.aggregated import Aggregated, aggregated_posterior
from models.estimation.measure import Kind
from models.estimation.progress import finish


class Known:
    """Whose codes are Gaussians around x itself, N(x, s² I), or with the covariance C Cᵀ."""

    def __init__(self, scale: float, factor: Tensor | None = None) -> None:
        self.scale, self.factor = scale, factor

    def prior(self) -> Distribution:
        return standard_normal(2, torch.zeros(1, dtype=torch.float64))

    def encode(self, x: Tensor) -> Distribution:
        if self.factor is not None:
            return FullNormal(x, self.factor.expand(len(x), 2, 2))
        return Normal(x, torch.full_like(x, math.log(self.scale)))

    def decode(self, z: Tensor) -> Tensor:
        return z


def found(model: Known, x: Tensor) -> Aggregated:
    return finish(aggregated_posterior(model, x, "here", Generator().manual_seed(0)))


def normal(n: int, seed: int = 7) -> Tensor:
    return torch.randn(n, 2, generator=Generator().manual_seed(seed), dtype=torch.float64)


def test_codes_that_fill_the_prior_carry_the_channels_information_and_no_divergence() -> None:
    """x ~ N(0, 1 - s²), z | x ~ N(x, s²): z ~ N(0, 1), and I(x; z) = -log s for each dimension."""
    scale = 0.6
    a = found(Known(scale), normal(1500) * math.sqrt(1 - scale**2))
    assert a.information.value == pytest.approx(-2 * math.log(scale), abs=0.08)
    assert abs(a.divergence.value) < 0.03
    assert a.total_correlation is not None
    assert abs(a.total_correlation.value) < 0.03
    assert a.rate.value == pytest.approx(a.information.value + a.divergence.value, abs=1e-9)
    assert (a.information.kind, a.divergence.kind) == (Kind.LOWER_BOUND, Kind.UPPER_BOUND)
    assert a.doubt == ""
    assert a.active.tolist() == [True, True]


def test_total_correlation_and_marginal_divergences_are_those_of_a_correlated_gaussian() -> None:
    x = normal(1500) @ torch.tensor([[1.2, 0.9], [0.0, 0.5]], dtype=torch.float64)
    scale = 0.4
    covariance = torch.tensor([[1.44, 1.08], [1.08, 0.81 + 0.25]], dtype=torch.float64) + scale**2 * torch.eye(2)
    a = found(Known(scale), x)
    variances = covariance.diag()
    correlation = 0.5 * (variances.log().sum() - covariance.logdet())
    of_each = 0.5 * (variances - 1 - variances.log())
    assert a.total_correlation is not None
    assert a.of_each is not None
    assert a.total_correlation.value == pytest.approx(correlation.item(), abs=0.06)
    torch.testing.assert_close(a.of_each, of_each, rtol=0, atol=0.06)
    assert a.divergence.value == pytest.approx((correlation + of_each.sum()).item(), abs=0.1)
    assert a.divergence.value == pytest.approx(a.total_correlation.value + a.of_each.sum().item(), abs=1e-9)


def test_a_collapsed_code_tells_nothing() -> None:
    a = found(Known(1.0), torch.zeros(200, 2, dtype=torch.float64))
    assert a.information.value == pytest.approx(0, abs=1e-9)
    assert a.divergence.value == pytest.approx(0, abs=1e-9)
    assert not a.active.any()


def test_codes_that_tell_all_examples_apart_are_doubted_and_reach_log_n() -> None:
    a = found(Known(1e-4), normal(100))
    assert a.information.value == pytest.approx(math.log(100), abs=1e-6)
    assert "Measure with more examples" in a.doubt


def test_information_is_below_that_of_more_examples_and_divergence_above() -> None:
    x = normal(1200) * math.sqrt(1 - 0.3**2)
    few = [found(Known(0.3), part) for part in x.split(40)]
    many = found(Known(0.3), x)
    assert torch.tensor([a.information.value for a in few]).mean() < many.information.value - 0.05
    assert torch.tensor([a.divergence.value for a in few]).mean() > many.divergence.value + 0.05


def test_a_full_covariance_serves_as_well_and_gives_what_a_diagonal_one_gives() -> None:
    x = normal(300)
    diagonal, full = found(Known(0.5), x), found(Known(0.5, 0.5 * torch.eye(2, dtype=torch.float64)), x)
    assert full.information.value == pytest.approx(diagonal.information.value, abs=1e-6)
    assert full.of_each is not None
    assert diagonal.of_each is not None
    torch.testing.assert_close(full.of_each, diagonal.of_each)


@pytest.mark.parametrize("kind", [Normal, Laplace, LogNormal, Exponential, FullNormal])
def test_marginals_integrate_to_one_and_sum_to_the_joint_density_of_independent_dimensions(kind: type) -> None:
    location, log_scale = torch.tensor([0.3, -0.5]).double(), torch.tensor([-0.7, 0.1]).double()
    factor = torch.tensor([[0.8, 0.0], [0.5, 0.4]]).double()
    q = Exponential(log_scale) if kind is Exponential else kind(location, factor if kind is FullNormal else log_scale)
    assert isinstance(q, HasMarginals)
    at = torch.linspace(-30, 30, 60_001).double()[:, None].expand(-1, 2)
    density = q.log_prob_each(at).exp()
    torch.testing.assert_close(torch.trapezoid(density, at, dim=0), torch.ones(2).double(), rtol=0, atol=2e-3)
    z = q.sample(4000, Generator().manual_seed(0))
    mean = torch.trapezoid(density * at, at, dim=0)
    assert ((z.mean(0) - mean).abs() < 5 * z.std(0) / len(z) ** 0.5).all()
    if kind is not FullNormal:
        torch.testing.assert_close(q.log_prob_each(z).sum(1), q.log_prob(z))
