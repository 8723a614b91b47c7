"""The exact Wasserstein distance, against enumeration and closed forms."""

from __future__ import annotations

from itertools import permutations

import pytest
import scipy.stats
import torch
from torch import Generator, Tensor

from models.estimation.progress import finish
from models.estimation.transport import dual_bound, wasserstein, wasserstein_distance


def normal(n: int, dimensions: int, seed: int) -> Tensor:
    return torch.randn(n, dimensions, generator=Generator().manual_seed(seed))


def test_it_is_the_least_over_all_permutations() -> None:
    x, y = normal(6, 2, 0), normal(6, 2, 1)
    costs = [sum((x[i] - y[j]).norm().item() for i, j in enumerate(order)) / 6 for order in permutations(range(6))]
    assert wasserstein_distance(x, y) == pytest.approx(min(costs))


def test_in_one_dimension_sorted_points_are_matched() -> None:
    x, y = normal(50, 1, 0), 2 * normal(50, 1, 1)
    expected = scipy.stats.wasserstein_distance(x.flatten().numpy(), y.flatten().numpy())
    assert wasserstein_distance(x, y) == pytest.approx(expected, rel=1e-5)
    in_the_plane = (torch.cat([z, torch.zeros(50, 1)], 1) for z in (x, y))
    assert wasserstein_distance(*in_the_plane) == pytest.approx(expected, rel=1e-5)


def test_a_shift_is_as_far_as_it_is_long() -> None:
    x = normal(40, 3, 0)
    assert wasserstein_distance(x, x) == pytest.approx(0.0, abs=1e-6)
    assert wasserstein_distance(x.flip(0) + torch.tensor([3.0, 0.0, 4.0]), x) == pytest.approx(5.0, rel=1e-5)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_no_function_says_more_than_the_distance_and_the_best_one_says_it(dimensions: int) -> None:
    x, y = normal(30, dimensions, 0), normal(30, dimensions, 1) + 2
    exact = wasserstein_distance(x, y)
    for seed in range(20):
        w, b = normal(dimensions, 8, seed), normal(8, 1, seed)[:, 0]
        f, g = ((z @ w + b).sin().sum(1) for z in (x, y))
        slope, bound = dual_bound(f, g, x, y)
        assert bound <= exact * (1 + 1e-9)
        i, j = divmod(int(((f[:, None] - g).abs() / torch.cdist(x, y)).argmax()), 30)
        assert slope == pytest.approx((f[i] - g[j]).abs().item() / (x[i] - y[j]).norm().item(), rel=1e-3)
    moved = x + torch.tensor([3.0, 4.0])[:dimensions]  # -x·v is best for a shift along v
    v = torch.tensor([0.6, 0.8])[:dimensions] / (0.6 if dimensions == 1 else 1)
    _, best = dual_bound(-x @ v, -moved @ v, x, moved)
    assert best == pytest.approx(wasserstein_distance(x, moved), rel=1e-5)
    assert dual_bound(torch.ones(30), torch.ones(30), x, x) == (0.0, 0.0)


def test_sets_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match="4 and 5"):
        wasserstein_distance(normal(4, 2, 0), normal(5, 2, 1))


def test_its_interval_is_about_as_wide_as_it_scatters() -> None:
    g = Generator().manual_seed(0)
    found = [finish(wasserstein(normal(60, 2, 2 * i) + 1, normal(60, 2, 2 * i + 1), "", g)) for i in range(30)]
    scatter = torch.tensor([m.value for m in found]).std().item()
    said = sum(m.high - m.value for m in found) / len(found) / 1.96
    assert 0.6 * scatter < said < 1.4 * scatter
    assert "60 samples against 60 examples" in found[0].protocol
