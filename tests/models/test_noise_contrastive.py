"""Noise-contrastive estimation against enumeration of data and noise, and what it converges to."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from small_machine import SPEC, STATES, batch_of, divergence, drawn, machine, probabilities
from torch import Generator, Tensor, nn
from torch.distributions import MultivariateNormal

from models.learning.noise_contrastive import (
    FULL,
    LEAST,
    RIDGE,
    Gaussian,
    NoiseContrastive,
    NoiseContrastiveSettings,
)
from models.spec import DataSpec, Layout, Support

PLANE = DataSpec((2,), Support.REALS, Layout.POINTS)


def learner(model: nn.Module, spec: DataSpec = SPEC, **settings: float) -> NoiseContrastive:
    made = NoiseContrastive(model, NoiseContrastiveSettings(**settings), spec, 100)
    made.begin()
    return made


def test_the_gradient_is_that_of_the_enumerated_objective() -> None:
    """Noise whose probabilities are multiples of 1 / 1024 can be written down as 1024 examples, without chance."""
    model, x = machine().double(), drawn(machine(2), 40).double()
    made = learner(model, noise=3)
    made.double()
    made.noise.mean.copy_(torch.tensor([0.25, 0.5, 0.75, 0.5, 0.25]))
    with torch.no_grad():
        made.constant.fill_(0.1)
    states = STATES.double()
    q = made.noise.log_prob(states).exp()
    counts = (1024 * q).round().long()
    torch.testing.assert_close(counts.double() / 1024, q)
    noise = states.repeat_interleave(counts, 0)
    objective, _ = made._told_apart(x, noise, made.model.free_energy(noise))

    def log_odds(v: Tensor) -> Tensor:
        mean = made.noise.mean
        log_q = (v * mean.log() + (1 - v) * (1 - mean).log()).sum(1)
        log_p = -model.free_energy(v) - made.log_partition()
        return log_p - log_q - math.log(3)

    posterior = torch.sigmoid(log_odds(states))
    expected = torch.sigmoid(log_odds(x)).log().mean() + 3 * (q * (1 - posterior).log()).sum()
    torch.testing.assert_close(objective, expected)
    parameters = [*model.parameters(), made.constant]
    for a, b in zip(torch.autograd.grad(objective, parameters), torch.autograd.grad(expected, parameters), strict=True):
        torch.testing.assert_close(a, b)


def test_the_truth_is_where_the_objective_is_flat() -> None:
    """With the model's own distribution as data and log Z as the constant, every gradient is 0, whatever the noise."""
    model = machine().double()
    made = learner(model, noise=5)
    made.double()
    made.noise.mean.fill_(0.3)
    with torch.no_grad():
        made.constant.copy_(model.log_partition() / made.speed)
    states, p = STATES.double(), probabilities(model)
    real = -model.free_energy(states) - made.log_partition() - made.noise.log_prob(states) - math.log(5)
    q = made.noise.log_prob(states).exp()
    objective = (p * real.sigmoid().log()).sum() + 5 * (q * (-real).sigmoid().log()).sum()
    for gradient in torch.autograd.grad(objective, [*model.parameters(), made.constant]):
        assert gradient.abs().max() < 1e-9


def test_it_recovers_a_distribution_and_its_log_partition_from_many_samples() -> None:
    truth = machine(3, scale=1.2)
    found, errors = [], []
    for n in (200, 4000):
        made = learner(machine(4, scale=0.3, hidden=3), noise=4, learning_rate=0.05, decay=250)
        x = drawn(truth, n)
        torch.manual_seed(0)
        for _ in range(250):
            made.step(batch_of(x))
        found.append(divergence(truth, made.model))
        held = made.held_out(batch_of(drawn(truth, 5000, 1)), draws(0))
        exact = made.model.log_partition().item()
        assert held["log_partition_error"].item() == pytest.approx(held["log_partition"].item() - exact, abs=1e-4)
        errors.append(abs(held["log_partition_error"].item()))
    assert found[0] > 2 * found[1]
    assert found[1] < 0.01
    assert errors[1] < 0.03
    assert divergence(truth, machine(4, scale=0.3, hidden=3)) > 0.3  # where it began


def test_log_z_starts_where_the_first_noise_puts_it() -> None:
    made = learner(machine(), noise=2000, learning_rate=1e-9)
    made.step(batch_of(drawn(machine(2), 50)))
    assert made.log_partition().item() == pytest.approx(made.model.log_partition().item(), abs=0.1)
    again = made.log_partition().item()
    made.step(batch_of(drawn(machine(2), 50)))
    assert made.log_partition().item() == pytest.approx(again, abs=1e-4)


