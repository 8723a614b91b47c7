"""Modes found and high-quality share, against samplers whose answer is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Generator, Tensor

from models.estimation.coverage import SAMPLES, coverage, coverage_of, perfect_quality
from models.estimation.measure import Kind


@dataclass(frozen=True)
class Ring:
    """Eight Gaussians on the unit circle; `width` scales the noise of its own samples, `modes` limits them."""

    sigma: float = 0.01
    width: float = 1.0
    modes: int = 8

    @property
    def means(self) -> Tensor:
        angle = torch.arange(8) * 2 * math.pi / 8
        return torch.stack([angle.cos(), angle.sin()], 1)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        mode = torch.randint(self.modes, (n,), generator=generator)
        return self.means[mode] + self.width * self.sigma * torch.randn(n, 2, generator=generator)


def draws(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_a_perfect_sampler_has_98_89_percent_within_three_sigma() -> None:
    assert perfect_quality(2) == pytest.approx(1 - math.exp(-4.5), abs=1e-12)
    assert f"{perfect_quality(2):.2%}" == "98.89%"
    assert perfect_quality(1) == pytest.approx(math.erf(3 / math.sqrt(2)), abs=1e-12)


def test_a_perfect_ring_sampler_finds_every_mode_and_its_interval_holds_the_exact_share() -> None:
    inside = 0
    for seed in range(40):
        found = coverage(Ring(), Ring(), draws(seed))
        assert found.modes.value == 8
        assert found.counts.sum().item() == round(found.quality.value * SAMPLES)
        inside += found.quality.low <= perfect_quality(2) <= found.quality.high
    assert inside >= 35  # 95 % intervals, of which 40 are tried


def test_large_samples_agree_with_the_exact_share() -> None:
    found = coverage(Ring(sigma=0.05), Ring(sigma=0.05), draws(), samples=400_000)
    assert found.quality.value == pytest.approx(perfect_quality(2), abs=5e-4)  # 3 standard errors


def test_a_sampler_of_one_mode_is_found_out() -> None:
    found = coverage(Ring(modes=1), Ring(), draws())
    assert found.modes.value == 1
    assert found.counts.tolist()[1:] == [0] * 7


def test_samples_narrower_than_the_data_are_called_collapse_and_true_ones_are_not() -> None:
    narrow = coverage(Ring(width=0.1), Ring(), draws())
    assert narrow.quality.value == 1.0
    assert "narrower" in narrow.quality.note
    assert coverage(Ring(), Ring(), draws()).quality.note == ""


def test_samples_between_the_modes_and_undefined_ones_count_for_nothing() -> None:
    x = torch.tensor([[0.0, 0.0], [math.nan, 0.0], [math.inf, 0.0], [1.0, 0.0]])
    found = coverage_of(x, Ring())
    assert found.modes.value == 1
    assert found.quality.value == 0.25


def test_results_say_what_they_are() -> None:
    found = coverage(Ring(), Ring(), draws())
    assert found.quality.kind is Kind.ESTIMATE
    assert "2500 samples" in found.quality.protocol
    assert "3σ" in found.quality.protocol
