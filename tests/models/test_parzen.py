"""Parzen windows and k-means, against closed forms and scikit-learn."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from sklearn.cluster import KMeans
from torch import Generator, Tensor

from models.estimation import k_means as k_means_module
from models.estimation import parzen as parzen_module
from models.estimation.k_means import k_means, nearest
from models.estimation.measure import Kind
from models.estimation.parzen import parzen_log_likelihood, parzen_log_prob
from models.estimation.progress import finish

D = 5


def normal(n: int, seed: int, dimensions: int = D) -> Tensor:
    return torch.randn(n, dimensions, generator=Generator().manual_seed(seed))


def density(x: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """The definition, in double precision."""
    x, samples = x.double(), samples.double()
    squared = (x[:, None] - samples[None]).square().sum(-1)
    log_p = -0.5 * squared / sigma**2 - D * math.log(sigma * math.sqrt(2 * math.pi))
    return log_p.logsumexp(1) - math.log(len(samples))


def test_one_sample_is_one_gaussian() -> None:
    x, sample = normal(4, 0), normal(1, 1)
    found = finish(parzen_log_prob(x, sample, torch.tensor([0.7])))
    away = ((x - sample) / 0.7).double()
    expected = (-0.5 * away.square() - math.log(0.7 * math.sqrt(2 * math.pi))).sum(1)
    torch.testing.assert_close(found[0], expected, rtol=0, atol=1e-5)


def test_many_samples_and_widths_are_the_definition_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    x, samples, sigmas = normal(30, 0), normal(40, 1), torch.tensor([0.02, 0.3, 2.0])  # the first underflows if summed
    whole = finish(parzen_log_prob(x, samples, sigmas))
    for row, sigma in zip(whole, sigmas.tolist(), strict=True):
        torch.testing.assert_close(row, density(x, samples, sigma), rtol=1e-5, atol=1e-3)
    monkeypatch.setattr(parzen_module, "DISTANCES", 41)
    torch.testing.assert_close(finish(parzen_log_prob(x, samples, sigmas)), whole, rtol=1e-5, atol=1e-3)
    fractions = list(parzen_log_prob(x, samples, sigmas))
    assert fractions == [(k + 1) / 30 for k in range(30)]  # may be abandoned after each


def test_the_width_is_the_best_of_many_for_validation_examples() -> None:
    samples, valid, test = normal(400, 0), normal(200, 1), normal(300, 2)
    found = finish(parzen_log_likelihood(samples, valid, test, "somewhere"))
    tried = torch.linspace(0.05, 2, 200)
    best = tried[finish(parzen_log_prob(valid, samples, tried)).mean(1).argmax()].item()
    assert found.sigma == pytest.approx(best, rel=0.05)
    assert found.validation.max() == found.validation[found.sigmas == found.sigma]
    assert all(a < b for a, b in pairwise(found.sigmas.tolist()))
    expected = density(test, samples, found.sigma)
    assert found.measure.value == pytest.approx(expected.mean().item(), abs=1e-4)
    half = 1.96 * expected.std().item() / math.sqrt(len(test))
    assert found.measure.high - found.measure.value == pytest.approx(half, rel=1e-3)
    assert found.measure.kind is Kind.ESTIMATE
    assert "somewhere; 400 samples, σ = " in found.measure.protocol
    assert "chosen on 200 validation examples" in found.measure.protocol


def test_it_is_far_below_the_truth_with_few_samples_in_many_dimensions() -> None:
    """Why it is no likelihood: 1000 samples of the very distribution that the data come from, in 50 dimensions."""
    dimensions = 50
    samples, valid, test = (normal(n, seed, dimensions) for seed, n in enumerate((1000, 500, 500)))
    truth = -0.5 * dimensions * (1 + math.log(2 * math.pi))
    assert finish(parzen_log_likelihood(samples, valid, test, "")).measure.value < truth - 5


def test_samples_of_which_99_in_100_are_noise_lose_no_more_than_the_log_of_100() -> None:
    """log(.01 p + .99 q) ≥ log p - 4.605 (Theis, van den Oord & Bethge, 2015): a high figure does not mean that samples
    are good."""
    good, noise, test = normal(10, 0), 100 * normal(990, 1), normal(200, 2)
    alone, mixed = (finish(parzen_log_prob(test, s, torch.tensor([0.5])))[0] for s in (good, torch.cat([good, noise])))
    loss = alone - mixed
    assert loss.max() <= math.log(100) + 1e-4
    assert loss.min() > math.log(100) - 0.01  # and the noise, as good as never near, costs just that


def test_a_width_at_the_end_of_those_tried_is_said() -> None:
    x = normal(50, 0)
    found = finish(parzen_log_likelihood(x, x, x, ""))  # validation examples that are samples: the narrower the better
    assert "at an end" in found.measure.note


def test_constant_validation_examples_are_measured() -> None:
    x = torch.ones(5, D)
    assert math.isfinite(finish(parzen_log_likelihood(normal(20, 0), x, x, "")).measure.value)


def clusters() -> Tensor:
    centres = 4 * normal(6, 3)
    return centres.repeat(50, 1) + normal(300, 4)


def test_k_means_ends_where_scikit_learns_does_from_the_same_start() -> None:
    x = clusters()
    start = x[torch.randperm(300, generator=Generator().manual_seed(5))[:6]]
    found = finish(k_means(x, 6, 100, Generator().manual_seed(5)))
    reference = KMeans(6, init=start.numpy(), n_init=1, tol=0).fit(x.numpy())
    torch.testing.assert_close(found, torch.from_numpy(reference.cluster_centers_), rtol=1e-4, atol=1e-4)


def test_k_means_comes_nearer_to_the_points_with_every_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    x = clusters()
    found = [finish(k_means(x, 20, n, Generator().manual_seed(0))) for n in range(5)]
    spread = [(x - c[nearest(x, c)]).square().sum().item() for c in found]
    assert all(a >= b for a, b in pairwise(spread))
    assert spread[0] > 1.1 * spread[4]
    monkeypatch.setattr(k_means_module, "DISTANCES", 21)
    work = k_means(x, 20, 4, Generator().manual_seed(0))
    assert next(work) == pytest.approx(1 / 300 / 4)  # a chunk may be one point: cancelling does not wait for a pass
    assert torch.equal(finish(work), found[4])


def test_a_centroid_that_nothing_is_near_stays_where_it_is() -> None:
    x = torch.tensor([[0.0], [0.0], [5.0]])  # two of three centroids begin at the same place
    assert sorted(finish(k_means(x, 3, 10)).flatten().tolist()) == [0.0, 0.0, 5.0]
