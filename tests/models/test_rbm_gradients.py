"""The learners of the restricted Boltzmann machine against its exact gradient, by enumeration of all states."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from small_machine import SPEC, STATES, batch_of, drawn, probabilities
from small_machine import machine as random_machine
from torch import Tensor

from models.learning.contrastive_divergence import (
    ContrastiveDivergence,
    ContrastiveDivergenceSettings,
    PersistentCdSettings,
    PersistentContrastiveDivergence,
)
from models.learning.maximum_likelihood import MaximumLikelihood, MaximumLikelihoodSettings
from models.rbm import Rbm

PLAIN = {"momentum": 0.0, "weight_decay": 0.0, "decay": 0}


def machine() -> Rbm:
    """One whose chain mixes so slowly that transitions count."""
    return random_machine(3, scale=2.5)


DATA = drawn(random_machine(2), 30)


def by_finite_differences(model: Rbm, x: Tensor) -> dict[str, Tensor]:
    """∂/∂θ of the mean of log p(x), for a model in double precision."""
    step, found = 1e-5, {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            flat, slopes = parameter.view(-1), torch.zeros(parameter.numel(), dtype=torch.float64)
            for i in range(len(flat)):
                value = flat[i].item()
                ends = []
                for moved in (value + step, value - step):
                    flat[i] = moved
                    ends.append(model.log_prob(x).mean())
                flat[i] = value
                slopes[i] = (ends[0] - ends[1]) / (2 * step)
            found[name] = slopes.reshape(parameter.shape)
    return found


def direction(model: Rbm, x: Tensor, negative: Tensor) -> dict[str, Tensor]:
    """Mean statistics of the data x less those of states with the probabilities `negative` (32,)."""
    model, x, states = model.double(), x.double(), STATES.double()
    sums = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    model.add_statistics(sums, x, model.hidden_mean(x), 1 / len(x))
    for state, probability in zip(states, negative.double(), strict=True):
        model.add_statistics(sums, state[None], model.hidden_mean(state[None]), -probability.item())
    return sums


def transitions(model: Rbm) -> Tensor:
    """P(v' | v) of one Gibbs transition between all states, from the joint distribution: (32, 32)."""
    h = STATES[:4, 3:].double()  # all states of the two hidden units
    model, v = model.double(), STATES.double()
    joint = torch.stack([-model.energy(row.expand(4, -1), h) for row in v])  # (32, 4)
    return joint.softmax(1) @ joint.softmax(0).t()


def frequencies(x: Tensor) -> Tensor:
    numbers = (x @ (2.0 ** torch.arange(4, -1, -1))).long()
    return torch.bincount(numbers, minlength=32).double() / len(x)


def distance(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return max((a[name] - b[name]).abs().max().item() for name in a)


@torch.no_grad()
def test_the_direction_under_the_models_own_states_is_the_likelihoods_gradient() -> None:
    model, x = machine().double(), DATA
    exact = by_finite_differences(model, x.double())
    assert distance(direction(model, x, probabilities(model)), exact) < 1e-8


def test_maximum_likelihood_follows_the_gradient_by_finite_differences() -> None:
    model, x = machine().double(), DATA.double()
    exact = by_finite_differences(model, x)
    learner = MaximumLikelihood(model, MaximumLikelihoodSettings(), SPEC, 30)
    learner.begin()
    learner.step(batch_of(x))
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(-parameter.grad, exact[name], atol=1e-8, rtol=0)


def velocities(learner: Any) -> dict[str, Tensor]:
    return {name: getattr(learner, f"velocity_{name}").double() for name, _ in learner.model.named_parameters()}


@torch.no_grad()
def test_the_mean_of_cd_k_tends_to_the_exact_gradient_as_k_grows() -> None:
    """Without chance: chains that start at the data are, after k transitions, distributed as p_data T^k."""
    model, x = machine().double(), DATA
    exact = direction(model, x, probabilities(model))
    matrix, reached, gaps = transitions(model), frequencies(x), []
    for _ in range(20):
        reached = reached @ matrix
        gaps.append(distance(direction(model, x, reached), exact))
    assert gaps[0] > 0.05
    assert all(later < earlier for earlier, later in pairwise(gaps[:12]))
    assert gaps[-1] < 1e-5


@pytest.mark.parametrize("k", [1, 3])
@torch.no_grad()
def test_a_step_of_cd_k_is_on_average_what_its_transition_matrix_says(k: int) -> None:
    x = DATA
    reached = frequencies(x) @ torch.linalg.matrix_power(transitions(machine()), k)
    expected = direction(machine(), x, reached)
    settings = ContrastiveDivergenceSettings(k=k, **PLAIN)
    learner = ContrastiveDivergence(machine(), settings, SPEC, 30)
    learner.begin()
    torch.manual_seed(0)
    learner.step(batch_of(x.repeat(3000, 1)))
    # of 90 000 chains; a product of a bit and a probability has a deviation of up to a half
    assert distance(velocities(learner), expected) < 5 * 0.5 / 90_000**0.5
    assert distance(expected, direction(machine(), x, probabilities(machine()))) > 0.005  # so that k matters


@torch.no_grad()
def test_chains_that_went_on_for_long_give_persistent_cd_the_exact_gradient() -> None:
    x = DATA
    exact = direction(machine(), x, probabilities(machine()))
    learner = PersistentContrastiveDivergence(
        machine(), PersistentCdSettings(chains=20_000, learning_rate=1e-9, **PLAIN), SPEC, 30
    )
    learner.begin()
    torch.manual_seed(0)
    learner.step(batch_of(x))
    assert distance(velocities(learner), exact) > 0.05  # chains start far from the model
    for _ in range(40):
        learner.step(batch_of(x))
    assert distance(velocities(learner), exact) < 5 * 0.5 / 20_000**0.5
    assert (frequencies(learner.chains()) - probabilities(machine())).abs().sum() < 0.04
