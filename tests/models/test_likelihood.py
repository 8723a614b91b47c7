"""Likelihoods and their bounds, against values that are known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Generator, Tensor

from models.capabilities import TooLarge
from models.distributions import bernoulli_log_prob
from models.estimation.enumeration import CHUNK, LIMIT, all_states, log_probabilities, log_sum_over_states
from models.estimation.likelihood import (
    evidence_lower_bound,
    exact_log_likelihood,
    log_mean_weight,
    pseudo_log_likelihood,
    weighted_bounds,
)
from models.estimation.measure import Kind, bits_per_dimension, ended, mean_measure
from models.estimation.progress import finish
from models.nade import Nade, NadeSettings
from models.rbm import Rbm, RbmSettings
from models.signs import raised
from models.spec import DataSpec, Layout, Support
from models.vae import Vae, VaeSettings

SPEC = DataSpec((5,), Support.BITS, Layout.VECTOR)


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    torch.set_grad_enabled(False)
    yield
    torch.set_grad_enabled(True)


def vae_of_one_latent() -> Vae:
    """A decoder with strong weights and an encoder that is not its posterior, so that all bounds differ."""
    torch.manual_seed(4)
    model = Vae(VaeSettings(latent=1, hidden=8, layers=1), SPEC).double()
    for parameter in model.decoder.parameters():
        parameter.normal_(0, 1.2)
    return model


def integrated(model: Vae, x: Tensor) -> Tensor:
    """log p(x) by the trapezoidal rule over the one latent dimension."""
    z = torch.linspace(-9, 9, 4001, dtype=torch.float64)[:, None]
    log_joint = model.log_likelihood(x, z[:, None].expand(-1, len(x), -1)) + model.prior().log_prob(z)[:, None]
    return torch.trapezoid(log_joint.exp(), z[:, 0], dim=0).log()


EVERY = torch.cat(list(all_states(5, torch.zeros((), dtype=torch.float64))))


def test_bounds_lie_below_the_evidence_and_rise_with_k() -> None:
    model = vae_of_one_latent()
    exact = integrated(model, EVERY)
    assert exact.exp().sum().item() == pytest.approx(1, abs=1e-6)
    generator = Generator().manual_seed(0)

    def bound(k: int) -> tuple[Tensor, Tensor]:
        """The mean bound of each example, and its standard error, from 40 000 draws of z."""
        repeats = 40_000 // k
        values = log_mean_weight(model, EVERY.repeat(repeats, 1), k, generator).reshape(repeats, -1)
        return values.mean(0), values.std(0) / math.sqrt(repeats)

    values = model.elbo(EVERY.repeat(40_000, 1), generator).value.reshape(40_000, -1)
    found = [(values.mean(0), values.std(0) / 200), *(bound(k) for k in (1, 5, 50))]
    (elbo, elbo_error), (single, single_error) = found[:2]
    assert ((elbo - single).abs() < 5 * (elbo_error + single_error)).all()  # the bound with k = 1 is the ELBO
    for mean, error in found:
        assert (mean < exact + 5 * error).all()
    for (looser, error), (tighter, other_error) in pairwise(found[1:]):
        assert (looser < tighter + 5 * (error + other_error)).all()
        assert looser.mean() < tighter.mean() - 0.01
    assert found[-1][0].mean().item() == pytest.approx(exact.mean().item(), abs=0.1)


class FixedWeights:
    """A model whose importance weights are known beforehand."""

    def __init__(self, weights: Tensor) -> None:
        self.weights, self.used = weights, 0

    def log_weights(self, x: Tensor, samples: int, generator: Generator | None = None) -> Tensor:
        self.used += samples
        return self.weights[self.used - samples : self.used]


@pytest.mark.parametrize("chunk", [1, 7, 100, 1000])
def test_the_weighted_bound_is_the_same_in_chunks(chunk: int) -> None:
    weights = torch.randn(100, 3, generator=Generator().manual_seed(0), dtype=torch.float64) * 30
    model = FixedWeights(weights)
    found = log_mean_weight(model, torch.zeros(3, 1), 100, chunk=chunk)
    torch.testing.assert_close(found, weights.logsumexp(0) - math.log(100))
    assert model.used == 100


@pytest.mark.parametrize(("k", "sizes"), [(7, [1, 2, 5, 7]), (70, [1, 2, 5, 10, 25, 50, 70]), (1, [1])])
def test_the_bound_with_fewer_draws_is_that_of_blocks_and_weights_that_count_are_counted(
    k: int, sizes: list[int]
) -> None:
    weights = torch.randn(k, 3, generator=Generator().manual_seed(0), dtype=torch.float64) * 3
    found = finish(weighted_bounds(FixedWeights(weights), torch.zeros(3, 1), "all", k))
    assert found.draws.tolist() == sizes
    for size, bound in zip(sizes, found.bounds.tolist(), strict=True):
        within = min(k, 50) if size < 50 else k  # small blocks do not reach over two chunks of draws
        starts = [b + i for b in range(0, k, 50) for i in range(0, min(within, k - b) - size + 1, size)]
        starts = starts if size < 50 else list(range(0, k - size + 1, size))
        blocks = torch.stack([weights[i : i + size].logsumexp(0) - math.log(size) for i in starts])
        assert bound == pytest.approx(blocks.mean().item())
    w = weights.exp()
    torch.testing.assert_close(found.effective, w.sum(0) ** 2 / w.square().sum(0))
    assert len(found.measure.checks) == min(k, 2)
    sure = finish(weighted_bounds(FixedWeights(torch.zeros(k, 3)), torch.zeros(3, 1), "all", k)).measure
    assert sure.value == pytest.approx(0)
    assert [check.passed for check in sure.checks] == ([k >= 10, True] if k > 1 else [False])


def test_the_same_seed_gives_the_same_bound() -> None:
    model = vae_of_one_latent()
    found = [finish(weighted_bounds(model, EVERY, "all", 70, Generator().manual_seed(1))).measure for _ in range(2)]
    assert found[0] == found[1]
    assert found[0].kind is Kind.LOWER_BOUND
    assert "k = 70" in found[0].protocol


def test_the_bound_is_its_two_terms_and_names_active_units() -> None:
    model = Vae(VaeSettings(latent=3, hidden=8, layers=1), SPEC)
    with torch.no_grad():
        model.encoder[-1].weight[1] = 0  # the posterior mean of the second unit never moves
        model.encoder[-1].weight[0] *= 20
    x = EVERY.float()
    found = finish(evidence_lower_bound(model, x, "all", draws=4, generator=Generator().manual_seed(0)))
    assert found.elbo.value == pytest.approx(found.reconstruction.value - found.kl.value)
    assert found.kl_per_dimension.sum().item() == pytest.approx(found.kl.value)
    assert found.active is not None
    assert found.active.tolist()[:2] == [True, False]
    assert found.elbo.kind is Kind.LOWER_BOUND
    assert "4 draws" in found.elbo.protocol


def test_the_exact_likelihood_is_the_same_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Nade(NadeSettings(hidden=4), SPEC)
    whole = finish(exact_log_likelihood(model, EVERY.float(), "all"))
    monkeypatch.setattr("models.estimation.likelihood._parts.__defaults__", (5,))
    chunked = finish(exact_log_likelihood(model, EVERY.float(), "all"))
    assert chunked.value == pytest.approx(whole.value, abs=1e-6)
    assert whole.kind is Kind.EXACT


def test_the_normaliser_is_summed_once_for_all_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Rbm(RbmSettings(hidden=4), SPEC)
    calls = []
    summed = Rbm.log_partition_in_parts
    monkeypatch.setattr(Rbm, "log_partition_in_parts", lambda self: calls.append(1) or summed(self))
    x = EVERY.float().repeat(40, 1)
    found = finish(exact_log_likelihood(model, x, "all"))
    assert len(calls) == 1
    assert found.value == pytest.approx(model.log_prob(x).mean().item(), abs=1e-5)
    assert "by enumeration" in found.protocol


def test_an_exact_likelihood_can_be_abandoned_within_its_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a cancel would wait for all 2^20 states, which takes seconds."""
    model = Rbm(RbmSettings(hidden=LIMIT), DataSpec((30,), Support.BITS, Layout.VECTOR))
    looked: list[int] = []
    weigh = Rbm._hidden_log_weight
    monkeypatch.setattr(Rbm, "_hidden_log_weight", lambda self, h: looked.append(len(h)) or weigh(self, h))
    with torch.no_grad():
        work = exact_log_likelihood(model, torch.zeros(2, 30), "none")
        fractions = [next(work) for _ in range(3)]
        work.close()
    assert sum(looked) == 3 * CHUNK
    assert fractions == [pytest.approx(0.9 * k * CHUNK / 2**LIMIT) for k in (1, 2, 3)]


