"""A bidirectional network against what its game must give: pairs, gradients, and an encoder that inverts."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from contract import DATASETS, TRAIN, draws
from torch import Generator, Tensor
from torch.nn import functional as F

from models.bigan import Bigan, BiganSettings
from models.capabilities import BoundsEvidence, Decodes, Encodes, FacesDiscriminator, Samples, ScoresExactly
from models.catalog import Recipe
from models.distributions import NoDensity, Normal, Point
from models.learning.adversarial import MINIMAX, NON_SATURATING, Adversarial, Objective
from models.spec import Batch, DataSpec, Layout, Support

PLANE = DataSpec((2,), Support.REALS, Layout.POINTS)


def linear(prior: str = "normal", matrix: Tensor | None = None, **settings: Any) -> Bigan:
    """G(z) = A z in two dimensions; an encoder of two, with weights of its own."""
    model = Bigan(BiganSettings(latent=2, layers=0, prior=prior, **settings), PLANE)
    if matrix is not None:
        with torch.no_grad():
            model.generator[0].weight.copy_(matrix)
            model.generator[0].bias.zero_()
    return model


def batch(x: Tensor) -> Batch:
    index = torch.arange(len(x))
    return Batch(x, torch.full_like(index, -1), index)


def game(model: Bigan, spec: DataSpec, objective: Objective = NON_SATURATING, **settings: Any) -> Adversarial:
    rule = Recipe.read("bigan", "non-saturating", {}, settings).learner
    learner = Adversarial(model, rule, spec, 100, objective=objective)
    learner.begin()
    return learner


def test_it_encodes_and_decodes_and_scores_nothing() -> None:
    for capability in (Samples, Decodes, Encodes, FacesDiscriminator):
        assert issubclass(Bigan, capability)
    for capability in (ScoresExactly, BoundsEvidence):
        assert not issubclass(Bigan, capability)


def test_a_single_code_has_no_density() -> None:
    z = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    code = Point(z)
    assert torch.equal(code.mean, z)
    assert torch.equal(code.sample(3, draws()), z.repeat(3, 1, 1))
    with pytest.raises(NoDensity, match="no density"):
        code.log_prob(z)


@pytest.mark.parametrize("prior", ["normal", "uniform"])
@pytest.mark.parametrize("encoder", ["a code", "a Gaussian"])
def test_pairs_are_examples_with_their_codes_and_samples_with_their_noise(prior: str, encoder: str) -> None:
    torch.manual_seed(0)
    data = DATASETS["unit"]
    model = Bigan(BiganSettings(latent=4, hidden=6, prior=prior, encoder=encoder), data.spec)
    shown = model.show_data(batch(data.train.x), draws())
    said = model.encode(data.train.x)
    assert torch.equal(shown.x, data.train.x)
    assert isinstance(said, Normal if encoder == "a Gaussian" else Point)
    assert torch.equal(shown.beside, said.sample(1, draws())[0])
    if prior == "uniform":
        assert said.mean.abs().max() <= 1
    made = model.show_samples(batch(data.train.x), draws())
    assert torch.equal(made.beside, model.prior().sample(TRAIN, draws()))
    assert torch.equal(made.x, model.decode(made.beside))


def test_where_the_encoder_inverts_the_generator_no_discriminator_can_tell_pairs_apart() -> None:
    """Theorem 2 of Donahue et al. (2017), and -log 4: equal to it where D = ½, and below it for any other D."""
    torch.manual_seed(0)
    matrix = torch.tensor([[2.0, 1.0], [0.0, 0.5]])
    model = linear(matrix=matrix)
    with torch.no_grad():
        model.encoder[0].weight.copy_(matrix.inverse())
        model.encoder[0].bias.zero_()
        samples = model.show_samples(batch(torch.zeros(200, 2)), draws())
        data = model.show_data(batch(samples.x))
        torch.testing.assert_close(data.beside, samples.beside)
        for _ in range(5):
            learner = game(model, PLANE, hidden=8, layers=1)
            learner.discriminator.head.weight.mul_(20)
            logits = learner.discriminator(data), learner.discriminator(samples)
            assert NON_SATURATING.value(*logits).mean() < -math.log(4) - 0.01
        learner.discriminator.head.weight.zero_()
        learner.discriminator.head.bias.zero_()
        undecided = NON_SATURATING.value(learner.discriminator(data), learner.discriminator(samples))
        torch.testing.assert_close(undecided, torch.full((200,), -math.log(4)))


@pytest.mark.parametrize(("objective", "sign"), [(NON_SATURATING, -1), (MINIMAX, 1)])
@pytest.mark.parametrize("encoder", ["a code", "a Gaussian"])
def test_encoder_and_generator_follow_the_gradient_of_their_side_of_the_game(
    objective: Objective, sign: int, encoder: str
) -> None:
    """By central differences of what the definition says, in both networks."""
    torch.manual_seed(0)
    model = Bigan(BiganSettings(latent=2, layers=1, hidden=3, encoder=encoder), PLANE).double()
    learner = game(model, PLANE, objective, hidden=5, layers=1).double()
    x = torch.randn(7, 2, dtype=torch.float64)

    def lowered() -> Tensor:
        torch.manual_seed(5)
        z = torch.randn(7, 2, dtype=torch.float64)
        made = torch.cat([model.generator(z), z], 1)
        said = model.encoder(x)
        code = said[:, :2]
        if encoder == "a Gaussian":
            code = code + said[:, 2:].exp() * torch.randn(1, 7, 2, dtype=torch.float64)[0]
        critic = torch.nn.Sequential(*learner.discriminator.body.layers, learner.discriminator.head)
        fake, real = critic(made), critic(torch.cat([x, code], 1))
        if sign < 0:  # both want the other answer
            return -(F.logsigmoid(fake) + F.logsigmoid(-real)).mean()
        return (F.logsigmoid(-fake) + F.logsigmoid(real)).mean()

    torch.manual_seed(5)
    loss, reported = learner.generator_loss(batch(x))
    torch.testing.assert_close(loss, lowered())
    torch.testing.assert_close(reported["generator"].mean(), loss)
    parameters = list(model.parameters())
    found = torch.autograd.grad(loss, parameters)
    for parameter, slope in zip(parameters, found, strict=True):
        place = slope.abs().argmax()
        assert slope.flatten()[place] != 0
        values = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                parameter.flatten()[place] += step
                values.append(lowered().item())
                parameter.flatten()[place] -= step
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(slope.flatten()[place].item(), rel=1e-5)


def test_what_is_reported_of_held_out_data_is_what_would_be_of_training_data() -> None:
    torch.manual_seed(0)
    learner = game(Bigan(BiganSettings(latent=2, hidden=4), PLANE), PLANE, hidden=4)
    x = torch.randn(9, 2)
    with torch.no_grad():
        held = learner.held_out(batch(x), draws(3))
        samples = learner.discriminator(learner.model.show_samples(batch(x), draws(3)))
        data = learner.discriminator(learner.model.show_data(batch(x)))
    torch.testing.assert_close(held["generator"], -(F.logsigmoid(samples) + F.logsigmoid(-data)).mean())


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_an_encoder_learns_to_invert_a_linear_generator(prior: str) -> None:
    """The generator stays as it is, and data are its own samples, so that the solution is A⁻¹."""
    torch.manual_seed(0)
    matrix = torch.tensor([[1.2, 0.6], [-0.3, 0.8]])
    model = linear(prior, matrix, hidden=1)
    if prior == "uniform":  # ends in a tanh, whose inverse no linear map undoes: a hidden layer for the encoder
        model.encoder = torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.Tanh(), torch.nn.Linear(32, 2))
    model.generator.requires_grad_(False)
    learner = game(model, PLANE, hidden=32, layers=2, discriminator_rate=3e-3, generator_rate=3e-3, average=0.95)
    optimizer = torch.optim.Adam(model.encoder.parameters(), lr=3e-3, betas=(0.5, 0.999))
    learner.optimizers["generator"] = optimizer
    before = _missed(model)
    for _ in range(400):
        z = model.prior().sample(128)
        _turn(learner, batch(model.decode(z)), optimizer)
    assert before > 0.5
    assert _missed(learner.model) < 0.25


def _turn(learner: Adversarial, examples: Batch, optimizer: torch.optim.Optimizer) -> None:
    loss, _ = learner.discriminator_loss(examples)
    learner.optimizers["discriminator"].zero_grad()
    loss.backward(inputs=list(learner.discriminator.parameters()))
    learner.optimizers["discriminator"].step()
    loss, _ = learner.generator_loss(examples)
    optimizer.zero_grad()
    loss.backward(inputs=list(learner.model.encoder.parameters()))
    optimizer.step()


@torch.no_grad()
def _missed(model: Bigan) -> float:
    """The root mean square of E(G(z)) - z."""
    z = model.prior().sample(2000, Generator().manual_seed(1))
    return (model.encode(model.decode(z)).mean - z).square().mean().sqrt().item()
