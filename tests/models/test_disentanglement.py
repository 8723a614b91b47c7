"""Which unit knows which factor, against codes whose scores are known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from models.estimation.disentanglement import (
    RIDGE,
    Probe,
    binned,
    binned_factors,
    information,
    logistic_regression,
    mutual_information_gap,
    probe,
)
from models.estimation.measure import Measure
from models.spec import Factor, FactorKind

BINS = 10
N = 4000
LINE, CIRCLE = Factor("line"), Factor("circle", FactorKind.CIRCULAR)
SHAPE = Factor("shape", FactorKind.CATEGORICAL, ("a", "b", "c"))


def uniform(n: int, columns: int, seed: int = 0) -> Tensor:
    return torch.rand(n, columns, generator=Generator().manual_seed(seed))


def gap(codes: Tensor, factors: Tensor, described: tuple[Factor, ...]) -> Measure:
    measure, _ = mutual_information_gap(
        binned(codes, BINS), binned_factors(factors, described, BINS), "here", Generator().manual_seed(0)
    )
    assert measure.low <= measure.value <= measure.high
    return measure


def both_halves(codes: Tensor, factor: Tensor, described: Factor) -> Probe:
    half = len(codes) // 2
    return probe(codes[:half], factor[:half], codes[half:], factor[half:], described)


def test_a_code_that_is_the_factors_has_a_gap_of_one_whatever_its_order_and_scale() -> None:
    factors = torch.cat([uniform(N, 2), torch.arange(N)[:, None] % 3], 1)
    codes = torch.cat([factors[:, [2, 0]] * -7 + 3, factors[:, 1:2].exp()], 1)
    measure = gap(codes, factors, (LINE, LINE, SHAPE))
    assert measure.value == pytest.approx(1, abs=2e-3)
    assert both_halves(codes, factors[:, 0], LINE).value == pytest.approx(1, abs=1e-6)
    shape = both_halves(codes[:, :1], factors[:, 2], SHAPE)
    assert shape.name == "accuracy"
    assert shape.chance == pytest.approx(1 / 3, abs=1e-3)
    # the middle one of three on a line is no linear function's largest, but softmax regression separates the ends
    assert shape.value > 0.65


def test_an_independent_code_scores_nothing_but_the_chance_that_is_said() -> None:
    codes, factors = uniform(N, 3), uniform(N, 2, seed=1)
    found = information(binned(codes, BINS), binned(factors, BINS), Generator().manual_seed(0))
    by_formula = (BINS - 1) ** 2 / (2 * N)
    assert found.chance.mean().item() == pytest.approx(by_formula, rel=0.2)
    assert found.shared.mean().item() == pytest.approx(by_formula, rel=0.2)
    assert gap(codes, factors, (LINE, LINE)).value < 0.005
    nothing = both_halves(codes, factors[:, 0], LINE)
    assert abs(nothing.value) < 0.01
    assert nothing.low < 0


def test_a_rotated_code_keeps_what_a_linear_map_reads_and_loses_the_gap() -> None:
    factors = uniform(N, 2)
    turn = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / math.sqrt(2)
    codes = (factors - 0.5) @ turn
    assert gap(codes, factors, (LINE, LINE)).value < 0.03
    assert both_halves(codes, factors[:, 1], LINE).value == pytest.approx(1, abs=1e-6)


def test_mutual_information_is_that_of_correlated_gaussians() -> None:
    z = torch.randn(20_000, 2, generator=Generator().manual_seed(0))
    correlation = 0.8
    factor = correlation * z[:, :1] + math.sqrt(1 - correlation**2) * z[:, 1:]
    found = information(binned(z, 20), binned(factor, 20), Generator().manual_seed(0))
    exact = torch.tensor([[-0.5 * math.log(1 - r**2) for r in (correlation, 0.6)]])
    assert ((found.shared - found.chance).float() < exact).all()  # bins cannot tell more
    torch.testing.assert_close((found.shared - found.chance).float(), exact, rtol=0.05, atol=0)
    assert found.entropy.item() == pytest.approx(math.log(20), abs=1e-6)


def test_a_collapsed_unit_knows_nothing_and_equal_values_share_a_bin() -> None:
    factors = uniform(N, 1)
    codes = torch.cat([torch.full((N, 1), 0.3), factors], 1)
    found = information(binned(codes, BINS), binned(factors, BINS), Generator().manual_seed(0))
    assert found.normalised[0].tolist() == pytest.approx([0, 1])
    coarse = binned((factors * 3).floor(), BINS)
    assert len(coarse.unique()) == 3


def test_a_circular_factor_is_read_off_its_sine_and_cosine() -> None:
    turn = uniform(N, 1)
    angle = 2 * math.pi * turn
    on_circle = torch.cat([angle.sin(), angle.cos()], 1)
    assert both_halves(on_circle, turn[:, 0], CIRCLE).value == pytest.approx(1, abs=1e-6)
    # of the angle itself: sin correlates by √6 / π, cos not at all
    assert both_halves(turn, turn[:, 0], CIRCLE).value == pytest.approx(3 / math.pi**2, abs=0.02)


def test_the_probes_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    generator, held = Generator().manual_seed(0), 0
    for _ in range(200):
        z = torch.randn(400, 2, generator=generator)
        wanted = z[:, 0] + torch.randn(400, generator=generator)  # R² of z is a half
        found = probe(z[:100], wanted[:100], z[100:], wanted[100:], LINE)
        held += found.low <= 0.5 <= found.high
    assert 176 <= held <= 199  # of 200; the fit to 100 examples is a little worse than the best one


def test_logistic_regression_ends_where_the_gradient_is_zero_and_separates_what_can_be() -> None:
    generator = Generator().manual_seed(0)
    y = torch.randint(3, (300,), generator=generator)
    centres = torch.tensor([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]], dtype=torch.float64)
    x = torch.cat([centres[y] + torch.randn(300, 2, generator=generator), torch.ones(300, 1)], 1)
    w = logistic_regression(x, y, 3)
    p = (x @ w).softmax(1)
    gradient = x.t() @ (p - torch.nn.functional.one_hot(y, 3)) / 300 + RIDGE * w
    assert gradient.abs().max() < 1e-4
    clear = torch.cat([centres[y] * 10 + torch.randn(300, 2, generator=generator), torch.ones(300, 1)], 1)
    assert ((clear @ logistic_regression(clear, y, 3)).argmax(1) == y).all()
