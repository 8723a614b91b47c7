"""Pseudo-likelihood against its definition, and what it converges to."""

from __future__ import annotations

import pytest
import torch
from small_machine import SPEC, STATES, batch_of, divergence, drawn, machine
from torch import Tensor

from models.capabilities import TooLarge
from models.learning.noise_contrastive import NoiseContrastive, NoiseContrastiveSettings
from models.learning.pseudo_likelihood import PseudoLikelihood, PseudoLikelihoodSettings
from models.rbm import Rbm


def learner(model: Rbm, **settings: float) -> PseudoLikelihood:
    made = PseudoLikelihood(model, PseudoLikelihoodSettings(**settings), SPEC, 100)
    made.begin()
    return made


def by_definition(model: Rbm, x: Tensor) -> Tensor:
    """Σ_i log p(x) / (p(x) + p(x with bit i flipped)), each p a sum over the hidden states too, normalised."""
    h = torch.cat([torch.tensor([[float(a), float(b)]]) for a in (0, 1) for b in (0, 1)]).to(x.dtype)

    def log_p(v: Tensor) -> Tensor:
        joint = torch.stack([-model.energy(v, row.expand(len(v), -1)) for row in h])
        return joint.logsumexp(0) - log_z

    everything = STATES.to(x.dtype)
    log_z = torch.stack([-model.energy(everything, r.expand(32, -1)) for r in h]).flatten().logsumexp(0)
    total = torch.zeros(len(x), dtype=x.dtype)
    for i in range(5):
        other = x.clone()
        other[:, i] = 1 - other[:, i]
        total = total + log_p(x) - torch.logaddexp(log_p(x), log_p(other))
    return total


def gradients(value: Tensor, model: Rbm) -> list[Tensor]:
    return list(torch.autograd.grad(value, list(model.parameters())))


def test_its_value_and_gradient_are_those_of_the_definition() -> None:
    model, x = machine().double(), drawn(machine(2), 40).double()
    made = learner(model, coordinates=0)
    found, expected = made._objective(x), by_definition(model, x)
    torch.testing.assert_close(found, expected)
    for a, b in zip(gradients(found.mean(), model), gradients(expected.mean(), model), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("coordinates", [1, 3])
def test_a_few_coordinates_give_the_gradient_of_all_on_average(coordinates: int) -> None:
    model, x = machine().double(), drawn(machine(2), 20).double()
    every = gradients(learner(model, coordinates=0)._objective(x).mean(), model)
    few = learner(model, coordinates=coordinates)
    torch.manual_seed(0)
    many = [torch.cat([g.flatten() for g in gradients(few._objective(x).mean(), model)]) for _ in range(400)]
    found, exact = torch.stack(many), torch.cat([g.flatten() for g in every])
    error = found.std(0) / 400**0.5
    assert (found.std(0) > 1e-3).all()
    assert ((found.mean(0) - exact).abs() < 4.5 * error).all()


def test_a_step_moves_along_the_gradient() -> None:
    model, x = machine(), drawn(machine(2), 40)
    made = learner(model, coordinates=0, learning_rate=1e-3)
    expected = [g.sign() for g in gradients(made._objective(x).mean(), model)]
    before = [p.detach().clone() for p in model.parameters()]
    reported = made.step(batch_of(x))
    assert reported["pseudo_likelihood"].item() == pytest.approx(by_definition(machine(), x).mean().item(), abs=1e-4)
    for parameter, was, sign in zip(model.parameters(), before, expected, strict=True):
        torch.testing.assert_close(parameter - was, 1e-3 * sign, rtol=1e-2, atol=1e-6)  # Adam's first step


def test_it_recovers_a_distribution_from_many_samples() -> None:
    truth = machine(3, scale=1.2)
    found = []
    for n in (200, 4000):
        made = learner(machine(4, scale=0.3, hidden=3), coordinates=0, learning_rate=0.05, decay=200)
        x = drawn(truth, n)
        for _ in range(200):
            made.step(batch_of(x))
        found.append(divergence(truth, made.model))
    assert found[0] > 2 * found[1]
    assert found[1] < 0.01
    assert divergence(truth, machine(4, scale=0.3, hidden=3)) > 0.3  # where it began


class Unsummed(torch.nn.Linear):
    def free_energy(self, x: Tensor) -> Tensor:
        raise TooLarge("2^30 states")


def test_an_energy_that_cannot_be_summed_is_refused_before_the_first_step() -> None:
    for made in (
        PseudoLikelihood(Unsummed(5, 1), PseudoLikelihoodSettings(), SPEC, 10),
        NoiseContrastive(Unsummed(5, 1), NoiseContrastiveSettings(), SPEC, 10),
    ):
        with pytest.raises(TooLarge, match="2\\^30"):
            made.begin()