def test_the_noise_has_the_means_of_all_bits_that_were_fed() -> None:
    made, x = learner(machine()), drawn(machine(2), 90)
    x[:, 0] = 0
    for part in x.split(30):
        made.step(batch_of(part))
    torch.testing.assert_close(made.noise.mean, x.mean(0))
    expected = x.mean(0).clamp(LEAST, 1 - LEAST)
    torch.testing.assert_close(made.noise.sample(40_000, draws(0)).mean(0), expected, atol=0.01, rtol=0)
    assert made.noise.log_prob(STATES).exp().sum().item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(made.noise.log_prob(STATES).exp() @ STATES, expected)


class Bowl(nn.Module):
    """F(x) = ½ aᵀ(x - μ)², whose log Z is that of independent normals with variances 1 / a."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(2))
        self.log_precision = nn.Parameter(torch.zeros(2))

    def free_energy(self, x: Tensor) -> Tensor:
        return 0.5 * ((x - self.mean).square() * self.log_precision.exp()).sum(1)


def points(n: int, seed: int = 0) -> Tensor:
    return torch.tensor([2.0, -1.0]) + torch.tensor([0.5, 2.0]) * torch.randn(n, 2, generator=draws(seed))


def draws(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def test_gaussian_noise_has_the_moments_of_all_reals_that_were_fed() -> None:
    noise = Gaussian(PLANE)
    x = points(90) @ torch.tensor([[1.0, 0.4], [0.0, 1.0]])
    fed = 0
    for part in x.split([10, 30, 50]):
        fed += len(part)
        noise.follow(part, torch.tensor(len(part) / fed))
    torch.testing.assert_close(noise.mean, x.mean(0))
    torch.testing.assert_close(noise.covariance, x.t().cov(correction=0))
    ridge = RIDGE * noise.covariance.diagonal().mean()
    truth = MultivariateNormal(noise.mean, noise.covariance + ridge * torch.eye(2))
    torch.testing.assert_close(noise.log_prob(x), truth.log_prob(x), atol=1e-4, rtol=1e-4)
    drawn = noise.sample(100_000, draws(0))
    torch.testing.assert_close(drawn.mean(0), truth.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.t().cov(), truth.covariance_matrix, atol=0.08, rtol=0)


def test_noise_of_many_reals_keeps_variances_only() -> None:
    noise = Gaussian(DataSpec((FULL + 1,), Support.REALS, Layout.VECTOR))
    x = torch.randn(400, FULL + 1, generator=draws(0)) * 3
    noise.follow(x, torch.tensor(1.0))
    torch.testing.assert_close(noise.covariance, x.var(0, correction=0))
    scale = (noise.covariance + RIDGE * noise.covariance.mean()).sqrt()
    truth = torch.distributions.Normal(noise.mean, scale)
    torch.testing.assert_close(noise.log_prob(x), truth.log_prob(x).sum(1), rtol=1e-4, atol=1e-2)
    assert noise.sample(3, draws(0)).shape == (3, FULL + 1)


@pytest.mark.parametrize("support", [Support.REALS, Support.UNIT])
def test_densities_are_learned_with_their_normaliser(support: Support) -> None:
    spec = DataSpec((2,), support, Layout.POINTS)
    x = points(1000) if support is Support.REALS else torch.rand(1000, 2, generator=draws(0))
    made = learner(Bowl(), spec, noise=4, learning_rate=0.1, decay=400)
    torch.manual_seed(0)
    for _ in range(400):
        reported: dict[str, Any] = made.step(batch_of(x))
    model = made.model
    if support is Support.REALS:
        torch.testing.assert_close(model.mean, torch.tensor([2.0, -1.0]), atol=0.2, rtol=0)
        torch.testing.assert_close(model.log_precision.exp(), torch.tensor([4.0, 0.25]), atol=0.1, rtol=0.2)
        exact = math.log(2 * math.pi) - 0.5 * model.log_precision.sum().item()
        assert made.log_partition().item() == pytest.approx(exact, abs=0.06)
    else:  # uniform data and uniform noise cannot be told apart, and log p(x) = 0
        assert reported["log_likelihood"].item() == pytest.approx(0, abs=0.02)
        assert reported["told_apart"].item() == pytest.approx(0.5, abs=0.05)
    assert "log_partition_error" not in made.held_out(batch_of(x), draws(0))
