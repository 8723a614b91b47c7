"""Precision, recall, density, coverage, Fréchet distance, copies and sharpness, against samplers whose answer is
known."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import mannwhitneyu
from sklearn.neighbors import NearestNeighbors
from torch import Generator, Tensor

from models.estimation import neighbours as module
from models.estimation.copying import nearer_share, suspicious_share
from models.estimation.features import features_of, trained_classifier
from models.estimation.frechet import frechet_distance
from models.estimation.measure import Kind
from models.estimation.neighbours import Fidelity, expected_coverage, fidelity, nearest
from models.estimation.progress import finish
from models.estimation.sharpness import gradient_energy, relative_sharpness
from models.spec import DataSpec, Layout, Support

N, K = 60, 3


def normal(n: int, seed: int, dimensions: int = 3) -> Tensor:
    return torch.randn(n, dimensions, generator=Generator().manual_seed(seed))


def measured(samples: Tensor, data: Tensor, k: int = K) -> Fidelity:
    return finish(fidelity(samples, data, k, "somewhere"))


def by_definition(samples: Tensor, data: Tensor, k: int) -> tuple[float, float, float, float]:
    """Point by point, as the papers define them."""

    def radius(points: Tensor, i: int) -> float:
        others = torch.cat([points[:i], points[i + 1 :]])
        return (others - points[i]).norm(dim=1).sort().values[k - 1].item()

    in_data = [[(s - x).norm().item() <= radius(data, i) for i, x in enumerate(data)] for s in samples]
    in_samples = [[(x - s).norm().item() <= radius(samples, j) for j, s in enumerate(samples)] for x in data]
    m, n = len(samples), len(data)
    return (
        sum(any(row) for row in in_data) / m,
        sum(any(row) for row in in_samples) / n,
        sum(sum(row) for row in in_data) / (k * m),
        sum(any(row[i] for row in in_data) for i in range(n)) / n,
    )


def test_shares_are_those_of_the_definitions_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, data = normal(25, 0) + 0.7, normal(30, 1)
    expected = pytest.approx(by_definition(samples, data, K))
    for size in (10**6, 31):
        monkeypatch.setattr(module, "DISTANCES", size)
        found = measured(samples, data)
        assert (found.precision.value, found.recall.value, found.density.value, found.coverage.value) == expected
    fractions = list(fidelity(samples, data, K, ""))
    assert fractions == sorted(fractions)
    assert len(fractions) > 60  # places to cancel
    assert "25 samples against 30 examples" in found.recall.protocol
    assert found.precision.kind is Kind.ESTIMATE


def test_identical_sets_are_perfect_and_distant_ones_have_nothing_in_common() -> None:
    x = normal(N, 0)
    same, apart = measured(x, x), measured(x + 100, x)
    for share in (same.precision, same.recall, same.coverage):
        assert share.value == 1.0
        assert share.low < 0.95
        assert share.high == pytest.approx(1.0)
    for share in (apart.precision, apart.recall, apart.density, apart.coverage):
        assert share.value == 0.0


def test_a_sampler_that_knows_one_example_is_precise_and_covers_next_to_nothing() -> None:
    data = normal(N, 0)
    found = measured(data[:1].expand(N, -1), data)
    assert found.precision.value == 1.0
    assert found.recall.value <= 1 / N
    assert found.coverage.value < 0.2


def test_a_sampler_that_draws_everywhere_recalls_all_and_is_not_precise() -> None:
    data = normal(N, 0)
    found = measured(20 * normal(N, 1), data)
    assert found.recall.value > 0.9
    assert found.precision.value < 0.2
    assert found.density.value < 0.2


@pytest.mark.parametrize(("samples", "data", "k"), [(40, 60, 3), (60, 40, 1)])
def test_coverage_and_density_of_equal_distributions_have_the_mean_of_their_closed_form(
    samples: int, data: int, k: int
) -> None:
    covered, dense, inside = [], [], 0
    expected = expected_coverage(samples, data, k)
    for seed in range(60):
        found = measured(normal(samples, 2 * seed), normal(data, 2 * seed + 1), k)
        covered.append(found.coverage.value)
        dense.append(found.density.value)
        inside += found.coverage.low <= expected <= found.coverage.high
    for values, mean in ((covered, expected), (dense, 1.0)):
        x = torch.tensor(values)
        assert x.mean().item() == pytest.approx(mean, abs=3.5 * x.std().item() / math.sqrt(len(x)))
    assert inside >= 52  # of 60 intervals of 95 %


def test_one_neighbour_and_one_sample_cover_half_of_two_points_in_the_long_run() -> None:
    assert expected_coverage(1, 2, 1) == pytest.approx(0.5)  # which of sample and other point is nearer
    assert expected_coverage(2, 2, 1) == pytest.approx(2 / 3)


def test_neighbours_are_those_of_scikit_learn_and_no_point_is_its_own() -> None:
    x = normal(40, 0)
    found, places = finish(nearest(x, x, 4, same=True))
    expected, indices = NearestNeighbors(n_neighbors=5).fit(x.numpy()).kneighbors(x.numpy())
    torch.testing.assert_close(found, torch.from_numpy(expected[:, 1:]).double(), rtol=0, atol=1e-6)
    assert torch.equal(places, torch.from_numpy(indices[:, 1:]))


def test_a_copy_among_many_dimensions_is_told_from_its_original() -> None:
    x = torch.rand(20, 784, generator=Generator().manual_seed(0))
    found, places = finish(nearest(x, x, 1))
    assert found.max() < 1e-5  # in single precision it would be some 1e-3
    assert torch.equal(places.flatten(), torch.arange(20))


def test_too_few_points_for_a_ball_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 3 samples"):
        measured(normal(3, 0), normal(10, 1))


# Fréchet distance


def gaussian(mean: Tensor, root: Tensor, n: int) -> Tensor:
    """n points whose mean and covariance are exactly `mean` and root rootᵀ."""
    x = normal(n, 0, len(root)).double()
    x -= x.mean(0)
    white = torch.linalg.qr(x)[0] * math.sqrt(n - 1)
    return white @ root.t() + mean


def test_the_distance_of_gaussians_in_one_dimension_is_that_of_means_and_deviations() -> None:
    a = gaussian(torch.tensor([1.0]).double(), torch.tensor([[2.0]]).double(), 50)
    b = gaussian(torch.tensor([-0.5]).double(), torch.tensor([[0.5]]).double(), 80)
    found = frechet_distance(a, b, "somewhere")
    assert found.value == pytest.approx(1.5**2 + 1.5**2)
    assert "50 samples against 80 examples in 1 dimensions" in found.protocol


def test_the_distance_is_that_of_the_matrix_root() -> None:
    g = Generator().manual_seed(3)
    roots = [torch.randn(4, 4, generator=g).double() for _ in range(2)]
    a, b = gaussian(torch.ones(4).double(), roots[0], 30), gaussian(torch.zeros(4).double(), roots[1], 40)
    first, second = (r @ r.t() for r in roots)
    expected = 4 + (first + second - 2 * torch.from_numpy(sqrtm((first @ second).numpy()).real)).trace().item()
    assert frechet_distance(a, b, "").value == pytest.approx(expected)


def test_covariances_of_low_rank_do_not_break_it() -> None:
    x = normal(20, 0, 50).double()  # fewer points than dimensions
    assert frechet_distance(x, x, "").value == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(x + 2, x, "").value == pytest.approx(4 * 50)
    flat = torch.cat([normal(30, 1, 2).double(), torch.zeros(30, 3).double()], 1)  # of rank 2 among 5
    assert frechet_distance(2 * flat, flat, "").value == pytest.approx(
        flat.var(0).sum().item() + flat.mean(0).square().sum().item()
    )
    constant = torch.ones(10, 5).double()
    assert frechet_distance(constant, flat, "").value == pytest.approx(
        (1 - flat.mean(0)).square().sum().item() + flat.var(0).sum().item()
    )
    assert frechet_distance(constant, constant, "").value == 0.0


def test_it_falls_with_more_samples_of_the_same_distribution() -> None:
    few, many = (frechet_distance(normal(n, 0, 20), normal(n, 1, 20), "").value for n in (50, 1000))
    assert few > 4 * many > 0


@pytest.mark.parametrize(("n", "dimensions"), [(60, 3), (12, 20)])
def test_its_interval_is_as_wide_as_it_scatters(n: int, dimensions: int) -> None:
    found = [
        frechet_distance(normal(n, 2 * i, dimensions) + 0.7, normal(n, 2 * i + 1, dimensions), "") for i in range(80)
    ]
    scatter = torch.tensor([m.value for m in found]).std().item()
    said = sum(m.high - m.value for m in found) / len(found) / 1.96
    assert said == pytest.approx(scatter, rel=0.25)


# copies


def test_the_share_that_is_nearer_is_mann_and_whitneys_statistic_with_ties() -> None:
    g = Generator().manual_seed(0)
    a, b = torch.randint(9, (40,), generator=g).double(), torch.randint(2, 12, (30,), generator=g).double()
    expected = mannwhitneyu(b.numpy(), a.numpy()).statistic / (40 * 30)
    found = nearer_share(a, b, "somewhere")
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high


def test_copies_are_nearer_and_fresh_draws_are_not() -> None:
    train, held, fresh = normal(100, 0), normal(80, 1), normal(80, 2)
    new = finish(nearest(held, train, 1))[0][:, 0]
    copies, honest = (finish(nearest(x, train, 1))[0][:, 0] for x in (train[:80], fresh))
    assert nearer_share(copies, new, "").value == 1.0
    assert suspicious_share(copies, new, "").value == 1.0
    share = nearer_share(honest, new, "")
    assert share.low < 0.5 < share.high
    assert suspicious_share(honest, new, "").value < 0.05
    some = torch.cat([copies[:10], honest[10:]])
    assert suspicious_share(some, new, "").low > 0.05


# sharpness


def test_gradient_energy_of_ramps_checkerboards_and_even_pictures() -> None:
    ramp = (torch.arange(4) * 0.25).expand(1, 1, 3, 4)
    assert gradient_energy(ramp).item() == pytest.approx(9 * 0.25**2 / (9 + 8))  # 9 differences across, 8 down
    board = ((torch.arange(4)[:, None] + torch.arange(4)) % 2).float().expand(1, 3, 4, 4)
    assert gradient_energy(board).item() == 1.0
    assert gradient_energy(torch.full((1, 1, 3, 3), 0.7)).item() == 0.0
    assert gradient_energy(torch.rand(2, 1, 1, 1)).tolist() == [0.0, 0.0]


def test_pictures_at_half_the_contrast_have_a_quarter_of_the_sharpness() -> None:
    x = torch.rand(200, 1, 6, 6, generator=Generator().manual_seed(0))
    found = relative_sharpness(gradient_energy(x / 2), gradient_energy(x), "")
    assert found.value == pytest.approx(0.25)
    assert found.low < 0.25 < found.high
    even = torch.zeros(5)
    assert math.isnan(relative_sharpness(even, even, "").value)


# features


@pytest.mark.parametrize("layout", [Layout.IMAGE, Layout.VECTOR])
def test_the_classifier_learns_its_classes_and_is_the_same_for_the_same_seed(layout: Layout) -> None:
    shape = (1, 5, 4) if layout is Layout.IMAGE else (7,)
    spec = DataSpec(shape, Support.UNIT, layout, class_names=("a", "b"))
    g = Generator().manual_seed(0)
    y = torch.randint(2, (80,), generator=g)
    x = 0.3 * torch.rand(80, *shape, generator=g)
    x.flatten(1)[:, 0] += 0.7 * y
    state = torch.get_rng_state()
    one, two = (finish(trained_classifier(spec, x, y, 60, 20, 0)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert (one(x).argmax(1) == y).double().mean() > 0.95
    assert torch.equal(features_of(one, x), features_of(two, x))
    assert not torch.equal(features_of(one, x), features_of(finish(trained_classifier(spec, x, y, 60, 20, 1)), x))
    assert features_of(None, 3 * x, 3).shape == (80, spec.dimensions)
