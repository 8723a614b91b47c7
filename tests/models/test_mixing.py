"""How well chains mix, on series whose autocorrelations are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from models.estimation.mixing import SHORTEST, integrated_time, mixing


def ar1(phi: float, chains: int, n: int, seed: int = 0) -> Tensor:
    """x_t = φ x_{t-1} + noise, begun in its stationary distribution of variance 1: ρ_t = φ^t."""
    noise = torch.randn(n, chains, generator=Generator().manual_seed(seed), dtype=torch.float64)
    x, found = noise[0], [noise[0]]
    for step in noise[1:]:
        x = phi * x + math.sqrt(1 - phi**2) * step
        found.append(x)
    return torch.stack(found, 1)


@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.5, 0.9])
@pytest.mark.parametrize("chains", [6, 20])
def test_the_time_of_an_autoregression_is_the_known_one(phi: float, chains: int) -> None:
    n = 40_000 // chains
    found = mixing(5 + 3 * ar1(phi, chains, n))  # neither place nor scale matters
    known = (1 + phi) / (1 - phi)
    assert found.time == pytest.approx(known, rel=0.12)
    assert found.effective == pytest.approx(chains * n / known, rel=0.15)
    lags = torch.arange(6)
    assert torch.allclose(found.autocorrelation[:6], phi ** lags.double(), atol=0.05)
    assert found.r_hat == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_effective_samples_say_how_precise_the_mean_is(phi: float) -> None:
    x = ar1(phi, 4 * 300, 400).reshape(300, 4, 400)
    claimed = torch.tensor([1 / mixing(chains).effective for chains in x])  # as the variance of a draw is 1
    assert x.mean((1, 2)).var().item() == pytest.approx(claimed.mean().item(), rel=0.3)


def test_chains_in_different_places_have_not_mixed_however_calm_each_is() -> None:
    x = ar1(0.3, 10, 1000)
    apart = x + 10 * (torch.arange(10) % 2)[:, None]
    assert mixing(x).r_hat < 1.02
    found = mixing(apart)
    assert found.r_hat > 3
    assert found.effective < 20  # of 10 000 draws
    drifting = x + torch.linspace(0, 10, 1000)
    assert mixing(drifting).r_hat > 1.5  # halves of one chain lie apart


def test_chains_that_never_move_are_worth_about_one_draw_each_and_nothing_is_said_of_a_constant() -> None:
    still = torch.arange(6.0)[:, None].expand(6, 100)
    found = mixing(still)
    assert found.r_hat == math.inf
    assert found.effective == pytest.approx(6, abs=0.1)
    constant = mixing(torch.full((6, 100), 0.1))
    assert math.isnan(constant.time)
    assert math.isnan(constant.effective)


def test_the_window_ends_where_noise_begins() -> None:
    clean = 0.5 ** torch.arange(20).double()
    assert integrated_time(clean) == pytest.approx(3, abs=1e-4)
    noisy = torch.cat([clean, torch.tensor([-0.1, 0.05, 0.3, 0.3]).double()])
    assert integrated_time(noisy) == pytest.approx(3, abs=1e-4)
    rising = torch.tensor([1.0, 0.2, 0.1, 0.1, 0.4, 0.4, -0.5, 0.0]).double()
    assert integrated_time(rising) == pytest.approx(2 * (1.2 + 0.2 + 0.2) - 1)


def test_too_short_a_chain_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        mixing(torch.randn(3, SHORTEST - 1))
