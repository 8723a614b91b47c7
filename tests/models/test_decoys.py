"""Models of good likelihood and bad samples, and the other way round: against enumeration."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from models.estimation.decoys import (
    hamming,
    memory_log_prob,
    mixed,
    mixed_log_prob,
    nearest,
    noise_log_prob,
    remembered,
)
from models.estimation.enumeration import all_states
from models.estimation.progress import finish

D = 5


def states() -> torch.Tensor:
    return torch.cat(list(all_states(D, torch.zeros(()))))


def memory() -> torch.Tensor:
    return torch.rand(7, D, generator=Generator().manual_seed(0)).round()


@pytest.mark.parametrize("flip", [0.001, 0.2])
def test_probabilities_of_every_model_sum_to_one(flip: float) -> None:
    of_memory = finish(memory_log_prob(states(), memory(), flip))
    noise = noise_log_prob(states())
    for log_p in (of_memory, noise, mixed_log_prob(of_memory, noise, 0.01), mixed_log_prob(of_memory, noise, 1.0)):
        assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_noise_costs_no_more_than_the_logarithm_of_the_share_and_nearly_all_of_it_where_the_model_is_sure() -> None:
    ours, noise = finish(memory_log_prob(states(), memory(), 0.001)), noise_log_prob(states())
    cost = ours - mixed_log_prob(ours, noise, 0.01)
    assert (cost <= math.log(100) + 1e-9).all()
    sure = mixed_log_prob(torch.tensor([-1.0]), torch.tensor([-100.0]), 0.01)
    assert sure.item() == pytest.approx(-1 - math.log(100), abs=1e-6)
    torch.testing.assert_close(mixed_log_prob(ours, noise, 1.0), ours)


def test_draws_of_the_memoriser_are_those_of_its_probabilities() -> None:
    drawn = remembered(memory(), 20_000, 0.1, Generator().manual_seed(0))
    places = (drawn @ (2.0 ** torch.arange(D - 1, -1, -1))).long()
    counted = torch.bincount(places, minlength=2**D) / len(drawn)
    expected = finish(memory_log_prob(states(), memory(), 0.1)).exp().float()
    torch.testing.assert_close(counted, expected, atol=0.01, rtol=0)


def test_a_mixture_draws_the_model_as_often_as_its_share_says() -> None:
    ones = torch.ones(4000, 30)
    drawn = mixed(ones, 0.25, Generator().manual_seed(0))
    whole = (drawn == 1).all(1).float().mean().item()
    assert whole == pytest.approx(0.25, abs=0.03)
    assert drawn.mean().item() == pytest.approx(0.25 + 0.75 / 2, abs=0.02)
    assert bool((mixed(ones, 1.0, Generator()) == 1).all())


def test_distances_count_the_bits_that_differ() -> None:
    x = states()
    expected = (x[:, None] != memory()[None]).sum(-1)
    assert torch.equal(hamming(x, memory()).long(), expected)
    assert torch.equal(nearest(x, memory()).long(), expected.amin(1))
