"""The energy network against quadrature: its density, its chain, and annealing towards it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor, nn

from models.capabilities import (
    Anneals,
    HasFreeEnergy,
    RunsChain,
    Samples,
    SamplesMeans,
    ScoresExactly,
    StartsFromData,
    SumsExactly,
)
from models.energy_network import EnergyNetwork, EnergyNetworkSettings
from models.estimation.annealing import annealed_log_partition, reverse_log_prob
from models.estimation.divergence import Grid
from models.estimation.progress import finish
from models.estimation.quadrature import normalised, quadrature_log_likelihood
from models.spec import DataSpec, Layout, Support, UnsuitableData

PLANE = DataSpec((2,), Support.REALS, Layout.POINTS)
SQUARE = DataSpec((2,), Support.UNIT, Layout.POINTS)
IMAGE = DataSpec((1, 5, 7), Support.UNIT, Layout.IMAGE)


def draws(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def rugged(spec: DataSpec = PLANE, **settings: object) -> EnergyNetwork:
    """A network with weights large enough that it is far from its base."""
    torch.manual_seed(3)
    chosen = {"width": 16, "layers": 2, "activation": "tanh", "step_size": 0.5, **settings}
    model = EnergyNetwork(EnergyNetworkSettings.model_validate(chosen), spec).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.mul_(5.0 if "weight" in name else 1.0)
    if spec is PLANE:
        model.start_from(torch.tensor([3.0, -1.0]) + torch.randn(50, 2).double() * torch.tensor([2.0, 0.5]), 50)
    return model


def grid_of(model: EnergyNetwork) -> tuple[Tensor, float]:
    """Points over all of the model's plane, and the area of each."""
    if model.walls:
        grid = Grid((0.0, 0.0), (1.0, 1.0), 300)
    else:
        low, high = model.centre - 8 * model.scale, model.centre + 8 * model.scale
        grid = Grid((low[0].item(), low[1].item()), (high[0].item(), high[1].item()), 300)
    return grid.centres().reshape(-1, 2), math.prod(grid.sides)


def exact_log_partition(model: EnergyNetwork) -> float:
    x, area = grid_of(model)
    with torch.no_grad():
        return (-model.free_energy(x)).logsumexp(0).item() + math.log(area)


def exact_draws(model: EnergyNetwork, n: int, temperature: float = 1.0) -> Tensor:
    """Points of the grid by their probability, moved about in their cells."""
    x, area = grid_of(model)
    with torch.no_grad():
        p = (-model.free_energy(x) / temperature).softmax(0)
    side = (x[1] - x[0]).abs().max()
    sides = torch.stack([side, area / side])
    within = torch.rand(n, 2, generator=draws(7), dtype=torch.float64) - 0.5
    return x[p.multinomial(n, replacement=True, generator=draws(8))] + within * sides


def test_it_can_what_an_energy_with_a_chain_can_and_does_not_claim_a_likelihood() -> None:
    for capability in (HasFreeEnergy, RunsChain, Samples, Anneals, StartsFromData):
        assert issubclass(EnergyNetwork, capability)
    for capability in (ScoresExactly, SumsExactly, SamplesMeans):
        assert not issubclass(EnergyNetwork, capability)


def test_bits_are_refused_and_what_fits_is_said() -> None:
    bits = DataSpec((1, 4, 4), Support.BITS, Layout.IMAGE)
    with pytest.raises(UnsuitableData, match=r"binarisation: none.*Boltzmann machine"):
        EnergyNetwork(EnergyNetworkSettings(), bits)


@pytest.mark.parametrize("spec", [PLANE, SQUARE], ids=["plane", "square"])
def test_annealing_finds_log_z_within_its_interval_and_the_reverse_stays_below(spec: DataSpec) -> None:
    model = rugged(spec)
    exact = exact_log_partition(model)
    data = (model.centre + 0.3 * model.scale).expand(10, -1)
    base = model.annealed_base(data)
    points, _ = grid_of(model)
    tilt = model.annealed_log_prob(points, 0.0, base) + model.free_energy(points)
    assert tilt.std() > 1  # the network matters
    with torch.no_grad():
        hits = 0
        for seed in range(20):
            found = finish(annealed_log_partition(model, data, 30, 100, draws(seed)))
            hits += found.low <= exact <= found.high
        assert hits >= 16
        x = exact_draws(model, 2000)  # on average over these nothing is more probable than under the model
        below = finish(reverse_log_prob(model, x, data, 30, 1, draws(2)))
    log_p = -model.free_energy(x) - exact
    difference = (log_p - below).detach()
    assert difference.mean() > -5 * difference.std() / math.sqrt(len(x))
    assert difference.mean() < 1  # and not far below


