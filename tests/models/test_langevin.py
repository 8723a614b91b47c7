"""Langevin dynamics, as it is and with a Metropolis test, against distributions that are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from models.distributions import require_temperature
from models.langevin import Walk, add_noise, adjusted_step, fold, slope, spread, unadjusted_step
from models.spec import DataSpec, Layout, Support

PRECISION = torch.tensor([[2.0, -0.9], [-0.9, 1.0]], dtype=torch.float64)
COVARIANCE = PRECISION.inverse()


def gaussian(x: Tensor) -> Tensor:
    """E of N(0, COVARIANCE)."""
    return 0.5 * torch.einsum("bi,ij,bj->b", x, PRECISION.to(x), x)


def normal(x: Tensor) -> Tensor:
    return 0.5 * x.square().flatten(1).sum(1)


def sloped(x: Tensor) -> Tensor:
    """E of the density in proportion to exp(-3x) on 0…1."""
    return 3 * x.flatten(1).sum(1)


def draws(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def standard(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(shape, generator=draws(seed), dtype=torch.float64)


def exact(n: int) -> Tensor:
    return standard(n, 2) @ torch.linalg.cholesky(COVARIANCE).T


def assert_moments(x: Tensor, mean: Tensor, covariance: Tensor) -> None:
    """The first two moments of x (N, D) are those of a Gaussian within five standard errors."""
    n, variance = len(x), covariance.diagonal()
    assert ((x.mean(0) - mean).abs() <= 5 * (variance / n).sqrt()).all()
    found = (x - mean).T @ (x - mean) / n
    error = ((covariance.square() + torch.outer(variance, variance)) / n).sqrt()
    assert ((found - covariance).abs() <= 5 * error).all()


def walk(x: Tensor, steps: int, step: float, energy=gaussian, walls: bool = False, **more: object) -> Walk:  # type: ignore[no-untyped-def]
    state, generator = Walk.at(energy, x), draws(1)
    for _ in range(steps):
        state = adjusted_step(energy, state, step, walls, generator=generator, **more)  # type: ignore[arg-type]
    return state


@pytest.mark.parametrize("step", [0.3, 1.3])
@pytest.mark.parametrize("jumps", [0.0, 0.5])
def test_tested_moves_leave_a_gaussian_as_it_is_whatever_their_size(step: float, jumps: float) -> None:
    state = walk(exact(20_000), 8, step, jumps=jumps)
    assert_moments(state.x, torch.zeros(2), COVARIANCE)
    assert 0.05 < state.accepted.double().mean() < 0.999


def test_untested_moves_of_that_size_do_not() -> None:
    x, generator = exact(20_000), draws(1)
    for _ in range(8):
        x = unadjusted_step(gaussian, x, 1.3, 1.0, False, generator)
    with pytest.raises(AssertionError):
        assert_moments(x, torch.zeros(2), COVARIANCE)


@pytest.mark.parametrize("step", [0.5, 1.2, 1.8])
def test_moves_are_accepted_as_often_as_quadrature_over_place_and_momentum_says(step: float) -> None:
    line = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    x, p = torch.meshgrid(line, line, indexing="ij")
    half = p - 0.5 * step * x
    moved = x + step * half
    after = half - 0.5 * step * moved
    change = 0.5 * (moved.square() + after.square() - x.square() - p.square())
    weight = (-0.5 * (x.square() + p.square())).exp() / (2 * math.pi) * 0.01**2
    wanted = (weight * (-change).exp().clamp(max=1)).sum().item()
    n = 40_000
    found = walk(standard(n, 1), 1, step, normal).accepted.double().mean().item()
    assert found == pytest.approx(wanted, abs=5 * math.sqrt(wanted * (1 - wanted) / n))


@pytest.mark.parametrize("jumps", [0.0, 0.5])
def test_tested_moves_are_reversible(jumps: float) -> None:
    before = exact(100_000)
    after = walk(before, 1, 0.9, jumps=jumps).x
    there = before[:, 0] * after[:, 1] ** 3
    back = after[:, 0] * before[:, 1] ** 3
    difference = there - back
    assert difference.mean().abs() <= 5 * difference.std() / math.sqrt(len(before))


@pytest.mark.parametrize("jumps", [0.0, 0.5])
def test_between_walls_the_chain_has_the_density_that_ends_there(jumps: float) -> None:
    u = torch.rand(20_000, 2, generator=draws(), dtype=torch.float64)
    start = -(1 - u * (1 - math.exp(-3))).log() / 3  # exact draws
    state = walk(start, 6, 0.7, sloped, walls=True, jumps=jumps)
    assert ((state.x >= 0) & (state.x <= 1)).all()
    assert (state.x < 0.01).any()
    z = (1 - math.exp(-3)) / 3
    mean = (1 - 4 * math.exp(-3)) / 9 / z
    square = (2 - 17 * math.exp(-3)) / 27 / z
    error = math.sqrt((square - mean**2) / state.x.numel())
    assert state.x.mean().item() == pytest.approx(mean, abs=5 * error)
    assert state.x.square().mean().item() == pytest.approx(square, abs=5 * math.sqrt(0.06 / state.x.numel()))


def test_what_is_clamped_stays_and_the_rest_follows_its_conditional() -> None:
    x = exact(20_000)
    x[:, 0] = 1.5
    mean, variance = 1.5 * COVARIANCE[0, 1] / COVARIANCE[0, 0], 1 / PRECISION[1, 1]
    x[:, 1] = mean + variance.sqrt() * standard(20_000, seed=2)
    clamp = torch.tensor([True, False]).expand_as(x)
    moved = walk(x, 5, 0.8, clamp=clamp, jumps=0.3).x
    assert (moved[:, 0] == 1.5).all()
    assert not torch.equal(moved[:, 1], x[:, 1])
    assert_moments(moved[:, 1:], mean.reshape(1), variance.reshape(1, 1))


@pytest.mark.parametrize("noise", [1.0, 0.5])
def test_a_long_chain_of_langevin_dynamics_has_the_variance_that_its_step_size_gives(noise: float) -> None:
    x, step, generator = standard(40_000, 1) * 2, 0.6, draws(1)
    for _ in range(60):
        x = unadjusted_step(normal, x, step, noise, False, generator)
    variance = noise**2 / (1 - step**2 / 4)  # of x ← (1 - ½ε²) x + noise ε z
    assert_moments(x, torch.zeros(1), torch.full((1, 1), variance, dtype=torch.float64))


def test_a_move_to_where_there_is_no_energy_is_refused() -> None:
    def hole(x: Tensor) -> Tensor:
        return normal(x) + torch.where(x[:, 0] > 0, float("nan"), 0.0)

    moved = walk(-standard(1000, 1).abs(), 3, 1.0, hole).x
    assert (moved <= 0).all()
    assert moved.unique().numel() > 100


def test_a_reflected_number_lies_between_the_walls_and_remembers_its_direction() -> None:
    x = torch.tensor([-0.25, 0.25, 1.25, 2.25, -1.25, -1e-12, 0.0, 1.0])
    inside, sign = fold(x)
    assert torch.allclose(inside, torch.tensor([0.25, 0.25, 0.75, 0.25, 0.75, 0.0, 0.0, 1.0]))
    assert ((inside >= 0) & (inside <= 1)).all()
    assert sign[:5].tolist() == [-1, 1, -1, 1, 1]


def test_noise_has_its_scale_and_stays_between_walls() -> None:
    x = torch.full((20_000, 2), 0.5, dtype=torch.float64)
    scale = torch.tensor([0.1, 0.02], dtype=torch.float64)
    noisy = add_noise(x, scale, False, draws())
    assert_moments(noisy, x[0], scale.square().diag())
    assert add_noise(x, 2.0, True, draws()).aminmax().min >= 0


def test_a_slope_is_found_where_gradients_are_off() -> None:
    x = exact(5)
    with torch.no_grad():
        value, gradient = slope(gaussian, x)
    assert torch.allclose(gradient, x @ PRECISION)
    assert not value.requires_grad


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_divides_by_zero_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        require_temperature(temperature)


def test_images_have_one_spread_and_vectors_one_for_each_coordinate() -> None:
    x = torch.tensor([[0.0, 5.0, 0.0], [2.0, 5.0, 8.0]])
    vector = DataSpec((3,), Support.REALS, Layout.VECTOR)
    assert spread(x, vector).tolist() == [1, 1, 4]  # what does not vary counts as 1
    image = DataSpec((1, 1, 3), Support.UNIT, Layout.IMAGE)
    assert torch.allclose(spread(x.reshape(2, 1, 1, 3), image), torch.tensor(17 / 3).sqrt())
