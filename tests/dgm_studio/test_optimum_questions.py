"""A model beside the density of its data: known models, known distances."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.datasets.densities import Mixture, ring
from dgm_studio.questions.optimum import AskGap, AskOptimum, Figure
from dgm_studio.subject import Subject
from models.spec import DataSpec, Layout, Support

P = Mixture(torch.tensor([[-0.5, 0.0], [0.5, 0.0]], dtype=torch.float64), 0.3)


class Shifted:
    """The data's own sampler, moved to the right."""

    def __init__(self, by: float) -> None:
        self.by = torch.tensor([by, 0.0])

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return P.sample(n, generator) + self.by


def asked(by: float, **learner: Any) -> Subject:
    part = Split(P.sample(2000, Generator().manual_seed(5)), torch.full((2000,), -1))
    spec = DataSpec((2,), Support.REALS, Layout.POINTS)
    data = Dataset(spec, part, part, part, Provenance("test"), density=P)
    model = Shifted(by)
    return Subject(SimpleNamespace(sampler=lambda: model, **learner), data, 7, Generator().manual_seed(0))  # type: ignore[arg-type]


def figures(by: float, **learner: Any) -> dict[str, Figure]:
    return {figure.key: figure for figure in AskGap(samples=20_000, paired=300)(asked(by, **learner))}


def one_half(x: Tensor) -> Tensor:
    return torch.full((len(x),), 0.5)


def test_a_perfect_model_scores_what_a_perfect_sampler_does() -> None:
    found = figures(0.0, discriminate=one_half)
    assert found["js"].measure.value == pytest.approx(found["js"].perfect, rel=0.3)
    assert found["forward"].measure.value == pytest.approx(found["forward"].perfect, rel=0.3)
    assert found["w1"].measure.value == pytest.approx(found["w1"].perfect, rel=0.5)
    assert found["value"].measure.value == pytest.approx(-math.log(4), rel=1e-6)
    assert found["best value"].measure.value == pytest.approx(2 * found["js"].measure.value - math.log(4))


def test_a_shifted_model_is_as_far_as_the_shift_in_the_wasserstein_distance() -> None:
    found = figures(4.0)
    assert found["w1"].measure.value == pytest.approx(4.0, abs=0.1)
    assert found["js"].measure.value == pytest.approx(math.log(2), abs=0.01)
    assert "value" not in found  # there is no discriminator


def test_a_critics_estimate_and_the_bound_it_makes_stand_beside_the_distance() -> None:
    found = figures(4.0, criticise=lambda x: -3 * x[:, 0])
    assert found["estimate"].measure.value == pytest.approx(12.0, abs=0.3)
    assert found["estimate"].measure.low < 12.0 < found["estimate"].measure.high
    dual, w1 = found["dual"].measure, found["w1"].measure
    assert dual.kind == "lower bound"
    assert 3.9 < dual.value <= w1.value
    assert not {"estimate", "dual"} & figures(4.0, discriminate=one_half).keys()


def test_js_of_a_shifted_model_is_that_by_quadrature() -> None:
    n, side = 400, 3.0
    axis = (torch.arange(n, dtype=torch.float64) + 0.5) / n * 2 * side - side
    x = torch.cartesian_prod(axis, axis)
    p, q = P.log_prob(x).exp(), P.log_prob(x - torch.tensor([0.4, 0.0])).exp()
    m = (p + q) / 2
    exact = float((torch.special.xlogy(p, p / m) + torch.special.xlogy(q, q / m)).sum()) / 2 * (2 * side / n) ** 2
    found = figures(0.4)["js"]
    assert found.perfect is not None
    assert exact * 0.97 < found.measure.value < exact + 1.5 * found.perfect


def test_the_map_says_who_is_to_the_left_and_where_nobody_is() -> None:
    found = AskOptimum((-2.0, -2.0, 2.0, 2.0))(asked(0.6))
    assert found.best.shape == (64, 64)
    middle = found.best[32]
    assert middle[16] > 0.9  # data at x = -1
    assert middle[56] < 0.1  # samples at x = 1.5
    assert np.isnan(found.best[0]).all()


def test_data_without_a_density_have_no_optimum() -> None:
    subject = asked(0.0)
    unknown = Dataset(subject.spec, subject.dataset.train, subject.dataset.valid, subject.dataset.test, Provenance(""))
    with pytest.raises(ValueError, match="not known"):
        AskGap()(Subject(subject.learner, unknown, 0, subject.generator))


def test_what_is_kept_of_one_density_is_not_taken_for_another() -> None:
    subject = asked(0.0)
    first = AskOptimum((-2.0, -2.0, 2.0, 2.0), samples=2000)(subject)
    parts = subject.dataset.train, subject.dataset.valid, subject.dataset.test
    other = Dataset(subject.spec, *parts, Provenance("test"), density=ring(8, 1.0, 0.2))
    second = AskOptimum((-2.0, -2.0, 2.0, 2.0), samples=2000)(Subject(subject.learner, other, 0, subject.generator))
    assert not np.array_equal(first.best, second.best, equal_nan=True)
