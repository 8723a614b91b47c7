"""Greedy learning of stacks."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from models.dbn import Dbn, DbnSettings
from models.learning.contrastive_divergence import ContrastiveDivergence, ContrastiveDivergenceSettings
from models.learning.layerwise import Layerwise, LayerwiseSettings
from models.spec import Batch, DataSpec, Layout, Support

SHAPE = (1, 3, 3)
SPEC = DataSpec(SHAPE, Support.BITS, Layout.IMAGE, class_names=("a", "b", "c"))


def bars(n: int, seed: int = 0) -> Batch:
    """One row of the image is on; its number is the class."""
    generator = Generator().manual_seed(seed)
    y = torch.randint(3, (n,), generator=generator)
    x = torch.eye(3)[y][:, None, :, None].expand(n, 1, 3, 3).clone()
    noisy = torch.where(torch.rand(x.shape, generator=generator) < 0.02, 1 - x, x)
    return Batch(noisy, y, torch.arange(n))


def begun(seed: int = 0, labels: bool = False, third: int = 0, **settings: float) -> Layerwise:
    torch.manual_seed(seed)
    model = Dbn(DbnSettings(first=6, second=12, third=third, labels=labels, sweeps=20), SPEC)
    learner = Layerwise(model, LayerwiseSettings(**settings), SPEC, 100)
    learner.begin()
    return learner


def test_the_first_layer_learns_exactly_as_a_machine_alone() -> None:
    learner = begun(layer_steps=10)
    torch.manual_seed(0)
    alone = Dbn(DbnSettings(first=6, second=12, sweeps=20), SPEC).stack[0]
    rule = ContrastiveDivergence(alone, ContrastiveDivergenceSettings(decay=2000, weight_decay=2e-4), SPEC, 100)
    rule.begin()
    for one in (learner, rule):
        torch.manual_seed(7)
        for _ in range(10):
            one.step(bars(20))
    assert torch.equal(learner.model.stack[0].weight, alone.weight)
    assert torch.equal(learner.model.stack[0].hidden_bias, alone.hidden_bias)


def test_one_layer_learns_at_a_time_and_those_below_stay() -> None:
    learner = begun(third=5, layer_steps=4, like_below=False)
    model, phases, layers = learner.model, [], []
    for step in range(14):
        before = [m.weight.clone() for m in model.stack]
        phases.append(learner.phase)
        learner.step(bars(20))
        layers.append(model.layers())
        moved = [not torch.equal(b, m.weight) for b, m in zip(before, model.stack, strict=True)]
        assert moved == [layer == min(step // 4, 2) for layer in range(3)]
    assert phases == ["layer 1 of 3"] * 4 + ["layer 2 of 3"] * 4 + ["layer 3 of 3"] * 6
    assert layers == [1] * 3 + [2] * 4 + [3] * 7


def test_recognition_is_tied_to_what_was_learned() -> None:
    learner = begun(layer_steps=4)
    for _ in range(8):
        learner.step(bars(20))
    assert torch.equal(learner.model.recognition[0], learner.model.stack[0].weight)


def test_a_second_layer_may_begin_from_small_random_weights() -> None:
    weights = []
    for like_below in (True, False):
        learner = begun(layer_steps=5, like_below=like_below, learning_rate=1e-9)
        for _ in range(6):
            learner.step(bars(20))
        weights.append(learner.model.stack[1].weight)
        assert torch.allclose(weights[-1][:6, :9], learner.model.stack[0].weight.t()) == like_below
    assert torch.allclose(weights[0][:, 9:], weights[1][:, 9:])


def test_upper_layers_may_learn_more_slowly() -> None:
    moved = []
    for upper_rate in (1.0, 0.1):
        learner = begun(layer_steps=1, like_below=False, upper_rate=upper_rate)
        torch.manual_seed(1)
        learner.step(bars(20))
        lower, before = learner.model.stack[0].weight.clone(), learner.model.stack[1].visible_bias.clone()
        learner.step(bars(20))
        moved.append((lower, learner.model.stack[1].visible_bias - before))
    assert torch.equal(moved[0][0], moved[1][0])
    assert torch.allclose(0.1 * moved[0][1], moved[1][1], rtol=1e-4)


def test_the_state_holds_each_machine_once() -> None:
    learner = begun()
    assert not [key for key in learner.state_dict() if ".model." in key]
    parameters = [id(p) for p in learner.parameters()]
    assert len(parameters) == len(set(parameters)) == len(list(learner.model.parameters()))


@pytest.mark.parametrize("chains", [0, 4])
def test_a_loaded_state_goes_on_in_its_phase(chains: int) -> None:
    learner, other = begun(layer_steps=3, chains=chains), begun(seed=5, layer_steps=3, chains=chains)
    for _ in range(4):
        learner.step(bars(20))
    assert other.phase == "layer 1 of 2"
    other.load_state_dict(learner.state_dict())
    assert other.phase == "layer 2 of 2"
    for one in (learner, other):
        torch.manual_seed(3)
        one.step(bars(20))
    assert all(
        torch.equal(a, b) for a, b in zip(learner.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_persistent_chains_of_a_layer_begin_at_what_it_is_first_given_and_live_on() -> None:
    learner = begun(layer_steps=3, chains=4)
    batch = bars(3)
    for step in range(7):
        lower, upper = learner.greedy.rules
        before = [rule.visible_chains.clone() for rule in (lower, upper)]
        learner.step(batch)
        moved = [not torch.equal(b, r.visible_chains) for b, r in zip(before, (lower, upper), strict=True)]
        assert moved == [step < 3, step >= 3]
    resting = begun(layer_steps=3, chains=4, learning_rate=1e-9)
    resting.model.stack[0].weight.data.zero_()
    resting.model.stack[0].visible_bias.data.copy_(
        20 * (2 * batch.x[0].flatten() - 1)
    )  # whose chains stay where they are
    resting.step(Batch(batch.x[:1], batch.y[:1], batch.index[:1]))
    assert torch.equal(resting.greedy.rules[0].visible_chains, batch.x[:1].expand(4, -1, -1, -1))


@pytest.mark.parametrize("chains", [0, 20])
def test_another_layer_raises_the_likelihood_that_one_layer_reaches(chains: int) -> None:
    def reached(learner: Layerwise) -> Tensor:
        with torch.no_grad():
            return learner.model.log_prob(bars(200, seed=1).x).mean()

    learner = begun(layer_steps=200, decay=0, learning_rate=0.1, chains=chains)
    for step in range(600):
        learner.step(bars(100, seed=step))
        if step == 198:
            first = reached(learner)
    assert reached(learner) > first + 0.2


def test_a_machine_with_labels_tells_the_classes_apart_and_dreams_of_each() -> None:
    learner = begun(labels=True, layer_steps=300, decay=300)
    for step in range(600):
        learner.step(bars(50, seed=step))
    model, held = learner.model, bars(100, seed=999)
    with torch.no_grad():
        assert (model.label_probabilities(held.x).argmax(1) == held.y).float().mean() > 0.9
        found = learner.held_out(held, Generator().manual_seed(0))
    assert set(found) == {"reconstruction", "activity", "free_energy_gap"}


def test_examples_without_labels_are_learned_from_as_well() -> None:
    learner = begun(labels=True, layer_steps=2)
    batch = bars(20)
    for _ in range(5):
        learner.step(Batch(batch.x, torch.full((20,), -1), batch.index))
    assert all(p.isfinite().all() for p in learner.parameters())
