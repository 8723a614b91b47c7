"""Divergences on a grid, against closed forms and samplers whose divergence is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Generator, Tensor

from models.estimation.divergence import (
    Binned,
    Grid,
    divergences_of,
    jensen_shannon,
    kullback_leibler,
    optimal_discriminator,
    optimal_value,
    perfect_score,
)


@dataclass(frozen=True)
class Gaussian:
    """A round Gaussian in the plane."""

    mean: tuple[float, float] = (0.0, 0.0)
    sigma: float = 1.0

    def log_prob(self, x: Tensor) -> Tensor:
        z = (x - torch.tensor(self.mean).to(x)) / self.sigma
        return -0.5 * z.square().sum(-1) - math.log(2 * math.pi * self.sigma**2)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return torch.tensor(self.mean) + self.sigma * torch.randn(n, 2, generator=generator)


PLANE = Grid((-6, -6), (6, 6), bins=48)


def draws(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_cells_and_the_one_outside_hold_all_probability() -> None:
    for density in (Gaussian(), Gaussian((3, -2), 0.3), Gaussian((6, 6))):
        assert PLANE.log_mass(density).exp().sum().item() == pytest.approx(1, abs=1e-9)
    assert PLANE.log_mass(Gaussian((6, 6)))[-1].exp().item() == pytest.approx(0.75, abs=1e-3)


def test_cell_probabilities_are_the_integrals_of_the_density() -> None:
    edges = torch.linspace(-6, 6, 49, dtype=torch.float64)
    side = torch.special.ndtr(edges).diff()
    exact = (side[:, None] * side[None, :]).flatten()
    assert torch.allclose(PLANE.log_mass(Gaussian())[:-1].exp(), exact, atol=2e-6)


def test_a_density_that_is_too_narrow_for_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="Use more bins"):
        PLANE.log_mass(Gaussian((0.125 / 6, 0.125 / 6), 0.002))


def test_counts_put_every_point_in_the_cell_that_holds_it() -> None:
    grid = Grid((0, 0), (2, 4), bins=2)
    x = torch.tensor([[0.5, 1.0], [1.5, 1.0], [1.5, 3.0], [1.6, 3.1], [-0.1, 1.0], [2.1, 1.0], [math.nan, 0.0]])
    assert grid.counts(x).tolist() == [1, 1, 0, 2, 3]


def test_centres_and_counts_agree_on_the_order_of_cells() -> None:
    grid = Grid((-1, 0), (2, 5), bins=7)
    centres = grid.centres().reshape(-1, 2)
    assert [int(grid.counts(c[None])[:-1].argmax()) for c in centres] == list(range(49))


def test_kl_between_two_gaussians_is_the_closed_form() -> None:
    wide, narrow = Gaussian(sigma=1.0), Gaussian((0.5, 0), 0.8)
    exact = 2 * math.log(1 / 0.8) + (0.64 * 2 + 0.25) / 2 - 1
    # cells lose a little of it
    kl = kullback_leibler(PLANE.log_mass(narrow), PLANE.log_mass(wide))
    assert exact * 0.985 < kl < exact


def test_js_is_zero_for_equal_log_2_for_disjoint_and_symmetric_between() -> None:
    p, far = PLANE.log_mass(Gaussian()), PLANE.log_mass(Gaussian((50, 50), 0.5))
    q = PLANE.log_mass(Gaussian((1, 0)))
    assert jensen_shannon(p, p) == pytest.approx(0, abs=1e-12)
    assert jensen_shannon(p, far) == pytest.approx(math.log(2), abs=1e-6)
    assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p), abs=1e-12)


def test_the_note_says_what_a_perfect_sampler_scores() -> None:
    measures = [divergences_of(Gaussian().sample(20_000, draws(seed)), Gaussian(), PLANE)[0] for seed in range(20)]
    stated = perfect_score(PLANE.log_mass(Gaussian()), 20_000)
    assert f"{stated:.4f}" in measures[0].note
    assert sum(m.value for m in measures) / 20 == pytest.approx(stated, rel=0.03)


def test_in_well_filled_cells_a_perfect_sampler_scores_cells_minus_one_over_8n() -> None:
    uniform = torch.full((64,), 1 / 64, dtype=torch.float64).log()
    assert perfect_score(uniform, 10_000, repeats=200) == pytest.approx(63 / 80_000, rel=0.05)


def test_js_of_a_shifted_sampler_is_the_exact_one_within_its_interval_and_the_stated_excess() -> None:
    data, model = Gaussian(), Gaussian((1, 0))
    exact = jensen_shannon(PLANE.log_mass(data), PLANE.log_mass(model))
    excess = perfect_score(PLANE.log_mass(data), 50_000)
    for seed in range(5):
        js, _, _ = divergences_of(model.sample(50_000, draws(seed)), data, PLANE)
        assert js.low - 1.2 * excess <= exact <= js.high
        assert js.high - js.low < 0.1 * exact


def test_forward_kl_sees_a_missing_mode_and_backward_kl_sees_invented_samples() -> None:
    narrow, wide = Gaussian(sigma=0.4), Gaussian(sigma=1.6)
    data = Gaussian()
    _, missing, safe = divergences_of(narrow.sample(50_000, draws()), data, PLANE)
    _, spread, invented = divergences_of(wide.sample(50_000, draws()), data, PLANE)
    assert missing.value > 3 * safe.value / 2
    assert invented.value > 1.5 * spread.value
    assert all(math.isfinite(m.value) for m in (missing, safe, spread, invented))


def test_samples_that_all_lie_outside_the_grid_give_nearly_log_2() -> None:
    js, _, _ = divergences_of(torch.full((1000, 2), 99.0), Gaussian(), PLANE)
    assert js.value == pytest.approx(math.log(2), abs=1e-3)


def test_the_optimal_discriminator_gives_the_value_minus_log_4_plus_twice_js() -> None:
    p, q = PLANE.log_mass(Gaussian()), PLANE.log_mass(Gaussian((1, 0)))
    d = optimal_discriminator(p, q)
    value = (p.exp() * d.log() + q.exp() * (1 - d).log()).sum().item()
    assert value == pytest.approx(2 * jensen_shannon(p, q) - math.log(4), abs=1e-9)
    assert torch.allclose(optimal_discriminator(p, p), torch.tensor(0.5, dtype=torch.float64))


def test_the_best_discriminator_of_draws_is_one_half_of_the_data_itself_and_nowhere_where_nobody_was() -> None:
    best = Binned(Gaussian(), PLANE).optimal_discriminator(Gaussian().sample(200_000, draws()))
    assert best.shape == (48, 48)
    assert best[22:26, 22:26].flatten().tolist() == pytest.approx([0.5] * 16, abs=0.02)
    assert best[0].isnan().all()


def test_the_best_discriminator_of_draws_comes_near_the_exact_one_of_two_gaussians() -> None:
    model = Gaussian((1, 0))
    best = Binned(Gaussian(), PLANE).optimal_discriminator(model.sample(400_000, draws()))
    exact = optimal_discriminator(PLANE.log_mass(Gaussian()), PLANE.log_mass(model))[:-1].reshape(48, 48)
    middle = slice(18, 30)
    assert (best - exact)[middle, middle].abs().max().item() < 0.06
    assert best[24, 12] > 0.9 > 0.1 > best[24, 38]  # columns go to the right


def test_the_best_value_is_minus_log_4_where_model_and_data_are_one() -> None:
    assert optimal_value(0.0) == pytest.approx(-1.3862943611)
    assert optimal_value(math.log(2)) == pytest.approx(0)


def test_the_grid_around_points_holds_them_with_a_margin() -> None:
    grid = Grid.around(torch.tensor([[0.0, 0.0], [1.0, 2.0]]), margin=0.5)
    assert grid.low == (-0.5, -1.0)
    assert grid.high == (1.5, 3.0)
