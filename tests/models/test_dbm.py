"""The deep Boltzmann machine and mean field, against enumeration of all its states."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from models.capabilities import ChainState, TooLarge
from models.dbm import Dbm, DbmSettings
from models.estimation.annealing import annealed_log_partition, reverse_log_prob
from models.estimation.enumeration import all_states, log_probabilities
from models.estimation.progress import finish
from models.learning.mean_field_pcd import MeanFieldPcd, MeanFieldPcdSettings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

SHAPE = (1, 2, 2)
SPEC = DataSpec(SHAPE, Support.BITS, Layout.IMAGE)
WIDTHS = [(3, 2), (2, 4), (3, 2, 2)]
every_width = pytest.mark.parametrize("widths", WIDTHS, ids=str)


def make(widths: tuple[int, ...] = (3, 2, 2), scale: float = 0.8, spec: DataSpec = SPEC, **settings: Any) -> Dbm:
    """A machine with random parameters and, like no machine in training, random centres."""
    torch.manual_seed(1)
    layers = dict(zip(("first", "second", "third"), widths, strict=False))
    model = Dbm(DbmSettings(**layers, **settings), spec).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, scale)
        model.centres.uniform_()
    return model


def joint(model: Dbm) -> tuple[Tensor, Tensor, Tensor]:
    """All (v, h), and -E(v, h) of each, written from the definition: one term for each pair of connected units."""
    sizes = model.sizes
    states = torch.cat(list(all_states(sum(sizes), model.centres)))
    starts = [sum(sizes[:layer]) for layer in range(len(sizes))]
    couplings = torch.zeros(sum(sizes), sum(sizes), dtype=torch.float64)
    for layer, weight in enumerate(model.weights):
        below, above = starts[layer], starts[layer + 1]
        couplings[below : below + sizes[layer], above : above + sizes[layer + 1]] = weight.detach()
    off = states - model.centres
    biases = torch.cat([bias.detach() for bias in model.biases])
    log_weight = torch.einsum("ni,ij,nj->n", off, couplings, off) + states @ biases
    v, h = states.split((sizes[0], sum(sizes[1:])), 1)
    return v.reshape(-1, *SHAPE), h, log_weight


def marginal(model: Dbm) -> Tensor:
    """log P(v) of all v, in the order of `all_states`."""
    _, _, log_weight = joint(model)
    return log_weight.reshape(2 ** model.sizes[0], -1).logsumexp(1) - log_weight.logsumexp(0)


def examples() -> Tensor:
    return torch.cat(list(all_states(4, torch.zeros((), dtype=torch.float64)))).reshape(-1, *SHAPE)


def moments(x: Tensor, weights: Tensor) -> Tensor:
    return torch.einsum("n,nd,ne->de", weights, x, x)


def assert_follows(found: Tensor, states: Tensor, p: Tensor) -> None:
    """Samples have the first and second moments of p over `states`, within five standard errors."""
    expected = moments(states, p)
    seen = moments(found, torch.full((len(found),), 1 / len(found), dtype=torch.float64))
    assert ((seen - expected).abs() <= 5 * (expected * (1 - expected) / len(found)).sqrt() + 1e-9).all()


def bars(n: int, seed: int = 0) -> Tensor:
    """Examples of which one row of the 2×2 image is on, with a little noise."""
    generator = Generator().manual_seed(seed)
    x = torch.zeros(n, *SHAPE)
    x[torch.arange(n), 0, torch.randint(2, (n,), generator=generator)] = 1
    return (x - (torch.rand(x.shape, generator=generator) < 0.05).float()).abs()


def batch_of(x: Tensor) -> Batch:
    index = torch.arange(len(x))
    return Batch(x, index, index)


# Energies.


@every_width
@torch.no_grad()
def test_the_energy_is_that_of_all_pairs_of_units_in_neighbouring_layers(widths: tuple[int, ...]) -> None:
    model = make(widths)
    v, h, log_weight = joint(model)
    torch.testing.assert_close(-model.energy(v, h), log_weight)


@every_width
@torch.no_grad()
def test_sums_over_one_side_are_sums_over_all_states(widths: tuple[int, ...]) -> None:
    model = make(widths)
    _, _, log_weight = joint(model)
    assert model.log_partition().item() == pytest.approx(log_weight.logsumexp(0).item(), abs=1e-9)
    torch.testing.assert_close(log_probabilities(model.log_prob, SHAPE, model.centres), marginal(model))


@torch.no_grad()
def test_centres_change_how_a_machine_is_written_and_not_what_it_is() -> None:
    model = make()
    plain = Dbm(DbmSettings(first=3, second=2, third=2, centred=False), SPEC).double()
    for a, b in zip(plain.weights, model.weights, strict=True):
        a.copy_(b)
    centres = model.centres.split(model.sizes)
    for layer, bias in enumerate(plain.biases):
        bias.copy_(model.biases[layer])
        if layer > 0:
            bias.sub_(centres[layer - 1] @ model.weights[layer - 1])
        if layer < 3:
            bias.sub_(model.weights[layer] @ centres[layer + 1])
    torch.testing.assert_close(plain.log_prob(examples()), model.log_prob(examples()))
    torch.testing.assert_close(plain.mean_field(examples()), model.mean_field(examples()))


def test_what_is_too_large_or_not_of_bits_is_refused_with_what_would_fit() -> None:
    with pytest.raises(TooLarge, match=r"layers of 30, 21, 22 units is a sum over 2²¹.*at most 20 units in the first"):
        make((21, 22), spec=DataSpec((30,), Support.BITS, Layout.VECTOR)).log_prob(torch.zeros(1, 30).double())
    with pytest.raises(UnsuitableData, match="binarisation"):
        Dbm.check(DbmSettings(), DataSpec(SHAPE, Support.UNIT, Layout.IMAGE))


# Mean field.


@every_width
@torch.no_grad()
def test_mean_field_is_a_fixed_point_and_no_coordinate_can_lower_the_bound(widths: tuple[int, ...]) -> None:
    model, x = make(widths, mean_field_steps=500), examples()
    mean = model.mean_field(x)

    def bound(means: Tensor) -> Tensor:
        entropy = -(means * means.log() + (1 - means) * (1 - means).log()).sum(1)
        return model.energy(x, means) - entropy

    torch.testing.assert_close(model.free_energy_bound(x), bound(mean))
    for j in range(mean.shape[1]):
        on, off = mean.clone(), mean.clone()
        on[:, j], off[:, j] = 1, 0
        torch.testing.assert_close(mean[:, j], (model.energy(x, off) - model.energy(x, on)).sigmoid())
        for step in (-0.02, 0.02):
            moved = mean.clone()
            moved[:, j] += step * mean[:, j] * (1 - mean[:, j])
            assert (bound(moved) > bound(mean)).all()


@every_width
@torch.no_grad()
def test_each_update_tightens_a_bound_that_stays_below_the_likelihood(widths: tuple[int, ...]) -> None:
    x, exact = examples(), marginal(make(widths, scale=1.5))
    before = torch.full((16,), -torch.inf, dtype=torch.float64)
    for steps in (1, 2, 3, 10, 50):
        model = make(widths, scale=1.5, mean_field_steps=steps)
        bound = -model.free_energy_bound(x) - model.log_partition()
        assert (bound >= before - 1e-9).all()
        before = bound
    assert (before < exact - 1e-3).any()
    assert (before <= exact + 1e-9).all()


@torch.no_grad()
def test_the_bound_is_exact_where_hidden_units_are_independent_given_the_data() -> None:
    model = make((3, 2))
    model.weights[1].zero_()
    bound = -model.free_energy_bound(examples()) - model.log_partition()
    torch.testing.assert_close(bound, marginal(model))


# Gradients.


def test_statistics_with_exact_chains_are_the_gradient_of_the_likelihood() -> None:
    model, x = make((3, 2)), examples()[[3, 5, 5, 9]]
    v, h, log_weight = joint(model)
    p = log_weight.softmax(0)
    given = log_weight.reshape(16, -1).log_softmax(1).exp()  # P(h | v)
    with torch.no_grad():
        sums = {name: torch.zeros_like(parameter) for name, parameter in model.named_parameters()}
        for state, hidden, weight in zip(v, h, p, strict=True):
            model.add_statistics(sums, state[None], hidden[None], -weight.item())
        for place in (3, 5, 5, 9):
            for k, weight in enumerate(given[place]):
                model.add_statistics(sums, examples()[[place]], h[[k]], weight.item() / 4)
    gradients = torch.autograd.grad(model.log_prob(x).mean(), list(model.parameters()))
    for (name, found), gradient in zip(sums.items(), gradients, strict=True):
        torch.testing.assert_close(found, gradient, msg=name)


def test_mean_field_statistics_are_the_gradient_of_the_bound() -> None:
    """At the fixed point the means may be taken as constants."""
    model, x = make(mean_field_steps=200), examples()
    with torch.no_grad():
        sums = {name: torch.zeros_like(parameter) for name, parameter in model.named_parameters()}
        model.add_statistics(sums, x, model.mean_field(x), 1.0)
    gradients = torch.autograd.grad(-model.free_energy_bound(x).sum(), list(model.parameters()))
    for (name, found), gradient in zip(sums.items(), gradients, strict=True):
        torch.testing.assert_close(found, gradient, msg=name)


# The chain.


@every_width
@torch.no_grad()
def test_sweeps_and_moves_leave_the_joint_distribution_as_it_is(widths: tuple[int, ...]) -> None:
    model, n = make(widths), 20_000
    v, h, log_weight = joint(model)
    states, generator = torch.cat([v.flatten(1), h], 1), Generator().manual_seed(0)
    for temperature in (1.0, 2.0):
        p = (log_weight / temperature).softmax(0)
        start = torch.multinomial(p, n, replacement=True, generator=generator)
        hidden = h[start].split(widths, 1)
        moved = model.move(ChainState(v[start], v[start], hidden), temperature=temperature, generator=generator)
        assert_follows(torch.cat([moved.x.flatten(1), *moved.hidden], 1), states, p)
        x, mean = model.sweep(v[start], h[start], generator, temperature)
        assert_follows(torch.cat([x.flatten(1), model.draw_hidden(mean, generator)], 1), states, p)


@torch.no_grad()
def test_hidden_states_given_data_follow_the_posterior() -> None:
    model, n = make((3, 2), mean_field_steps=30), 20_000
    _, h, log_weight = joint(model)
    x = examples()[[6]].expand(n, *SHAPE)
    found = model.draw_hidden(model.hidden_given(x, Generator().manual_seed(0)), Generator().manual_seed(1))
    assert_follows(found, h[:32], log_weight.reshape(16, 32)[6].softmax(0))


@torch.no_grad()
def test_the_lowest_hidden_layer_gives_the_mean_of_the_data_from_the_top_down() -> None:
    model = make((3, 2))
    v, h, log_weight = joint(model)
    h1 = torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64)
    chosen = (h[:, :3] == h1).all(1)
    expected = log_weight[chosen].softmax(0) @ v[chosen].flatten(1)
    torch.testing.assert_close(model.top_down(0, h1).flatten(), expected)


# Annealing.


@every_width
@torch.no_grad()
def test_the_annealed_path_goes_from_independent_units_to_the_machine(widths: tuple[int, ...]) -> None:
    model = make(widths)
    base = model.annealed_base(bars(100))
    _, h, log_weight = joint(model)
    layers = h.split(widths, 1)
    odd = torch.cat(layers[0::2], 1)
    states = torch.cat(list(all_states(odd.shape[1], h)))
    exact = torch.stack([log_weight[(odd == state).all(1)].logsumexp(0) for state in states])
    torch.testing.assert_close(model.annealed_log_prob(states, 1.0, base), exact)
    first = model.annealed_log_prob(states, 0.0, base)
    assert first.logsumexp(0).item() == pytest.approx(model.annealed_log_partition_base(base).item())
    drawn = model.annealed_sample_base(20_000, base, Generator().manual_seed(0))
    assert_follows(drawn, states, first.softmax(0))
    p = model.annealed_log_prob(states, 0.6, base).softmax(0)
    generator = Generator().manual_seed(0)
    start = states[torch.multinomial(p, 20_000, replacement=True, generator=generator)]
    assert_follows(model.annealed_transition(start, 0.6, base, generator), states, p)


@torch.no_grad()
def test_the_interval_of_annealing_contains_the_enumerated_value() -> None:
    model = make(scale=1.2)
    exact, hits = model.log_partition().item(), 0
    for seed in range(50):
        found = finish(annealed_log_partition(model, bars(20), 20, 100, Generator().manual_seed(seed)))
        hits += found.low <= exact <= found.high
    assert hits >= 45


@torch.no_grad()
def test_reverse_weights_from_all_examples_add_up_to_one() -> None:
    """They estimate, without bias, the probabilities that the annealing chain gives: a normalised distribution."""
    model = make(scale=1.2)
    many = examples().repeat(2000, 1, 1, 1)
    found = finish(reverse_log_prob(model, many, bars(20), 5, 1, Generator().manual_seed(0)))
    totals = found.exp().reshape(2000, 16).sum(1)  # of all examples, once for each repetition
    error = totals.std().item() / 2000**0.5
    assert error < 0.03
    assert totals.mean().item() == pytest.approx(1, abs=4 * error)


@torch.no_grad()
def test_the_reverse_bound_lies_below_the_truth_and_closes_in() -> None:
    model = make(scale=1.5)
    exact = marginal(model)
    gaps = []
    for temperatures in (1, 100):
        many = examples().repeat_interleave(100, 0)
        found = finish(reverse_log_prob(model, many, bars(20), temperatures, 1, Generator().manual_seed(0)))
        found = found.reshape(16, 100).mean(1)
        gaps.append((exact.exp() * (exact - found)).sum().item())
    assert gaps[0] > 0.2
    assert 0 < gaps[1] < 0.05


# Learning.


@torch.no_grad()
def test_learning_starts_from_the_datas_means_and_raises_the_exact_likelihood() -> None:
    torch.manual_seed(0)
    model, x = Dbm(DbmSettings(first=6, second=4), SPEC), bars(200)
    model.start_from(x, 200)
    means = (x.flatten(1).sum(0) + 1) / 202
    torch.testing.assert_close(model.centres[:4], means)
    torch.testing.assert_close(model.biases[0], means.logit())
    before = model.log_prob(x).mean().item()
    learner = MeanFieldPcd(model, MeanFieldPcdSettings(learning_rate=0.3, decay=500), SPEC, 200)
    learner.begin()
    for _ in range(500):
        learner.step(batch_of(x))
    _, counts = x.flatten(1).unique(dim=0, return_counts=True)
    entropy = -(counts / 200 * (counts / 200).log()).sum().item()
    assert before < -entropy - 0.8
    assert model.log_prob(x).mean().item() > -entropy - 0.25