def test_the_progress_of_an_exact_likelihood_rises_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.estimation.enumeration.all_states.__defaults__", (4,))
    model = Rbm(RbmSettings(hidden=4), SPEC)
    fractions = list(exact_log_likelihood(model, EVERY.float().repeat(40, 1), "all"))
    assert len(fractions) == 4 + 3
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_what_cannot_be_enumerated_is_refused_with_its_size() -> None:
    large = Rbm(RbmSettings(hidden=32), DataSpec((40,), Support.BITS, Layout.VECTOR))
    with pytest.raises(TooLarge, match=f"2³² states; up to {raised(2, LIMIT)}"):
        finish(exact_log_likelihood(large, torch.zeros(2, 40), "none"))


def test_pseudo_likelihood_is_unbiased_for_the_sum_over_all_coordinates() -> None:
    torch.manual_seed(0)
    model = Rbm(RbmSettings(hidden=3), SPEC).double()
    for parameter in model.parameters():
        parameter.normal_(0, 1)
    joint = log_probabilities(model.log_prob, (5,), model.weight)
    x = EVERY[11]
    expected = 0.0
    for i in range(5):
        other = x.clone()
        other[i] = 1 - other[i]
        pair = torch.stack([joint[_number(x)], joint[_number(other)]])
        expected += pair.log_softmax(0)[0].item()
    found = pseudo_log_likelihood(model, x.expand(20_000, 5), Generator().manual_seed(0))
    assert found.mean().item() == pytest.approx(expected, abs=4 * found.std().item() / math.sqrt(20_000))


