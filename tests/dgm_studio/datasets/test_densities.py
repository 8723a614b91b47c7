"""Every density of the plane integrates to 1, and its samples agree with it."""

import math

import pytest
import torch
from torch import Generator

from dgm_studio.config import DataChoice
from dgm_studio.datasets import densities
from dgm_studio.datasets.sources import load, source
from dgm_studio.datasets.toys import SOURCES

DENSITIES = {
    "ring": densities.ring(8, 1.0, 0.05),
    "narrow ring": densities.ring(8, 1.0, 0.02),
    "grid": densities.grid(5, 1.0, 0.1),
    "moons": densities.two_moons(0.08),
    "turned moons": densities.two_moons(0.08, 35.0),
    "spiral": densities.spiral(2, 1.5, 2.0, 0.1),
    "checkerboard": densities.Checkerboard(4, 1.0),
    "mixture": densities.random_mixture(10, 1.0, 0.1, seed=3),
}
HALF = 4.0  # every density lies within this square


def on_grid(density, cells, inner):
    """The probability of each of cells² squares, by the midpoint rule with inner² points in each."""
    n = cells * inner
    axis = (torch.arange(n, dtype=torch.float64) + 0.5) * (2 * HALF / n) - HALF
    log_p = torch.cat([density.log_prob(torch.cartesian_prod(axis[k : k + 8], axis)) for k in range(0, n, 8)])
    return log_p.exp().reshape(cells, inner, cells, inner).sum((1, 3)) * (2 * HALF / n) ** 2


@pytest.mark.parametrize("name", DENSITIES)
def test_integrates_to_one(name):
    # the midpoint rule is exact to 1e-8 for Gaussians no narrower than its step, and for squares that it divides
    inner = 12 if name == "narrow ring" else 4
    assert on_grid(DENSITIES[name], 40, inner).sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", DENSITIES)
def test_samples_agree_with_the_density(name):
    density, n = DENSITIES[name], 50_000
    expected = on_grid(density, 40, 8).flatten() * n
    x, part = density.draw(n, Generator().manual_seed(1))
    place = ((x + HALF) / (2 * HALF) * 40).floor().long()
    counts = torch.bincount(place[:, 0] * 40 + place[:, 1], minlength=1600).double()
    large = expected >= 10
    seen = torch.cat([counts[large], counts[~large].sum()[None]])
    wanted = torch.cat([expected[large], expected[~large].sum()[None]])
    chi2 = ((seen - wanted).square() / wanted.clamp(min=1e-9))[wanted > 1].sum()
    freedom = int((wanted > 1).sum()) - 1
    # χ² with k degrees of freedom exceeds k + 4 √(2k) less than once in a thousand times; the seed is fixed
    assert abs(chi2 - freedom) < 4 * math.sqrt(2 * freedom)
    shares = torch.bincount(part, minlength=density.parts).double() / n
    assert shares == pytest.approx(torch.full_like(shares, 1 / density.parts), abs=5 / math.sqrt(n * density.parts))


@pytest.mark.parametrize("name", DENSITIES)
def test_draws_come_from_the_generator_alone(name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = DENSITIES[name].sample(100, Generator().manual_seed(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, DENSITIES[name].sample(100, Generator().manual_seed(2)))
    assert not torch.equal(first, DENSITIES[name].sample(100, Generator().manual_seed(3)))
    assert first.dtype == torch.float32
    assert first.shape == (100, 2)


def test_ring_has_as_many_places_as_modes():
    means = densities.ring(8, 1.0, 0.05).means
    assert means.norm(dim=1) == pytest.approx(torch.ones(8, dtype=torch.float64))
    assert torch.pdist(means).min() == pytest.approx(2 * math.sin(math.pi / 8))


def test_grid_is_centred_and_evenly_spaced():
    means = densities.grid(5, 2.0, 0.05).means
    assert means.mean(0).abs().max() < 1e-12
    assert sorted({round(v, 9) for v in means[:, 0].tolist()}) == [-4, -2, 0, 2, 4]
    assert torch.pdist(means).min() == pytest.approx(2.0)


def test_mixture_log_prob_equals_the_sum_over_components():
    density = densities.random_mixture(4, 1.0, 0.3, seed=0)
    x = torch.randn(20, 2, dtype=torch.float64)
    normal = torch.distributions.Normal(density.means, 0.3)
    direct = normal.log_prob(x[:, None]).sum(-1).exp().mean(1).log()
    assert density.log_prob(x) == pytest.approx(direct, abs=1e-10)


def test_turned_moons_are_the_moons_at_turned_places():
    x = torch.randn(20, 2, dtype=torch.float64)
    turn = math.radians(35)
    back = x @ torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]], dtype=torch.float64)
    straight, turned = densities.two_moons(0.1), densities.two_moons(0.1, 35.0)
    assert turned.log_prob(x) == pytest.approx(straight.log_prob(back), abs=1e-9)
    assert turned.knots[0, 0].tolist()[1] > straight.knots[0, 0].tolist()[1], "counterclockwise"


@pytest.mark.parametrize("curve", [densities.two_moons(0.1), densities.spiral(2, 1.5, 2.0, 0.1)])
def test_density_along_a_curve_has_no_ripple(curve):
    # along the middle of a nearly straight stretch, the density varies with curvature only, not from knot to knot
    knots = curve.knots[0]
    middle = len(knots) * 3 // 4
    stretch = torch.lerp(knots[middle], knots[middle + 1], torch.linspace(0, 1, 9, dtype=torch.float64)[:, None])
    log_p = curve.log_prob(stretch)
    assert log_p.max() - log_p.min() < 0.02
    assert (knots.diff(dim=0).norm(dim=1) <= 0.1 + 1e-9).all()


def test_checkerboard_is_flat_inside_and_zero_outside():
    board = densities.Checkerboard(4, 1.0)
    inside, outside = torch.tensor([[-1.5, -1.5], [0.5, 0.5]]), torch.tensor([[-0.5, -1.5], [5.0, 5.0]])
    assert board.log_prob(inside).tolist() == pytest.approx([-math.log(8)] * 2)
    assert board.log_prob(outside).tolist() == [-math.inf] * 2


@pytest.mark.parametrize("entry", SOURCES, ids=lambda s: s.key)
def test_source_gives_points_with_their_density(entry):
    data = load(DataChoice(source=entry.key, settings={"examples": 2000}))
    assert (len(data.train), len(data.valid), len(data.test)) == (1600, 200, 200)
    assert data.spec.event_shape == (2,)
    assert data.density is not None
    assert data.density.log_prob(data.test.x).isfinite().all()
    assert data.spec.classes == data.density.parts
    assert source(entry.key) is entry


def test_mixtures_show_their_modes_and_curves_do_not():
    modes = {s.key: hasattr(load(DataChoice(source=s.key)).density, "means") for s in SOURCES}
    assert modes == {
        "ring": True,
        "turned-ring": True,
        "letter": True,
        "grid": True,
        "mixture": True,
        "moons": False,
        "spiral": False,
        "checkerboard": False,
    }
