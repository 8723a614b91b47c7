"""Orderless NADE against sums over every order, every beginning and every state."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import pytest
import torch
from torch import Generator, Tensor

from models.capabilities import Completes, CompletesInAnyOrder, Ensembles, EstimatesLogProb, Samples, ScoresEach
from models.distributions import bernoulli_log_prob
from models.eonade import EoNadeSettings, OrderlessNade
from models.estimation.enumeration import all_states
from models.learning.maximum_likelihood import MaximumLikelihood, MaximumLikelihoodSettings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

SPEC = DataSpec((1, 2, 3), Support.BITS, Layout.IMAGE)
layers = pytest.mark.parametrize("layers", [1, 2, 3])


def make(layers: int = 1, orders: int = 3, spec: DataSpec = SPEC) -> OrderlessNade:
    torch.manual_seed(2)
    model = OrderlessNade(EoNadeSettings(hidden=8, layers=layers, orders=orders), spec).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.7)
    return model.eval()


def states(bits: int = 6) -> Tensor:
    return torch.cat(list(all_states(bits, torch.zeros((), dtype=torch.float64))))


def naive(model: OrderlessNade, x: Tensor, order: list[int]) -> Tensor:
    """log p_o(x), each conditional from a pass of its own with the mask of what is known: (B,)."""
    x, total = x.flatten(1), torch.zeros(len(x), dtype=x.dtype)
    for d, i in enumerate(order):
        known = torch.zeros_like(x)
        known[:, order[:d]] = 1
        total = total + bernoulli_log_prob(x[:, i], model.logits(x, known)[:, i])
    return total


def test_capabilities_are_those_that_can_be_kept() -> None:
    for capability in (Samples, EstimatesLogProb, Ensembles, Completes, CompletesInAnyOrder):
        assert issubclass(OrderlessNade, capability)
    assert not issubclass(OrderlessNade, ScoresEach)  # a mixture over orders has no conditionals


def test_unfit_data_are_refused_with_advice() -> None:
    with pytest.raises(UnsuitableData, match="binarisation"):
        OrderlessNade.check(EoNadeSettings(), DataSpec((1, 2, 3), Support.UNIT, Layout.IMAGE))
    with pytest.raises(UnsuitableData, match="choose a smaller size"):
        OrderlessNade.check(EoNadeSettings(), DataSpec((1, 1000, 3000), Support.BITS, Layout.IMAGE))


@layers
def test_the_growing_sums_are_passes_with_a_mask(layers: int) -> None:
    model, x = make(layers), states().reshape(-1, 1, 2, 3)
    with torch.no_grad():
        for order in ([0, 1, 2, 3, 4, 5], [5, 2, 0, 3, 1, 4]):
            torch.testing.assert_close(model.log_prob_in_order(x, torch.tensor(order)), naive(model, x, order))


@layers
def test_every_order_is_a_distribution_and_the_ensemble_averages_whole_examples(layers: int) -> None:
    model, x = make(layers), states().reshape(-1, 1, 2, 3)
    with torch.no_grad():
        each = torch.stack([naive(model, x, order.tolist()) for order in model.orders]).exp()
        torch.testing.assert_close(each.sum(1), torch.ones(3).double(), atol=1e-10, rtol=0)
        assert (each[0] - each[1]).abs().max() > 1e-3  # orders do not agree
        torch.testing.assert_close(model.log_prob(x).exp(), each.mean(0))
        for k in range(3):
            torch.testing.assert_close(model.member_log_prob(x, k).exp(), each[k])


def test_the_first_order_is_row_by_row_and_the_others_are_not() -> None:
    orders = make(orders=4).orders.tolist()
    assert orders[0] == make().order().tolist() == list(range(6))
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4


@layers
def test_the_estimate_is_unbiased_over_all_orders_and_beginnings(layers: int) -> None:
    """The mean over every number of known coordinates, and every choice of them, is that of log p_o over all D!."""
    spec = DataSpec((4,), Support.BITS, Layout.VECTOR)
    model, x = make(layers, spec=spec), states(4)
    with torch.no_grad():
        of_orders = torch.stack([naive(model, x, list(order)) for order in permutations(range(4))]).mean(0)
        of_counts = []
        for d in range(4):
            beginnings = [
                torch.zeros(4).double().index_fill(0, torch.tensor(c).long(), 1) for c in combinations(range(4), d)
            ]
            of_counts.append(torch.stack([model.estimate_of(x, known.expand_as(x)) for known in beginnings]).mean(0))
        torch.testing.assert_close(torch.stack(of_counts).mean(0), of_orders)
        drawn = model.log_prob_estimate(x.repeat(4000, 1), Generator().manual_seed(0)).reshape(4000, -1)
    assert ((drawn.mean(0) - of_orders).abs() < 5 * drawn.std(0) / math.sqrt(4000)).all()


def test_coordinates_that_are_not_known_are_not_seen() -> None:
    model, x = make(2), states()
    known = torch.tensor([1.0, 0, 1, 0, 0, 1]).double().expand_as(x)
    changed = torch.where(known == 1, x, 1 - x)
    with torch.no_grad():
        assert torch.equal(model.logits(x, known), model.logits(changed, known))


@pytest.mark.parametrize("orders", [1, 3])
def test_samples_have_the_models_distribution(orders: int) -> None:
    model, n = make(2, orders), 40_000
    with torch.no_grad():
        drawn = model.sample(n, Generator().manual_seed(0)).flatten(1)
        expected = n * model.log_prob(states().reshape(-1, 1, 2, 3)).exp()
    counts = torch.bincount((drawn @ (2.0 ** torch.arange(5, -1, -1)).double()).long(), minlength=64)
    assert ((counts - expected).square() / expected).sum() < 63 + 5 * math.sqrt(2 * 63)


def test_with_the_known_first_a_completion_is_the_exact_conditional_of_that_order() -> None:
    model, n = make(2), 40_000
    known = torch.tensor([False, True, False, True, True, False])
    order = torch.tensor([3, 1, 4, 5, 0, 2])
    x = torch.tensor([0.0, 1, 0, 0, 1, 0]).double()
    with torch.no_grad():
        done = model.complete_in_order(
            x.reshape(1, 1, 2, 3).expand(n, -1, -1, -1),
            known.reshape(1, 2, 3).expand(n, 1, 2, 3),
            order,
            Generator().manual_seed(0),
        )
        every = x.repeat(8, 1)
        every[:, ~known] = states(3)
        p = model.log_prob_in_order(every.reshape(-1, 1, 2, 3), order).softmax(0)
    drawn = done.x.flatten(1)[:, ~known]
    counts = torch.bincount((drawn @ torch.tensor([4.0, 2, 1]).double()).long(), minlength=8)
    assert ((counts - n * p).square() / (n * p)).sum() < 7 + 5 * math.sqrt(14)
    assert torch.equal(done.x.flatten(1)[:, known], x[known].expand(n, 3))


def test_learning_with_one_order_only_is_orderless_too_and_raises_the_likelihood() -> None:
    torch.manual_seed(0)
    model = OrderlessNade(EoNadeSettings(hidden=32, orders=1), SPEC)
    x = (torch.rand(300, 1, 2, 3) < 0.5).float()
    x[:, :, 1] = x[:, :, 0]  # the second row repeats the first: 3 bits of entropy, not 6
    learner = MaximumLikelihood(model, MaximumLikelihoodSettings(learning_rate=0.02), SPEC, 300)
    learner.begin()
    batch = Batch(x, torch.zeros(300), torch.arange(300))
    for _ in range(300):
        assert list(learner.step(batch)) == ["log_prob_estimate"]
    with torch.no_grad():
        for order in ([0, 1, 2, 3, 4, 5], [3, 4, 5, 2, 1, 0]):
            assert model.log_prob_in_order(x, torch.tensor(order)).mean().item() > -2.4  # 3 bits are 2.08 nats
