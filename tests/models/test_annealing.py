"""Annealed importance sampling and its reverse, against enumerated values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache

import pytest
import torch
from scipy.stats import t as student_t
from torch import Generator, Tensor

from models.estimation.annealing import (
    _student,
    annealed_log_likelihood,
    annealed_log_partition,
    annealed_log_weights,
    annealed_lower_bound,
    log_mean,
    reverse_log_likelihood,
    reverse_log_prob,
)
from models.estimation.enumeration import all_states, log_probabilities
from models.estimation.likelihood import exact_log_likelihood, free_energy_lower_bound
from models.estimation.measure import Kind
from models.estimation.progress import finish
from models.learning.contrastive_divergence import PersistentCdSettings, PersistentContrastiveDivergence
from models.rbm import Rbm, RbmSettings
from models.spec import Batch, DataSpec, Layout, Support

SPEC = DataSpec((2, 4), Support.BITS, Layout.VECTOR)


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    torch.set_grad_enabled(False)
    yield
    torch.set_grad_enabled(True)


def stripes(n: int) -> Tensor:
    """Two rows of four bits; every row is all on or all off, with a little noise."""
    generator = Generator().manual_seed(0)
    rows = torch.randint(2, (n, 2, 1), generator=generator).float().expand(n, 2, 4)
    return (rows - (torch.rand(rows.shape, generator=generator) < 0.05).float()).abs()


def random_machine() -> Rbm:
    torch.manual_seed(1)
    model = Rbm(RbmSettings(hidden=5), SPEC)
    for parameter in model.parameters():
        parameter.normal_(0, 1)
    return model


@cache
def trained_machine() -> Rbm:
    torch.manual_seed(0)
    model = Rbm(RbmSettings(hidden=6), SPEC)
    x = stripes(200)
    settings = PersistentCdSettings(learning_rate=0.1, decay=1500)
    learner = PersistentContrastiveDivergence(model, settings, SPEC, len(x))
    learner.begin()
    for _ in range(1500):
        learner.step(Batch(x, torch.zeros(200), torch.arange(200)))
    assert model.weight.abs().max() > 1  # it has learned something that is not near the base
    return model


MACHINES = pytest.mark.parametrize("machine", [random_machine, trained_machine])


@MACHINES
@pytest.mark.parametrize(("temperatures", "chains"), [(5, 20), (5, 100), (30, 20), (30, 100)])
def test_the_interval_contains_the_enumerated_value_in_95_of_100_repetitions(
    machine: Callable[[], Rbm], temperatures: int, chains: int
) -> None:
    model, repetitions = machine(), 200
    exact = model.log_partition().item()
    many = annealed_log_weights(model, stripes(200), temperatures, chains * repetitions, Generator().manual_seed(2))
    found = [log_mean(weights, temperatures) for weights in finish(many).split(chains)]
    assert len(found) == repetitions
    assert sum(one.low <= exact <= one.high for one in found) >= 0.95 * repetitions


@MACHINES
def test_forward_and_reverse_estimates_lie_on_both_sides_of_the_truth(machine: Callable[[], Rbm]) -> None:
    """So coarse that both err by far more than chance explains: log Z is too small, the reverse bound too low."""
    model, x = machine(), stripes(100)
    exact = model.log_prob(x).mean()
    weights = finish(annealed_log_weights(model, stripes(200), 1, 20 * 200, Generator().manual_seed(0)))
    log_z = torch.tensor([log_mean(one, 1).value for one in weights.split(20)])
    above = -model.free_energy(x).mean() - log_z  # the likelihood by each of 200 forward estimates
    below = torch.stack(
        [finish(reverse_log_prob(model, x, stripes(200), 1, 1, Generator().manual_seed(s))).mean() for s in range(50)]
    )
    assert above.mean() - 4 * above.std() / 200**0.5 > exact
    assert below.mean() + 4 * below.std() / 50**0.5 < exact


def test_too_few_weights_that_count_are_said_to_be_untrustworthy() -> None:
    hard = Rbm(RbmSettings(hidden=10), SPEC)
    torch.manual_seed(5)
    for parameter in hard.parameters():
        parameter.normal_(0, 4)
    x = stripes(50)
    coarse = finish(annealed_log_likelihood(hard, x, "stripes", x, 2, 100, Generator().manual_seed(0)))
    fine = finish(annealed_log_likelihood(random_machine(), x, "stripes", x, 100, 100, Generator().manual_seed(0)))
    assert "of 100 weights count" in coarse.doubt
    assert fine.doubt == ""


def test_the_quantile_is_that_of_students_t() -> None:
    for freedom in (4.0, 9.0, 30.0, 99.0):
        assert _student(freedom) == pytest.approx(student_t.ppf(0.98, freedom), rel=0.01)
    assert _student(0.0) > student_t.ppf(0.98, 4)


@MACHINES
def test_forward_weights_are_unbiased(machine: Callable[[], Rbm]) -> None:
    model = machine()
    found = finish(annealed_log_partition(model, stripes(200), 10, 20_000, Generator().manual_seed(0)))
    assert found.value == pytest.approx(model.log_partition().item(), abs=0.05)


@MACHINES
def test_reverse_weights_add_up_to_one_over_all_states(machine: Callable[[], Rbm]) -> None:
    """They estimate, without bias, the probabilities that the annealing chain gives: a normalised distribution."""
    model = machine()
    states = torch.cat(list(all_states(8, model.weight))).reshape(-1, 2, 4)
    many = states.repeat(1000, 1, 1)
    found = finish(reverse_log_prob(model, many, stripes(200), 10, 1, Generator().manual_seed(0)))
    totals = found.exp().reshape(1000, 256).sum(1)  # of all states, once for each repetition
    error = totals.std().item() / math.sqrt(1000)
    assert error < 0.02
    assert totals.mean().item() == pytest.approx(1, abs=4 * error)


@MACHINES
def test_the_reverse_bound_lies_below_on_the_models_own_examples_and_closes_in(machine: Callable[[], Rbm]) -> None:
    model = machine()
    states = torch.cat(list(all_states(8, model.weight))).reshape(-1, 2, 4)
    p = model.log_prob(states).exp()
    exact = (p * p.log()).sum().item()
    gaps = []
    for temperatures in (1, 100):
        bound = finish(reverse_log_prob(model, states, stripes(200), temperatures, 20, Generator().manual_seed(0)))
        gaps.append(exact - (p * bound).sum().item())
    assert gaps[0] > 0.02
    assert gaps[1] == pytest.approx(0, abs=0.02)


def test_measures_stand_on_both_sides_of_the_truth_and_say_how_they_were_made() -> None:
    model, x = trained_machine(), stripes(300)
    exact = finish(exact_log_likelihood(model, x, "stripes"))
    forward = finish(annealed_log_likelihood(model, x, "stripes", x, 200, 100, Generator().manual_seed(0)))
    reverse = finish(reverse_log_likelihood(model, x, "stripes", x, 200, 1, Generator().manual_seed(0)))
    assert (exact.kind, forward.kind, reverse.kind) == (Kind.EXACT, Kind.ESTIMATE, Kind.LOWER_BOUND)
    assert forward.low <= exact.value <= forward.high
    assert forward.high - forward.low >= exact.high - exact.low
    assert reverse.value == pytest.approx(exact.value, abs=0.1)
    assert "100 chains, 200 temperatures" in forward.protocol
    assert "200 temperatures" in reverse.protocol
    assert all(measure.protocol.startswith("stripes") for measure in (exact, forward, reverse))


class _Bounding:
    """A machine whose free energy is only bounded: half a nat too high, and random."""

    def __init__(self, model: Rbm) -> None:
        self.model = model

    def __getattr__(self, name: str) -> object:
        if name == "free_energy":
            raise AttributeError(name)
        return getattr(self.model, name)

    def free_energy_bound(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        return self.model.free_energy(x) + torch.rand(len(x), generator=generator)


def test_a_bounded_free_energy_gives_a_bound_on_the_likelihood_exactly_and_by_annealing() -> None:
    model, x = trained_machine(), stripes(700)
    exact = finish(exact_log_likelihood(model, x, "stripes"))
    summed = finish(free_energy_lower_bound(_Bounding(model), x, "stripes", Generator().manual_seed(0)))
    annealed = finish(annealed_lower_bound(_Bounding(model), x, "stripes", x, 200, 100, Generator().manual_seed(0)))
    assert (summed.kind, annealed.kind) == (Kind.LOWER_BOUND, Kind.ESTIMATE)
    for found in (summed, annealed):
        assert found.low <= exact.value - 0.5 <= found.high
        assert found.protocol.startswith("stripes; F(x) bounded")
    assert summed.value == pytest.approx(exact.value - 0.5, abs=0.05)
    assert annealed.high - annealed.low > summed.high - summed.low  # log Z is uncertain too
    assert "by enumeration" in summed.protocol
    assert "100 chains, 200 temperatures" in annealed.protocol


def test_a_base_equal_to_the_model_gives_the_exact_value_from_any_path() -> None:
    model = Rbm(RbmSettings(hidden=3), SPEC)
    model.weight.zero_()
    model.hidden_bias.zero_()
    data = torch.full((1, 2, 4), 0.3)
    model.visible_bias.copy_(data.flatten().logit())
    found = finish(annealed_log_partition(model, data, 7, 10, Generator().manual_seed(0)))
    assert found.value == pytest.approx(model.log_partition().item(), abs=1e-5)
    assert found.effective_samples == pytest.approx(10, abs=1e-3)
    assert found.high - found.low < 1e-3


def test_the_same_seed_gives_the_same_value_and_progress_grows() -> None:
    model = random_machine()
    fractions, values = [], []
    for _ in range(2):
        work = annealed_log_partition(model, stripes(200), 100, 10, Generator().manual_seed(3))
        fractions = []
        while True:
            try:
                fractions.append(next(work))
            except StopIteration as end:
                values.append(end.value)
                break
    assert values[0] == values[1]
    assert fractions == sorted(fractions)
    assert all(0 < fraction <= 1 for fraction in fractions)


def test_log_mean_counts_the_weights_that_matter() -> None:
    even = log_mean(torch.full((50,), 2.0, dtype=torch.float64), temperatures=1)
    assert (even.value, even.effective_samples) == (pytest.approx(2.0), pytest.approx(50))
    one = log_mean(torch.tensor([100.0, 0.0, 0.0, 0.0], dtype=torch.float64), temperatures=1)
    assert one.value == pytest.approx(100 - math.log(4))
    assert one.effective_samples == pytest.approx(1)
    assert one.high - one.value > 100  # the spread of the logarithms says that larger ones may have been missed
    assert one.doubt
    assert not even.doubt
    skew = log_mean(torch.tensor([11.0] + [1.0] * 9, dtype=torch.float64).repeat(10).log(), temperatures=1)
    # weights of mean 2 and variance 9: a relative error of 1.5 / √99, larger than that of log-normal weights
    assert skew.effective_samples == pytest.approx(100 / 3.25)
    assert skew.high - skew.value == pytest.approx(_student(100 / 3.25 - 1) * 1.5 / 99**0.5)


def test_the_trained_machine_is_normalised_by_its_enumerated_sum() -> None:
    model = trained_machine()
    assert log_probabilities(model.log_prob, (2, 4), model.weight).exp().sum().item() == pytest.approx(1, abs=1e-5)
