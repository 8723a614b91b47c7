"""The restricted Boltzmann machine and its learners, against enumeration."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from models.capabilities import (
    Anneals,
    HasChains,
    HasFilters,
    HasFreeEnergy,
    HasHiddenLayers,
    LearnsInPhases,
    RunsChain,
    Samples,
    ScoresExactly,
    SumsExactly,
    TooLarge,
)
from models.estimation.enumeration import all_states, log_probabilities
from models.learning.contrastive_divergence import (
    FINAL_RATE,
    MONITORED,
    ContrastiveDivergence,
    ContrastiveDivergenceSettings,
    PersistentCdSettings,
    PersistentContrastiveDivergence,
)
from models.learning.maximum_likelihood import MaximumLikelihood, MaximumLikelihoodSettings
from models.rbm import Rbm, RbmSettings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

SHAPE = (1, 2, 3)
SPEC = DataSpec(SHAPE, Support.BITS, Layout.IMAGE)


def make(hidden: int = 4, spec: DataSpec = SPEC, scale: float = 0.8, sweeps: int = 50) -> Rbm:
    torch.manual_seed(1)
    model = Rbm(RbmSettings(hidden=hidden, sweeps=sweeps), spec).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, scale)
    return model


def joint_log_weights(model: Rbm) -> tuple[Tensor, Tensor, Tensor]:
    """All v, all h, and -E(v, h) for each pair: the definition, without any summing out."""
    v = torch.cat(list(all_states(model.dimensions, model.weight)))
    h = torch.cat(list(all_states(model.hidden, model.weight)))
    energies = [model.energy(row.expand(len(h), -1).reshape(-1, *model.event_shape), h) for row in v]
    return v, h, -torch.stack(energies)


def batch_of(x: Tensor) -> Batch:
    index = torch.arange(len(x))
    return Batch(x, index, index)


def bars(n: int, seed: int = 0) -> Tensor:
    """Examples in which one row of the 2×3 image is on, with a little noise."""
    generator = Generator().manual_seed(seed)
    x = torch.zeros(n, *SHAPE)
    x[torch.arange(n), 0, torch.randint(2, (n,), generator=generator)] = 1
    return (x - (torch.rand(x.shape, generator=generator) < 0.05).float()).abs()


def test_it_has_the_capabilities_it_claims() -> None:
    for capability in (
        Anneals, HasFilters, HasFreeEnergy, HasHiddenLayers, LearnsInPhases, RunsChain, Samples,
        ScoresExactly, SumsExactly,
    ):  # fmt: skip
        assert issubclass(Rbm, capability)
    assert issubclass(PersistentContrastiveDivergence, HasChains)
    assert not issubclass(ContrastiveDivergence, HasChains)


def test_grey_values_are_refused_with_advice() -> None:
    with pytest.raises(UnsuitableData, match="binarisation"):
        Rbm.check(RbmSettings(), DataSpec(SHAPE, Support.UNIT, Layout.IMAGE))


@pytest.mark.parametrize("hidden", [3, 6, 9])  # fewer, as many, more than visible units
def test_log_partition_is_the_sum_over_both_layers(hidden: int) -> None:
    model = make(hidden)
    _, _, weights = joint_log_weights(model)
    assert model.log_partition().item() == pytest.approx(weights.flatten().logsumexp(0).item(), abs=1e-9)


@pytest.mark.parametrize("hidden", [3, 9])
def test_log_prob_is_the_marginal_of_the_joint(hidden: int) -> None:
    model = make(hidden)
    _, _, weights = joint_log_weights(model)
    expected = weights.logsumexp(1) - weights.flatten().logsumexp(0)
    found = log_probabilities(model.log_prob, SHAPE, model.weight)
    torch.testing.assert_close(found, expected)
    assert found.exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_conditionals_are_those_of_the_joint() -> None:
    model = make()
    v, h, weights = joint_log_weights(model)
    torch.testing.assert_close(model.hidden_mean(v.reshape(-1, *SHAPE)), weights.softmax(1) @ h)
    torch.testing.assert_close(model.visible_mean(h).flatten(1), weights.softmax(0).t() @ v)


def test_log_partition_of_a_large_machine_is_refused() -> None:
    large = DataSpec((30,), Support.BITS, Layout.VECTOR)
    with pytest.raises(TooLarge, match=r"2²¹"):
        Rbm(RbmSettings(hidden=21), large).log_partition()


def test_log_partition_has_the_same_gradient_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make()
    whole = torch.autograd.grad(model.log_partition(), list(model.parameters()))
    monkeypatch.setattr("models.estimation.enumeration.all_states.__defaults__", (5,))
    chunked = torch.autograd.grad(model.log_partition(), list(model.parameters()))
    for a, b in zip(whole, chunked, strict=True):
        torch.testing.assert_close(a, b)


def transition_matrix(model: Rbm, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """P(v' | v) of one Gibbs transition between all visible states, and the states."""
    v, _, weights = joint_log_weights(model)
    weights = weights / temperature
    return v, weights.softmax(1) @ weights.softmax(0).t()


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_transitions_follow_the_exact_transition_matrix(temperature: float) -> None:
    model = make()
    v, matrix = transition_matrix(model, temperature)
    n, start = 40_000, 21
    x = v[start].reshape(1, *SHAPE).expand(n, *SHAPE)
    after = model.transition(x, temperature=temperature, generator=Generator().manual_seed(0)).x
    numbers = (after.flatten(1) @ (2.0 ** torch.arange(5, -1, -1, dtype=torch.float64))).long()
    frequencies = torch.bincount(numbers, minlength=64) / n
    assert (frequencies - matrix[start]).abs().sum() < 0.04  # the expected total deviation is about 0.02


def test_the_chain_leaves_the_model_unchanged() -> None:
    model = make()
    _, matrix = transition_matrix(model)
    p = log_probabilities(model.log_prob, SHAPE, model.weight).exp()
    torch.testing.assert_close(p @ matrix, p)


def test_samples_have_the_models_distribution() -> None:
    model = make(scale=0.5)
    n = 20_000
    x = model.sample(n, Generator().manual_seed(0))
    assert x.shape == (n, *SHAPE)
    numbers = (x.flatten(1) @ (2.0 ** torch.arange(5, -1, -1, dtype=torch.float64))).long()
    p = log_probabilities(model.log_prob, SHAPE, model.weight).exp()
    assert (torch.bincount(numbers, minlength=64) / n - p).abs().sum() < 0.06


@pytest.mark.parametrize("shape", [SHAPE, (8, *SHAPE)])
def test_clamped_coordinates_never_change(shape: tuple[int, ...]) -> None:
    model = make()
    generator = Generator().manual_seed(0)
    state = model.start_chain(8, generator)
    clamp = torch.rand(shape, generator=generator) < 0.5
    x = state.x
    for _ in range(20):
        state = model.transition(state.x, clamp, generator=generator)
        assert torch.equal(state.x[clamp.expand_as(x)], x[clamp.expand_as(x)])
        assert torch.equal(state.mean[clamp.expand_as(x)], x[clamp.expand_as(x)])
    free = ~clamp.expand_as(x)
    assert not torch.equal(state.x[free], x[free])


def test_annealing_starts_at_its_base_and_ends_at_the_model() -> None:
    model = make()
    base = model.annealed_base(bars(200))
    x = torch.cat(list(all_states(6, model.weight))).reshape(-1, *SHAPE)
    first = model.annealed_log_prob(x, 0.0, base)
    assert first.logsumexp(0).item() == pytest.approx(model.annealed_log_partition_base(base).item())
    torch.testing.assert_close(model.annealed_log_prob(x, 1.0, base), -model.free_energy(x))
    # at β = 0 the coordinates are independent with the data's means
    means = (first.softmax(0)[:, None] * x.flatten(1)).sum(0)
    torch.testing.assert_close(means, bars(200).mean(0).flatten().double().clamp(0.01, 0.99))


def test_annealed_transitions_leave_their_own_distribution_unchanged() -> None:
    model = make()
    base = model.annealed_base(bars(200))
    states = torch.cat(list(all_states(6, model.weight))).reshape(-1, *SHAPE)
    p = model.annealed_log_prob(states, 0.4, base).softmax(0)
    generator = Generator().manual_seed(0)
    n = 40_000
    x = states[torch.multinomial(p, n, replacement=True, generator=generator)]
    after = model.annealed_transition(x, 0.4, base, generator)
    numbers = (after.flatten(1) @ (2.0 ** torch.arange(5, -1, -1, dtype=torch.float64))).long()
    assert (torch.bincount(numbers, minlength=64) / n - p).abs().sum() < 0.05


# Learning.


LEARNERS = {
    "cd": (ContrastiveDivergence, ContrastiveDivergenceSettings),
    "pcd": (PersistentContrastiveDivergence, PersistentCdSettings),
}


def begun(kind: str, model: Rbm, **settings: float) -> Any:
    learner_class, settings_class = LEARNERS[kind]
    learner = learner_class(model, settings_class(**settings), SPEC, 200)
    learner.begin()
    return learner


@pytest.mark.parametrize("kind", LEARNERS)
def test_learning_raises_the_exact_likelihood(kind: str) -> None:
    torch.manual_seed(0)
    model = Rbm(RbmSettings(hidden=8), SPEC)
    x = bars(200)
    learner = begun(kind, model, learning_rate=0.05, decay=2000)
    before = model.log_prob(x).mean().item()
    for _ in range(2000):
        reported = learner.step(batch_of(x))
    assert set(reported) == {"reconstruction", "activity"}
    assert all(not value.requires_grad and value.ndim == 0 for value in reported.values())
    assert model.log_prob(x).mean().item() > before + 1.0


def test_the_same_seed_gives_the_same_machine() -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        learner = begun("pcd", Rbm(RbmSettings(hidden=8), SPEC))
        for _ in range(5):
            learner.step(batch_of(bars(20)))
        found.append(learner.state_dict())
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


def test_chains_live_on_in_the_state() -> None:
    torch.manual_seed(0)
    learner = begun("pcd", make().float(), chains=7)
    before = learner.chains().clone()
    learner.step(batch_of(bars(20)))
    assert learner.chains().shape == (7, *SHAPE)
    assert not torch.equal(before, learner.chains())
    assert torch.equal(learner.state_dict()["visible_chains"], learner.chains())


@pytest.mark.parametrize("kind", LEARNERS)
def test_an_update_is_momentum_and_statistics_and_decay_times_the_rate(kind: str) -> None:
    torch.manual_seed(0)
    learner = begun(kind, make().float(), learning_rate=0.1, momentum=0.5, weight_decay=0.01, decay=10, k=3)
    x = bars(20)
    for step in range(12):
        twin = deepcopy(learner)
        state = torch.get_rng_state()
        positive = twin.model.hidden_mean(x)
        visible, negative = twin.negative_phase(x, positive)
        torch.set_rng_state(state)
        learner.step(batch_of(x))
        data = x.flatten(1).t() @ positive / len(x)
        chain = visible.flatten(1).t() @ negative / len(visible)
        velocity = 0.5 * twin.velocity_weight + data - chain - 0.01 * twin.model.weight
        torch.testing.assert_close(learner.velocity_weight, velocity)
        rate = 0.1 * max(1 - (1 - FINAL_RATE) * step / 10, FINAL_RATE)
        torch.testing.assert_close(learner.model.weight, twin.model.weight + rate * velocity)
        bias = 0.5 * twin.velocity_hidden_bias + positive.mean(0) - negative.mean(0)
        torch.testing.assert_close(learner.velocity_hidden_bias, bias)


def test_sparsity_lowers_the_activity_of_hidden_units() -> None:
    activity = []
    for cost in (0.0, 2.0):
        torch.manual_seed(0)
        learner = begun("cd", Rbm(RbmSettings(hidden=8), SPEC), sparsity_cost=cost, sparsity_target=0.05)
        for _ in range(300):
            learner.step(batch_of(bars(100)))
        activity.append(learner.model.hidden_mean(bars(100)).mean().item())
    assert activity[1] < 0.15 < activity[0]


def test_held_out_figures_are_repeatable_and_change_nothing() -> None:
    learner = begun("cd", make().float())
    held = batch_of(bars(MONITORED, seed=1))
    with torch.no_grad():
        assert "free_energy_gap" not in learner.held_out(held, Generator().manual_seed(0))
        learner.step(batch_of(held.x))
        state = {key: value.clone() for key, value in learner.state_dict().items()}
        random = torch.get_rng_state()
        first = learner.held_out(held, Generator().manual_seed(0))
        second = learner.held_out(held, Generator().manual_seed(0))
    assert set(first) == {"reconstruction", "activity", "free_energy_gap", "pseudo_likelihood"}
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert first["free_energy_gap"].item() == pytest.approx(0, abs=1e-4)  # the same examples on both sides
    assert all(torch.equal(state[key], value) for key, value in learner.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())


def test_exact_maximum_likelihood_reaches_the_datas_entropy() -> None:
    torch.manual_seed(0)
    x = bars(400)
    learner = MaximumLikelihood(
        Rbm(RbmSettings(hidden=8), SPEC), MaximumLikelihoodSettings(learning_rate=0.02), SPEC, 400
    )
    learner.begin()
    for _ in range(400):
        learner.step(batch_of(x))
    _, counts = x.flatten(1).unique(dim=0, return_counts=True)
    entropy = -(counts / 400 * (counts / 400).log()).sum().item()
    assert learner.model.log_prob(x).mean().item() > -entropy - 0.15


def test_maximum_likelihood_of_a_large_machine_is_refused_before_the_first_step() -> None:
    spec = DataSpec((30,), Support.BITS, Layout.VECTOR)
    learner = MaximumLikelihood(Rbm(RbmSettings(hidden=30), spec), MaximumLikelihoodSettings(), spec, 10)
    with pytest.raises(TooLarge, match="30 visible and 30 hidden units"):
        learner.begin()
