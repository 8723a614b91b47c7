"""The unrolled game: its gradient against finite differences and a closed form, its steps against the real ones."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_game import PLANE, Gaussian, batch
from torch import Generator, Tensor

from models.bigan import Bigan, BiganSettings
from models.capabilities import Shown
from models.gan import Gan, GanSettings
from models.learning.adversarial import MINIMAX, NON_SATURATING, Adversarial, AdversarialSettings
from models.learning.critics import judge
from models.learning.unrolled import AdamSteps, Unrolled, UnrolledSettings, gradient_steps, unrolled

LOSSES = ("minimax", "non-saturating")


def game(model: Any, **settings: Any) -> Unrolled:
    learner = Unrolled(model, UnrolledSettings(**{"hidden": 8, "layers": 2, **settings}), PLANE, 1000)
    learner.begin()
    return learner


def points(n: int = 16, seed: int = 0) -> Tensor:
    return torch.randn(n, 2, generator=Generator().manual_seed(seed)) + torch.tensor([1.0, 0.0])


@pytest.mark.parametrize("loss", LOSSES)
def test_without_unrolled_steps_it_is_the_plain_game_bit_for_bit(loss: Any) -> None:
    ends = []
    for plain in (True, False):
        torch.manual_seed(0)
        model = Gan(GanSettings(hidden=8), PLANE)
        if plain:
            objective = MINIMAX if loss == "minimax" else NON_SATURATING
            settings = AdversarialSettings(hidden=8, layers=2)
            learner: Any = Adversarial(model, settings, PLANE, 1000, objective)
            learner.begin()
        else:
            learner = game(model, unrolled=0, loss=loss)
        reported = [learner.step(batch(points(seed=i))) for i in range(5)]
        ends.append([*learner.state_dict().values(), *(v for each in reported for v in each.values())])
    assert len(ends[0]) == len(ends[1])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


def loss_at(learner: Unrolled, mean: float, z: Tensor, x: Tensor) -> Tensor:
    loss, _ = learner.lowered(Shown(x), Shown(z + mean * torch.tensor([1.0, 0.0], dtype=z.dtype)))
    return loss.detach()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("inner", ["adam", "gradient ascent"])
@pytest.mark.parametrize("extra", [{}, {"packing": 2, "minibatch_features": 2, "label_smoothing": 0.1}])
def test_the_gradient_through_the_steps_is_that_of_finite_differences(
    loss: Any, inner: Any, extra: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    settings = {"unrolled": 3, "inner_rate": 0.5, "discriminator_rate": 0.05, "activation": "tanh", **extra}
    learner = game(Gaussian(0.3), loss=loss, inner=inner, **settings)
    for i in range(3):  # so that Adam has moments
        learner.step(batch(points(seed=i)))
    learner.double()
    for remembered in learner.optimizers["discriminator"].state.values():
        for key in ("exp_avg", "exp_avg_sq"):
            remembered[key] = remembered[key].double()
    z, x = points(seed=8).double(), points(seed=9).double()
    step = 1e-5
    numeric = (loss_at(learner, 0.3 + step, z, x) - loss_at(learner, 0.3 - step, z, x)) / (2 * step)

    def slope(through: bool) -> Tensor:
        learner.settings = learner.settings.model_copy(update={"through": through})
        mean = torch.tensor([0.3, 0.0], dtype=torch.float64, requires_grad=True)
        lowered, _ = learner.lowered(Shown(x), Shown(z + mean))
        return torch.autograd.grad(lowered, mean)[0][0]

    assert slope(through=True).item() == pytest.approx(numeric.item(), rel=1e-6)
    assert slope(through=False).item() != pytest.approx(numeric.item(), rel=1e-2)


@pytest.mark.parametrize("normalised", [False, True])
def test_so_is_that_of_a_generator_with_a_way_back(normalised: bool) -> None:
    """Its encoder's too, which acts on the data's side of the steps."""
    torch.manual_seed(0)
    kind = "batch" if normalised else "none"
    model = Bigan(BiganSettings(hidden=5, latent=2, activation="tanh", normalisation=kind), PLANE)
    learner = game(model, unrolled=2, discriminator_rate=0.05, activation="tanh", batch_normalisation=normalised)
    learner.step(batch(points()))
    learner.double()
    for remembered in learner.optimizers["discriminator"].state.values():
        for key in ("exp_avg", "exp_avg_sq"):
            remembered[key] = remembered[key].double()
    parameters = list(model.parameters())
    towards = [torch.randn_like(parameter) for parameter in parameters]

    def lowered(by: float) -> Tensor:
        with torch.no_grad():
            for parameter, way in zip(parameters, towards, strict=True):
                parameter.add_(by * way)
        torch.manual_seed(3)
        return learner.generator_loss(batch(points().double()))[0]

    slopes = torch.autograd.grad(lowered(0.0), parameters)
    step = 1e-6
    numeric = (lowered(step) - lowered(-2 * step)) / (2 * step)
    expected = sum((slope * way).sum() for slope, way in zip(slopes, towards, strict=True))
    assert numeric.item() == pytest.approx(float(expected), rel=1e-5)


def test_steps_ahead_are_those_that_the_discriminator_would_take() -> None:
    torch.manual_seed(0)
    learner = game(Gaussian(0.3), discriminator_rate=0.01, label_smoothing=0.1)
    for steps in (0, 4):  # from an optimiser without moments, and from one with
        for i in range(steps):
            learner.step(batch(points(seed=i)))
        data, samples = Shown(points(seed=8)), Shown(points(seed=9))
        twin = copy.deepcopy(learner)
        optimizer = learner.optimizers["discriminator"]
        twin.begin()
        twin.optimizers["discriminator"].load_state_dict(copy.deepcopy(optimizer.state_dict()))

        def loss(parameters: Any, samples: Shown = samples, data: Shown = data) -> Tensor:
            by = lambda shown: torch.func.functional_call(learner.discriminator, dict(parameters), (shown,))  # noqa: E731
            return -learner.raised(*judge(learner.discriminator, data, samples, by)).mean()

        start = dict(learner.discriminator.named_parameters())
        ahead = unrolled(loss, start, 4, AdamSteps(optimizer))
        for _ in range(4):
            twin.optimizers["discriminator"].zero_grad()
            (-twin.raised(*judge(twin.discriminator, data, samples)).mean()).backward()
            twin.optimizers["discriminator"].step()
        for name, moved in twin.discriminator.named_parameters():
            assert not torch.allclose(moved, start[name], atol=1e-3)
            assert torch.allclose(moved, ahead[name], atol=1e-6), name


@pytest.mark.parametrize("extra", [{}, {"batch_normalisation": True}, {"minibatch_features": 2}])
def test_looking_ahead_moves_nothing_but_the_generator(extra: dict[str, Any]) -> None:
    torch.manual_seed(0)
    learner = game(Gan(GanSettings(hidden=8), PLANE), **extra)
    learner.step(batch(points()))
    learner.moves = frozenset({"generator"})
    discriminator = copy.deepcopy(learner.discriminator.state_dict())
    moments = copy.deepcopy(learner.optimizers["discriminator"].state_dict()["state"])
    learner.step(batch(points(seed=1)))
    assert all(torch.equal(a, b) for a, b in zip(discriminator.values(), learner.discriminator.state_dict().values()))  # noqa: B905
    after = learner.optimizers["discriminator"].state_dict()["state"]
    assert all(torch.equal(a, after[i][key]) for i, each in moments.items() for key, a in each.items())


def test_parameters_that_never_had_a_gradient_leave_it_finite() -> None:
    torch.manual_seed(0)
    learner = game(Gaussian(0.3), activation="relu")
    with torch.no_grad():
        next(learner.discriminator.parameters()).fill_(0)
        list(learner.discriminator.parameters())[1].fill_(-1)  # no unit is ever on
    learner.step(batch(points()))
    assert learner.model.mean.isfinite().all()


# The value x·y, x the generator's and y the discriminator's.


def bilinear(x: Tensor, y: Tensor, k: int, rate: float) -> Tensor:
    """x·y after k steps of the discriminator up its gradient."""
    ahead = unrolled(lambda parameters: -x * parameters["y"], {"y": y}, k, gradient_steps(rate))
    return x * ahead["y"]


@pytest.mark.parametrize("k", [0, 1, 5])
def test_the_gradient_of_a_bilinear_game_is_the_closed_form(k: int) -> None:
    x, y = (torch.tensor(v, requires_grad=True) for v in (0.7, -0.4))
    value = bilinear(x, y, k, 0.1)
    assert value.item() == pytest.approx(0.7 * (-0.4 + k * 0.1 * 0.7))
    assert torch.autograd.grad(value, x)[0].item() == pytest.approx(-0.4 + 2 * k * 0.1 * 0.7)


def played(move: Callable[[Tensor, Tensor], Tensor]) -> float:
    """How far from the solution (0, 0) simultaneous gradient steps end that began at a distance of 1."""
    x, y = (torch.tensor(v, requires_grad=True) for v in (1.0, 0.0))
    for _ in range(200):
        (down,) = torch.autograd.grad(move(x, y), x)
        x, y = ((x - 0.1 * down).detach().requires_grad_(), (y + 0.1 * x).detach().requires_grad_())
    return (x.square() + y.square()).sqrt().item()


def test_simultaneous_steps_spiral_outwards_and_unrolled_ones_settle() -> None:
    assert played(lambda x, y: x * y) == pytest.approx(1.01**100, rel=1e-3)  # |(1, 0.1i)| at each of 200 steps
    assert played(lambda x, y: bilinear(x, y, 5, 0.1)) < 1e-3
