"""The deep belief network, against enumeration of all its units."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from models.capabilities import (
    AddsLayers,
    Anneals,
    BoundsFreeEnergy,
    ChainState,
    HasFreeEnergy,
    HasHiddenLayers,
    HasLabelUnits,
    Held,
    LearnsUpAndDown,
    StacksMachines,
    SumsExactly,
    TooLarge,
)
from models.dbn import Dbn, DbnSettings
from models.estimation.annealing import annealed_log_partition
from models.estimation.enumeration import all_states
from models.estimation.progress import finish
from models.rbm import Rbm
from models.spec import DataSpec, Layout, Support, UnsuitableData

SHAPE = (1, 2, 2)
SPEC = DataSpec(SHAPE, Support.BITS, Layout.IMAGE, class_names=("a", "b", "c"))


def make(first: int = 3, second: int = 3, third: int = 0, labels: bool = False, scale: float = 0.8) -> Dbn:
    torch.manual_seed(1)
    settings = DbnSettings(first=first, second=second, third=third, labels=labels, sweeps=30)
    model = Dbn(settings, SPEC).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, scale)
    return model


def bits(n: int) -> Tensor:
    return torch.cat(list(all_states(n, torch.zeros(1, dtype=torch.float64))))


def log_given(v: Tensor, h: Tensor, machine: Rbm) -> Tensor:
    """log P(v | h) for all pairs: (V, H)."""
    logits = machine.visible_bias + h @ machine.weight.t()
    return v @ logits.t() - F.softplus(logits).sum(1)


def enumerated(model: Dbn) -> Tensor:
    """log P(x, y) of all x, summed over every state of every hidden unit: (X, classes), or (X, 1) without labels."""
    top = model.stack[-1]
    inner = [bits(4), *[bits(width) for width in model.widths]]
    below, above = inner[-2], inner[-1]
    labels = torch.eye(model.classes, dtype=torch.float64) if model.classes else torch.zeros(1, 0).double()
    log_p = []
    for label in labels:
        v = torch.cat([below, label.expand(len(below), -1)], 1)
        energies = torch.stack([top.energy(row.expand(len(above), -1), above) for row in v])
        log_p.append((-energies).logsumexp(1))
    joint = torch.stack(log_p, 1)
    joint = joint - joint.flatten().logsumexp(0)  # (states below the top, classes)
    for machine, (v, h) in reversed(list(zip(model.stack, pairwise(inner[:-1]), strict=False))):
        joint = (log_given(v, h, machine)[:, :, None] + joint).logsumexp(1)
    return joint


def all_x() -> Tensor:
    return bits(4).reshape(-1, *SHAPE)


def frequencies(x: Tensor) -> Tensor:
    numbers = (x.flatten(1) @ (2.0 ** torch.arange(x[0].numel() - 1, -1, -1, dtype=x.dtype))).long()
    return torch.bincount(numbers, minlength=2 ** x[0].numel()) / len(x)


def test_it_has_the_capabilities_it_claims() -> None:
    for capability in (
        AddsLayers, Anneals, BoundsFreeEnergy, HasHiddenLayers, HasLabelUnits, LearnsUpAndDown, StacksMachines,
        SumsExactly,
    ):  # fmt: skip
        assert issubclass(Dbn, capability)
    assert not issubclass(Dbn, HasFreeEnergy)


def test_data_that_do_not_fit_are_refused_with_advice() -> None:
    with pytest.raises(UnsuitableData, match="binarisation"):
        Dbn.check(DbnSettings(), DataSpec(SHAPE, Support.UNIT, Layout.IMAGE))
    with pytest.raises(UnsuitableData, match="choose data with labels"):
        Dbn.check(DbnSettings(labels=True), DataSpec(SHAPE, Support.BITS, Layout.IMAGE))


@pytest.mark.parametrize("third", [0, 4])
@pytest.mark.parametrize("labels", [False, True])
def test_log_prob_is_the_sum_over_every_hidden_unit(third: int, labels: bool) -> None:
    model = make(3, 2, third, labels)
    found = model.log_prob(all_x())
    torch.testing.assert_close(found, enumerated(model).logsumexp(1))
    assert found.exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_too_many_units_below_the_top_are_refused() -> None:
    with pytest.raises(TooLarge, match=r"10 and 11 units below the top is a sum over 2²¹"):
        make(10, 11, 3).log_prob(all_x())


@pytest.mark.parametrize("wider", [0, 2])
def test_a_layer_that_begins_as_the_transpose_of_the_one_below_changes_nothing(wider: int) -> None:
    model = make(3, 4 + wider)
    with torch.no_grad():
        model.stack[1].weight.zero_()
    model.begin_machine(0)
    before = model.log_prob(all_x())
    torch.testing.assert_close(before, model.stack[0].log_prob(all_x()))  # with one layer it is the machine itself
    model.begin_machine(1)
    assert model.layers() == 2
    torch.testing.assert_close(model.log_prob(all_x()), before)
    # and the bound is tight: recognition by the tied weights is the posterior
    bound = torch.stack([model.free_energy_bound(all_x(), Generator().manual_seed(seed)) for seed in range(800)])
    gap = bound.mean(0) + model.log_partition() + before
    assert (gap.abs() <= 5 * bound.std(0) / 800**0.5).all()


def test_fewer_layers_are_a_model_of_their_own_that_shares_all_tensors() -> None:
    model = make(3, 4, 3)
    one = model.with_layers(1)
    assert (one.layers(), model.layers()) == (1, 3)
    torch.testing.assert_close(one.log_prob(all_x()), model.stack[0].log_prob(all_x()))
    torch.testing.assert_close(one.free_energy_bound(all_x()), model.stack[0].free_energy(all_x()))
    assert one.log_partition() == model.stack[0].log_partition()
    two = model.with_layers(2)
    x = two.sample(20_000, Generator().manual_seed(0))
    assert (frequencies(x) - two.log_prob(all_x()).exp()).abs().sum() < 0.04
    assert two.stack is model.stack


@pytest.mark.parametrize("third", [0, 4])
def test_the_bound_on_the_free_energy_has_the_mean_that_enumeration_gives(third: int) -> None:
    model = make(3, 3, third)
    x, states = all_x(), [bits(4), *[bits(w) for w in model.widths[:-1]]]
    # E_q[log q - log P(v | h) …] over every state of every layer below the top
    q = torch.ones(16, 1, 16).double() * torch.eye(16).double()[:, None]  # (x, 1, state of the layer)
    reach, expected = q.squeeze(1), torch.zeros(16).double()
    for layer, (v, h) in enumerate(pairwise(states)):
        logits = v @ model.recognition[layer] + model.stack[layer].hidden_bias
        log_q = h @ logits.t() - F.softplus(logits).sum(1)  # (h, v)
        terms = log_q.exp() * (log_q - log_given(v, h, model.stack[layer]).t())
        expected = expected + reach @ terms.sum(0)
        reach = reach @ log_q.exp().t()
    expected = expected + reach @ model.stack[-1].free_energy(states[-1])
    draws = torch.stack([model.free_energy_bound(x, Generator().manual_seed(seed)) for seed in range(1500)])
    assert ((draws.mean(0) - expected).abs() <= 5 * draws.std(0) / 1500**0.5).all()
    assert (expected >= -model.log_prob(x) - model.log_partition() - 1e-9).all()


@pytest.mark.parametrize("third", [0, 3])
def test_a_move_leaves_the_model_as_it_is(third: int) -> None:
    model = make(3, 3, third)
    expected = model.log_prob(all_x()).exp()
    generator = Generator().manual_seed(0)
    state = model.start_chain(30_000, generator)
    for _ in range(60):
        state = model.move(state, generator=generator)
    assert (frequencies(state.x) - expected).abs().sum() < 0.035
    assert [tuple(h.shape[1:]) for h in state.hidden] == list(model.hidden_shapes())
    # x is drawn from the layer above it
    torch.testing.assert_close(state.mean.flatten(1), model.stack[0].visible_mean(state.hidden[0]).flatten(1))


def test_samples_of_a_held_class_have_the_conditional_distribution() -> None:
    model = make(3, 4, labels=True)
    joint = enumerated(model)
    generator = Generator().manual_seed(0)
    state, y = model.start_chain(30_000, generator), torch.full((30_000,), 2)
    assert state.label is not None
    for _ in range(60):
        state = model.move(state, Held(label=y), generator=generator)
    assert torch.equal(state.label.argmax(1), y)
    assert (frequencies(state.x) - joint[:, 2].softmax(0)).abs().sum() < 0.04
    free = model.move(state, Held(label=torch.full((30_000,), -1)), generator=generator)
    assert free.label is not None
    assert len(free.label.argmax(1).unique()) == 3


def test_a_low_temperature_takes_what_is_most_probable() -> None:
    model, x = make(labels=True), all_x()
    states = [model.move(ChainState(x, x), Held(label=torch.zeros(16).long()), 1e-6, Generator().manual_seed(s))
              for s in (0, 1)]  # fmt: skip
    hidden = model.infer(x, Generator().manual_seed(0))
    state = ChainState(x, x, hidden, torch.eye(3).double()[torch.zeros(16).long()])
    cold = [model.move(state, temperature=1e-6, generator=Generator().manual_seed(s)) for s in (0, 1)]
    assert torch.equal(cold[0].x, cold[1].x)
    assert states[0].x.shape == x.shape


def test_held_pixels_are_heard_of_by_the_layers_above() -> None:
    model = make(3, 3)
    seen = torch.ones(1, *SHAPE).double().expand(4000, *SHAPE)
    inferred = model.infer(seen, Generator().manual_seed(2))
    state = ChainState(seen, seen, tuple(1 - h.mean(0).round().expand_as(h) for h in inferred))
    moved = model.move(state, Held(x=torch.ones(SHAPE, dtype=torch.bool)), generator=Generator().manual_seed(1))
    assert torch.equal(moved.x, seen)
    # as inference and one alternation of the top machine draw them, whatever they were before
    again = model.stack[-1].visible_mean(inferred[1])
    assert (moved.hidden[0].mean(0) - again.mean(0)).abs().max() < 0.04
    assert (moved.hidden[1].mean(0) - inferred[1].mean(0)).abs().max() < 0.04
    free = model.move(state, generator=Generator().manual_seed(1))
    assert (free.hidden[1].mean(0) - inferred[1].mean(0)).abs().max() > 0.1


def test_means_go_down_from_any_layer() -> None:
    model = make(3, 3, 2, labels=True)
    h = bits(2)
    by_hand = h
    for layer, machine in reversed(list(enumerate(model.stack))):
        logits = machine.visible_bias + by_hand @ machine.weight.t()
        by_hand = logits.sigmoid()[:, : model.widths[layer - 1] if layer else None]
    torch.testing.assert_close(model.top_down(2, h).flatten(1), by_hand)
    torch.testing.assert_close(model.top_down(0, bits(3)), model.stack[0].visible_mean(bits(3)))


def test_label_probabilities_compare_the_free_energies_of_the_top_machine() -> None:
    model = make(3, 3, labels=True)
    x = all_x()
    h = (bits(4) @ model.recognition[0] + model.stack[0].hidden_bias).sigmoid()
    top = model.stack[-1]
    of_each = [top.free_energy(torch.cat([h, torch.eye(3)[k].double().expand(16, -1)], 1)) for k in range(3)]
    torch.testing.assert_close(model.label_probabilities(x), torch.stack([-f for f in of_each], 1).softmax(1))


def test_labels_that_are_hidden_are_drawn_given_the_rest() -> None:
    model = make(3, 3, labels=True)
    x = all_x()[5:6].expand(20_000, *SHAPE)
    generator = Generator().manual_seed(0)
    known = model.carry_up(1, x, torch.full((20_000,), 1), generator)
    assert torch.equal(known[:, 3:].argmax(1), torch.full((20_000,), 1))
    drawn = model.carry_up(1, x, torch.full((20_000,), -1), generator)
    h = bits(3)
    log_q = torch.log_softmax((h * (x[:1].flatten(1) @ model.recognition[0] + model.stack[0].hidden_bias)).sum(1), 0)
    expected = log_q.exp() @ model.stack[-1].label_log_weights(h).softmax(1)  # type: ignore[operator]
    assert (drawn[:, 3:].mean(0) - expected).abs().max() < 0.015


def test_annealing_of_the_topmost_machine_finds_its_log_z() -> None:
    model = make(4, 3)
    found = finish(annealed_log_partition(model, all_x(), 300, 300, Generator().manual_seed(0)))
    assert found.low - 0.02 < model.log_partition().item() < found.high + 0.02
    one = model.with_layers(1)
    found = finish(annealed_log_partition(one, all_x(), 300, 300, Generator().manual_seed(0)))
    assert found.low - 0.02 < one.log_partition().item() < found.high + 0.02


@pytest.mark.parametrize("labels", [False, True])
def test_the_wake_phase_scores_what_generates_and_the_sleep_phase_what_recognises(labels: bool) -> None:
    model = make(3, 3, 2, labels)
    x, y = all_x(), torch.arange(16) % 3
    log_p, top = model.wake(x, y, Generator().manual_seed(0))
    assert top.shape == (16, 3 + 3 * labels)
    named = dict(model.named_parameters())
    grads = torch.autograd.grad(log_p.sum(), list(named.values()), allow_unused=True)
    generative = {f"stack.{layer}.{name}" for layer in (0, 1) for name in ("weight", "visible_bias")}
    assert {n for n, g in zip(named, grads, strict=True) if g is not None} == generative
    log_q = model.sleep(top, Generator().manual_seed(0))
    grads = torch.autograd.grad(log_q.sum(), list(named.values()), allow_unused=True)
    recognising = {"stack.0.hidden_bias", "stack.1.hidden_bias", "recognition.0", "recognition.1"}
    assert {n for n, g in zip(named, grads, strict=True) if g is not None} == recognising
