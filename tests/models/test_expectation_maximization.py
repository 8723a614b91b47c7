"""The learner of expectation maximisation, on a mixture whose steps can be worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from models.learning.expectation_maximization import ExpectationMaximization, ExpectationMaximizationSettings
from models.spec import Batch, DataSpec, Layout, Support


class TwoBits(nn.Module):
    """An equal mixture of two Bernoullis, whose only parameters are their means."""

    def __init__(self) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.tensor([0.25, 0.5], dtype=torch.float64))

    def _joint(self, x: Tensor) -> Tensor:
        return 0.5 * torch.where(x == 1, self.means, 1 - self.means)  # (B, 2)

    def log_prob(self, x: Tensor) -> Tensor:
        return self._joint(x).sum(1).log()

    def expected_statistics(self, x: Tensor) -> dict[str, Tensor]:
        joint = self._joint(x)
        posterior = joint / joint.sum(1, keepdim=True)
        return {"log_prob": self.log_prob(x).sum(), "counts": posterior.sum(0), "ones": (posterior * x).sum(0)}

    def maximize(self, statistics: dict[str, Tensor]) -> None:
        self.means.copy_(statistics["ones"] / statistics["counts"])


def learner(**settings: int) -> ExpectationMaximization:
    spec = DataSpec((1,), Support.BITS, Layout.VECTOR)
    return ExpectationMaximization(TwoBits(), ExpectationMaximizationSettings(**settings), spec, 4)


def batch(*bits: int) -> Batch:
    x = torch.tensor(bits, dtype=torch.float64)[:, None]
    return Batch(x, torch.full((len(x),), -1), torch.arange(len(x)))


def test_a_step_is_an_expectation_and_a_maximisation_and_reports_the_likelihood_before_it() -> None:
    made, four = learner(), batch(1, 1, 1, 0)
    before = made.model.log_prob(four.x).mean().item()
    reported = made.step(four)
    assert reported["log_prob"].item() == pytest.approx(before, abs=1e-15)
    # p(component 1 | 1) = .25 / .75 and p(component 1 | 0) = .75 / 1.25
    assert made.model.means.tolist() == pytest.approx([1 / (1 + 0.6), 2 / (2 + 0.4)], abs=1e-15)


def test_parts_of_the_training_set_change_only_the_last_bits() -> None:
    whole, parts = learner(), learner(examples_at_once=3)
    for _ in range(3):
        a, b = (made.step(batch(1, 1, 1, 0)) for made in (whole, parts))
        assert a["log_prob"].item() == pytest.approx(b["log_prob"].item(), abs=1e-14)
    assert torch.allclose(whole.model.means, parts.model.means, atol=1e-14)


def test_held_out_data_are_scored_without_a_step() -> None:
    made, held = learner(), batch(0, 0)
    means = made.model.means.detach().clone()
    value = made.held_out(held, torch.Generator())["log_prob"]
    assert value.item() == pytest.approx(torch.tensor(0.625).log().item(), abs=1e-6)
    assert torch.equal(means, made.model.means)
