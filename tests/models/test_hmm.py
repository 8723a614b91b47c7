"""The hidden Markov model, against published numbers, sums over all paths and an independent Baum-Welch."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from contract import draws
from torch import Tensor

from dgm_studio.datasets.markov import MarkovDensity, casino, health, regimes
from models.catalog import Recipe
from models.hmm import Hmm, HmmSettings
from models.learning.base import Learner
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

NORMAL, COLD, DIZZY = 0.0, 1.0, 2.0
HEALTHY, FEVER = 0, 1


def spec(*shape: int, symbols: int = 0) -> DataSpec:
    return DataSpec(shape, Support.SYMBOLS if symbols else Support.REALS, Layout.SEQUENCE, symbols)


def hmm(given: DataSpec, seed: int = 0, **settings: Any) -> Hmm:
    torch.manual_seed(seed)
    return Hmm(HmmSettings(**settings), given).double()


def as_model(truth: MarkovDensity) -> Hmm:
    """A model with the parameters of an exactly known one."""
    symbols = 0 if truth.emission is None else truth.emission.shape[1]
    made = hmm(spec(truth.length, symbols=symbols), states=len(truth.initial))
    with torch.no_grad():
        made.initial_logits.copy_(truth.initial.log())
        made.transition_logits.copy_(truth.transition.log())
        if truth.emission is not None:
            made.emission_logits.copy_(truth.emission.log())
        else:
            assert truth.means is not None
            assert truth.deviations is not None
            made.means.copy_(truth.means)
            made.log_deviations.copy_(truth.deviations.log())
    return made


def learner(model: Hmm, rule: str, given: DataSpec) -> Learner:
    """A learner around a model that is made already."""
    recipe = Recipe.read("hmm", rule, {"states": model.states}, {})
    made = recipe.build(given, 100)
    made.model = model
    made.begin()
    return made


def batch(x: Tensor) -> Batch:
    return Batch(x, torch.full((len(x),), -1), torch.arange(len(x)))


def test_healthy_and_fever_have_the_published_numbers() -> None:
    model = as_model(health(3))
    x = torch.tensor([[NORMAL, COLD, DIZZY]])
    with torch.no_grad():
        said = model.explain(x)
        assert said.log_prob.exp().item() == pytest.approx(0.03628, abs=1e-12)
        assert (said.log_prob + said.path_log_prob).exp().item() == pytest.approx(0.01512, abs=1e-12)
    assert said.path.tolist() == [[HEALTHY, HEALTHY, FEVER]]
    # the first forward values (Viterbi, 1967, as worked out in most textbooks): .3 and .04
    assert said.forward[0, 0].tolist() == pytest.approx([0.3 / 0.34, 0.04 / 0.34], abs=1e-12)


def test_probabilities_of_all_sequences_sum_to_one() -> None:
    model = hmm(spec(5, symbols=3), states=3)
    every = torch.tensor(list(product(range(3), repeat=5))).double()
    with torch.no_grad():
        assert model.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_samples_follow_the_probabilities() -> None:
    model = hmm(spec(3, symbols=2), states=3)
    every = torch.tensor(list(product(range(2), repeat=3))).double()
    drawn = model.sample(20_000, draws())
    with torch.no_grad():
        for x, p in zip(every, model.log_prob(every).exp().tolist(), strict=True):
            share = (drawn == x).all(1).double().mean().item()
            assert share == pytest.approx(p, abs=5 * (p * (1 - p) / 20_000) ** 0.5)


def test_density_of_values_is_a_mixture_over_all_paths() -> None:
    model = hmm(spec(3, 2), states=2)
    x = torch.randn(4, 3, 2, generator=draws()).double()
    with torch.no_grad():
        states = model.hidden_states()
        assert states.deviation is not None
        total = torch.zeros(4, dtype=torch.float64)
        for path in product(range(2), repeat=3):
            chain = states.initial[path[0]]
            for before, after in pairwise(path):
                chain = chain * states.transition[before, after]
            normal = torch.distributions.Normal(states.emission[list(path)], states.deviation[list(path)])
            total += chain * normal.log_prob(x).sum((1, 2)).exp()
        assert torch.allclose(model.log_prob(x), total.log(), atol=1e-12)


def plain_baum_welch(x: np.ndarray, initial: Any, transition: Any, emission: Any) -> tuple[Any, Any, Any]:
    """One step for sequences of symbols, by Rabiner's scaled recursions (1989), one sequence after the other."""
    starts, moves, counts = np.zeros_like(initial), np.zeros_like(transition), np.zeros_like(emission)
    for sequence in x.astype(int):
        likely = emission[:, sequence].T
        alpha, scale = np.empty_like(likely), np.empty(len(likely))
        for t in range(len(likely)):
            alpha[t] = (initial if t == 0 else alpha[t - 1] @ transition) * likely[t]
            scale[t] = alpha[t].sum()
            alpha[t] /= scale[t]
        beta = np.ones_like(alpha)
        for t in range(len(likely) - 2, -1, -1):
            beta[t] = transition @ (likely[t + 1] * beta[t + 1]) / scale[t + 1]
            moves += np.outer(alpha[t], likely[t + 1] * beta[t + 1]) * transition / scale[t + 1]
        gamma = alpha * beta
        starts += gamma[0]
        np.add.at(counts.T, sequence, gamma)
    return tuple(c / c.sum(-1, keepdims=True) for c in (starts, moves, counts))


def test_a_step_is_that_of_a_plain_baum_welch() -> None:
    x = casino(30).sample(20, draws()).double()
    model = hmm(spec(30, symbols=6), states=3)
    states = model.hidden_states()
    wanted = [p.numpy() for p in (states.initial, states.transition, states.emission)]
    rule = learner(model, "em", spec(30, symbols=6))
    for _ in range(3):
        wanted = list(plain_baum_welch(x.numpy(), *wanted))
        rule.step(batch(x))
    states = model.hidden_states()
    for found, plain in zip((states.initial, states.transition, states.emission), wanted, strict=True):
        assert np.allclose(found.numpy(), plain, atol=1e-12)


