"""The bound by enumeration against sums written out, and coordinate ascent against what it promises."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Generator, Tensor

from models.capabilities import EnumeratesLatent
from models.catalog import FAMILIES
from models.estimation.latent_enumeration import best_factorial, bound, divergence, factorial_log_prob
from models.sigmoid_belief import SigmoidBelief, SigmoidBeliefSettings
from models.spec import DataSpec, Layout, Support


def net() -> SigmoidBelief:
    torch.manual_seed(0)
    settings = SigmoidBeliefSettings(first=3, second=2, third=0)
    model = SigmoidBelief(settings, DataSpec((5,), Support.BITS, Layout.VECTOR)).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def bits(n: int) -> Tensor:
    return torch.randint(2, (n, 5), generator=Generator().manual_seed(1)).double()


def log_bernoulli(value: float, logit: float) -> float:
    return -math.log1p(math.exp(-logit if value else logit))


def test_the_joint_and_recognition_are_products_of_the_nets_conditionals() -> None:
    model, x = net(), bits(3)
    states = model.latent_states()
    assert states.tolist() == [list(map(float, state)) for state in itertools.product((0, 1), repeat=5)]
    joint, recognised = model.log_joint_of(x, states), model.log_recognition_of(x, states)
    for b, s in itertools.product(range(3), (0, 7, 13, 30)):
        low, high = states[s, :3], states[s, 3:]
        down = [(x[b], model.generative[0](low)), (low, model.generative[1](high)), (high, model.prior)]
        up = [(low, model.recognition[0](x[b])), (high, model.recognition[1](low))]
        for found, terms in ((joint, down), (recognised, up)):
            said = sum(log_bernoulli(v, g) for vs, gs in terms for v, g in zip(vs.tolist(), gs.tolist(), strict=True))
            assert found[b, s].item() == pytest.approx(said)


def test_bound_and_divergence_make_the_evidence_for_any_q() -> None:
    model, x = net(), bits(4)
    states = model.latent_states()
    joint = model.log_joint_of(x, states)
    for log_q in (model.log_recognition_of(x, states), torch.randn(4, 32).double().log_softmax(1)):
        assert log_q.exp().sum(1).tolist() == pytest.approx([1] * 4)
        made = bound(log_q, joint) + divergence(log_q, joint.log_softmax(1))
        assert made.tolist() == pytest.approx(model.log_prob(x).tolist())


def test_states_without_probability_cost_nothing() -> None:
    log_q = torch.tensor([[0.0, -math.inf]])
    assert divergence(log_q, torch.tensor([[0.5, 0.5]]).log()).item() == pytest.approx(math.log(2))
    assert bound(log_q, torch.tensor([[-1.0, -3.0]])).item() == -1


def test_coordinate_ascent_climbs_to_where_no_factor_can_be_better() -> None:
    model, x = net(), bits(4)
    states = model.latent_states()
    joint = model.log_joint_of(x, states).detach()
    logits, bounds = best_factorial(joint, states, torch.zeros(4, 5).double(), 40)
    assert (bounds.diff(dim=0) > -1e-12).all()
    assert (bounds[-1] > bounds[0] + 0.01).all()
    assert (bounds[-1] <= model.log_prob(x)).all()
    logits.requires_grad_()
    (slope,) = torch.autograd.grad(bound(factorial_log_prob(logits, states), joint).sum(), logits)
    assert slope.abs().max() < 1e-6


def test_a_factorial_posterior_is_found_exactly() -> None:
    states = net().latent_states()
    wanted = torch.randn(2, 5, generator=Generator().manual_seed(2)).double()
    joint = factorial_log_prob(wanted, states) - 3
    logits, bounds = best_factorial(joint, states, torch.zeros(2, 5).double(), 1)
    assert torch.allclose(logits, wanted)
    assert bounds[-1].tolist() == pytest.approx([-3, -3])


def test_some_family_enumerates_its_latent_states() -> None:
    assert any(issubclass(family.model, EnumeratesLatent) for family in FAMILIES)
