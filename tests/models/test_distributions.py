"""Distributions with explicit randomness."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from models.distributions import (
    Normal,
    Uniform,
    bernoulli,
    bernoulli_log_likelihood,
    bernoulli_log_prob,
    gaussian_log_prob,
    standard_normal,
)


def some_normal() -> Normal:
    return Normal(
        torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64), torch.tensor([0.2, -0.7, 0.0], dtype=torch.float64)
    )


def test_normal_log_prob_is_the_density() -> None:
    normal, z = some_normal(), torch.tensor([[0.0, 0.0, 0.0], [1.0, -1.0, 2.5]], dtype=torch.float64)
    expected = torch.distributions.Normal(normal.mean, normal.log_scale.exp()).log_prob(z).sum(-1)
    torch.testing.assert_close(normal.log_prob(z), expected)


def test_normal_samples_have_its_moments() -> None:
    normal = some_normal()
    z = normal.sample(100_000, Generator().manual_seed(0))
    torch.testing.assert_close(z.mean(0), normal.mean, atol=0.02, rtol=0)
    torch.testing.assert_close(z.std(0), normal.log_scale.exp(), atol=0.02, rtol=0)


def test_the_closed_form_kl_is_the_mean_log_ratio() -> None:
    normal = some_normal()
    z = normal.sample(200_000, Generator().manual_seed(0))
    ratio = normal.log_prob(z) - standard_normal(3, like=z).log_prob(z)
    error = ratio.std().item() / math.sqrt(len(z))
    assert normal.kl_from_standard().sum().item() == pytest.approx(ratio.mean().item(), abs=4 * error)
    assert (normal.kl_from_standard() > 0).all()
    assert standard_normal(3, like=z).kl_from_standard().abs().max() == 0


def test_gradients_flow_through_normal_samples() -> None:
    mean = torch.zeros(2, requires_grad=True)
    Normal(mean, torch.zeros(2)).sample(5, Generator().manual_seed(0)).sum().backward()
    assert mean.grad is not None
    assert mean.grad.tolist() == [5, 5]


def test_uniform_lies_in_its_box_with_its_density() -> None:
    uniform = Uniform(torch.tensor([-1.0, 2.0]), torch.tensor([1.0, 2.5]))
    z = uniform.sample(1000, Generator().manual_seed(0))
    assert (z >= uniform.low).all()
    assert (z < uniform.high).all()
    torch.testing.assert_close(z.mean(0), uniform.mean, atol=0.05, rtol=0)
    assert uniform.log_prob(torch.tensor([0.0, 2.2])).item() == pytest.approx(0)  # an area of 1
    assert uniform.log_prob(torch.tensor([0.0, 3.0])).item() == -math.inf


@pytest.mark.parametrize("size", [1, 12, 64, 105])
@pytest.mark.parametrize("scale", [1.0, 30.0, 300.0])
def test_the_sum_over_bits_is_the_same_with_and_without_a_gradient(size: int, scale: float) -> None:
    generator = Generator().manual_seed(0)
    x = torch.rand(4, size, generator=generator)
    x[:2] = x[:2].round()  # bits, and values between
    logits = scale * torch.randn(3, 4, size, generator=generator)
    kept = logits.clone()
    exact = bernoulli_log_prob(x.double().expand(3, 4, size), logits.double()).sum(-1)
    with torch.no_grad():
        fast = bernoulli_log_likelihood(x, logits)
        torch.testing.assert_close(bernoulli_log_likelihood(x.double(), logits.double()), exact, rtol=1e-12, atol=1e-10)
    torch.testing.assert_close(fast.double(), exact, rtol=2e-6, atol=2e-5)
    torch.testing.assert_close(bernoulli_log_likelihood(x, logits).double(), exact, rtol=2e-6, atol=2e-5)
    assert torch.equal(logits, kept)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("p", [0.0, 1e-3, 0.3, 0.999, 1.0])
def test_bits_come_as_often_as_asked(p: float, dtype: torch.dtype) -> None:
    n = 1_000_000
    bits = bernoulli(torch.full((n,), p, dtype=dtype), Generator().manual_seed(0))
    assert bits.dtype is dtype
    assert set(bits.unique().tolist()) <= {0.0, 1.0}
    assert bits.double().mean().item() == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / n))


def test_bits_of_one_draw_are_independent() -> None:
    bits = bernoulli(torch.full((200_000, 2), 0.5), Generator().manual_seed(0))
    for a, b in ((bits[:, 0], bits[:, 1]), (bits[1:, 0], bits[:-1, 0])):
        assert _correlation(a, b) == pytest.approx(0, abs=0.01)


def _correlation(a: Tensor, b: Tensor) -> float:
    return torch.corrcoef(torch.stack([a, b]))[0, 1].item()


def test_bits_repeat_with_their_generator_and_carry_no_gradient() -> None:
    p = torch.full((100,), 0.5, requires_grad=True)
    a, b = (bernoulli(p, Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(a, b)
    assert not a.requires_grad
    state = torch.get_rng_state()
    bernoulli(p, Generator().manual_seed(7))
    assert torch.equal(state, torch.get_rng_state())


def test_elementwise_log_probabilities_are_those_of_their_definitions() -> None:
    logits, x = torch.tensor([0.0, 2.0, -3.0]), torch.tensor([1.0, 0.0, 1.0])
    p = logits.sigmoid()
    torch.testing.assert_close(bernoulli_log_prob(x, logits), (x * p + (1 - x) * (1 - p)).log())
    # far from 0 the logarithm of a rounded probability would be infinite
    assert bernoulli_log_prob(torch.tensor(0.0), torch.tensor(200.0)).item() == pytest.approx(-200)
    mean, log_scale = torch.tensor(1.0), torch.tensor(-0.5)
    expected = torch.distributions.Normal(mean, log_scale.exp()).log_prob(x)
    torch.testing.assert_close(gaussian_log_prob(x, mean, log_scale), expected)
