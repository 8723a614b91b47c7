"""Parallel tempering against enumerated distributions, where plain chains stay in one mode."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from contract import LEARNERS, built, train
from test_boltzmann import bits, drawn, joint, make, normalised, number
from torch import Generator, Tensor

from models import catalog
from models.boltzmann import Boltzmann, BoltzmannSettings
from models.learning.contrastive_divergence import PersistentCdSettings, PersistentContrastiveDivergence
from models.rbm import Rbm, RbmSettings
from models.spec import Batch, DataSpec, Layout, Support
from models.tempering import exchange, ladder, tempered_sweep

SPEC = DataSpec((6,), Support.BITS, Layout.VECTOR)


def two_modes(strength: float = 4.0) -> Boltzmann:
    """Six visible units that want to be alike, and one hidden one that looks on: all off or all on, each with nearly
    half of the probability."""
    torch.manual_seed(0)
    model = Boltzmann(BoltzmannSettings(hidden=1), SPEC).double()
    assert model.visible_weight is not None
    with torch.no_grad():
        model.weight.zero_()
        model.visible_weight.fill_(strength).triu_(1)
        model.visible_bias.fill_(-strength * 5 / 2)
    return model


def test_temperatures_go_from_one_to_the_hottest_with_even_inverses() -> None:
    found = ladder(5, 10.0)
    assert found[0] == 1
    assert found[-1] == pytest.approx(10)
    steps = [1 / a - 1 / b for a, b in pairwise(found)]
    assert steps == pytest.approx([0.9 / 4] * 4)
    assert ladder(1, 10.0) == (1.0,)


@pytest.mark.parametrize("levels", [2, 3, 4, 5])
def test_exchanges_leave_the_product_of_all_temperatures_as_it_is(levels: int) -> None:
    """With two states of energies 0 and 1.5, each temperature keeps its own probability of the second."""
    temperatures, n = ladder(levels, 4.0), 200_000
    energy = torch.tensor([0.0, 1.5], dtype=torch.float64)
    p = torch.stack([(-energy / t).softmax(0)[1] for t in temperatures])
    state = (torch.rand(levels, n, generator=Generator().manual_seed(0)).double() < p[:, None]).long()
    order, accepted = exchange(energy[state], temperatures, Generator().manual_seed(1))
    assert torch.equal(order.sort(0).values, torch.arange(levels)[:, None].expand(-1, n))
    after = state.gather(0, order)
    places = 2 ** torch.arange(levels)[:, None]
    found = torch.bincount((after * places).sum(0), minlength=2**levels) / n
    table = torch.tensor([[k >> level & 1 for k in range(2**levels)] for level in range(levels)])
    expected = torch.where(table == 1, p[:, None], 1 - p[:, None]).prod(0)
    assert ((found - expected).abs() <= 5 * (expected * (1 - expected) / n).sqrt() + 1e-5).all()
    assert 0.5 < accepted < 1
    assert not torch.equal(order, torch.arange(levels)[:, None].expand(-1, n))


@pytest.mark.parametrize("s", [True, False])
def test_every_temperature_keeps_its_distribution(s: bool) -> None:
    model, temperatures, n = make(True, s), ladder(3, 3.0), 200_000
    tables = [normalised(joint(model, t)).exp() for t in temperatures]
    states = [drawn(p, n) for p in tables]
    # shuffled, so that the chains of different temperatures are independent of each other
    orders = [torch.randperm(n, generator=Generator().manual_seed(k)) for k in range(3)]
    v, h = (torch.stack([state[i][order] for state, order in zip(states, orders, strict=True)]) for i in (0, 1))
    with torch.no_grad():
        found = tempered_sweep(model, v, h, temperatures, Generator().manual_seed(1))
    for level, p in enumerate(tables):
        place = number(found.v[level]) * 8 + number(found.h[level])
        frequency = (torch.bincount(place, minlength=128) / n).reshape(16, 8)
        assert ((frequency - p).abs() <= 5 * (p * (1 - p) / n).sqrt() + 5 / n).all()
    if not s:  # what is said of hidden units holds at temperature 1
        expected = joint(model).softmax(1) @ bits(3)
        torch.testing.assert_close(found.hidden, expected.detach()[number(found.v[0])])


@torch.no_grad()
def test_exchanges_cross_between_far_modes_where_a_plain_chain_stays() -> None:
    model, chains, rounds = two_modes(), 400, 150
    states = bits(6)
    p = model.log_prob(states).exp()
    assert p[0] > 0.45
    assert p[-1] > 0.45
    found = {}
    for levels in (1, 6):
        temperatures, generator = ladder(levels, 8.0), Generator().manual_seed(0)
        v, h = torch.zeros(levels, chains, 6).double(), torch.zeros(levels, chains, 1).double()
        for _ in range(rounds):
            reached = tempered_sweep(model, v, h, temperatures, generator)
            v, h = reached.v, reached.h
        found[levels] = torch.bincount(number(v[0]), minlength=64) / chains
    assert found[1][-1] == 0  # plain chains have not left the mode they began in
    error = (p * (1 - p) / chains).sqrt()
    assert ((found[6] - p).abs() <= 5 * error + 1e-3).all()


# Learning.


def batch_of(x: Tensor) -> Batch:
    index = torch.arange(len(x))
    return Batch(x, index, index)


def begun(model: torch.nn.Module, **settings: Any) -> PersistentContrastiveDivergence:
    learner = PersistentContrastiveDivergence(model, PersistentCdSettings(**settings), SPEC, 100)
    learner.begin()
    return learner


def test_replicas_are_part_of_the_state_and_one_temperature_needs_none() -> None:
    torch.manual_seed(0)
    plain = begun(Rbm(RbmSettings(hidden=4), SPEC), chains=5)
    assert not any(name.startswith("hot_") for name in plain.state_dict())
    learner = begun(Rbm(RbmSettings(hidden=4), SPEC), chains=5, temperatures=3)
    assert learner.state_dict()["hot_visible"].shape == (2, 5, 6)
    assert learner.state_dict()["hot_hidden"].shape == (2, 5, 4)
    before = learner.hot_visible.clone()
    reported = learner.step(batch_of(torch.ones(20, 6)))
    assert 0 <= reported["exchanged"] <= 1
    assert "exchanged" in {quantity.key for quantity in learner.quantities}
    assert not torch.equal(before, learner.hot_visible)


def test_tempered_learning_goes_on_from_its_state_bit_for_bit() -> None:
    found = []
    for interrupted in (False, True):
        torch.manual_seed(3)
        learner = begun(Rbm(RbmSettings(hidden=4), SPEC), chains=5, temperatures=3, k=2)
        for step in range(6):
            if interrupted and step == 3:
                state = learner.state_dict()
                random = torch.get_rng_state()
                learner = begun(Rbm(RbmSettings(hidden=4), SPEC), chains=5, temperatures=3, k=2)
                learner.load_state_dict(state)
                torch.set_rng_state(random)
            learner.step(batch_of(torch.ones(20, 6)))
        found.append(learner.state_dict())
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


@pytest.mark.parametrize("levels", [1, 6])
def test_far_modes_give_the_right_gradient_only_where_chains_exchange(levels: int) -> None:
    """Chains begin in one of two modes; the gradient of a bias shows whether they found the other."""
    torch.manual_seed(0)
    model = two_modes().float()
    settings = {"chains": 500, "k": 100, "learning_rate": 1e-9, "momentum": 0, "weight_decay": 0, "hottest": 8.0}
    learner = begun(model, temperatures=levels, **settings)
    learner.visible_chains.zero_()
    if levels > 1:
        learner.hot_visible.zero_()
    x = torch.cat([torch.zeros(50, 6), torch.ones(50, 6)])
    learner.step(batch_of(x))
    error = learner.velocity_visible_bias.abs().max().item()  # the data's means are the model's
    assert error < 0.1 if levels > 1 else error > 0.4


CASES = [
    pytest.param(family, learner, name, id=f"{family}-{learner}")
    for family, learner, name in (parameters.values for parameters in LEARNERS)
    if "temperatures" in catalog.learning(learner).settings.model_fields and name is not None
]


@pytest.mark.parametrize(("family", "learner", "data"), CASES)
def test_every_machine_of_the_catalogue_learns_with_tempered_chains(family: str, learner: str, data: str) -> None:
    made = built(family, learner, data, temperatures=3)
    history = train(made, data, 20)
    assert all(0 < reported["exchanged"] <= 1 for reported in history[-5:])
    assert all(tensor.isfinite().all() for tensor in made.state_dict().values())