def test_a_step_for_values_takes_weighted_means_and_deviations() -> None:
    x = regimes(40).sample(10, draws()).double()
    model = hmm(spec(40), states=3)
    with torch.no_grad():
        posterior = model.explain(x).posterior
    model.maximize(model.expected_statistics(x))
    weight = posterior / posterior.sum((0, 1))
    mean = (weight * x[..., None]).sum((0, 1))
    deviation = (weight * (x[..., None] - mean).square()).sum((0, 1)).sqrt()
    states = model.hidden_states()
    assert states.deviation is not None
    assert torch.allclose(states.emission[:, 0], mean, atol=1e-12)
    assert torch.allclose(states.deviation[:, 0], deviation, atol=1e-12)


@pytest.mark.parametrize("truth", [casino(50), regimes(50)], ids=["symbols", "values"])
def test_the_likelihood_of_the_training_set_never_falls(truth: MarkovDensity) -> None:
    x = truth.sample(40, draws()).double()
    given = spec(50, symbols=0 if truth.emission is None else 6)
    rule = learner(hmm(given, states=3), "em", given)
    values = [rule.step(batch(x))["log_prob"].item() for _ in range(40)]
    assert all(after >= before - 1e-10 for before, after in pairwise(values))
    assert values[-1] > values[0] + 1


def test_both_learners_find_the_regimes() -> None:
    """The parameters of the truth are found again, up to the order of the states."""
    truth = regimes(100)
    x, given = truth.sample(100, draws()).double(), spec(100)
    for rule, steps, settings in (("em", 40, {}), ("maximum-likelihood", 150, {"learning_rate": 0.1})):
        recipe = Recipe.read("hmm", rule, {"states": 3}, settings)
        torch.manual_seed(1)
        made = recipe.build(given, 100).double()
        made.begin()
        for _ in range(steps):
            made.step(batch(x))
        states = made.model.hidden_states()
        order = states.emission[:, 0].argsort()
        assert states.deviation is not None
        assert truth.means is not None
        assert truth.deviations is not None
        assert torch.allclose(states.emission[order, 0], truth.means, atol=0.1), rule
        assert torch.allclose(states.deviation[order, 0], truth.deviations, atol=0.05), rule
        assert torch.allclose(states.transition[order][:, order], truth.transition, atol=0.04), rule


def test_learning_starts_from_groups_of_values_wherever_they_lie() -> None:
    x = torch.cat([torch.full((20, 6), -4.0), torch.full((20, 6), 8.0)]) + 0.5 * torch.randn(40, 6, generator=draws())
    for offset, scale in ((0, 1), (1000, 1), (0, 1e-3)):
        model = hmm(spec(6), states=2, smallest_deviation=1e-6)
        model.start_from(offset + scale * x.double(), 40)
        states = model.hidden_states()
        assert states.deviation is not None
        assert sorted(states.emission[:, 0].tolist()) == pytest.approx(
            [offset - 4 * scale, offset + 8 * scale], abs=0.2 * scale
        )
        assert states.deviation.flatten().tolist() == pytest.approx([0.5 * scale] * 2, rel=0.2)


def test_deviations_stay_above_their_floor() -> None:
    x = torch.ones(4, 6).double()
    model = hmm(spec(6), states=2, smallest_deviation=0.25)
    rule = learner(model, "em", spec(6))
    for _ in range(5):
        assert rule.step(batch(x))["log_prob"].isfinite()
    states = model.hidden_states()
    assert states.deviation is not None
    assert states.deviation.amin().item() == pytest.approx(0.25, abs=1e-12)
    with torch.no_grad():
        normal = torch.distributions.Normal(torch.ones(6).double(), 0.25)
        assert model.log_prob(x)[0].item() == pytest.approx(normal.log_prob(x[0]).sum().item(), abs=1e-6)


def test_a_symbol_that_never_occurred_stays_possible() -> None:
    x = torch.tensor([[0.0, 1.0, 0.0, 1.0]]).double()
    model = hmm(spec(4, symbols=3), states=2)
    learner(model, "em", spec(4, symbols=3)).step(batch(x))
    with torch.no_grad():
        assert model.log_prob(x + 1).isfinite().all()
        assert (model.log_prob(x + 1) < -30).all()


def test_sequences_of_another_length_are_explained_too() -> None:
    model = as_model(casino(20))
    with torch.no_grad():
        assert model.explain(casino(7).sample(2, draws())).posterior.shape == (2, 7, 2)


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (DataSpec((1, 8, 8), Support.BITS, Layout.IMAGE), "choose sequences"),
        (DataSpec((5,), Support.UNIT, Layout.SEQUENCE), "choose a data set of real numbers"),
        (DataSpec((5, 2), Support.SYMBOLS, Layout.SEQUENCE, 4), r"choose sequences of shape \(time,\)"),
        (DataSpec((5, 2, 2), Support.REALS, Layout.SEQUENCE), r"choose a shape of \(time, dimensions\)"),
    ],
)
def test_other_data_are_refused_with_what_would_fit(given: DataSpec, advice: str) -> None:
    with pytest.raises(UnsuitableData, match=advice):
        Hmm(HmmSettings(), given)


def test_bits_are_two_symbols() -> None:
    model = hmm(DataSpec((3,), Support.BITS, Layout.SEQUENCE), states=2)
    every = torch.tensor(list(product(range(2), repeat=3))).double()
    with torch.no_grad():
        assert model.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-12)