def test_the_base_between_walls_is_a_gaussian_cut_off_there() -> None:
    model = rugged(SQUARE)
    base = torch.tensor([0.1, 0.9], dtype=torch.float64)
    x, area = grid_of(model)
    p = (model.annealed_log_prob(x, 0.0, base).exp() * area).detach()
    assert p.sum().log().item() == pytest.approx(model.annealed_log_partition_base(base).item(), abs=1e-4)
    drawn = model.annealed_sample_base(20_000, base, draws())
    assert ((drawn >= 0) & (drawn <= 1)).all()
    mean = (p[:, None] * x).sum(0) / p.sum()
    assert (drawn.mean(0) - mean).abs().max() < 5 * drawn.std(0).max() / math.sqrt(20_000)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_chain_at_a_temperature_leaves_the_energy_divided_by_it(temperature: float) -> None:
    model = rugged(SQUARE)
    x, _ = grid_of(model)
    with torch.no_grad():
        p = (-model.free_energy(x) / temperature).softmax(0)
        moved = exact_draws(model, 20_000, temperature)
        for seed in range(4):
            moved = model.transition(moved, temperature=temperature, generator=draws(seed)).x
    for f in (lambda y: y, lambda y: y.square(), lambda y: y[:, :1] * y[:, 1:]):
        wanted = (p[:, None] * f(x)).sum(0)
        assert ((f(moved).mean(0) - wanted).abs() <= 5 * f(moved).std(0) / math.sqrt(20_000) + 1e-4).all()


def test_a_temperature_of_zero_is_refused_with_a_sentence() -> None:
    model = rugged()
    with pytest.raises(ValueError, match=r"temperature 0.*above 0"):
        model.transition(torch.zeros(3, 2).double(), temperature=0.0)


def test_samples_come_from_the_density_where_the_chain_mixes() -> None:
    model = rugged(SQUARE, steps=40)
    x, _ = grid_of(model)
    with torch.no_grad():
        p = (-model.free_energy(x)).softmax(0)
        drawn = model.sample(5000, draws())
    mean = (p[:, None] * x).sum(0)
    assert ((drawn.mean(0) - mean).abs() <= 5 * drawn.std(0) / math.sqrt(5000)).all()


def test_the_unit_of_the_data_does_not_matter() -> None:
    model, other = rugged(), rugged()
    x = torch.randn(40, 2, generator=draws()).double()
    model.start_from(x, 40)
    other.start_from(1000 * x + 5, 40)
    assert torch.allclose(model.free_energy(x), other.free_energy(1000 * x + 5), atol=1e-9)
    step = model.transition(x, generator=draws()).x
    assert torch.allclose(other.transition(1000 * x + 5, generator=draws()).x, 1000 * step + 5, atol=1e-6)


def test_far_from_the_data_the_energy_rises_whatever_the_weights() -> None:
    model = rugged(activation="silu")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
        direction = torch.randn(20, 2, generator=draws()).double()
        far = [model.free_energy(model.centre + r * model.scale * direction) for r in (1e5, 1e6, 1e7)]
    assert (far[1] > far[0]).all()
    assert (far[2] > far[1]).all()


@pytest.mark.parametrize("network", ["convolutional", "fully connected"])
@pytest.mark.parametrize("layers", [1, 4])
def test_images_of_any_size_have_an_energy(network: str, layers: int) -> None:
    settings = EnergyNetworkSettings.model_validate({"network": network, "layers": layers, "width": 4})
    model = EnergyNetwork(settings, IMAGE)
    assert any(isinstance(m, nn.Conv2d) for m in model.modules()) == (network == "convolutional")
    assert model.free_energy(torch.rand(3, *IMAGE.event_shape)).shape == (3,)


def test_quadrature_normalises_a_density_that_is_known() -> None:
    model = rugged()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()  # what is left is the Gaussian N(m, s²)
    x = model.start_chain(500, draws()).x
    with torch.no_grad():
        density, difference = finish(normalised(model, x))
        log_z = (model.scale.log() + 0.5 * math.log(2 * math.pi)).sum().item()
        assert density.log_partition == pytest.approx(log_z, abs=1e-6)
        assert difference < 1e-6
        u = (x - model.centre) / model.scale
        assert torch.allclose(density.log_prob(x), -0.5 * u.square().sum(1) - log_z, atol=1e-6)
        measure = finish(quadrature_log_likelihood(model, x, "test", x))
    assert measure.value == pytest.approx(density.log_prob(x).mean().item(), abs=1e-9)
    assert "quadrature" in measure.protocol
