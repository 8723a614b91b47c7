"""Shares of possible and of different samples, against counting by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from models.estimation.diversity import distinct, n_gram_divergence, n_grams, total_variation


def test_different_examples_are_counted() -> None:
    x = torch.tensor([[0, 1], [1, 1], [0, 1], [0, 1]]).float()
    types, counts = distinct(x)
    assert {tuple(t): c for t, c in zip(types.tolist(), counts.tolist(), strict=True)} == {(0, 1): 3, (1, 1): 1}


def test_total_variation_is_half_the_sum_of_differences_also_over_what_was_never_drawn() -> None:
    p = torch.tensor([0.5, 0.25, 0.25, 0.0])

    def log_prob(x: Tensor) -> Tensor:
        return p[x[:, 0].long()].log()

    x = torch.tensor([0, 0, 0, 1, 1, 3, 3, 3, 3, 3]).float()[:, None]
    shares = torch.tensor([0.3, 0.2, 0.0, 0.5])
    assert total_variation(x, log_prob) == pytest.approx((shares - p).abs().sum().item() / 2)
    # of draws of p itself it is what the docstring says
    n = 4000
    drawn = torch.stack([torch.multinomial(p, n, True, generator=Generator().manual_seed(s)) for s in range(60)])
    away = sum(total_variation(d[:, None].float(), log_prob) for d in drawn) / len(drawn)
    assert away == pytest.approx((2 * p * (1 - p) / (math.pi * n)).sqrt().sum().item() / 2, rel=0.15)


def test_runs_of_symbols_are_counted_within_sequences() -> None:
    x = torch.tensor([[0, 1, 2], [2, 0, 1]]).float()
    runs, counts = n_grams(x, 2, 3)
    found = {divmod(run, 3): count for run, count in zip(runs.tolist(), counts.tolist(), strict=True)}
    assert found == {(0, 1): 2, (1, 2): 1, (2, 0): 1}  # and none from the end of one to the beginning of the other
    with pytest.raises(ValueError, match="no runs of 4"):
        n_grams(x, 4, 3)
    with pytest.raises(ValueError, match="no runs of 20"):
        n_grams(torch.zeros(1, 30), 20, 100)


def test_the_divergence_of_runs_is_0_of_the_same_and_log_2_of_disjoint_ones() -> None:
    x, y = torch.tensor([[0, 1, 0, 1]]).float(), torch.tensor([[2, 2, 2, 2]]).float()
    assert n_gram_divergence(x, x, 2, 3) == pytest.approx(0, abs=1e-12)
    assert n_gram_divergence(x, y, 2, 3) == pytest.approx(math.log(2))
    # by hand: shares (½, ½) of symbols 0 and 1, and (1, 0)
    a, b = torch.tensor([[0, 1]]).float(), torch.tensor([[0, 0]]).float()
    wanted = 0.5 * (0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)) + 0.5 * math.log(1 / 0.75)
    assert n_gram_divergence(a, b, 1, 2) == pytest.approx(wanted)
