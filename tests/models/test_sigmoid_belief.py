"""The sigmoid belief net against sums over all its states, with one layer and with several."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from models.capabilities import (
    DrawsDownwards,
    DrawsPosterior,
    Dreams,
    EstimatesBound,
    HasFilters,
    HasRecognition,
    RelaxesDiscrete,
    Samples,
    SamplesMeans,
    ScoresExactly,
    SumsLatent,
    TooLarge,
    WeighsEvidence,
)
from models.estimation.enumeration import all_states
from models.estimation.likelihood import evidence_lower_bound, exact_log_likelihood, log_mean_weight
from models.estimation.measure import Kind
from models.estimation.progress import finish
from models.sigmoid_belief import SigmoidBelief, SigmoidBeliefSettings
from models.spec import DataSpec, Layout, Support

SPEC = DataSpec((2, 2), Support.BITS, Layout.VECTOR)
LIKE = torch.zeros((), dtype=torch.float64)
STATES = torch.cat(list(all_states(4, LIKE))).reshape(-1, 2, 2)
STACKS = [(3, 0, 0), (3, 2, 0), (2, 3, 2)]

every_stack = pytest.mark.parametrize("widths", STACKS, ids=str)


def net(widths: tuple[int, ...], seed: int = 1) -> SigmoidBelief:
    torch.manual_seed(seed)
    first, second, third = widths
    model = SigmoidBelief(SigmoidBeliefSettings(first=first, second=second, third=third), SPEC).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 1.0)
    return model


def score(x: Tensor, logits: Tensor) -> Tensor:
    """log Bernoulli, summed: written by way of probabilities, unlike the model's."""
    p = torch.sigmoid(logits)
    return torch.where(x == 1, p, 1 - p).log().sum(-1)


def joint(model: SigmoidBelief, x: Tensor) -> tuple[Tensor, Tensor]:
    """log p(x, h) and log q(h | x) of every state h of all layers together: (2^H, B) each."""
    h = torch.cat(list(all_states(sum(model.widths), LIKE)))
    layers = h.split(list(model.widths), 1)
    log_p = score(layers[-1], model.prior.expand_as(layers[-1]))[:, None].expand(-1, len(x))
    log_q = torch.zeros_like(log_p)
    for number, state in enumerate(layers):
        generative, recognition = model.generative[number], model.recognition[number]
        below = x.flatten(1)[None].expand(len(h), -1, -1) if number == 0 else layers[number - 1][:, None]
        down = state @ generative.weight.t() + generative.bias
        up = below @ recognition.weight.t() + recognition.bias
        log_p = log_p + score(below, down[:, None])
        log_q = log_q + score(state[:, None], up)
    return log_p, log_q


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_it_has_the_capabilities_it_claims() -> None:
    for capability in (
        DrawsDownwards, DrawsPosterior, Dreams, EstimatesBound, HasFilters, HasRecognition, RelaxesDiscrete, Samples,
        SamplesMeans, ScoresExactly, SumsLatent, WeighsEvidence,
    ):  # fmt: skip
        assert issubclass(SigmoidBelief, capability)


@every_stack
@torch.no_grad()
def test_the_likelihood_is_the_sum_over_all_hidden_states_and_sums_to_one(widths: tuple[int, ...]) -> None:
    model = net(widths)
    log_p, _ = joint(model, STATES)
    assert torch.allclose(model.log_prob(STATES), log_p.logsumexp(0), atol=1e-12)
    assert model.log_prob(STATES).exp().sum().item() == pytest.approx(1, abs=1e-12)
    measured = finish(exact_log_likelihood(model, STATES, "all states"))
    assert measured.kind is Kind.EXACT
    assert measured.value == pytest.approx(log_p.logsumexp(0).mean().item(), abs=1e-9)


@every_stack
@torch.no_grad()
def test_samples_follow_the_likelihood(widths: tuple[int, ...]) -> None:
    model, n = net(widths), 20_000
    x = model.sample(n, generator()).flatten(1).double()
    p = model.log_prob(STATES).exp()
    found = torch.bincount((x @ torch.tensor([8.0, 4, 2, 1]).double()).long(), minlength=16) / n
    assert ((found - p).abs() <= 5 * (p * (1 - p) / n).sqrt()).all()


