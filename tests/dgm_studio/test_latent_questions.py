"""Questions about a latent space whose prior or posterior need not be a normal, against closed forms."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Generator, Tensor

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.questions.aggregate import SMOOTH, AskAggregate, density_of
from dgm_studio.questions.attributes import OVERALL, attribute, mean_code
from dgm_studio.questions.drawing import Land
from dgm_studio.questions.films import DecodeFilm
from dgm_studio.questions.latent import AskPrior, Embed, Plane, affordable
from dgm_studio.questions.parts import by_parts
from dgm_studio.subject import Parts, Subject
from models.distributions import Distribution, Normal, Point, Uniform
from models.spec import DataSpec, Layout, Support


class LogNormal(Distribution):
    """exp of independent normals: only positive values have a density."""

    def __init__(self, mean: Tensor, log_scale: Tensor) -> None:
        self.normal = Normal(mean, log_scale)

    @property
    def mean(self) -> Tensor:
        return (self.normal.mean + 0.5 * (2 * self.normal.log_scale).exp()).exp()

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.normal.sample(n, generator).exp()

    def log_prob(self, z: Tensor) -> Tensor:
        return self.normal.log_prob(z.log()) - z.log().sum(-1)


class Coder:
    """Encodes by a distribution of `kind` around the first pixels of a picture; its prior is one of the same kind."""

    def __init__(self, latent: int, kind: Any, scale: float = 1.0) -> None:
        self.latent, self.kind, self.log_scale = latent, kind, math.log(scale)

    def prior(self) -> Distribution:
        return self.kind(torch.zeros(self.latent), torch.zeros(self.latent))

    def encode(self, x: Tensor) -> Distribution:
        mean = x.flatten(1)[:, : self.latent]
        return self.kind(mean, torch.full_like(mean, self.log_scale))

    def decode(self, z: Tensor) -> Tensor:
        return z[:, :1, None, None].expand(-1, 1, 2, 2)


def subject(model: Any, x: Tensor, y: Tensor | None = None, support: Support = Support.UNIT) -> Subject:
    part = Split(x, torch.full((len(x),), -1) if y is None else y)
    spec = DataSpec(tuple(x.shape[1:]), support, Layout.IMAGE)
    data = Dataset(spec=spec, train=part, valid=part, test=part, provenance=Provenance("test"))
    return Subject(SimpleNamespace(sampler=lambda: model), data, 7, Generator().manual_seed(0))


AT_ORIGIN = torch.zeros(300, 1, 2, 2)


class TestPrior:
    def test_a_normal_has_no_ends_and_sliders_reach_four_deviations(self) -> None:
        prior = AskPrior()(subject(Coder(3, Normal), AT_ORIGIN))
        assert np.isinf(prior.lowest).all()
        assert np.isinf(prior.highest).all()
        assert prior.high == pytest.approx(4 * np.ones(3), abs=0.3)
        assert prior.low == pytest.approx(-prior.high)

    def test_where_only_positive_values_have_a_density_nothing_else_can_be_reached(self) -> None:
        prior = AskPrior()(subject(Coder(2, LogNormal), AT_ORIGIN))
        assert prior.low == pytest.approx(np.zeros(2), abs=1e-4)
        assert (prior.low > 0).all()
        assert np.isinf(prior.highest).all()
        assert prior.inside(np.array([-1.0, 7.0])) == pytest.approx([0.0, 7.0], abs=1e-4)

    def test_a_box_ends_on_both_sides(self) -> None:
        prior = AskPrior()(
            subject(SimpleNamespace(prior=lambda: Uniform(-torch.ones(2), 3 * torch.ones(2))), AT_ORIGIN)
        )
        assert prior.lowest == pytest.approx(-np.ones(2), abs=1e-4)
        assert prior.highest == pytest.approx(3 * np.ones(2), abs=1e-4)


class TestEmbedding:
    def test_the_scale_of_the_posterior_is_measured(self) -> None:
        embedding = Embed()(subject(Coder(3, Normal, scale=0.25), AT_ORIGIN))
        assert embedding.scale == pytest.approx(0.25 * np.ones(3), rel=0.05)

    def test_single_codes_have_no_scale_and_a_drawing_lands_at_one_without_a_cloud(self) -> None:
        coder = Coder(3, lambda mean, _: Point(mean))
        assert not Embed()(subject(coder, AT_ORIGIN)).scale.any()
        landing = Land(np.ones((1, 4, 4), np.float32), centre=False)(subject(coder, AT_ORIGIN))
        assert landing.mean == pytest.approx(np.ones(3))
        assert landing.covariance is None
        assert landing.cloud.shape == (0, 3)

    def test_an_attribute_is_a_mean_code_less_another(self) -> None:
        x = torch.rand(9, 1, 2, 2, generator=Generator().manual_seed(1))
        embedding = Embed()(subject(Coder(2, Normal), x, torch.arange(9) % 3))
        codes = x.flatten(1)[:, :2].numpy()
        assert mean_code(embedding, 1) == pytest.approx(codes[1::3].mean(0), abs=1e-6)
        assert attribute(embedding, 1, 2) == pytest.approx(codes[1::3].mean(0) - codes[2::3].mean(0), abs=1e-6)
        assert attribute(embedding, 0, OVERALL) == pytest.approx(codes[::3].mean(0) - codes.mean(0), abs=1e-6)
        assert attribute(embedding, 0, 7) is None


class TestParts:
    @pytest.mark.parametrize("n", [1, 7, 8, 9, 1000])
    def test_every_row_is_computed_once_and_in_order(self, n: int) -> None:
        found: list[Tensor] = []

        def all_of_them() -> Parts:
            found.extend((yield from by_parts(lambda rows: rows.clone(), torch.arange(n))))

        pauses = sum(1 for _ in all_of_them())
        assert torch.equal(torch.cat(found), torch.arange(n))
        assert (pauses > 0) == (n > 1)

    @pytest.mark.parametrize(
        ("fixed", "each", "longest", "parts"),
        [
            (0.0, 0.002, 0.0065, 60),  # parts of three rows
            (0.023, 0.0001, 1.6 * 0.023, 20),  # no part can be short: then few of them
            (0.0, 0.00001, 0.0065, 8),
        ],
    )
    def test_a_part_becomes_as_large_as_its_time_allows(
        self, fixed: float, each: float, longest: float, parts: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now, took = [0.0], []
        monkeypatch.setattr("dgm_studio.questions.parts.perf_counter", lambda: now[0])

        def slow(rows: Tensor) -> None:
            took.append(fixed + each * len(rows))
            now[0] += took[-1]

        for _ in by_parts(slow, torch.arange(144)):
            pass
        assert max(took) <= longest
        assert len(took) <= parts

    def test_a_dear_encoder_encodes_fewer_examples(self) -> None:
        assert affordable(4000, 0.0001) == 4000
        assert affordable(4000, 0.001) == 1000
        assert affordable(4000, 1.0) == 500
        assert affordable(60, 1.0) == 60


class TestAggregate:
    @pytest.mark.parametrize("scale", [1.0, 0.5])
    def test_holes_are_the_mass_of_the_prior_that_the_posterior_leaves_out(self, scale: float) -> None:
        asked = AskAggregate(Plane.axes(2, 0, 1), draws=100)(subject(Coder(2, Normal, scale), AT_ORIGIN))
        # smoothed, p = N(0, a I) and q = N(0, b I); q < p / 10 where r² (1 / b - 1 / a) > 2 log(10 a / b)
        blur = (SMOOTH * (asked.bounds[2] - asked.bounds[0]) / 64) ** 2
        a, b = 1 + blur, scale**2 + blur
        square = math.inf if scale == 1 else 2 * math.log(10 * a / b) / (1 / b - 1 / a)
        assert asked.holes == pytest.approx(math.exp(-square / (2 * a)), abs=0.015)

    def test_both_densities_are_those_of_the_projections(self) -> None:
        x = torch.zeros(300, 1, 2, 2)
        x[:, 0, 0] = torch.tensor([1.0, -0.5])
        asked = AskAggregate(Plane.axes(3, 1, 0), draws=300)(subject(Coder(3, Normal, 0.6), x))
        left, bottom, right, top = asked.bounds
        u = left + (np.arange(64) + 0.5) * (right - left) / 64
        v = bottom + (np.arange(64) + 0.5) * (top - bottom) / 64
        area = (right - left) * (top - bottom) / 64**2
        for density, (a, b, scale) in zip(asked.densities, ((0, 0, 1), (-0.5, 1, 0.6)), strict=True):
            expected = stats.norm.pdf(v, b, scale)[:, None] * stats.norm.pdf(u, a, scale)
            assert np.abs(density - expected).sum() * area < 0.12

    def test_a_line_has_densities_over_it(self) -> None:
        asked = AskAggregate(Plane.axes(1, 0, 0), draws=200)(subject(Coder(1, Normal), AT_ORIGIN))
        assert asked.prior.shape == asked.posterior.shape == (1, 64)
        assert asked.bounds[1] == -asked.bounds[3]
        assert asked.holes < 0.02

    def test_positive_codes_lie_on_the_positive_side(self) -> None:
        asked = AskAggregate(Plane.axes(2, 0, 1))(subject(Coder(2, LogNormal, 0.3), AT_ORIGIN))
        negative = np.linspace(asked.bounds[0], asked.bounds[2], 65)[1:] < -1.5
        assert asked.posterior[:, negative].sum() < 1e-3 * asked.posterior.sum()

    def test_smoothing_keeps_the_mass_and_leaves_out_what_lies_outside(self) -> None:
        points = np.array([[0.01, 0.01], [0.99, 0.5], [5.0, 0.5], [0.5, 0.5]])
        density = density_of(points, (0, 0, 1, 1), 8, 16)
        assert density.mean() == pytest.approx(0.75)


@pytest.mark.parametrize(("support", "scale"), [(Support.UNIT, 255), (Support.BITS, 255)])
def test_a_film_is_what_its_places_decode_to_as_bytes(support: Support, scale: float) -> None:
    z = np.linspace(0, 1, 150, dtype=np.float32)[:, None]
    film = DecodeFilm(z)(subject(Coder(1, Normal), AT_ORIGIN, support=support))
    assert film.dtype == np.uint8
    assert film.shape == (150, 1, 2, 2)
    assert np.array_equal(film[:, 0, 0, 0], np.round(z[:, 0] * scale).astype(np.uint8))
