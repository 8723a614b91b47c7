"""MADE against enumeration, its Jacobian, and members drawn and averaged one by one."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from models.capabilities import Completes, Ensembles, EstimatesLogProb, Samples, ScoresEach, ScoresExactly
from models.estimation.enumeration import all_states
from models.learning.maximum_likelihood import MaximumLikelihood, MaximumLikelihoodSettings
from models.made import LARGEST_DIRECT, Made, MadeSettings, OrderAgnosticMade, OrderAgnosticMadeSettings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

SHAPE = (1, 2, 5)
SPEC = DataSpec(SHAPE, Support.BITS, Layout.IMAGE)
SMALL = DataSpec((6,), Support.BITS, Layout.VECTOR)
KINDS = ((Made, MadeSettings), (OrderAgnosticMade, OrderAgnosticMadeSettings))
both = pytest.mark.parametrize("kind", KINDS, ids=["one-order", "several-orders"])
depths = pytest.mark.parametrize(
    ("hidden", "layers", "direct"), [(9, 1, False), (4, 1, True), (7, 2, True), (12, 3, False)]
)


def make(kind: Any = KINDS[0], spec: DataSpec = SPEC, masks: int = 3, **settings: Any) -> Any:
    torch.manual_seed(2)
    model = kind[0](kind[1](**{"hidden": 9, "masks": masks} | settings), spec).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 1)  # also where a mask hides it: it must not count
    return model.eval()


def states(bits: int) -> Tensor:
    return torch.cat(list(all_states(bits, torch.zeros((), dtype=torch.float64))))


def jacobian(model: Any, member: int) -> Tensor:
    """d logit_d / d x_i in the order of the member, with every weight positive, so that no unit is off and nothing
    cancels: (D, D)."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()
    x = torch.rand(1, *SHAPE, generator=Generator().manual_seed(0), dtype=torch.float64)
    found = torch.autograd.functional.jacobian(lambda bits: model.member_conditionals(bits, member).flatten(), x)
    order = model.places[member].argsort()
    return found.reshape(10, 10)[order][:, order]


def chi_squared(drawn: Tensor, p: Tensor) -> float:
    """How far counts are from n p, in standard deviations of what they should be."""
    places = 2.0 ** torch.arange(drawn.shape[1] - 1, -1, -1, dtype=drawn.dtype)
    counts = torch.bincount((drawn @ places).long(), minlength=len(p))
    expected = p * len(drawn)
    return (((counts - expected).square() / expected).sum().item() - len(p) + 1) / math.sqrt(2 * (len(p) - 1))


def test_capabilities_are_those_that_can_be_kept() -> None:
    for model in (Made, OrderAgnosticMade):
        for capability in (Samples, ScoresExactly, EstimatesLogProb, Ensembles, Completes):
            assert issubclass(model, capability)
    assert issubclass(Made, ScoresEach)
    assert not issubclass(OrderAgnosticMade, ScoresEach)  # a mixture over orders has no conditionals


def test_unfit_data_are_refused_with_advice() -> None:
    with pytest.raises(UnsuitableData, match="binarisation"):
        Made.check(MadeSettings(), DataSpec(SHAPE, Support.UNIT, Layout.IMAGE))
    large = DataSpec((1, 65, 64), Support.BITS, Layout.IMAGE)
    with pytest.raises(UnsuitableData, match=rf"up to {LARGEST_DIRECT:,} values"):
        Made.check(MadeSettings(), large)
    Made.check(MadeSettings(direct=False), large)
    with pytest.raises(UnsuitableData, match="choose a smaller size"):
        Made.check(MadeSettings(direct=False), DataSpec((1, 1000, 3000), Support.BITS, Layout.IMAGE))


@both
@depths
def test_every_member_is_a_distribution_and_the_ensemble_is_their_mean(
    kind: Any, hidden: int, layers: int, direct: bool
) -> None:
    model = make(kind, hidden=hidden, layers=layers, direct=direct)
    x = states(10).reshape(-1, *SHAPE)
    with torch.no_grad():
        each = torch.stack([model.member_log_prob(x, k) for k in range(3)]).exp()
        torch.testing.assert_close(each.sum(1), torch.ones(3).double(), atol=1e-10, rtol=0)
        assert (each[0] - each[1]).abs().max() > 1e-4  # members do differ
        torch.testing.assert_close(model.log_prob(x).exp(), each.mean(0))


@both
@depths
def test_the_jacobian_of_the_logits_is_strictly_triangular_in_the_order_of_the_member(
    kind: Any, hidden: int, layers: int, direct: bool
) -> None:
    model = make(kind, hidden=hidden, layers=layers, direct=direct)
    triangle = torch.ones(10, 10).tril(-1).bool()
    for member in range(3):
        found = jacobian(model, member)
        assert (found[~triangle] == 0).all()
        if hidden >= 9 or direct:  # enough units for each degree, or another way past them
            assert (found[triangle] > 0).all()


@both
@pytest.mark.parametrize("hidden", [2, 5, 9, 500])
def test_degrees_span_the_whole_order_also_with_few_units(kind: Any, hidden: int) -> None:
    """A cyclic assignment 1, 2, …, H of degrees would leave all but the first H coordinates unseen."""
    spec = DataSpec((784,), Support.BITS, Layout.VECTOR)
    for dimensions, data in ((10, SPEC), (784, spec)):
        degrees = make(kind, data, hidden=hidden, layers=2, direct=False).degrees
        assert (degrees.amin(-1) == 1).all()
        assert (degrees.amax(-1) == dimensions - 1).all()
        gaps = degrees.sort(-1).values.diff(dim=-1)
        assert gaps.max() <= math.ceil((dimensions - 2) / (hidden - 1))


