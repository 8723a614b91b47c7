"""The learner gumbel-softmax: its schedule, what it reports, and its gradient against the enumerated one."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor, nn

from models.discrete_vae import DiscreteVae
from models.learning.gumbel_softmax import GumbelSoftmax, GumbelSoftmaxSettings
from models.spec import Batch
from tests.models.small_code import SPEC, X, enumerated_bound, small


def learner(model: nn.Module, **settings: object) -> GumbelSoftmax:
    made = GumbelSoftmax(model, GumbelSoftmaxSettings(**settings), SPEC, 100)  # type: ignore[arg-type]
    made.begin()
    return made.double()


def batch(x: Tensor) -> Batch:
    index = torch.arange(len(x))
    return Batch(x, index, index)


@pytest.mark.parametrize(("cooling", "middle"), [("exponential", 0.2), ("linear", 0.505)])
def test_the_temperature_goes_from_start_to_end_and_stays(cooling: str, middle: float) -> None:
    made = learner(small(), temperature=1.0, final_temperature=0.04 if cooling == "exponential" else 0.01,
                   cooling=cooling, cooling_steps=200)  # fmt: skip
    found = []
    for steps in (0, 100, 200, 1000):
        made.steps.fill_(steps)
        found.append(float(made.temperature()))
    last = made.settings.final_temperature
    assert found == pytest.approx([1.0, middle, last, last])
    assert float(learner(small(), temperature=0.7, cooling_steps=0).temperature()) == 0.7


def test_a_step_is_taken_at_the_temperature_of_its_number() -> None:
    made = learner(small(), temperature=2.0, final_temperature=0.5, cooling_steps=2)
    torch.manual_seed(0)
    assert [made.step(batch(X))["temperature"].item() for _ in range(4)] == pytest.approx([2.0, 1.0, 0.5, 0.5])


def test_the_reported_bound_is_of_states_also_where_the_relaxed_objective_is_above_the_evidence() -> None:
    """A single bit tells two of these patterns apart, and its relaxed draw all of them."""
    patterns = torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]).double()
    model = small(1, 2)
    made = learner(model, temperature=2.0, cooling_steps=0, learning_rate=0.03)
    torch.manual_seed(0)
    for _ in range(300):
        reported = made.step(batch(patterns.repeat(10, 1)))
    assert "elbo" not in reported
    with torch.no_grad():
        many = batch(patterns.repeat(500, 1))
        held, evidence = made.held_out(many, Generator().manual_seed(0)), model.log_prob(patterns).mean()
        assert held["relaxed"] > evidence + 0.1  # which shows that it bounds nothing
        assert held["elbo"].item() == pytest.approx(enumerated_bound(model, patterns)[0].mean().item(), abs=0.1)
        assert held["elbo"] < evidence
        assert held["elbo"].item() == pytest.approx((held["reconstruction"] - held["kl"]).item())


def test_straight_through_steps_report_the_bound_of_states() -> None:
    torch.manual_seed(0)
    assert {"elbo", "reconstruction", "kl"} < set(learner(small(), straight_through=True).step(batch(X)))


def test_the_kl_weight_is_in_the_loss_and_in_nothing_that_is_reported() -> None:
    losses, reports = [], []
    for weight in (0.0, 1.0, 3.0):
        loss, reported = learner(small(), kl_weight=weight).surrogate(X, Generator().manual_seed(0))
        losses.append(loss.item())
        reports.append({key: value.item() for key, value in reported.items()})
    assert reports[0] == reports[1] == reports[2]
    assert losses[1] == pytest.approx(-reports[0]["relaxed"])
    assert losses[2] - losses[0] == pytest.approx(3 * reports[0]["kl"])


def _gradient(model: DiscreteVae, value: Tensor) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(model.parameters()))])


@pytest.mark.parametrize("values", [2, 3])
def test_the_relaxed_gradient_nears_that_of_the_enumerated_bound_as_it_cools_and_varies_more(values: int) -> None:
    model, x = small(2, values), X[:1]
    exact = _gradient(model, enumerated_bound(model, x)[0].sum())
    biases, variances = [], []
    for temperature in (2.0, 0.1):
        made = learner(model, temperature=temperature, cooling_steps=0)
        loss, _ = made.surrogate(x.expand(20_000, -1), Generator().manual_seed(0))
        biases.append(((-_gradient(model, loss)) - exact).norm() / exact.norm())
        variances.append(made.variance_of_gradient(x, Generator().manual_seed(0), 50))
    assert biases[0] > 3 * biases[1]
    assert biases[1] < 0.1
    assert variances[0] < variances[1]
