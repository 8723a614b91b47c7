"""Random mass functions: normalised, reproducible, as spread as asked, and what is drawn follows them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from dgm_studio.config import DataChoice
from dgm_studio.datasets.mass_function import drawn
from dgm_studio.datasets.sources import load
from models.estimation.enumeration import all_states
from models.spec import Layout, Support


@pytest.mark.parametrize("concentration", [0.01, 1.0, 50.0])
def test_every_state_has_a_probability_and_they_sum_to_one(concentration: float) -> None:
    p = drawn(6, concentration, 0)
    states = torch.cat(list(all_states(6, torch.empty(0, dtype=torch.float64))))
    assert torch.equal(p.log_prob(states), p.log_p)
    assert p.log_p.isfinite().all()
    assert p.log_p.exp().sum().item() == pytest.approx(1, abs=1e-12)
    assert torch.equal(p.log_p, drawn(6, concentration, 0).log_p)
    assert not torch.equal(p.log_p, drawn(6, concentration, 1).log_p)


@pytest.mark.parametrize("concentration", [0.1, 1.0, 5.0])
def test_probabilities_are_spread_as_those_of_the_dirichlet_distribution(concentration: float) -> None:
    """E[Σ p²] = (α + 1) / (nα + 1) of n states; over 400 draws."""
    n = 2**5
    found = torch.tensor([(2 * drawn(5, concentration, seed).log_p).exp().sum().item() for seed in range(400)])
    expected = (concentration + 1) / (n * concentration + 1)
    assert abs(found.mean().item() - expected) < 5 * found.std().item() / math.sqrt(400)


def test_draws_follow_the_probabilities() -> None:
    p, n = drawn(5, 0.5, 3), 50_000
    x = p.sample(n, Generator().manual_seed(0))
    counts = torch.bincount((x @ 2.0 ** torch.arange(4, -1, -1)).long(), minlength=32)
    q = p.log_p.exp()
    assert ((counts / n - q).abs() <= 5 * (q * (1 - q) / n).sqrt() + 1e-9).all()


def test_the_data_set_is_of_bits_with_its_distribution() -> None:
    dataset = load(DataChoice(source="mass-function", settings={"bits": 4, "examples": 50}))
    assert (dataset.spec.event_shape, dataset.spec.support, dataset.spec.layout) == ((4,), Support.BITS, Layout.VECTOR)
    assert dataset.density is not None
    assert dataset.density.log_prob(dataset.test.x).isfinite().all()