def test_the_last_coordinate_sees_all_others_through_two_units() -> None:
    model = make(masks=1, hidden=2, direct=False)
    assert (jacobian(model, 0)[-1, :-1] > 0).all()


def test_whole_examples_are_averaged_and_not_coordinates() -> None:
    model, x = make(KINDS[1]), states(10).reshape(-1, *SHAPE)
    with torch.no_grad():
        means = torch.stack([model.member_conditionals(x, k).sigmoid() for k in range(3)]).mean(0)
        by_coordinate = torch.where(x == 1, means, 1 - means).flatten(1).prod(1)
        assert abs(by_coordinate.sum() - 1) > 0.01  # what this test would catch: it is not normalised
        assert model.log_prob(x).exp().sum().item() == pytest.approx(1, abs=1e-10)


def test_orders_differ_where_they_should() -> None:
    one, several = make(KINDS[0]), make(KINDS[1])
    assert one.order().tolist() == several.order().tolist() == list(range(10))
    assert (one.places == one.places[0]).all()
    assert len({tuple(places) for places in several.places.tolist()}) == 3
    assert all(sorted(places) == list(range(1, 11)) for places in several.places.tolist())


@pytest.mark.parametrize("masks", [1, 3])
def test_conditionals_of_the_mixture_are_those_of_its_joint_probabilities(masks: int) -> None:
    model, x = make(masks=masks, spec=SMALL), states(6)
    with torch.no_grad():
        p, found = model.log_prob(x).exp(), model.log_conditionals(x)
    for d in range(6):
        for row in range(0, 64, 7):
            same = (x[:, :d] == x[row, :d]).all(1)
            expected = p[same & (x[:, d] == x[row, d])].sum() / p[same].sum()
            assert found[row, d].exp().item() == pytest.approx(expected.item(), abs=1e-9)


@both
def test_the_mean_of_the_estimate_over_members_is_a_bound(kind: Any) -> None:
    model, x = make(kind), states(10)[::11].reshape(-1, *SHAPE)
    with torch.no_grad():
        each = torch.stack([model.member_log_prob(x, k) for k in range(3)])
        drawn = torch.stack([model.log_prob_estimate(x, Generator().manual_seed(s)) for s in range(30)])
        assert (each.mean(0) <= model.log_prob(x)).all()
    which = (drawn[:, None] - each[None]).abs().amax(-1) < 1e-9  # each draw is one member, for the whole batch
    assert (which.sum(1) == 1).all()
    assert which.any(0).all()


@both
@pytest.mark.parametrize("masks", [1, 3])
def test_samples_have_the_models_distribution(kind: Any, masks: int) -> None:
    model = make(kind, SMALL, masks, layers=2, hidden=7)
    with torch.no_grad():
        drawn = model.sample(40_000, Generator().manual_seed(0))
        assert chi_squared(drawn, model.log_prob(states(6)).exp()) < 5


@both
@depths
def test_what_is_drawn_in_turn_has_the_probabilities_of_one_pass(
    kind: Any, hidden: int, layers: int, direct: bool
) -> None:
    model = make(kind, hidden=hidden, layers=layers, direct=direct)
    x = states(10)[::9].reshape(-1, *SHAPE)
    known = torch.ones_like(x, dtype=torch.bool)
    with torch.no_grad():
        for member in range(3):
            done = model.member_complete(x, known, member)
            torch.testing.assert_close(done.mean, model.member_conditionals(x, member).sigmoid())
        expected = model.log_prob(x) if kind is KINDS[0] else model.member_log_prob(x, 0)
        torch.testing.assert_close(model.complete(x, known).log_prob.flatten(1).sum(1), expected)


@pytest.mark.parametrize("masks", [1, 3])
def test_completion_after_a_known_beginning_is_the_exact_conditional(masks: int) -> None:
    model, n = make(spec=SMALL, masks=masks), 40_000
    beginning = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    x = torch.cat([beginning, torch.zeros(3, dtype=torch.float64)]).expand(n, 6)
    with torch.no_grad():
        done = model.complete(x, torch.arange(6).expand(n, 6) < 3, Generator().manual_seed(0))
        p = model.log_prob(torch.cat([beginning.expand(8, 3), states(3)], 1)).softmax(0)
    assert chi_squared(done.x[:, 3:], p) < 5


@pytest.mark.parametrize(("masks", "key"), [(1, "log_prob"), (4, "log_prob_estimate")])
def test_learning_draws_masks_only_where_there_are_several(masks: int, key: str) -> None:
    torch.manual_seed(0)
    model = Made(MadeSettings(hidden=20, masks=masks), SPEC)
    x = (torch.rand(300, *SHAPE) < 0.5).float()
    x[:, :, 1] = x[:, :, 0]  # the second row repeats the first: 5 bits of entropy, not 10
    learner = MaximumLikelihood(model, MaximumLikelihoodSettings(learning_rate=0.02), SPEC, 300)
    learner.begin()
    batch = Batch(x, torch.zeros(300), torch.arange(300))
    before = torch.get_rng_state()
    assert list(learner.step(batch)) == [key]
    assert torch.equal(torch.get_rng_state(), before) == (masks == 1)
    for _ in range(300):
        learner.step(batch)
    assert model.log_prob(x).mean().item() > -3.7  # 5 bits are 3.47 nats