@every_stack
@torch.no_grad()
def test_bounds_have_the_means_that_enumeration_gives(widths: tuple[int, ...]) -> None:
    model = net(widths)
    log_p, log_q = joint(model, STATES)
    exact = (log_q.exp() * (log_p - log_q)).sum(0)
    many = STATES.repeat(2000, 1, 1)
    draws = {
        "terms": model.bound_terms(many, generator()).value,
        "hard": model.relaxed_elbo(many, 0.5, True, generator(1)).value,
        "cold": model.relaxed_elbo(many, 1e-4, False, generator(2)).value,
        "weights": model.log_weights(STATES, 2000, generator(3)).flatten(),
    }
    for name, values in draws.items():
        values = values.reshape(2000, -1)
        error = values.std(0) / math.sqrt(2000)
        assert ((values.mean(0) - exact).abs() <= 5 * error + 1e-9).all(), name
    # a warm relaxation is no bound of this model: its mean is another one
    warm = model.relaxed_elbo(many, 2.0, False, generator(4)).value.reshape(2000, -1)
    assert ((warm.mean(0) - exact).abs() > 5 * warm.std(0) / math.sqrt(2000)).any()


@every_stack
@torch.no_grad()
def test_the_terms_of_units_are_those_of_their_layers(widths: tuple[int, ...]) -> None:
    model = net(widths)
    terms = model.bound_terms(STATES, generator())
    assert terms.kl_per_dimension.shape == (16, sum(model.widths)) == model.code_mean(STATES).shape
    assert (terms.kl_per_dimension[:, -model.widths[-1] :] >= 0).all()  # the topmost are averaged: a divergence
    measured = finish(evidence_lower_bound(model, STATES, "all states", 2000, generator()))
    log_p, log_q = joint(model, STATES)
    exact = (log_q.exp() * (log_p - log_q)).sum(0).mean().item()
    assert measured.elbo.value == pytest.approx(exact, abs=0.03)
    assert measured.active is not None
    assert measured.active.shape == (sum(model.widths),)


@torch.no_grad()
def test_units_whose_recognition_hears_nothing_are_not_active() -> None:
    model = net((3, 2, 0))
    model.recognition[0].weight[1] = 0
    measured = finish(evidence_lower_bound(model, STATES, "all states", 1, generator()))
    assert measured.active is not None
    assert measured.active[:3].tolist() == [True, False, True]


@every_stack
@torch.no_grad()
def test_the_importance_weighted_bound_rises_to_the_evidence(widths: tuple[int, ...]) -> None:
    model = net(widths)
    many = STATES.repeat(60, 1, 1)
    exact = model.log_prob(STATES).mean().item()
    means = [log_mean_weight(model, many, k, generator(k)).mean().item() for k in (1, 10, 100)]
    assert means == sorted(means)
    assert means[-1] <= exact + 0.03
    weights = model.log_weights(STATES, 20_000, generator()).exp()  # their mean has no bias
    error = weights.std(0) / math.sqrt(20_000)
    assert ((weights.mean(0) - model.log_prob(STATES).exp()).abs() <= 5 * error).all()


@every_stack
def test_dreams_are_drawn_from_the_model_with_their_causes(widths: tuple[int, ...]) -> None:
    model, n = net(widths), 40_000
    log_p, log_q = joint(model, STATES)
    exact = (log_p.exp() * log_q).sum()
    scores = model.score_dreams(n, generator())
    assert (scores.mean() - exact).abs() <= 5 * scores.std() / math.sqrt(n)
    wanted = torch.autograd.grad((log_p.detach().exp() * log_q).sum(), list(model.recognition.parameters()))
    found = torch.autograd.grad(scores.mean(), list(model.recognition.parameters()))
    for a, b in zip(wanted, found, strict=True):
        assert torch.allclose(a, b, atol=5 / math.sqrt(n))


@torch.no_grad()
def test_means_go_down_from_every_layer_and_up_to_every_layer() -> None:
    model = net((2, 3, 2))
    h = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    second = torch.sigmoid(model.generative[2](h))
    first = torch.sigmoid(model.generative[1](second))
    assert torch.allclose(model.top_down(2, h), torch.sigmoid(model.generative[0](first)).reshape(1, 2, 2))
    x = STATES[5:6]
    lowest = torch.sigmoid(F.linear(x.flatten(1), *model.recognition_layers()[0]))
    assert torch.allclose(model.code_mean(x)[:, :2], lowest)
    assert model.filters()[1].flatten().tolist() == model.generative[0].weight[:, 1].tolist()


def test_what_cannot_be_summed_is_refused_with_what_can() -> None:
    model = SigmoidBelief(SigmoidBeliefSettings(first=15, second=10), SPEC)
    with pytest.raises(TooLarge, match=r"belief net with 15 and 10 hidden units.*2²⁵.*importance-weighted"):
        model.log_prob(torch.zeros(1, 2, 2))
