"""Maximum likelihood by Langevin dynamics: its gradient against quadrature, its chains, and what it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from contract import DATASETS
from torch import Generator, Tensor

from dgm_studio.config import RunConfig, TrainingSettings
from dgm_studio.datasets import densities
from dgm_studio.events import Checkpoint, Failed, Progress
from dgm_studio.training import TrainingSession
from models.energy_network import EnergyNetwork, EnergyNetworkSettings
from models.estimation.divergence import Grid, kullback_leibler
from models.estimation.progress import finish
from models.estimation.quadrature import normalised
from models.learning.langevin_ml import LangevinMl, LangevinMlSettings
from models.spec import Batch, DataSpec, Layout, Support

LINE = DataSpec((1,), Support.REALS, Layout.VECTOR)
PLANE = DataSpec((2,), Support.REALS, Layout.POINTS)
SQUARE = DataSpec((2,), Support.UNIT, Layout.VECTOR)


def draws(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def learner(spec: DataSpec = PLANE, model: dict[str, object] | None = None, **settings: object) -> LangevinMl:
    torch.manual_seed(0)
    small = {"width": 8, "layers": 1, "activation": "tanh"} | (model or {})
    network = EnergyNetwork(EnergyNetworkSettings.model_validate(small), spec)
    made = LangevinMl(network, LangevinMlSettings.model_validate({"chains": 40, **settings}), spec, 100)
    made.begin()
    return made


def batch_of(x: Tensor) -> Batch:
    index = torch.arange(len(x))
    return Batch(x, index, index)


def gradients(made: LangevinMl, objective: Tensor) -> dict[str, Tensor]:
    found = torch.autograd.grad(objective, list(made.model.parameters()), allow_unused=True)
    names = [name for name, _ in made.model.named_parameters()]
    return {name: torch.zeros(()) if g is None else g for name, g in zip(names, found, strict=True)}


def test_with_exact_samples_for_chains_its_gradient_is_that_of_the_likelihood() -> None:
    made = learner(LINE, regularization=0).double()
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.mul_(3)
    x = torch.tensor([[0.3], [-1.2], [2.0]], dtype=torch.float64)
    line = torch.linspace(-9, 9, 20_001, dtype=torch.float64)[:, None]
    energy = made.model.free_energy(line)
    log_z = (-energy).logsumexp(0) + math.log(18 / 20_000)
    wanted = gradients(made, (made.model.free_energy(x) + log_z).mean())

    # a sample for each of many equal shares of the probability
    below = (-energy.detach()).softmax(0).cumsum(0)
    shares = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    chains = line[torch.searchsorted(below, shares)]
    found = gradients(made, made.loss(made.model.free_energy(x), made.model.free_energy(chains)))
    assert max(g.abs().max() for g in wanted.values()) > 0.3
    for name, gradient in wanted.items():
        assert torch.allclose(found[name], gradient, atol=2e-3), name


def test_regularisation_adds_the_squared_energies() -> None:
    made = learner(regularization=0.5)
    a, b = torch.tensor([1.0, 3.0]), torch.tensor([2.0])
    assert made.loss(a, b).item() == pytest.approx(2 - 2 + 0.5 * (5 + 4))


def test_chains_take_turns_and_the_buffer_keeps_its_shape() -> None:
    made = learner(fresh=0.0, transitions=3)
    x = torch.randn(16, 2, generator=draws())
    made.step(batch_of(x))
    before = made.chains().clone()
    for begin in (16, 32, 8):
        made.step(batch_of(x))
        moved = (made.chains() != before).any(1).nonzero().flatten()
        turn = sorted((begin + i) % 40 for i in range(16))
        assert set(moved.tolist()) <= set(turn)
        assert len(moved) > 8  # some moves are refused
        before = made.chains().clone()
    assert before.shape == (40, 2)


def test_a_fresh_chain_comes_from_noise_and_others_go_on() -> None:
    far = torch.full((40, 2), 50.0)
    for fresh, stays in ((0.0, 1.0), (1.0, 0.0), (0.5, 0.5)):
        made = learner(fresh=fresh, transitions=1, step_size=1e-3, jumps=0)
        x = torch.randn(40, 2, generator=draws())
        made.step(batch_of(x))
        made.replay.copy_(far)
        made.step(batch_of(x))
        share = (made.chains() > 40).all(1).float().mean().item()
        assert share == pytest.approx(stays, abs=0.25 if fresh == 0.5 else 0)


def test_how_many_moves_are_accepted_is_reported_where_they_are_tested() -> None:
    x = torch.randn(40, 2, generator=draws())
    small, large = (learner(step_size=step, jumps=0).step(batch_of(x))["accepted"] for step in (0.01, 3.0))
    assert small > 0.99
    assert large < 0.6
    assert "accepted" not in learner(adjusted=False).step(batch_of(x))


def test_a_batch_larger_than_the_buffer_moves_every_chain_once() -> None:
    made = learner(chains=5)
    made.step(batch_of(torch.randn(16, 2, generator=draws())))
    assert made.chains().shape == (5, 2)


def test_scales_are_those_of_the_first_batch_and_no_later_one() -> None:
    made = learner()
    x = 100 + 10 * torch.randn(64, 2, generator=draws())
    made.step(batch_of(x))
    assert torch.allclose(made.scale, x.std(0, unbiased=False))
    assert torch.equal(made.model.centre, x.mean(0))
    assert (made.chains().mean(0) - 100).abs().max() < 10
    made.step(batch_of(x / 10))
    assert torch.equal(made.model.centre, x.mean(0))


@pytest.mark.parametrize("adjusted", [True, False])
def test_between_walls_chains_and_noisy_data_stay(adjusted: bool) -> None:
    made = learner(SQUARE, adjusted=adjusted, step_size=2.0, data_noise=1.0)
    seen: list[Tensor] = []
    energy = made.model.free_energy
    made.model.free_energy = lambda x: (seen.append(x.detach()), energy(x))[1]
    for _ in range(5):
        made.step(batch_of(torch.rand(16, 2, generator=draws()).round()))
    assert ((made.chains() >= 0) & (made.chains() <= 1)).all()
    assert all(bool(((x >= 0) & (x <= 1)).all()) for x in seen)


def test_the_denoised_share_of_a_gaussian_is_the_one_in_closed_form() -> None:
    made = learner(LINE, data_noise=0.5).double()
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.zero_()  # E = ½ x² / s²
        made.model.scale.fill_(1.5)
        made.model.centre.fill_(0.0)
        x = 2 * torch.randn(200_000, 1, generator=draws(), dtype=torch.float64)
        found = made.held_out(batch_of(x), draws(1))["denoised"].item()
        # the mean of -(σ² g² + 2 g (x - x̃)) with g = x̃ / s², and σ = 0.5
        assert found == pytest.approx(2 * 0.25 / 2.25 - 0.25 * 4.25 / 2.25**2, abs=3e-3)
        made.model.scale.fill_(math.sqrt(4.25))  # the density of the noisy data
        best = made.held_out(batch_of(x), draws(1))["denoised"].item()
    assert best == pytest.approx(0.25 / 4.25, abs=3e-3)
    assert best > found


def test_between_walls_noise_is_known_to_have_been_reflected() -> None:
    made = learner(SQUARE)
    x, noisy, sigma = (torch.tensor([[v, 0.5]], dtype=torch.float64) for v in (0.1, 0.04, 0.2))
    noisy.requires_grad_()
    # log of the density of x + σz reflected at 0, 1 and what is behind them
    images = torch.stack([x, -x, 2 - x, x - 2, x + 2])
    log_q = (-0.5 * ((noisy - images) / sigma).square()).logsumexp(0)
    (wanted,) = torch.autograd.grad(log_q.sum(), noisy)
    assert torch.allclose(made._towards(x, noisy.detach(), sigma), sigma**2 * wanted, atol=1e-9)


def test_a_step_without_the_test_of_metropolis_is_langevin_dynamics() -> None:
    made = learner(adjusted=False, transitions=2, step_size=0.1, noise=0.0, fresh=0.0)
    made.step(batch_of(torch.randn(40, 2, generator=draws())))
    x = made.chains().clone().requires_grad_()
    moved, _ = made._moved(made.chains())
    for _ in range(2):
        (gradient,) = torch.autograd.grad(made.model.free_energy(x).sum(), x)
        x = (x - 0.5 * (0.1 * made.scale) ** 2 * gradient).detach().requires_grad_()
    assert torch.allclose(moved, x, atol=1e-6)


def test_a_ring_of_gaussians_is_learned() -> None:
    truth = densities.ring(8, 1.0, 0.1)
    x = truth.sample(5000, draws())
    made = learner(
        model={"width": 32, "layers": 2},
        regularization=1e-4,
        learning_rate=0.02,
        decay=400,
        chains=256,
        jumps=0.3,
        transitions=4,
        step_size=0.15,
        data_noise=0.05,
    )
    grid = Grid.around(x)
    log_p = grid.log_mass(truth)

    def divergence() -> float:
        density, _ = finish(normalised(made.model, x))
        return kullback_leibler(log_p, grid.log_mass(density, parts=2))

    with torch.no_grad():
        before = divergence()
    order = draws(1)
    for _ in range(400):
        made.step(batch_of(x[torch.randint(len(x), (256,), generator=order)]))
    with torch.no_grad():
        after = divergence()
    assert before > 1.5
    assert after < 0.5


@pytest.mark.parametrize("steep", [False, True])
def test_chains_that_diverge_stop_training_with_the_last_good_state_and_what_to_lower(steep: bool) -> None:
    """Long before any number overflows, where the energy holds the chains back; at once, where it does not."""
    config = RunConfig(
        family="energy-network",
        learner="langevin-ml",
        model={"width": 8, "layers": 1},
        learning={
            "chains": 40,
            "adjusted": False,
            "step_size": 9.0,
            "learning_rate": 1.0 if steep else 1e-3,
            "clip": 0,
            "transitions": 100 if steep else 2,
        },
        training=TrainingSettings(steps=4000, batch_size=16, device="cpu"),
    )
    seen = list(TrainingSession(config, DATASETS["reals"], checkpoint_seconds=0).events())
    end = seen[-1]
    assert isinstance(end, Failed)
    assert end.kind == "diverged"
    assert "smaller step size of the chains" in end.text
    assert f"The state of step {end.step} was kept." in end.text
    assert ("not a finite number" in end.text) == steep
    kept = [event for event in seen if isinstance(event, Checkpoint)][-1]
    assert kept.step == end.step
    assert all(value.isfinite().all() for value in kept.state["model"].values())
    assert kept.state["learner"]["replay"].abs().max() < 100
    reported = [
        event.metrics["energy"][1] for event in seen if isinstance(event, Progress) and "energy" in event.metrics
    ]
    assert all(np.isfinite(values).all() for values in reported)
