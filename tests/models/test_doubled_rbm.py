"""The machines of which a deep Boltzmann machine is put together, against enumeration of their copies."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
import torch
from torch import Generator, Tensor

from models.dbm import Dbm, DbmSettings
from models.doubled_rbm import DoubledRbm
from models.learning.layerwise import Layerwise, LayerwiseSettings
from models.learning.mean_field_pcd import MeanFieldPcd, MeanFieldPcdSettings
from models.spec import Batch, DataSpec, Layout, Support

SPEC = DataSpec((1, 2, 2), Support.BITS, Layout.IMAGE)
LOWEST, MIDDLE, TOPMOST = 0, 1, 2
places = pytest.mark.parametrize("place", [LOWEST, MIDDLE, TOPMOST])


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    torch.set_grad_enabled(False)
    yield
    torch.set_grad_enabled(True)


def make(first: int = 3, second: int = 2, third: int = 2) -> Dbm:
    torch.manual_seed(1)
    model = Dbm(DbmSettings(first=first, second=second, third=third), SPEC).double()
    for parameter in model.parameters():
        parameter.normal_(0, 0.8)
    model.centres.uniform_()
    model.settled.normal_()
    return model


def bars(n: int) -> Tensor:
    generator = Generator().manual_seed(0)
    x = torch.zeros(n, 1, 2, 2)
    x[torch.arange(n), 0, torch.randint(2, (n,), generator=generator)] = 1
    return (x - (torch.rand(x.shape, generator=generator) < 0.05).float()).abs()


def batch_of(x: Tensor) -> Batch:
    index = torch.arange(len(x))
    return Batch(x, index, index)


def copies(machine: DoubledRbm) -> tuple[Tensor, Tensor, Tensor]:
    """All states of all copies, as their means v̄ and h̄, and log exp(-E) of each: one term for each pair of copies."""
    bits, hidden = machine.weight.shape
    nv, nh = machine.visible_copies, machine.hidden_copies
    strength = 2 / (nv * nh)  # the weights between each two copies: W, or 2W where there is one of each
    bias = machine.visible_bias if machine.below is None else 2 * machine.visible_bias - machine.below
    size = nv * bits + nh * hidden
    states = torch.tensor(list(product((0.0, 1.0), repeat=size)), dtype=torch.float64)
    v = states[:, : nv * bits].reshape(-1, nv, bits)
    h = states[:, nv * bits :].reshape(-1, nh, hidden)
    pairs = torch.einsum("nci,ij,ndj->n", v - machine.centres[0], machine.weight, h - machine.centres[1])
    log_weight = strength * pairs + (v @ bias).sum(1) + (h @ machine.hidden_bias).sum(1)
    return v.mean(1), h.mean(1), log_weight


@places
def test_energies_are_those_of_all_copies(place: int) -> None:
    machine = make().machines()[place]
    v, h, log_weight = copies(machine)
    torch.testing.assert_close(-machine.energy(v.reshape(-1, *machine.event_shape), h), log_weight)
    alike = ((v == 0) | (v == 1)).all(1)  # the copies of v agree: F(v) sums the hidden ones out
    for state in v[alike].unique(dim=0):
        total = log_weight[(v == state).all(1)].logsumexp(0)
        found = machine.free_energy(state.reshape(1, *machine.event_shape))
        torch.testing.assert_close(-found[0], total)


@places
def test_sweeps_leave_the_distribution_of_all_copies_as_it_is(place: int) -> None:
    machine, generator, n = make().machines()[place], Generator().manual_seed(0), 20_000
    v, h, log_weight = copies(machine)
    both, p = torch.cat([v, h], 1), log_weight.softmax(0)
    start = torch.multinomial(p, n, replacement=True, generator=generator)
    x, mean = machine.sweep(v[start].reshape(-1, *machine.event_shape), h[start], generator)
    found = torch.cat([x.flatten(1), machine.draw_hidden(mean, generator)], 1)
    expected = torch.einsum("n,nd,ne->de", p, both, both)
    spread = torch.einsum("n,nd,ne->de", p, both.square(), both.square()) - expected.square()
    seen = torch.einsum("nd,ne->de", found, found) / n
    assert ((seen - expected).abs() <= 5 * (spread / n).sqrt() + 1e-9).all()


@places
def test_statistics_are_the_gradient_of_the_energy_of_all_copies(place: int) -> None:
    machine = make().machines()[place]
    v, h, _ = copies(machine)
    v, h = v[::7].reshape(-1, *machine.event_shape), h[::7]
    sums = {name: torch.zeros_like(parameter) for name, parameter in machine.named_parameters()}
    assert set(sums) == {"weight", "visible_bias", "hidden_bias"}
    machine.add_statistics(sums, v, h, 1.0)
    with torch.enable_grad():
        gradients = torch.autograd.grad(-machine.energy(v, h).sum(), list(machine.parameters()))
    for (name, found), gradient in zip(sums.items(), gradients, strict=True):
        torch.testing.assert_close(found, gradient, msg=name)


def test_the_deep_machine_takes_the_mean_of_what_two_machines_say_of_a_layer() -> None:
    """In terms of logits (Salakhutdinov & Hinton, 2009, section 3.1); at either end what the only one says."""
    model = make()
    machines = model.machines()
    v = torch.tensor([[1.0, 0.0, 1.0, 1.0]], dtype=torch.float64)
    h1, h2, h3 = (torch.tensor([state], dtype=torch.float64) for state in ([1.0, 0, 1], [0.0, 1], [1.0, 1]))
    for k in (0, 1):  # as greedy learning leaves them
        model.settled.split(model.sizes)[k + 1].copy_(model.biases[k + 1] + 0.3)
    units, layers = [v, h1, h2, h3], list(model.sizes[1:])

    def deep(layer: int) -> Tensor:
        """The logits of a layer given all others, from energies."""
        found = []
        for unit in range(model.sizes[layer]):
            energies = []
            for value in (0.0, 1.0):
                changed = [u.clone() for u in units]
                changed[layer][:, unit] = value
                energies.append(model.energy(changed[0].reshape(1, 1, 2, 2), torch.cat(changed[1:], 1)))
            found.append(energies[0] - energies[1])
        return torch.cat(found)

    from_below = [
        settled + gain * ((units[k] - machines[k].centres[0]) @ machines[k].weight)[0]
        for k, gain, settled in zip(
            range(3), (2, 2, 1), [*model.settled.split(model.sizes)[1:3], model.biases[3]], strict=True
        )
    ]
    from_above = [machines[k].visible_mean(units[k + 1]).logit().flatten() for k in range(3)]
    assert layers == [3, 2, 2]
    torch.testing.assert_close(deep(0), from_above[0])
    torch.testing.assert_close(deep(1), (from_below[0] + from_above[1]) / 2)
    torch.testing.assert_close(deep(2), (from_below[1] + from_above[2]) / 2)
    torch.testing.assert_close(deep(3), from_below[2])


def test_a_machine_may_begin_as_the_one_below_upside_down() -> None:
    model = make(first=3, second=6, third=0)
    model.begin_machine(1)
    model.weights[1][:, 4:] = 0  # further units
    below, above = model.machines()
    v, h, log_weight = copies(below)
    turned = above.energy(h, torch.cat([v, torch.zeros(len(v), 2, dtype=torch.float64)], 1))
    torch.testing.assert_close(-turned - log_weight, (-turned - log_weight)[0].expand(len(v)))


def test_greedy_layers_and_then_all_together_learn_a_distribution() -> None:
    torch.manual_seed(0)
    model, x = Dbm(DbmSettings(first=6, second=4), SPEC), bars(200)
    learner = MeanFieldPcd(model, MeanFieldPcdSettings(learning_rate=0.4, decay=400, layer_steps=200), SPEC, 200)
    learner.begin()
    phases, scores = [], []
    chains = learner.chains().clone()
    for step in range(800):
        if learner.phase not in phases:
            phases.append(learner.phase)
            scores.append(model.log_prob(x).mean().item())
        if step == 399:
            assert torch.equal(chains, learner.chains())
        learner.step(batch_of(x))
    assert phases == ["layer 1 of 2", "layer 2 of 2", "all layers"]
    assert not learner.capturable
    torch.testing.assert_close(model.centres[:4], (x.flatten(1).sum(0) + 1) / 202)
    _, counts = x.flatten(1).unique(dim=0, return_counts=True)
    entropy = -(counts / 200 * (counts / 200).log()).sum().item()
    assert scores[2] > scores[0] + 0.5
    assert model.log_prob(x).mean().item() > -entropy - 0.25


def test_a_layer_that_has_learned_stays_as_it_is_while_the_next_one_learns() -> None:
    torch.manual_seed(0)
    model, x = Dbm(DbmSettings(first=6, second=4), SPEC), bars(100)
    learner = Layerwise(model, LayerwiseSettings(layer_steps=50), SPEC, 100)
    learner.begin()
    for _ in range(51):
        learner.step(batch_of(x))
    lower = [model.weights[0].clone(), model.biases[0].clone()]
    carried = model.carry_up(1, x, torch.zeros(100), Generator().manual_seed(0))
    for _ in range(49):
        learner.step(batch_of(x))
    assert torch.equal(model.weights[0], lower[0])
    assert torch.equal(model.biases[0], lower[1])
    assert torch.equal(carried, model.carry_up(1, x, torch.zeros(100), Generator().manual_seed(0)))
    assert not torch.equal(model.settled.split(model.sizes)[1], model.biases[1])
