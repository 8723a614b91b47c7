"""Discrete units and their relaxed draws, against closed forms, quadrature and enumeration."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from models.concrete import Bits, Categories

LOGITS = torch.tensor([[0.3, -1.2, 0.9], [2.0, 0.0, -0.5]], dtype=torch.float64)  # two units of three values
ODDS = torch.tensor([-1.4, 0.0, 2.2], dtype=torch.float64)  # three bits
DRAWS = 20_000


def draws(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def assert_shares(found: Tensor, expected: Tensor) -> None:
    """Means of DRAWS bits, within five standard errors."""
    assert ((found - expected).abs() <= 5 * (expected * (1 - expected) / DRAWS).sqrt()).all()


def test_states_are_drawn_with_their_probabilities() -> None:
    drawn = Categories(LOGITS).sample(DRAWS, draws())
    assert ((drawn == 0) | (drawn == 1)).all()
    assert (drawn.sum(-1) == 1).all()
    assert_shares(drawn.mean(0), LOGITS.softmax(-1))
    assert_shares(Bits(ODDS).sample(DRAWS, draws()).mean(0), ODDS.sigmoid())


@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_the_largest_coordinate_of_a_relaxed_draw_is_a_draw_of_the_unit_at_any_temperature(temperature: float) -> None:
    of_many = Categories(LOGITS.expand(DRAWS, -1, -1)).relaxed(temperature, generator=draws())
    assert torch.allclose(of_many.sum(-1), torch.ones(()).double())
    largest = torch.nn.functional.one_hot(of_many.argmax(-1), 3).double()
    assert_shares(largest.mean(0), LOGITS.softmax(-1))
    of_bits = Bits(ODDS.expand(DRAWS, -1)).relaxed(temperature, generator=draws())
    assert_shares((of_bits > 0.5).double().mean(0), ODDS.sigmoid())


def test_a_cold_relaxed_draw_is_a_state_and_a_hot_one_is_even() -> None:
    for units, values in ((Categories(LOGITS.expand(500, -1, -1)), 3), (Bits(ODDS.expand(500, -1)), 2)):
        cold, hot = (units.relaxed(t, generator=draws()) for t in (1e-3, 1e3))
        assert (torch.minimum(cold, 1 - cold) < 0.01).double().mean() > 0.99
        assert (hot - 1 / values).abs().max() < 0.02


@pytest.mark.parametrize("units", [Categories(LOGITS), Bits(ODDS)], ids=["categories", "bits"])
def test_straight_through_draws_are_states_with_the_gradient_of_the_relaxed_draw(units: Categories | Bits) -> None:
    found = []
    for hard in (True, False):
        logits = units.logits.clone().requires_grad_()
        drawn = type(units)(logits).relaxed(0.7, hard, draws())
        if hard:
            assert ((drawn == 0) | (drawn == 1)).all()
        weights = torch.arange(drawn.numel(), dtype=torch.float64).reshape(drawn.shape)
        found.append(torch.autograd.grad((drawn * weights).sum(), logits)[0])
    assert torch.equal(*found)
    assert found[0].abs().max() > 0


@pytest.mark.parametrize("temperature", [0.5, 0.8, 2.0])
def test_densities_of_relaxed_draws_integrate_to_one_and_agree_for_two_values(temperature: float) -> None:
    # over the log-odds of z, from far below to far above: dz = z (1 - z) d odds
    odds = torch.linspace(-60, 60, 20_001, dtype=torch.float64)
    z = odds.sigmoid()
    inside = (z > 0) & (z < 1)
    odds, z = odds[inside], z[inside]
    as_bit = Bits(torch.tensor([1.3], dtype=torch.float64)).log_density(z[:, None], temperature)[:, 0]
    pair = torch.stack([z, (-odds).sigmoid()], -1)[:, None]
    two = Categories(torch.tensor([[1.8, 0.5]], dtype=torch.float64)).log_density(pair, temperature)[:, 0]
    middle = odds.abs() < 20  # beyond, 1 - z is rounded
    assert torch.allclose(as_bit[middle], two[middle], atol=1e-6)
    density_of_odds = two.exp() * pair[:, 0, 0] * pair[:, 0, 1]
    assert torch.trapezoid(density_of_odds, odds).item() == pytest.approx(1, abs=1e-5)


def test_the_density_of_three_values_integrates_to_one() -> None:
    # over softmax coordinates (a, b, 0), whose volume element is the product of the three probabilities
    line = torch.linspace(-40, 40, 401, dtype=torch.float64)
    a, b = torch.meshgrid(line, line, indexing="ij")
    z = torch.stack([a, b, torch.zeros_like(a)], -1).softmax(-1)
    density = Categories(LOGITS[0]).log_density(z, 0.6).exp() * z.prod(-1)
    assert (density.sum() * (line[1] - line[0]) ** 2).item() == pytest.approx(1, abs=1e-4)


def test_divergences_are_the_sums_over_states() -> None:
    p, q = Categories(LOGITS), Categories(LOGITS.flip(-1))
    expected = (p.mean * (p.mean / q.mean).log()).sum(-1)
    assert torch.allclose(p.kl(q), expected)
    a, b = Bits(ODDS), Bits(ODDS.flip(0))
    both = [torch.stack([units.mean, 1 - units.mean]) for units in (a, b)]
    assert torch.allclose(a.kl(b), (both[0] * (both[0] / both[1]).log()).sum(0))
    assert torch.allclose(p.kl(p), torch.zeros(2).double())


def test_log_probabilities_of_all_states_sum_to_one() -> None:
    one = torch.eye(3, dtype=torch.float64)
    states = torch.stack([torch.stack([one[i], one[j]]) for i in range(3) for j in range(3)])
    assert Categories(LOGITS).log_prob(states).logsumexp(0).item() == pytest.approx(0, abs=1e-12)
    bits = torch.tensor([[i >> k & 1 for k in range(3)] for i in range(8)], dtype=torch.float64)
    assert Bits(ODDS).log_prob(bits).logsumexp(0).item() == pytest.approx(0, abs=1e-12)


def test_noise_at_the_ends_of_its_range_gives_numbers() -> None:
    class Ends(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            made = func(*args, **(kwargs or {}))
            return torch.zeros_like(made) if func is torch.rand else made

    logits = torch.tensor([0.0, 50.0, -50.0], requires_grad=True)
    with Ends():
        drawn = Bits(logits).relaxed(0.1)
    drawn.sum().backward()
    assert drawn.isfinite().all()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def _exact_gradient(f: Tensor, logits: Tensor) -> Tensor:
    return torch.autograd.grad((logits.softmax(-1) * f).sum(), logits)[0]


def test_the_bias_of_the_relaxed_gradient_vanishes_with_the_temperature_while_its_variance_grows() -> None:
    """One unit of three values, whose loss is no linear function: f(z) = (w·z)², the gradient by enumeration."""
    w = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
    logits = LOGITS[0].clone().requires_grad_()
    exact = _exact_gradient(w.square(), logits)
    biases, variances, errors = [], [], []
    for temperature in (2.0, 0.5, 0.1):
        many = logits.detach().expand(200_000, 1, 3).clone().requires_grad_()
        z = Categories(many).relaxed(temperature, generator=draws())
        each = torch.autograd.grad((z @ w).square().sum(), many)[0][:, 0]
        biases.append((each.mean(0) - exact).norm().item())
        variances.append(each.var(0).sum().item())
        errors.append(math.sqrt(variances[-1] / len(each)))
    assert biases[0] > biases[1] > biases[2]
    assert biases[0] > 20 * errors[0]
    assert biases[2] < 0.05 * exact.norm().item() + 5 * errors[2]
    assert variances[0] < variances[1] < variances[2]
