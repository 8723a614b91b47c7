"""What models with latent variables promise to their learners and views, for every family that promises it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.capabilities import (
    BoundsEvidence,
    Completes,
    Decodes,
    DrawsDownwards,
    DrawsPosterior,
    Dreams,
    RefinesPosterior,
    RelaxesDiscrete,
    Samples,
    ScoresGivenCode,
    WeighsEvidence,
)
from models.spec import Support
from tests.models.contract import DATASETS, draws, states
from tests.models.test_contract_agreement import first_trained, with_capabilities


def assert_means_agree(a: Tensor, b: Tensor) -> None:
    """(draws, B) each: their means over draws, within five standard errors."""
    error = (a.var(0) / len(a) + b.var(0) / len(b)).sqrt()
    assert ((a.mean(0) - b.mean(0)).abs() <= 5 * error + 1e-9).all()


def moved_by(model: torch.nn.Module, value: Tensor) -> set[str]:
    """Names of the parameters that `value` has a gradient in."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    found = torch.autograd.grad(value, [p for _, p in named], allow_unused=True)
    return {name for (name, _), g in zip(named, found, strict=True) if g is not None and g.abs().max() > 0}


@pytest.mark.parametrize(("family", "data"), with_capabilities(DrawsPosterior, WeighsEvidence))
def test_draws_of_the_posterior_weigh_what_importance_weights_say(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        drawn = model.draw_posterior(x, 600, draws())
        assert drawn.log_joint.shape == drawn.log_posterior.shape == (600, len(x))
        assert_means_agree(drawn.log_joint - drawn.log_posterior, model.log_weights(x, 600, draws(1)))


@pytest.mark.parametrize(("family", "data"), with_capabilities(DrawsPosterior))
def test_generative_and_recognition_parameters_learn_apart_from_draws(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    drawn = model.draw_posterior(x, 3, draws())
    generative, recognition = moved_by(model, drawn.log_joint.sum()), moved_by(model, drawn.log_posterior.sum())
    assert generative
    assert recognition
    assert not generative & recognition
    if isinstance(model, Dreams):
        scores = model.score_dreams(50, draws())
        assert scores.shape == (50,)
        assert moved_by(model, scores.sum()) == recognition


@pytest.mark.parametrize(("family", "data"), with_capabilities(RefinesPosterior, BoundsEvidence))
def test_the_encoders_parameters_give_the_bound(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        parameters = model.posterior_parameters(x)
        assert parameters.shape[0] == len(x)
        assert parameters.ndim == 2
        assert torch.equal(model.elbo_of(x, parameters, draws()).value, model.elbo(x, draws()).value)


@pytest.mark.parametrize(("family", "data"), with_capabilities(ScoresGivenCode, Decodes))
def test_a_code_scores_examples_smoothly_and_draws_them_around_what_it_decodes(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    z = model.prior().sample(3 * len(x), draws()).unflatten(0, (3, -1)).detach().requires_grad_()
    scores = model.log_likelihood(x, z)
    assert scores.shape == (3, len(x))
    (slope,) = torch.autograd.grad(scores.sum(), z)
    assert slope.isfinite().all()
    assert slope.abs().max() > 0
    with torch.no_grad():
        torch.testing.assert_close(scores[1:2].detach(), model.log_likelihood(x, z[1:2]))  # each code by itself
        step = 1e-6 * slope[0] / slope[0].norm()
        rise = (model.log_likelihood(x, z[0] + step) - model.log_likelihood(x, z[0] - step)).sum() / 2
        assert abs(rise / (slope[0] * step).sum() - 1) < 1e-3
        one = z[0, :1].detach()
        drawn = model.draw_given(one.expand(2000, -1), draws(1)).flatten(1)
        assert drawn.shape[1] == x[0].numel()
        decoded = model.decode(one)
        if DATASETS[data].spec.support is Support.SYMBOLS:  # which have no mean: what is decoded is the most probable
            codes = one.expand(len(drawn), -1)
            assert (model.log_likelihood(drawn, codes) <= model.log_likelihood(decoded, one) + 1e-9).all()
            assert (drawn == decoded).any(0).all()
            return
        mean = decoded.flatten(1)
        if isinstance(model, Completes):  # coordinates depend on each other given the code: their mean is a sum
            if DATASETS[data].spec.support is not Support.BITS:
                return
            every = states(9).double()
            p = model.log_likelihood(every.reshape(-1, 1, 3, 3), one.expand(len(every), -1)).exp()
            mean = p[None] @ every
        assert_means_agree(drawn, mean.expand(2, -1))


@pytest.mark.parametrize(("family", "data"), with_capabilities(RelaxesDiscrete, DrawsPosterior))
def test_hard_relaxed_draws_have_the_bounds_value_and_a_gradient_in_everything(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        hard = torch.stack([model.relaxed_elbo(x, 0.5, True, draws(seed)).value for seed in range(600)])
        drawn = model.draw_posterior(x, 600, draws(1000))
        assert_means_agree(hard, drawn.log_joint - drawn.log_posterior)
    drawn = model.draw_posterior(x, 3, draws())
    both = moved_by(model, (drawn.log_joint + drawn.log_posterior).sum())
    for is_hard in (False, True):
        assert moved_by(model, model.relaxed_elbo(x, 0.5, is_hard, draws()).value.sum()) == both


@pytest.mark.parametrize(("family", "data"), with_capabilities(DrawsDownwards))
def test_discrete_layers_are_states_and_their_means_are_those_of_samples(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        shapes = model.hidden_shapes()
        inferred, drawn = model.infer(x, draws()), model.draw_hidden_layers(4000, draws())
        for states, n in ((inferred, len(x)), (drawn, 4000)):
            assert [h.shape for h in states] == [(n, *shape) for shape in shapes]
            for h, shape in zip(states, shapes, strict=True):
                assert ((h == 0) | (h == 1)).all()
                if len(shape) == 2:  # one of a unit's values is on
                    assert (h.sum(-1) == 1).all()
        for layer, h in enumerate(drawn):
            assert model.top_down(layer, h).shape == (4000, *x.shape[1:])
        if isinstance(model, Samples):
            means = model.top_down(0, drawn[0]).flatten(1)
            assert_means_agree(means, model.sample(4000, draws(1)).flatten(1))
