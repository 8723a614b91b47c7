"""Questions to a run, asked of models whose answers are known in closed form."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.paths import interpolate
from dgm_studio.questions.chains import Advance, Chains, Hold, StartChains
from dgm_studio.questions.completions import Complete, Completions, Order, ordered
from dgm_studio.questions.drawing import Fit, Land, fit, usual_figure
from dgm_studio.questions.examples import ExamplesAt, SomeExamples, spread_out
from dgm_studio.questions.hidden_units import Filters
from dgm_studio.questions.landscapes import AskLandscape, DataPoints, Field
from dgm_studio.questions.latent import (
    AskPrior,
    Decode,
    DecodeGrid,
    DrawPrior,
    Embed,
    Plane,
    PriorDensity,
    principal_plane,
)
from dgm_studio.subject import Subject
from models.capabilities import ChainState, Completion, Elbo
from models.distributions import Distribution, Normal, Uniform, standard_normal
from models.energy_network import EnergyNetwork, EnergyNetworkSettings
from models.spec import DataSpec, Layout, Support


def subject(model: Any, data: Dataset, **learner: Any) -> Subject:
    return Subject(SimpleNamespace(sampler=lambda: model, **learner), data, 7, Generator().manual_seed(0))


def images(x: Tensor, y: Tensor | None = None, support: Support = Support.UNIT, classes: int = 0) -> Dataset:
    part = Split(x, torch.full((len(x),), -1) if y is None else y)
    names = tuple(str(i) for i in range(classes))
    return Dataset(
        spec=DataSpec(tuple(x.shape[1:]), support, Layout.IMAGE, class_names=names),
        train=part,
        valid=part,
        test=part,
        provenance=Provenance("test"),
    )


def points(x: Tensor, density: Any = None) -> Dataset:
    part = Split(x, torch.full((len(x),), -1))
    spec = DataSpec((2,), Support.REALS, Layout.POINTS)
    return Dataset(spec=spec, train=part, valid=part, test=part, provenance=Provenance("test"), density=density)


class LinearPictures:
    """decode(z) = W z as a picture, encode(x) = N(V x, s²): everything about it is known."""

    def __init__(self, latent: int, shape: tuple[int, int, int] = (1, 4, 4)) -> None:
        generator = Generator().manual_seed(1)
        self.shape, self.latent = shape, latent
        self.weight = torch.randn(latent, math.prod(shape), generator=generator)
        self.back = torch.randn(math.prod(shape), latent, generator=generator)

    def prior(self) -> Distribution:
        return standard_normal(self.latent, like=self.weight)

    def decode(self, z: Tensor) -> Tensor:
        return (z @ self.weight).reshape(-1, *self.shape)

    def encode(self, x: Tensor) -> Normal:
        mean = x.flatten(1) @ self.back
        return Normal(mean, torch.full_like(mean, math.log(0.5)))

    def elbo(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        kl = self.encode(x).kl_from_standard()
        return Elbo(x.flatten(1).sum(1), kl.sum(1), kl)


PICTURES = images(torch.rand(20, 1, 4, 4, generator=Generator().manual_seed(2)), torch.arange(20) % 3, classes=3)


class TestPlanes:
    @given(st.integers(2, 20), st.integers(0, 1000))
    def test_a_lifted_point_projects_to_itself_and_moves_only_in_the_plane(self, size: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        basis = np.linalg.qr(rng.normal(size=(size, 2)))[0]
        plane = Plane(rng.normal(size=size), basis[:, 0], basis[:, 1])
        z, wanted = rng.normal(size=size), rng.normal(size=2)
        lifted = plane.lift(wanted, z)
        assert plane.project(lifted) == pytest.approx(wanted, abs=1e-5)
        away = (lifted - z) - basis @ (basis.T @ (lifted - z))
        assert np.abs(away).max() < 1e-5

    def test_the_principal_plane_is_that_of_the_singular_vectors(self) -> None:
        rng = np.random.default_rng(0)
        z = rng.normal(size=(200, 5)) * [1, 5, 0.1, 3, 0.5] + 2
        plane = principal_plane(z)
        directions = np.linalg.svd(z - z.mean(0))[2]
        assert abs(plane.u @ directions[0]) == pytest.approx(1, abs=1e-5)
        assert abs(plane.v @ directions[1]) == pytest.approx(1, abs=1e-5)
        assert plane.origin == pytest.approx(z.mean(0), abs=1e-5)

    def test_a_plane_is_turned_towards_the_previous_one(self) -> None:
        rng = np.random.default_rng(1)
        z = rng.normal(size=(300, 6)) * [4, 3, 1, 1, 1, 1]
        first = principal_plane(z)
        angle = 2.5  # another basis of the same plane, also reflected
        u = math.cos(angle) * first.u + math.sin(angle) * first.v
        v = math.sin(angle) * first.u - math.cos(angle) * first.v
        turned = principal_plane(z, Plane(first.origin, u, v))
        assert turned.u == pytest.approx(u, abs=1e-5)
        assert turned.v == pytest.approx(v, abs=1e-5)

    def test_a_line_through_one_dimension_ignores_the_height(self) -> None:
        plane = Plane.axes(1, 0, 0)
        assert plane.lift(np.array([0.5, 9.0]), np.array([0.1])) == pytest.approx([0.5])


class TestLatentSpace:
    def test_a_grid_decodes_the_centres_of_its_cells_from_the_lower_left(self) -> None:
        model = LinearPictures(3)
        z = np.array([0.0, 0.0, 0.7], np.float32)
        sheet = DecodeGrid(Plane.axes(3, 0, 1), z, (0, 0, 4, 2), columns=4, rows=2)(subject(model, PICTURES))
        assert sheet.values.shape == (2, 4, 1, 4, 4)
        expected = model.decode(torch.tensor([[2.5, 1.5, 0.7]]))[0].numpy()
        assert sheet.values[1, 2] == pytest.approx(expected, abs=1e-5)

    def test_decoding_says_what_was_decoded(self) -> None:
        z = np.ones((2, 3), np.float32)
        decoded = Decode(z)(subject(LinearPictures(3), PICTURES))
        assert decoded.z is z
        assert decoded.x.shape == (2, 1, 4, 4)

    def test_the_prior_is_described_by_its_moments(self) -> None:
        prior = AskPrior()(subject(LinearPictures(4), PICTURES))
        assert prior.mean == pytest.approx(np.zeros(4))
        assert prior.scale == pytest.approx(np.ones(4), abs=0.1)

    def test_draws_from_the_prior_differ_and_begin_again_with_the_generator(self) -> None:
        asked = subject(LinearPictures(4), PICTURES)
        first, second = DrawPrior()(asked), DrawPrior()(asked)
        again = DrawPrior()(subject(LinearPictures(4), PICTURES))
        assert not np.array_equal(first, second)
        assert np.array_equal(first, again)

    def test_the_prior_density_falls_as_a_normal_does(self) -> None:
        sheet = PriorDensity(Plane.axes(2, 0, 1), np.zeros(2, np.float32), (-2, -2, 2, 2), resolution=5)(
            subject(LinearPictures(2), PICTURES)
        )
        centres = np.array([-1.6, -0.8, 0, 0.8, 1.6])
        assert sheet.values == pytest.approx(np.exp(-0.5 * (centres[:, None] ** 2 + centres**2)), abs=1e-5)

    def test_a_plane_outside_the_prior_has_no_density(self) -> None:
        model = SimpleNamespace(prior=lambda: Uniform(-torch.ones(3), torch.ones(3)))
        z = np.array([0, 0, 5], np.float32)
        sheet = PriorDensity(Plane.axes(3, 0, 1), z, (-1, -1, 1, 1))(subject(model, PICTURES))
        assert not sheet.values.any()

    def test_an_embedding_holds_means_labels_and_the_kl_of_each_dimension(self) -> None:
        model = LinearPictures(3)
        embedding = Embed(limit=7)(subject(model, PICTURES))
        x = PICTURES.train.x[embedding.index]
        assert len(embedding.index) == 7
        assert embedding.means == pytest.approx(model.encode(x).mean.numpy(), abs=1e-5)
        assert embedding.kl == pytest.approx(model.encode(x).kl_from_standard().mean(0).numpy(), rel=1e-5)
        assert np.array_equal(embedding.y, PICTURES.train.y[embedding.index])
        assert embedding.plane is not None

    def test_one_dimension_has_no_plane(self) -> None:
        assert Embed()(subject(LinearPictures(1), PICTURES)).plane is None


class TestInterpolation:
    def test_a_line_has_equal_steps(self) -> None:
        way = interpolate(np.zeros(2), np.array([1.0, 2.0]), 5, spherical=False)
        assert np.diff(way, axis=0) == pytest.approx(np.tile([0.25, 0.5], (4, 1)))

    def test_an_arc_keeps_to_the_radius_and_turns_by_equal_angles(self) -> None:
        a, b = np.array([2.0, 0, 0]), np.array([0, 0, 2.0])
        way = interpolate(a, b, 7, spherical=True)
        assert np.linalg.norm(way, axis=1) == pytest.approx(2.0)
        assert np.sum(way[1:] * way[:-1], axis=1) / 4 == pytest.approx(math.cos(math.pi / 12), abs=1e-6)

    @pytest.mark.parametrize("b", [[0, 0], [-1, 0], [3, 0]])
    def test_where_no_arc_is_defined_the_line_is_taken(self, b: list[float]) -> None:
        a = np.array([1.0, 0])
        assert interpolate(a, np.array(b), 9, True) == pytest.approx(interpolate(a, np.array(b), 9, False))


class TestExamples:
    def test_a_class_is_respected_and_nothing_is_drawn_twice(self) -> None:
        examples = SomeExamples(100, label=1)(subject(None, PICTURES))
        assert sorted(examples.index) == [i for i in range(20) if i % 3 == 1]
        assert set(examples.y) == {1}

    def test_examples_are_found_by_their_place(self) -> None:
        examples = ExamplesAt((3, 0), "valid")(subject(None, PICTURES))
        assert np.array_equal(examples.x, PICTURES.valid.x[[3, 0]])

    @given(st.integers(1, 500), st.integers(1, 50))
    def test_spread_out_places_are_distinct_and_reach_both_ends(self, n: int, limit: int) -> None:
        places = spread_out(n, limit)
        assert len(set(places.tolist())) == len(places) == min(n, limit)
        assert places.min() == 0
        assert limit == 1 or places.max() == n - 1


def bar(side: int, left: int, top: int, width: int, height: int) -> np.ndarray:
    picture = np.zeros((1, side, side), np.float32)
    picture[:, top : top + height, left : left + width] = 1
    return picture


class TestDrawings:
    DATA = images(torch.from_numpy(np.stack([bar(8, 3, 1, 2, 6)] * 10)))

    def test_an_example_enlarged_is_seen_as_it_was(self) -> None:
        x = np.random.default_rng(0).random((1, 8, 8)).astype(np.float32)
        large = x.repeat(16, axis=1).repeat(16, axis=2)
        assert fit(subject(None, self.DATA), large, centre=False)[0].numpy() == pytest.approx(x, abs=1e-5)

    @pytest.mark.parametrize(("left", "top", "scale"), [(0, 0, 8), (180, 100, 10), (30, 60, 20)])
    def test_a_figure_is_centred_and_scaled_as_those_of_the_data_are(self, left: int, top: int, scale: int) -> None:
        drawing = bar(256, left, top, 2 * scale, 6 * scale)
        seen = fit(subject(None, self.DATA), drawing, centre=True)[0].numpy()
        assert seen == pytest.approx(bar(8, 3, 1, 2, 6), abs=0.08)

    def test_data_without_an_empty_background_are_not_centred(self) -> None:
        asked = subject(None, images(torch.rand(10, 1, 8, 8, generator=Generator().manual_seed(0)) * 0.5 + 0.5))
        drawing = bar(64, 0, 0, 8, 8)
        assert torch.equal(fit(asked, drawing, centre=True), fit(asked, drawing, centre=False))

    def test_an_empty_drawing_stays_empty(self) -> None:
        assert not fit(subject(None, self.DATA), np.zeros((1, 50, 50), np.float32), centre=True).any()

    def test_a_wide_picture_is_shown_whole_between_empty_borders(self) -> None:
        seen = fit(subject(None, self.DATA), np.ones((1, 32, 64), np.float32), centre=False)[0, 0]
        assert seen[[0, 1, 6, 7]].numpy() == pytest.approx(np.zeros((4, 8)), abs=1e-5)
        assert seen[2:6].numpy() == pytest.approx(np.ones((4, 8)), abs=1e-5)

    def test_pictures_need_not_be_square(self) -> None:
        asked = subject(None, images(torch.zeros(10, 3, 4, 8)))
        x = np.random.default_rng(1).random((3, 4, 8)).astype(np.float32)
        large = x.repeat(10, axis=1).repeat(10, axis=2)
        assert fit(asked, large, centre=False)[0].numpy() == pytest.approx(x, abs=1e-5)

    def test_bits_and_colours_become_what_the_data_are(self) -> None:
        asked = subject(None, images(torch.zeros(10, 1, 8, 8), support=Support.BITS))
        colour = np.random.default_rng(1).random((3, 8, 8)).astype(np.float32)
        seen = fit(asked, colour, centre=False)
        assert torch.equal(seen[0, 0], torch.from_numpy(colour.mean(0) > 0.5).float())

    def test_a_landing_is_the_posterior_and_its_bound(self) -> None:
        model = LinearPictures(3)
        x = np.random.default_rng(0).random((1, 4, 4)).astype(np.float32)
        landing = Land(x, centre=False)(subject(model, PICTURES))
        posterior = model.encode(torch.from_numpy(x)[None])
        assert landing.mean == pytest.approx(posterior.mean[0].numpy(), abs=1e-4)
        assert landing.covariance == pytest.approx(0.25 * np.eye(3), abs=1e-5)
        assert landing.reconstruction == pytest.approx(model.decode(posterior.mean)[0].numpy(), abs=1e-3)
        assert landing.bounds.kl == pytest.approx(float(posterior.kl_from_standard().sum()), rel=1e-4)
        assert landing.bounds.reconstruction == pytest.approx(float(x.sum()), rel=1e-4)

    def test_a_posterior_of_another_kind_is_measured(self) -> None:
        class Boxes(LinearPictures):
            elbo = None

            def encode(self, x: Tensor) -> Uniform:  # type: ignore[override]
                mean = x.flatten(1) @ self.back
                return Uniform(mean - 3, mean + 3)

        landing = Land(np.ones((1, 4, 4), np.float32))(subject(Boxes(2), PICTURES))
        assert landing.covariance is None
        assert np.cov(landing.cloud.T) == pytest.approx(3 * np.eye(2), abs=0.8)  # of a uniform: (2 · 3)² / 12


class Counting:
    """A chain that adds its temperature to every free pixel."""

    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        x = torch.rand(n, 1, 2, 2, generator=generator)
        return ChainState(x, x)

    def transition(
        self, x: Tensor, clamp: Tensor | None = None, temperature: float = 1.0, generator: Generator | None = None
    ) -> ChainState:
        moved = x + temperature
        moved = moved if clamp is None else torch.where(clamp, x, moved)
        return ChainState(moved, moved / 2)

    def free_energy(self, x: Tensor) -> Tensor:
        return x.flatten(1).sum(1)

    def filters(self) -> Tensor:
        return torch.arange(3.0).reshape(3, 1, 1, 1).expand(3, 1, 2, 2)


class TestChains:
    DATA = images(torch.zeros(10, 1, 2, 2))

    def test_chains_advance_where_they_are_not_held(self) -> None:
        x = np.zeros((3, 1, 2, 2), np.float32)
        upper = np.array([[True, True], [False, False]])
        hold = Hold.nothing((1, 2, 2)).with_pixels(upper, np.full((1, 2, 2), 3, np.float32))
        frame = Advance(Chains(x), replace(hold, everywhere=False), 5, 2.0)(subject(Counting(), self.DATA))
        assert frame.chains.x[0, 0].tolist() == [[3, 3], [10, 10]]
        assert (frame.chains.x[1:] == 10).all()
        assert np.array_equal(frame.mean, frame.chains.x / 2)
        assert frame.free_energy == pytest.approx([26, 40, 40])
        assert frame.steps == 5
        assert not x.any()
        everywhere = Advance(Chains(x), hold, 5, 2.0)(subject(Counting(), self.DATA))
        assert (everywhere.chains.x[:, 0, 0] == 3).all()

    def test_a_temperature_of_0_is_refused_with_a_reason(self) -> None:
        x = Chains(np.zeros((3, 1, 2, 2), np.float32))
        for temperature in (0.0, -1.0, math.nan):
            with pytest.raises(ValueError, match="divides the energies"):
                Advance(x, Hold.nothing((1, 2, 2)), temperature=temperature)

    def test_a_slow_chain_shows_what_it_did_in_time(self) -> None:
        x = Chains(np.zeros((3, 1, 2, 2), np.float32))
        frame = Advance(x, Hold.nothing((1, 2, 2)), steps=50, within=0)(subject(Counting(), self.DATA))
        assert frame.steps == 1
        assert (frame.chains.x == 1).all()

    def test_chains_start_without_data(self) -> None:
        frame = StartChains(6)(subject(Counting(), self.DATA))
        assert frame.chains.x.shape == (6, 1, 2, 2)
        assert frame.free_energy == pytest.approx(frame.chains.x.sum((1, 2, 3)), abs=1e-5)

    def test_the_strongest_filters_come_first(self) -> None:
        sheet = Filters(limit=2)(subject(Counting(), self.DATA))
        assert sheet.pictures[:, 0, 0, 0].tolist() == [2, 1]
        assert sheet.are_weights


class Copying:
    """Each unknown coordinate repeats the one before it; the first is a coin."""

    def order(self) -> Tensor:
        return torch.tensor([3, 2, 1, 0])

    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Completion:
        x = x.flatten(1).clone()
        known = known.flatten(1)
        last = torch.rand(len(x), generator=generator).round()
        for d in self.order():
            x[:, d] = torch.where(known[:, d], x[:, d], last)
            last = x[:, d]
        shaped = x.reshape(-1, 1, 2, 2)
        return Completion(shaped, shaped * 0.5, -shaped)


class TestCompletions:
    DATA = images(torch.zeros(10, 1, 2, 2))

    def ask(self, known: list[bool], seed: int = 0, n: int = 5) -> Completions:
        mask = np.array(known).reshape(1, 2, 2)
        return Complete(np.ones((1, 2, 2), np.float32), mask, n, seed)(subject(Copying(), self.DATA))

    def test_known_coordinates_are_kept_and_the_rest_follows(self) -> None:
        answer = self.ask([False, False, False, True])
        assert np.array_equal(answer.x, np.ones((5, 1, 2, 2)))
        assert answer.mean == pytest.approx(answer.x / 2)

    def test_the_same_seed_gives_the_same_completions(self) -> None:
        nothing = [False] * 4
        assert np.array_equal(self.ask(nothing, 3, 50).x, self.ask(nothing, 3, 50).x)
        assert not np.array_equal(self.ask(nothing, 3, 50).x, self.ask(nothing, 4, 50).x)

    def test_turns_follow_the_order(self) -> None:
        assert self.ask([True] * 4).place.flatten().tolist() == [3, 2, 1, 0]

    @pytest.mark.parametrize(
        ("known", "unheard"),
        [([False] * 4, 0), ([True] * 4, 0), ([False, False, True, True], 0), ([True, True, False, False], 2)],
    )
    def test_known_coordinates_that_come_too_late_are_counted(self, known: list[bool], unheard: int) -> None:
        assert self.ask(known).unheard == unheard

    def test_more_completions_take_the_places_they_are_given(self) -> None:
        nothing = [False] * 4
        few, more = self.ask(nothing, 1, 2), self.ask(nothing, 2, 3)
        both = few.joined(replace(more, first=2))
        assert np.array_equal(both.x, np.concatenate([few.x, more.x]))
        assert np.array_equal(both.joined(replace(few, first=1)).x, np.concatenate([few.x[:1], few.x, more.x[1:]]))


class TestOrders:
    @given(
        st.sampled_from(list(Order)), st.sampled_from([1, 3]), st.integers(1, 5), st.integers(1, 5), st.integers(0, 99)
    )
    def test_an_order_visits_every_value_once_and_the_colours_of_a_pixel_together(
        self, order: Order, channels: int, height: int, width: int, seed: int
    ) -> None:
        known = np.random.default_rng(seed).random((channels, height, width)) < 0.5
        found = ordered(order, known, seed)
        assert sorted(found.tolist()) == list(range(known.size))
        assert (found.reshape(-1, channels) % (height * width) == found[::channels, None]).all()
        assert np.array_equal(found, ordered(order, known, seed))

    @given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
    def test_known_first_leaves_nothing_unheard(self, height: int, width: int, seed: int) -> None:
        known = np.random.default_rng(seed).random((1, height, width)) < 0.5
        x = np.zeros((1, 1, height, width), np.float32)
        assert Completions(x, x, x, known, ordered(Order.KNOWN_FIRST, known, 0)).unheard == 0

    def test_from_the_centre_goes_outwards(self) -> None:
        order = ordered(Order.CENTRE, np.zeros((1, 3, 3), bool), 0).tolist()
        assert order[0] == 4
        assert set(order[1:5]) == {1, 3, 5, 7}


class TestPicturesFromOutside:
    def test_a_picture_becomes_whole_levels(self) -> None:
        data = images(torch.zeros(3, 1, 4, 4))
        data = replace(data, spec=replace(data.spec, support=Support.LEVELS, categories=5))
        grey = np.linspace(0, 1, 16, dtype=np.float32).reshape(1, 4, 4)
        found = Fit(grey)(subject(LinearPictures(2), data))
        assert np.array_equal(found, np.floor(grey * 4 + 0.5))

    def test_where_figures_lie_is_measured_in_brightness_not_in_levels(self) -> None:
        x = torch.ones(3, 1, 8, 8)  # nearly black among 256 levels
        x[:, :, 2:4, 2:4] = 200
        data = images(x)
        data = replace(data, spec=replace(data.spec, support=Support.LEVELS, categories=256))
        assert usual_figure(subject(LinearPictures(2), data)) == pytest.approx((3 / 8, 3 / 8, 2 / 8))


class Identity:
    """x = z + noise of scale s: p(x) = N(0, 1 + s²), and the exact posterior."""

    SCALE = 0.5

    def prior(self) -> Distribution:
        return standard_normal(2, like=torch.zeros(()))

    def decode(self, z: Tensor) -> Tensor:
        return z

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.prior().sample(n, generator) * math.sqrt(1 + self.SCALE**2)

    def log_prob(self, x: Tensor) -> Tensor:
        scale = torch.full_like(x, 0.5 * math.log(1 + self.SCALE**2))
        return Normal(torch.zeros_like(x), scale).log_prob(x)

    def log_weights(self, x: Tensor, samples: int, generator: Generator | None = None) -> Tensor:
        total = 1 + self.SCALE**2
        posterior = Normal(x / total, torch.full_like(x, math.log(self.SCALE / math.sqrt(total))))
        z = posterior.sample(samples, generator)
        likelihood = Normal(z, torch.full_like(z, math.log(self.SCALE)))
        return likelihood.log_prob(x) + self.prior().log_prob(z) - posterior.log_prob(z)


class Halved(Identity):
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return super().sample(n, generator) / 2


BOUNDS = (-1.0, -2.0, 3.0, 2.0)
W = torch.tensor([1.0, -2.0])


def discriminate(x: Tensor) -> Tensor:
    return (x @ W).sigmoid()


class TestLandscapes:
    CLOUD = points(torch.randn(3000, 2, generator=Generator().manual_seed(0)), density=Identity())

    @pytest.mark.parametrize("field", [Field.DATA, Field.MODEL, Field.ESTIMATE])
    def test_every_density_is_that_of_the_cell_centres(self, field: Field) -> None:
        answer = AskLandscape(BOUNDS, field, resolution=48)(subject(Identity(), self.CLOUD))
        assert answer.field is not None
        assert answer.kind is field
        assert answer.field.shape == (48, 48)
        row, column = 40, 5
        place = torch.tensor([[-1 + 5.5 * 4 / 48, -2 + 40.5 * 4 / 48]])
        assert answer.field[row, column] == pytest.approx(float(Identity().log_prob(place).exp()), rel=1e-4)

    def test_an_energy_is_shown_as_the_density_that_it_is_of(self) -> None:
        model = EnergyNetwork(EnergyNetworkSettings(width=4, layers=1), self.CLOUD.spec)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
            model.scale.fill_(0.5)  # what is left is N(0, 0.5²)
            answer = AskLandscape(BOUNDS, Field.ENERGY, resolution=48)(subject(model, self.CLOUD))
        assert answer.field is not None
        x, y = -1 + 5.5 * 4 / 48, -2 + 40.5 * 4 / 48
        wanted = math.exp(-0.5 * (x * x + y * y) / 0.25) / (2 * math.pi * 0.25)
        assert answer.field[40, 5] == pytest.approx(wanted, rel=1e-3)

    def test_the_discriminator_belongs_to_the_learner(self) -> None:
        asked = subject(Identity(), self.CLOUD, discriminate=discriminate)
        answer = AskLandscape(BOUNDS, Field.DISCRIMINATOR, resolution=4)(asked)
        assert answer.field is not None
        assert answer.field[0, 3] == pytest.approx(1 / (1 + math.exp(-(2.5 + 3.0))), rel=1e-5)

    def test_arrows_are_the_gradient_of_the_discriminator_also_where_gradients_are_off(self) -> None:
        asked = subject(Identity(), self.CLOUD, discriminate=discriminate)
        with torch.no_grad():
            answer = AskLandscape(BOUNDS, samples=20, arrows=8)(asked)
        assert answer.samples is not None
        assert answer.gradients is not None
        d = discriminate(torch.from_numpy(answer.samples[:8]))
        assert answer.gradients == pytest.approx(((d * (1 - d))[:, None] * W).numpy(), rel=1e-4)

    def test_samples_come_from_the_same_noise_each_time(self) -> None:
        asked = subject(Identity(), self.CLOUD)
        first, second = (AskLandscape(BOUNDS, samples=10)(asked).samples for _ in range(2))
        assert first is not None
        assert np.array_equal(first, second)

    def test_what_is_missing_stays_away(self) -> None:
        answer = AskLandscape(BOUNDS, samples=10, arrows=5, warp=True)(subject(LinearPictures(3), self.CLOUD))
        assert answer.samples is None
        assert answer.gradients is None
        assert answer.warp is None

    def test_an_unknown_density_is_said_to_be_unknown(self) -> None:
        with pytest.raises(ValueError, match="not known"):
            AskLandscape(BOUNDS, Field.DATA)(subject(Identity(), points(torch.zeros(5, 2))))

    def test_a_decoder_that_changes_nothing_leaves_the_grid_straight_and_the_prior_as_it_is(self) -> None:
        warp = AskLandscape(BOUNDS, warp=True)(subject(Identity(), self.CLOUD)).warp
        assert warp is not None
        assert np.ptp(warp.corners[:, :, 0], axis=0) == pytest.approx(0, abs=1e-6)
        assert np.ptp(warp.corners[:, :, 1], axis=1) == pytest.approx(0, abs=1e-6)
        assert warp.corners[0, 0] == pytest.approx([-2.576, -2.576], abs=0.3)  # the middle 99 % of a standard normal
        assert warp.folds == 0
        centre = torch.from_numpy((warp.corners[5, 7] + warp.corners[6, 8])[None] / 2)
        prior = float(standard_normal(2, like=centre).log_prob(centre).exp())
        assert warp.density[5, 7] == pytest.approx(prior, rel=1e-3)

    def test_a_game_shows_the_generator_that_plays_unless_its_average_is_asked_for(self) -> None:
        game = subject(Identity(), self.CLOUD, players=dict, let_move=lambda players: None)
        game.learner.model = Halved()
        playing = AskLandscape(BOUNDS, samples=10)(game).samples
        average = AskLandscape(BOUNDS, samples=10, averaged=True)(game).samples
        assert playing is not None
        assert average is not None
        assert playing == pytest.approx(average / 2)

    def test_data_points_come_with_square_bounds_around_most_of_them(self) -> None:
        shown, classes, (left, bottom, right, top) = DataPoints(limit=500)(subject(None, self.CLOUD))
        assert shown.shape == (500, 2)
        assert classes.shape == (500,)
        assert right - left == pytest.approx(top - bottom)
        inside = (shown > [left, bottom]) & (shown < [right, top])
        assert inside.all(axis=1).mean() > 0.97
