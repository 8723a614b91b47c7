"""Parzen windows as an evaluation: its rows, what they are made of, and the warning."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluations.base import decimals_of
from dgm_studio.evaluations.parzen import EVALUATION
from dgm_studio.reports import Curves, Note, Report, Table
from dgm_studio.subject import Subject
from models.estimation.k_means import k_means
from models.estimation.parzen import parzen_log_likelihood
from models.estimation.progress import finish
from models.spec import DataSpec, Layout, Support

N = 60
SHAPE = (1, 2, 2)


def dataset(support: Support = Support.UNIT) -> Dataset:
    x = torch.rand(3 * N, *SHAPE, generator=Generator().manual_seed(0))
    x = x.round() if support is Support.BITS else x
    parts = [Split(part.contiguous(), torch.full((N,), -1)) for part in x.split(N)]
    return Dataset(DataSpec(SHAPE, support, Layout.IMAGE), parts[0], parts[1], parts[2], Provenance("tiny"))


class Copies(nn.Module):
    """Draws training examples in their order, or says a constant mean."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.register_buffer("x", x)
        self.at = 0

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        found = self.x[(torch.arange(n) + self.at) % len(self.x)]
        self.at += n
        return found

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        return torch.full((n, *SHAPE), 0.5)


class Learned(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def sampler(self) -> nn.Module:
        return self.model


def reports(data: Dataset, **settings: Any) -> list[Report]:
    subject = Subject(Learned(Copies(data.train.x)), data, 7, Generator().manual_seed(0))  # type: ignore[arg-type]
    with torch.no_grad():
        items = list(EVALUATION.run(subject, EVALUATION.settings(**settings)))
    fractions = [item for item in items if isinstance(item, float)]
    assert fractions == sorted(fractions)
    assert len(fractions) > 6  # each of which is a place to cancel
    return [item for item in items if not isinstance(item, float)]


def values(data: Dataset, **settings: Any) -> list[float]:
    table = reports(data, **settings)[0]
    assert isinstance(table, Table)
    assert [str(row[3]) for row in table.rows] == ["estimate"] * 4
    return [float(row[1]) for row in table.rows]  # type: ignore[arg-type]


def test_a_model_that_draws_its_training_examples_scores_what_they_score() -> None:
    data = dataset()
    model, train, few, centroids = values(data, samples=N, means=False)
    assert model == pytest.approx(train, abs=1e-4)
    valid, test = data.valid.x.flatten(1), data.test.x.flatten(1)
    expected = finish(parzen_log_likelihood(data.train.x.flatten(1), valid, test, ""))
    assert train == pytest.approx(expected.measure.value, abs=1e-4)
    generator = Generator().manual_seed(0)
    twelve = data.train.x.flatten(1)[torch.randperm(N, generator=generator)][:12]
    assert few == pytest.approx(finish(parzen_log_likelihood(twelve, valid, test, "")).measure.value, abs=1e-4)
    assert centroids not in (pytest.approx(train, abs=1e-3), pytest.approx(few, abs=1e-3))


def test_the_row_of_k_means_has_a_centroid_for_every_five_training_examples() -> None:
    data = dataset()
    table = reports(data, samples=N, means=False)[0]
    assert isinstance(table, Table)
    assert ["12 samples" in str(row[5]) for row in table.rows] == [False, False, True, True]
    generator = Generator().manual_seed(0)
    train = data.train.x.flatten(1)[torch.randperm(N, generator=generator)]
    centroids = finish(k_means(train, 12, 10, generator))
    expected = finish(parzen_log_likelihood(centroids, data.valid.x.flatten(1), data.test.x.flatten(1), ""))
    assert float(table.rows[3][1]) == pytest.approx(expected.measure.value, abs=1e-4)  # type: ignore[arg-type]


@pytest.mark.parametrize(("support", "means"), [(Support.UNIT, True), (Support.BITS, True), (Support.REALS, False)])
def test_means_stand_for_draws_where_pictures_are_shown_so_and_never_for_real_numbers(
    support: Support, means: bool
) -> None:
    table = reports(dataset(support), samples=N)[0]
    assert isinstance(table, Table)
    assert ("as means" in str(table.rows[0][0])) is means
    one_gaussian = finish(
        parzen_log_likelihood(
            torch.full((1, 4), 0.5), dataset(support).valid.x.flatten(1), dataset(support).test.x.flatten(1), ""
        )
    )
    assert (table.rows[0][1] == pytest.approx(one_gaussian.measure.value, abs=1e-3)) is means


def test_the_warning_is_always_there_with_the_choice_of_the_width() -> None:
    _, note, checks, curves = reports(dataset(), samples=N)
    assert isinstance(checks, Table)
    assert [row[1] for row in checks.rows] == ["yes"] * 4
    assert isinstance(note, Note)
    assert note.tone == "warn"
    assert "Theis, van den Oord & Bethge, 2015" in note.text
    assert isinstance(curves, Curves)
    assert len(curves.series) == 4
    assert all(len(one.x) > 3 for one in curves.series)


def test_symbols_and_levels_have_no_distance_and_are_not_admitted() -> None:
    for spec in (
        DataSpec((5,), Support.SYMBOLS, Layout.SEQUENCE, 3),
        DataSpec(SHAPE, Support.LEVELS, Layout.IMAGE, 4),
        DataSpec((5, 2), Support.REALS, Layout.SEQUENCE),
    ):
        assert not EVALUATION.admits(Copies, Learned, spec)
    assert EVALUATION.admits(Copies, Learned, DataSpec((2,), Support.REALS, Layout.POINTS))
    assert not EVALUATION.admits(Learned, Learned, DataSpec((2,), Support.REALS, Layout.POINTS))


@pytest.mark.parametrize(
    ("intervals", "decimals"),
    [
        ([(0.6, 0.7), (-20.0, 30.0)], 3),
        ([(25.1, 29.6)], 1),
        ([(47552.0, 55579.0)], 0),
        ([(1.0, 1.0), (0.5, math.inf)], 4),
        ([(math.nan, math.nan), (0.0, 1e-9)], 4),
    ],
)
def test_numbers_have_the_decimals_that_their_narrowest_interval_gives_sense_to(
    intervals: list[tuple[float, float]], decimals: int
) -> None:
    assert decimals_of(intervals) == decimals
