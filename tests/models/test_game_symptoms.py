"""A generator that leaves out data is noticed, and a discriminator that teaches nothing; a healthy game is not."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from small_game import Gaussian, batch, game
from torch import Generator, Tensor

from models.catalog import LEARNINGS
from models.estimation.lost import lost_share
from models.learning.adversarial import MINIMAX, NON_SATURATING, Adversarial
from models.learning.base import ANEW, LEARNER
from models.learning.game_symptoms import SETTLED

SIGMA = 0.05


def ring(n: int, modes: tuple[int, ...] = tuple(range(8)), sigma: float = SIGMA, seed: int = 0) -> Tensor:
    """Draws from some of eight modes on a circle."""
    generator = Generator().manual_seed(seed)
    which = torch.tensor(modes)[torch.randint(len(modes), (n,), generator=generator)] * (2 * math.pi / 8)
    return torch.stack([which.cos(), which.sin()], 1) + sigma * torch.randn(n, 2, generator=generator)


@pytest.mark.parametrize("found", range(1, 9))
def test_what_is_lost_is_the_share_of_the_modes_that_are_missing(found: int) -> None:
    lost = lost_share(ring(500), ring(500, tuple(range(found)), seed=1), Generator().manual_seed(0))
    assert lost == pytest.approx(1 - found / 8, abs=0.06)


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.2])
def test_samples_need_not_be_good_to_be_counted(sigma: float) -> None:
    assert lost_share(ring(500), ring(500, sigma=sigma, seed=1), Generator().manual_seed(0)) < 0.15


def settled(model: Any, steps: int = SETTLED, **settings: Any) -> Adversarial:
    """A game that says that it has taken so many steps."""
    objective = settings.pop("objective", NON_SATURATING)
    learner = game(model, objective, hidden=4, layers=1, average=0, **settings)
    learner.step(batch(torch.randn(16, 2)))
    for remembered in learner.optimizers["generator"].state.values():
        remembered["step"].fill_(steps)
    learner.eval()
    return learner


@torch.no_grad()
def kind(learner: Adversarial, x: Tensor) -> str:
    symptom = learner.diagnose(batch(x), Generator().manual_seed(0))
    return "" if symptom is None else symptom.kind


def test_a_generator_on_one_mode_has_collapsed_and_one_on_the_data_has_not() -> None:
    torch.manual_seed(0)
    on_one, on_all = Gaussian(1.0, SIGMA), Gaussian(0.0)
    assert kind(settled(on_one), ring(500)) == "mode collapse"
    assert kind(settled(on_all), torch.randn(500, 2)) == ""
    assert kind(settled(on_one, SETTLED - 1), ring(500)) == "", "it may still spread"
    assert kind(settled(on_one), ring(60)) == "", "too few examples to tell"


def test_it_is_told_how_much_is_lost_and_what_may_help_can_be_set() -> None:
    torch.manual_seed(0)
    symptom = settled(Gaussian(1.0, SIGMA)).diagnose(batch(ring(500)), Generator().manual_seed(0))
    assert symptom is not None
    assert "% of 500 held-out examples" in symptom.measured
    known = {learning.key: learning.settings for learning in LEARNINGS}
    assert symptom.changes.keys() == {"feature matching", "packing of 2", "minibatch features", "5 unrolled steps"}
    for changes in symptom.changes.values():
        settings = known[changes.get(LEARNER, "non-saturating")]
        settings(**{name: value for name, value in changes.items() if name not in (LEARNER, ANEW)})
    done = settled(Gaussian(1.0, SIGMA), packing=2, minibatch_features=2, feature_matching=True)
    symptom = done.diagnose(batch(ring(500)), Generator().manual_seed(0))
    assert symptom is not None
    assert symptom.changes.keys() == {"5 unrolled steps"}, "the others are on already"


def sure(learner: Adversarial) -> Adversarial:
    """With a discriminator that says sigmoid(20 x₁)."""
    with torch.no_grad():
        for parameter in learner.discriminator.parameters():
            parameter.zero_()
        learner.discriminator.body.layers[0].weight[:2, 0] = torch.tensor([20.0, -20.0])
        learner.discriminator.head.weight[0, :2] = torch.tensor([1.0, -1.0])
    return learner


def test_a_sure_discriminator_ends_minimax_but_not_what_does_not_saturate() -> None:
    torch.manual_seed(0)
    data = torch.randn(200, 2) * 0.5 + torch.tensor([3.0, 0.0])
    assert kind(sure(settled(Gaussian(-3.0, 0.5), objective=MINIMAX, activation="relu")), data) == "saturation"
    assert kind(sure(settled(Gaussian(-3.0, 0.5), activation="relu")), data) != "saturation"
    near = sure(settled(Gaussian(3.0, 0.5), objective=MINIMAX, activation="relu"))
    assert kind(near, data) == "", "it is not sure of samples"


def test_where_it_is_flat_the_other_objective_saturates_too() -> None:
    torch.manual_seed(0)
    learner = sure(settled(Gaussian(-3.0, 0.5), activation="tanh"))
    data = torch.randn(200, 2) * 0.5 + torch.tensor([3.0, 0.0])
    with torch.no_grad():
        learner.discriminator.head.weight.mul_(10)
    symptom = learner.diagnose(batch(data), Generator().manual_seed(0))
    assert symptom is not None
    assert symptom.kind == "saturation"
    assert set(symptom.changes) == {"a slower discriminator", "label smoothing"}
    assert "the non-saturating objective" in settled(Gaussian(0.0), objective=MINIMAX).against_saturation()
