"""The capabilities of every family agree with each other: what it samples with what it scores, its bounds with its
evidence, its chain with its energy. By enumeration where the data is small enough."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from contract import (
    DATASETS,
    accepts,
    draws,
    recipe,
    states,
    trained,
)
from torch import Tensor

from models import catalog
from models.capabilities import (
    Anneals,
    BoundsEvidence,
    BoundsFreeEnergy,
    ChainState,
    Completes,
    CompletesAtTemperature,
    CompletesInAnyOrder,
    Decodes,
    DrawsInSteps,
    Encodes,
    Ensembles,
    EstimatesBound,
    EstimatesLogProb,
    ExplainsSequences,
    HasFreeEnergy,
    HasHiddenLayers,
    Held,
    LearnsInPhases,
    PredictsEach,
    RunsChain,
    Samples,
    SamplesMeans,
    ScoresEach,
    ScoresExactly,
    SumsExactly,
    SumsLatent,
    WeighsEvidence,
)
from models.catalog import FAMILIES
from models.estimation.progress import finish
from models.spec import Support


def with_capabilities(*wanted: type, data: str | None = None) -> list[Any]:
    """Parameters (family, data) of families that have all of `wanted`, each trained by its first learner."""
    return [
        pytest.param(f.key, name, id=f"{f.key}-{name}")
        for f in FAMILIES
        if all(issubclass(f.model, c) for c in wanted)
        for name, dataset in DATASETS.items()
        if data in (None, name) and accepts(recipe(f.key, f.learners[0]), dataset)
    ]


def with_bound(other: type) -> list[Any]:
    """`with_capabilities` of families whose evidence lower bound can be measured."""
    return with_capabilities(BoundsEvidence, other) + with_capabilities(EstimatesBound, other)


def bounds(model: Any, x: Tensor) -> Tensor:
    """400 estimates of the evidence lower bound: (400, B)."""
    bound = model.bound_terms if isinstance(model, EstimatesBound) else model.elbo
    return bound(x.repeat(400, *(1 for _ in x.shape[1:])), draws()).value.reshape(400, len(x))


@cache  # of all that is asked of it nothing changes it
def first_trained(family: str, data: str, steps: int = 60) -> Any:
    return trained(family, catalog.family(family).learners[0], data, steps).double().sampler()


def moments(x: Tensor, weights: Tensor) -> Tensor:
    """E[x xᵀ] for bits (N, D), whose diagonal is the mean: (D, D)."""
    x = x.flatten(1).double()
    return torch.einsum("n,nd,ne->de", weights.double(), x, x)


def assert_samples_follow(model: Any, x: Tensor, log_p: Tensor, n: int = 20_000) -> None:
    """First and second moments of n samples are those of p within five standard errors."""
    expected = moments(x, log_p.exp())
    found = moments(model.sample(n, draws()), torch.full((n,), 1 / n))
    error = (expected * (1 - expected) / n).sqrt()
    assert ((found - expected).abs() <= 5 * error + 1e-9).all()


@pytest.mark.parametrize(("family", "data"), with_capabilities(ScoresExactly, data="bits"))
def test_exact_probabilities_sum_to_one_and_samples_follow_them(family: str, data: str) -> None:
    model = first_trained(family, data)
    x = states(9).double().reshape(-1, 1, 3, 3)
    with torch.no_grad():
        log_p = model.log_prob(x)
        assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-9)
        if isinstance(model, Samples):
            assert_samples_follow(model, x, log_p)


@pytest.mark.parametrize(("family", "data"), with_capabilities(HasFreeEnergy, SumsExactly, data="bits"))
def test_the_partition_function_is_the_sum_over_all_states(family: str, data: str) -> None:
    model = first_trained(family, data)
    x = states(9).double().reshape(-1, 1, 3, 3)
    with torch.no_grad():
        assert model.log_partition().item() == pytest.approx((-model.free_energy(x)).logsumexp(0).item(), abs=1e-9)
        assert torch.equal(finish(model.log_partition_in_parts()), model.log_partition())
        fractions = list(model.log_partition_in_parts())
        assert fractions == sorted(fractions)
        assert all(0 < fraction <= 1 for fraction in fractions)


@pytest.mark.parametrize(("family", "data"), with_capabilities(RunsChain, HasFreeEnergy, data="bits"))
def test_the_chain_leaves_the_models_distribution_as_it_is(family: str, data: str) -> None:
    model = first_trained(family, data)
    x = states(9).double().reshape(-1, 1, 3, 3)
    with torch.no_grad():
        p = torch.softmax(-model.free_energy(x), 0)
        start = x[torch.multinomial(p, 20_000, replacement=True, generator=draws())]
        moved = model.transition(start, generator=draws(1)).x
    expected, found = moments(x, p), moments(moved, torch.full((len(moved),), 1 / len(moved)))
    assert ((found - expected).abs() <= 5 * (expected * (1 - expected) / len(moved)).sqrt() + 1e-9).all()


@dataclass(frozen=True)
class Plane:
    """Points of a grid over the plane, the area of each, and draws of densities on it."""

    x: Tensor  # (N, 2)
    area: float
    side: float

    @staticmethod
    def around(data: Tensor) -> Plane:
        """A square that reaches far beyond the data."""
        n, half = 400, 4 * data.abs().max().item()
        line = (torch.arange(n, dtype=torch.float64) + 0.5) / n * 2 * half - half
        return Plane(torch.cartesian_prod(line, line), (2 * half / n) ** 2, 2 * half / n)

    def draw(self, p: Tensor, n: int = 20_000) -> Tensor:
        within = torch.rand(n, 2, generator=draws(7), dtype=torch.float64) - 0.5
        return self.x[torch.multinomial(p, n, replacement=True, generator=draws(8))] + within * self.side

    def assert_drawn_from(self, x: Tensor, p: Tensor) -> None:
        """First and second moments of x (n, 2) are those of p, (N,), within five standard errors."""
        for f in (lambda y: y, lambda y: torch.stack([y[:, 0] ** 2, y[:, 1] ** 2, y[:, 0] * y[:, 1]], 1)):
            wanted = (p[:, None] * f(self.x)).sum(0)
            error = f(x).std(0) / math.sqrt(len(x))
            assert ((f(x).mean(0) - wanted).abs() <= 5 * error + self.area).all()


@pytest.mark.parametrize(("family", "data"), with_capabilities(RunsChain, HasFreeEnergy, data="reals"))
def test_the_chain_leaves_the_models_density_over_the_plane_as_it_is(family: str, data: str) -> None:
    model, plane = first_trained(family, data), Plane.around(DATASETS[data].train.x)
    with torch.no_grad():
        p = torch.softmax(-model.free_energy(plane.x), 0)
        moved = plane.draw(p)
        for seed in range(3):
            moved = model.transition(moved, generator=draws(seed)).x
    plane.assert_drawn_from(moved, p)


@pytest.mark.parametrize(("family", "data"), with_capabilities(Anneals, HasFreeEnergy, data="reals"))
def test_the_annealed_path_over_the_plane_begins_at_its_base_and_ends_at_the_model(family: str, data: str) -> None:
    model, plane = first_trained(family, data), Plane.around(DATASETS[data].train.x)
    with torch.no_grad():
        base = model.annealed_base(DATASETS[data].train.x.double())
        start = model.annealed_log_prob(plane.x, 0.0, base)
        total = start.logsumexp(0) + math.log(plane.area)
        assert total.item() == pytest.approx(model.annealed_log_partition_base(base).item(), abs=1e-6)
        plane.assert_drawn_from(model.annealed_sample_base(20_000, base, draws()), torch.softmax(start, 0))
        end = model.annealed_log_prob(plane.x, 1.0, base) + model.free_energy(plane.x)
        assert torch.allclose(end, end[0].expand_as(end), atol=1e-6)
        between = torch.softmax(model.annealed_log_prob(plane.x, 0.5, base), 0)
        moved = plane.draw(between)
        for seed in range(3):
            moved = model.annealed_transition(moved, 0.5, base, draws(seed))
    plane.assert_drawn_from(moved, between)


@pytest.mark.parametrize(("family", "data"), with_capabilities(RunsChain))
def test_a_temperature_of_zero_is_refused(family: str, data: str) -> None:
    model, x = first_trained(family, data, steps=1), DATASETS[data].valid.x.double()
    with pytest.raises(ValueError, match="above 0"):
        model.transition(x, temperature=0.0, generator=draws())


@pytest.mark.parametrize(("family", "data"), with_capabilities(RunsChain))
def test_clamped_coordinates_stay(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    clamp = torch.rand(x.shape, generator=draws()) < 0.5
    with torch.no_grad():
        moved = model.transition(x, clamp=clamp, generator=draws())
        same = model.transition(x, clamp=clamp[0], generator=draws())
    assert torch.equal(moved.x[clamp], x[clamp])
    assert torch.equal(same.x[:, clamp[0]], x[:, clamp[0]])


@pytest.mark.parametrize(("family", "data"), with_capabilities(HasHiddenLayers))
def test_held_units_stay_and_others_move(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        hidden = model.infer(x, draws())
        held = Held(
            torch.rand(x.shape[1:], generator=draws()) < 0.5,
            tuple(torch.rand(h.shape[1:], generator=draws(i)) < 0.5 for i, h in enumerate(hidden)),
        )
        state = ChainState(x, x, hidden)
        for seed in range(10):
            state = model.move(state, held, generator=draws(seed))
        assert torch.equal(state.x[:, held.x], x[:, held.x])
        assert not torch.equal(state.x, x)
        for before, after, kept in zip(hidden, state.hidden, held.hidden, strict=True):
            assert torch.equal(after[:, kept], before[:, kept])
        one = model.move(ChainState(x, x), generator=draws())
        again = model.move(ChainState(x, x), generator=draws())
    assert torch.equal(one.x, again.x)


@pytest.mark.parametrize(("family", "data"), with_capabilities(LearnsInPhases))
def test_statistics_are_the_gradient_of_the_energy(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        h = model.draw_hidden(model.hidden_given(x, draws()), draws())
        sums = {name: torch.ones_like(p) for name, p in model.named_parameters()}
        model.add_statistics(sums, x, h, scale=0.5, keep=2)
    energy = model.energy(x, h).sum()
    gradients = torch.autograd.grad(energy, list(model.parameters()))
    for (name, found), gradient in zip(sums.items(), gradients, strict=True):
        assert torch.allclose(found, 2 - 0.5 * gradient, atol=1e-9), name


@pytest.mark.parametrize(("family", "data"), with_capabilities(LearnsInPhases, HasHiddenLayers))
def test_the_energy_takes_hidden_layers_beside_each_other_the_lowest_first(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    other = x.flip(0)

    def gap(layers: list[torch.Tensor]) -> torch.Tensor:
        """What the visible units make of the energy, which only the lowest hidden layer touches."""
        h = layers[0] if len(layers) == 1 else torch.cat([h.flatten(1) for h in layers], 1)
        return model.energy(x, h) - model.energy(other, h)

    with torch.no_grad():
        lowest, *above = model.infer(x, draws())
        gaps = gap([lowest, *above])
        assert torch.allclose(gaps, gap([lowest, *[1 - h for h in above]]))
        assert not torch.allclose(gaps, gap([1 - lowest, *above]))


@pytest.mark.parametrize(("family", "data"), with_capabilities(BoundsFreeEnergy, SumsExactly, ScoresExactly))
def test_the_bound_on_the_free_energy_is_above_it(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        bound = torch.stack([model.free_energy_bound(x, draws(seed)) for seed in range(400)])
        exact = -model.log_prob(x) - model.log_partition()
    assert (bound.mean(0) >= exact - 5 * bound.std(0) / 20 - 1e-9).all()


@pytest.mark.parametrize(("family", "data"), with_capabilities(Anneals, HasFreeEnergy, data="bits"))
def test_the_annealed_path_begins_at_its_base_and_ends_at_the_model(family: str, data: str) -> None:
    model = first_trained(family, data)
    x = states(9).double().reshape(-1, 1, 3, 3)
    with torch.no_grad():
        base = model.annealed_base(DATASETS[data].train.x.double())
        drawn = model.annealed_sample_base(20_000, base, draws())
        path = states(drawn[0].numel()).double().reshape(-1, *drawn.shape[1:])  # examples, hidden units after them
        start = model.annealed_log_prob(path, 0.0, base)
        assert start.logsumexp(0).item() == pytest.approx(model.annealed_log_partition_base(base).item(), abs=1e-6)
        end = model.annealed_log_prob(path, 1.0, base).reshape(len(x), -1).logsumexp(1) + model.free_energy(x)
        assert torch.allclose(end, end[0].expand_as(end), atol=1e-6)
        expected = moments(path, (start - start.logsumexp(0)).exp())
        found = moments(drawn, torch.full((len(drawn),), 1 / len(drawn)))
    assert ((found - expected).abs() <= 5 * (expected * (1 - expected) / len(drawn)).sqrt() + 1e-9).all()


@pytest.mark.parametrize(("family", "data"), with_capabilities(WeighsEvidence, data="bits"))
def test_importance_weights_average_to_probabilities_that_sum_to_one(family: str, data: str) -> None:
    model = first_trained(family, data)
    x = states(9).double().reshape(-1, 1, 3, 3)
    with torch.no_grad():
        weights, error = torch.zeros(0, len(x)), math.inf
        while error > 0.003 and len(weights) < 1500:  # of the sum; few draws do where q is near the posterior
            weights = torch.cat([weights, model.log_weights(x, 100, draws(len(weights))).exp()])
            error = (weights.var(0).sum() / len(weights)).sqrt().item()
        p = weights.mean(0)
        assert p.sum().item() == pytest.approx(1, abs=0.02)
        if isinstance(model, Samples):
            assert_samples_follow(model, x, (p / p.sum()).log(), n=2000)


@pytest.mark.parametrize(("family", "data"), with_bound(WeighsEvidence))
def test_the_bound_is_the_mean_log_weight_and_below_the_importance_weighted_one(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        bound = bounds(model, x)
        weights = model.log_weights(x, 400, draws(1000))
    error = ((bound.var(0) + weights.var(0)) / 400).sqrt()
    rounding = 1e-9  # all there is where q is the posterior and nothing is random
    assert ((bound.mean(0) - weights.mean(0)).abs() <= 5 * error + rounding).all()
    assert (bound.mean(0) <= weights.logsumexp(0) - math.log(400) + 5 * error + rounding).all()


@pytest.mark.parametrize(("family", "data"), with_bound(ScoresExactly))
def test_the_bound_is_not_above_the_exact_evidence(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        bound = bounds(model, x)
        assert (bound.mean(0) <= model.log_prob(x) + 5 * bound.std(0) / 20 + 1e-9).all()


@pytest.mark.parametrize(("family", "data"), with_capabilities(SumsLatent, ScoresExactly))
def test_a_sum_over_latent_states_in_parts_is_the_likelihood(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        assert torch.equal(finish(model.log_prob_in_parts(x)), model.log_prob(x))
        fractions = list(model.log_prob_in_parts(x))
    assert fractions == sorted(fractions)
    assert all(0 < fraction <= 1 for fraction in fractions)


@pytest.mark.parametrize(("family", "data"), with_capabilities(Encodes, Decodes))
def test_an_encoded_example_decodes_to_an_example(family: str, data: str) -> None:
    model, dataset = first_trained(family, data), DATASETS[data]
    with torch.no_grad():
        posterior = model.encode(dataset.valid.x.double())
        assert posterior.mean.shape[1:] == model.prior().mean.shape
        decoded = model.decode(posterior.mean)
    assert decoded.shape == dataset.valid.x.shape
    if dataset.spec.support is not Support.REALS and not isinstance(model, ScoresExactly):  # a density over all reals
        assert decoded.min() >= 0


@pytest.mark.parametrize(("family", "data"), with_capabilities(DrawsInSteps))
def test_a_drawing_ends_as_an_example_and_its_windows_have_a_size(family: str, data: str) -> None:
    model, dataset = first_trained(family, data), DATASETS[data]
    x = dataset.valid.x.double()
    with torch.no_grad():
        drawn, redrawn = model.draw_in_steps(4, draws()), model.redraw_in_steps(x, draws())
        assert drawn.read is None
        for found, n in ((drawn, 4), (redrawn, len(x))):
            steps = found.canvases.shape[1]
            assert found.canvases.shape == (n, steps, *dataset.spec.event_shape)
            assert not torch.equal(found.canvases[:, 0], found.canvases[:, -1]) or steps == 1
            assert found.canvases.min() >= 0
            assert found.canvases.max() <= dataset.spec.brightest
            for windows, size in ((found.read, found.read_size), (found.written, found.write_size)):
                if windows is not None:
                    assert windows.shape == (n, steps, 4)
                    assert (windows[..., 2:] > 0).all()
                    assert size >= 1
        if isinstance(model, SamplesMeans):
            assert torch.equal(drawn.canvases[:, -1], model.sample_mean(4, draws()))


@pytest.mark.parametrize(("family", "data"), with_capabilities(Completes))
def test_completion_keeps_what_is_known_and_its_probabilities_are_the_models(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    known = torch.rand(x.shape, generator=draws()) < 0.5
    with torch.no_grad():
        done = model.complete(x, known, draws())
        assert torch.equal(done.x[known], x[known])
        assert not torch.equal(done.x, x)
        whole = model.complete(x, torch.ones_like(known), draws())
        assert torch.equal(whole.x, x)
        if DATASETS[data].spec.support is Support.BITS:
            mean = whole.mean
            assert torch.allclose(torch.where(x == 1, mean, 1 - mean).log(), whole.log_prob, atol=1e-6)
        if isinstance(model, ScoresEach):
            assert torch.allclose(whole.log_prob, model.log_conditionals(x), atol=1e-6)
        if isinstance(model, ScoresExactly) and not isinstance(model, Ensembles):
            assert torch.allclose(whole.log_prob.flatten(1).sum(1), model.log_prob(x), atol=1e-6)


@pytest.mark.parametrize(("family", "data"), with_capabilities(ScoresEach, ScoresExactly))
def test_what_coordinates_score_sums_to_what_the_example_scores(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        assert torch.allclose(model.log_conditionals(x).flatten(1).sum(1), model.log_prob(x), atol=1e-6)


@pytest.mark.parametrize(("family", "data"), with_capabilities(PredictsEach, ScoresEach))
def test_predictions_are_distributions_and_contain_what_coordinates_score(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        predicted = model.log_predictions(x)
        assert torch.allclose(predicted.logsumexp(-1), torch.zeros(()).double(), atol=1e-9)
        scored = predicted.gather(-1, x.long().unsqueeze(-1)).squeeze(-1)
        assert torch.allclose(scored, model.log_conditionals(x), atol=1e-9)


@pytest.mark.parametrize(("family", "data"), with_capabilities(CompletesAtTemperature))
def test_temperature_one_changes_nothing_and_a_low_one_takes_what_is_most_probable(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    known = torch.zeros_like(x, dtype=torch.bool)
    with torch.no_grad():
        at_one = model.complete_at_temperature(x, known, 1.0, draws())
        assert torch.equal(at_one.x, model.complete(x, known, draws()).x)
        cold, other = (model.complete_at_temperature(x, known, 1e-4, draws(seed)) for seed in (0, 1))
        assert torch.equal(cold.x, other.x)
        assert torch.allclose(cold.log_prob, model.complete(cold.x, ~known, draws()).log_prob, atol=1e-6)
        if isinstance(model, PredictsEach):
            assert torch.equal(cold.x.long(), model.log_predictions(cold.x).argmax(-1))


@pytest.mark.parametrize(("family", "data"), with_capabilities(CompletesInAnyOrder, data="bits"))
def test_every_order_gives_a_distribution(family: str, data: str) -> None:
    model, x = first_trained(family, data), states(9).double().reshape(-1, 1, 3, 3)
    order = torch.randperm(9, generator=draws())
    with torch.no_grad():
        done = model.complete_in_order(x, torch.ones_like(x, dtype=torch.bool), order, draws())
    assert torch.equal(done.x, x)
    assert done.log_prob.flatten(1).sum(1).exp().sum().item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("family", "data"), with_capabilities(Ensembles, data="bits"))
def test_an_ensemble_is_the_mean_of_members_that_each_sum_to_one(family: str, data: str) -> None:
    model, x = first_trained(family, data), states(9).double().reshape(-1, 1, 3, 3)
    with torch.no_grad():
        each = torch.stack([model.member_log_prob(x, k) for k in range(model.members())])
        assert torch.allclose(each.exp().sum(1), torch.ones(len(each)).double(), atol=1e-9)
        assert torch.allclose(each.logsumexp(0) - math.log(len(each)), model.log_prob(x), atol=1e-9)


@pytest.mark.parametrize(("family", "data"), with_capabilities(EstimatesLogProb, ScoresExactly))
def test_an_estimate_is_on_average_not_above_the_evidence(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        found = torch.stack([model.log_prob_estimate(x, draws(seed)) for seed in range(400)])
        # random orders may be others than those of the ensemble, so that only their mean over examples is held to it
        assert found.mean() <= model.log_prob(x).mean() + 5 * found.mean(1).std() / 20 + 0.5


@pytest.mark.parametrize(("family", "data"), with_capabilities(ExplainsSequences, ScoresExactly))
def test_an_explanation_agrees_with_the_evidence_and_with_itself(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        said, states = model.explain(x), model.hidden_states()
        assert torch.allclose(said.log_prob, model.log_prob(x), atol=1e-9)
    count = len(states.initial)
    for each in (said.forward, said.backward, said.posterior):
        assert each.shape == (*x.shape[:2], count)
        assert torch.allclose(each.sum(-1), torch.ones_like(each[..., 0]), atol=1e-9)
    meeting = said.forward * said.backward
    assert torch.allclose(said.posterior, meeting / meeting.sum(-1, keepdim=True), atol=1e-9)
    assert torch.allclose(said.forward[:, -1], said.posterior[:, -1], atol=1e-9)
    assert said.path.min() >= 0
    assert said.path.max() < count
    assert (said.path_log_prob <= 1e-9).all()
    # no path is more probable than its least probable state
    assert (said.path_log_prob <= said.posterior.gather(2, said.path[..., None]).amin((1, 2)).log() + 1e-9).all()
    assert torch.allclose(states.transition.sum(1), torch.ones_like(states.initial), atol=1e-9)
    assert states.initial.sum().item() == pytest.approx(1, abs=1e-9)
