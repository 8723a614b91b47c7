"""The convolutional restricted Boltzmann machine, against dense machines and against sums over states of blocks."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Generator, Tensor

from models.capabilities import (
    Anneals,
    ChainState,
    HasFilters,
    HasFreeEnergy,
    HasHiddenLayers,
    Held,
    LearnsInPhases,
    RunsChain,
    Samples,
    ScalesSteps,
    ScoresExactly,
    SumsExactly,
    TooLarge,
)
from models.conv_rbm import ConvRbm, ConvRbmSettings
from models.estimation.annealing import annealed_log_partition
from models.estimation.enumeration import all_states
from models.estimation.progress import finish
from models.learning.contrastive_divergence import PersistentCdSettings, PersistentContrastiveDivergence
from models.rbm import Rbm, RbmSettings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

SPEC = DataSpec((1, 3, 4), Support.BITS, Layout.IMAGE)
SIZES = pytest.mark.parametrize(
    ("filters", "size", "pooling", "event"),
    [(2, 2, 1, (1, 3, 3)), (2, 2, 2, (1, 3, 3)), (1, 2, 2, (2, 2, 3)), (1, 3, 2, (1, 3, 4)), (1, 4, 2, (1, 3, 3))],
    ids=["no pooling", "blocks", "two channels", "margin", "larger than the image"],
)


def make(filters: int = 2, size: int = 2, pooling: int = 2, event: tuple[int, ...] = (1, 3, 3)) -> ConvRbm:
    torch.manual_seed(1)
    settings = ConvRbmSettings(filters=filters, size=size, pooling=pooling, sweeps=50)
    model = ConvRbm(settings, DataSpec(event, Support.BITS, Layout.IMAGE)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.8)
    return model


def images(model: ConvRbm) -> Tensor:
    return torch.cat(list(all_states(model.dimensions, model.weight))).reshape(-1, *model.event_shape)


def hidden_states(model: ConvRbm) -> Tensor:
    """All states in which at most one unit of each block is on, written down block by block."""
    k, rows, columns = model.hidden_shape
    c = model.pooling
    corners = list(product(range(k), range(0, rows, c), range(0, columns, c)))
    found = []
    for choices in product(range(-1, c * c), repeat=len(corners)):
        h = torch.zeros(model.hidden_shape, dtype=torch.float64)
        for (map_, row, column), choice in zip(corners, choices, strict=True):
            if choice >= 0:
                h[map_, row + choice // c, column + choice % c] = 1
        found.append(h)
    return torch.stack(found)


def joint(model: ConvRbm) -> tuple[Tensor, Tensor, Tensor]:
    """All v, all h, and -E(v, h) of each pair."""
    v, h = images(model), hidden_states(model)
    with torch.no_grad():
        energies = torch.stack([model.energy(row.expand(len(h), *row.shape), h) for row in v])
    return v, h, -energies


def toeplitz(model: ConvRbm) -> Rbm:
    """The dense machine with the same weights, each written where its filter lies. Pooling 1, no margin."""
    k, rows, columns = model.hidden_shape
    spec = DataSpec(model.event_shape, Support.BITS, Layout.IMAGE)
    dense = Rbm(RbmSettings(hidden=k * rows * columns), spec).double()
    weight = torch.zeros(k, rows, columns, *model.event_shape, dtype=torch.float64)
    for i, j in product(range(rows), range(columns)):
        weight[:, i, j, :, i : i + model.size, j : j + model.size] = model.weight.detach()
    with torch.no_grad():
        dense.weight.copy_(weight.reshape(k * rows * columns, -1).t())
        dense.hidden_bias.copy_(model.hidden_bias.repeat_interleave(rows * columns))
        _, height, width = model.event_shape
        dense.visible_bias.copy_(model.visible_bias.repeat_interleave(height * width))
    return dense


def test_it_has_the_capabilities_it_claims() -> None:
    for capability in (
        Anneals, HasFilters, HasFreeEnergy, HasHiddenLayers, LearnsInPhases, RunsChain, Samples, ScalesSteps,
        ScoresExactly, SumsExactly,
    ):  # fmt: skip
        assert issubclass(ConvRbm, capability)


@pytest.mark.parametrize(
    ("spec", "advice"),
    [
        (DataSpec((2,), Support.REALS, Layout.POINTS), "choose images"),
        (DataSpec((1, 4, 4), Support.UNIT, Layout.IMAGE), "choose a binarisation"),
        (DataSpec((12,), Support.BITS, Layout.VECTOR), "choose images"),
    ],
)
def test_what_is_no_image_of_bits_is_refused_with_what_fits(spec: DataSpec, advice: str) -> None:
    with pytest.raises(UnsuitableData, match=advice):
        ConvRbm.check(ConvRbmSettings(), spec)


@torch.no_grad()
@pytest.mark.parametrize("event", [(1, 3, 4), (2, 3, 3)])
def test_without_pooling_it_is_a_dense_machine_with_tied_weights(event: tuple[int, ...]) -> None:
    model = make(2, 2, 1, event)
    dense, generator = toeplitz(model), Generator().manual_seed(0)
    v = torch.rand(6, *event, generator=generator).round().double()
    h = torch.rand(6, *model.hidden_shape, generator=generator).round().double()
    torch.testing.assert_close(model.energy(v, h), dense.energy(v, h.flatten(1)))
    torch.testing.assert_close(model.free_energy(v), dense.free_energy(v))
    torch.testing.assert_close(model.hidden_mean(v).flatten(1), dense.hidden_mean(v))
    torch.testing.assert_close(model.visible_mean(h, 2.0), dense.visible_mean(h.flatten(1), 2.0))


@SIZES
def test_free_energy_and_conditionals_are_sums_over_states_of_blocks(
    filters: int, size: int, pooling: int, event: tuple[int, ...]
) -> None:
    model = make(filters, size, pooling, event)
    v, h, weights = joint(model)
    with torch.no_grad():
        torch.testing.assert_close(-model.free_energy(v), weights.logsumexp(1))
        for temperature in (1.0, 3.0):
            scaled = weights / temperature
            given_v = (scaled.softmax(1) @ h.flatten(1)).reshape(-1, *model.hidden_shape)
            torch.testing.assert_close(model.hidden_mean(v, temperature), given_v)
            given_h = (scaled.softmax(0).t() @ v.flatten(1)).reshape(-1, *event)
            torch.testing.assert_close(model.visible_mean(h, temperature), given_h)
        assert model.log_partition().item() == pytest.approx(weights.flatten().logsumexp(0).item(), abs=1e-9)


@torch.no_grad()
def test_a_block_and_its_off_state_sum_to_one_and_draws_have_at_most_one_unit_on() -> None:
    model = make(3, 2, 2, (1, 5, 5))
    v = torch.rand(2000, 1, 5, 5, generator=Generator().manual_seed(0)).round().double()
    mean = model.hidden_mean(v)
    off = 1 - model.pooled(v)
    assert ((off > 0) & (off < 1)).all()
    torch.testing.assert_close(model._blocks(mean).sum(-1) + off, torch.ones_like(off))
    h = model.draw_hidden(mean, Generator().manual_seed(0))
    assert set(h.unique().tolist()) == {0.0, 1.0}
    assert model._blocks(h).sum(-1).max() == 1
    assert torch.equal(model.draw_hidden(h, Generator().manual_seed(1)), h)
    many = model.draw_hidden(mean[:1].expand(20_000, *mean.shape[1:]), Generator().manual_seed(2))
    error = (mean[0] * (1 - mean[0]) / 20_000).sqrt()
    assert ((many.mean(0) - mean[0]).abs() < 5 * error).all()


@torch.no_grad()
def test_held_units_leave_their_blocks_valid_and_the_rest_as_conditioned() -> None:
    model = make()
    v, h = images(model)[300:301], hidden_states(model)
    generator = Generator().manual_seed(0)
    held = torch.zeros(model.hidden_shape, dtype=torch.bool)
    held[0, 0, 0] = held[1, 1, 1] = True
    before = torch.zeros(1, *model.hidden_shape, dtype=torch.float64)
    before[0, 0, 0, 0] = 1  # on; the other held unit is off
    fits = ((h == before) | ~held).flatten(1).all(1)
    p = (-model.energy(v.expand(len(h), *v.shape[1:]), h)).masked_fill(~fits, -torch.inf).softmax(0)
    expected = (p @ h.flatten(1)).reshape(model.hidden_shape)
    n = 20_000
    state = ChainState(v.expand(n, -1, -1, -1), v.expand(n, -1, -1, -1), (before.expand(n, -1, -1, -1),))
    (after,) = model.move(state, Held(None, (held,)), generator=generator).hidden
    assert model._blocks(after).sum(-1).max() == 1
    assert ((after.mean(0) - expected).abs() < 5 * (expected * (1 - expected) / n).sqrt() + 1e-9).all()


@SIZES
@torch.no_grad()
def test_statistics_of_an_endless_chain_are_the_likelihoods_gradient(
    filters: int, size: int, pooling: int, event: tuple[int, ...]
) -> None:
    model = make(filters, size, pooling, event)
    states = images(model)
    x = states[::7]
    sums = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    model.add_statistics(sums, x, model.hidden_mean(x), 1 / len(x))
    for state, p in zip(states, model.log_prob(states).exp(), strict=True):
        model.add_statistics(sums, state[None], model.hidden_mean(state[None]), -p.item())
    with torch.enable_grad():
        gradients = torch.autograd.grad(model.log_prob(x).mean(), list(model.parameters()))
    for found, gradient in zip(sums.values(), gradients, strict=True):
        torch.testing.assert_close(found, gradient)


@torch.no_grad()
def test_the_chain_leaves_the_model_as_it_is() -> None:
    model = make()
    states = images(model)
    p = model.log_prob(states).exp()
    generator, n = Generator().manual_seed(0), 40_000
    x = states[torch.multinomial(p, n, replacement=True, generator=generator)]
    for _ in range(3):
        x = model.transition(x, generator=generator).x
    numbers = (x.flatten(1) @ (2.0 ** torch.arange(8, -1, -1, dtype=torch.float64))).long()
    assert (torch.bincount(numbers, minlength=512) / n - p).abs().sum() < 0.12


@torch.no_grad()
def test_annealed_transitions_leave_their_own_distribution_unchanged_and_the_interval_holds_log_z() -> None:
    model = make()
    states, data = images(model), images(model)[::5]
    base = model.annealed_base(data)
    p = model.annealed_log_prob(states, 0.4, base).softmax(0)
    generator, n = Generator().manual_seed(0), 40_000
    x = states[torch.multinomial(p, n, replacement=True, generator=generator)]
    after = model.annealed_transition(x, 0.4, base, generator)
    numbers = (after.flatten(1) @ (2.0 ** torch.arange(8, -1, -1, dtype=torch.float64))).long()
    assert (torch.bincount(numbers, minlength=512) / n - p).abs().sum() < 0.12
    exact, hits = model.log_partition().item(), 0
    for seed in range(40):
        found = finish(annealed_log_partition(model, data, 40, 100, Generator().manual_seed(seed)))
        hits += found.low <= exact <= found.high
    assert hits >= 35  # of 40; 38 are expected


def test_a_large_image_is_refused_for_exact_sums() -> None:
    with pytest.raises(TooLarge, match=r"images of 64 pixels.*annealed"):
        make(2, 3, 2, (1, 8, 8)).log_partition()


def test_filters_are_shown_as_images_with_the_kernel_in_the_middle() -> None:
    model = make(2, 2, 2, (1, 6, 7))
    shown = model.filters()
    assert shown.shape == (2, 1, 6, 7)
    assert torch.equal(shown[:, :, 2:4, 2:4], model.weight)
    assert shown.abs().sum().item() == pytest.approx(model.weight.abs().sum().item())
    assert make(1, 4, 2, (1, 3, 3)).filters().shape == (1, 1, 3, 3)


def test_learning_raises_the_exact_likelihood() -> None:
    torch.manual_seed(0)
    generator = Generator().manual_seed(0)
    bars = torch.zeros(200, 1, 3, 4)
    bars[torch.arange(200), 0, torch.randint(3, (200,), generator=generator)] = 1
    model = ConvRbm(ConvRbmSettings(filters=8, size=3), SPEC)
    settings = PersistentCdSettings(learning_rate=0.3, decay=600, weight_decay=0)
    learner = PersistentContrastiveDivergence(model, settings, SPEC, 200)
    learner.begin()
    index = torch.arange(200)
    learner.step(Batch(bars, index, index))
    before = model.log_prob(bars).mean().item()
    for _ in range(600):
        learner.step(Batch(bars, index, index))
    assert model.log_prob(bars).mean().item() > before + 1.0