def _number(bits: Tensor) -> int:
    return int("".join(str(int(b)) for b in bits), 2)


def test_every_state_is_visited_once_in_any_chunks() -> None:
    like = torch.zeros(())
    whole = torch.cat(list(all_states(6, like)))
    assert whole.shape == (64, 6)
    assert len({tuple(row.tolist()) for row in whole}) == 64
    assert torch.equal(whole, torch.cat(list(all_states(6, like, chunk=10))))
    assert [_number(row) for row in whole] == list(range(64))


def test_sums_over_states_are_those_of_independent_bits() -> None:
    logits = torch.tensor([0.3, -2.0, 1.0, 0.0], dtype=torch.float64)
    total = log_sum_over_states(4, lambda s: s @ logits, logits)
    assert total.item() == pytest.approx(logits.exp().log1p().sum().item())
    normalised = log_sum_over_states(4, lambda s: bernoulli_log_prob(s, logits.expand_as(s)).sum(-1), logits)
    assert normalised.item() == pytest.approx(0, abs=1e-12)


def test_intervals_end_where_no_value_can_be_but_hold_their_estimate() -> None:
    found = mean_measure("log p(x)", torch.tensor([-8.0, 0.0, 0.0, 0.0]), Kind.EXACT, "four values")
    assert found.high > 0
    assert ended(found, most=0.0) == replace(found, high=0.0)
    assert ended(found, least=-3.0) == replace(found, low=-3.0)
    assert ended(found, -100.0, 100.0) == found
    beyond = replace(found, value=1.0, low=-2.0, high=4.0)
    assert ended(beyond, most=0.0) == replace(beyond, high=1.0), "an estimate may lie where no value is"


def test_measures_carry_their_interval_and_change_sides_as_code_lengths() -> None:
    values = torch.tensor([-3.0, -5.0, -4.0, -4.0])
    found = mean_measure("log p(x)", values, Kind.LOWER_BOUND, "four values")
    assert found.value == pytest.approx(-4)
    assert found.high - found.value == pytest.approx(1.96 * values.std().item() / 2)
    bits = bits_per_dimension(found, 8)
    assert bits.value == pytest.approx(4 / (8 * math.log(2)))
    assert bits.low < bits.value < bits.high
    assert bits.kind is Kind.UPPER_BOUND
