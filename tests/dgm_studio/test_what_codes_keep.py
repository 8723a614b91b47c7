"""What evaluations say of codes: the neighbours they have, what comes back of an example, and nothing of points that
needs a density."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from test_code_evaluations import DATA, Code, reports
from torch import Tensor

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluation import admitted
from dgm_studio.evaluations import aggregated, neighbours, reconstruction
from dgm_studio.reports import Bars, Curves, Note, Pictures, Table
from models.catalog import Recipe
from models.distributions import Point
from models.estimation.measure import wilson
from models.spec import DataSpec, Layout, Support


class PointCode(Code):
    """The same codes, without a spread."""

    def encode(self, x: Tensor) -> Any:
        return Point(x @ self.mixing)


class Featured(PointCode):
    """Whose hidden layer has the first value of an example, which is its class, magnified."""

    def encoder_features(self, x: Tensor) -> Tensor:
        return 100 * x[:, :1]


def test_the_class_of_the_nearest_code_is_counted_beside_that_of_the_nearest_example() -> None:
    blind = torch.tensor([[0.0], [1.0], [0.0]])  # the code is x, which knows nothing of the class
    (table,) = reports(neighbours.EVALUATION, Featured(blind), examples=1000, tested=300)
    assert isinstance(table, Table)
    values, code, hidden = table.rows
    known, y = DATA.train.x[:1000], DATA.train.y[:1000]
    asked, truth = DATA.test.x[:300], DATA.test.y[:300]
    for row, read in ((values, lambda x: x), (code, lambda x: x @ blind)):
        away = (read(asked)[:, None] - read(known)[None]).square().sum(-1)
        right = y[away.argmin(1)] == truth
        share = right.double().mean().item()
        assert row[2] == pytest.approx(100 * share)
        assert row[3] == pytest.approx([100 * end for end in wilson(share, 300)])
    assert code[2] < 50 < 99 < values[2]
    assert code[4] == pytest.approx(code[2] - values[2])
    assert code[5][0] < code[4] < code[5][1] < 0
    assert hidden[2] == 100
    assert [row[1] for row in table.rows] == [3, 1, 1]


def test_examples_without_a_label_are_no_neighbours() -> None:
    hidden = Dataset(
        DATA.spec, Split(DATA.train.x, torch.full_like(DATA.train.y, -1)), DATA.valid, DATA.test, Provenance("")
    )
    (note,) = reports(neighbours.EVALUATION, PointCode(torch.eye(3)), hidden)
    assert isinstance(note, Note)
    assert note.title == "Not measured"


def test_what_comes_back_is_compared_with_principal_components_of_that_size() -> None:
    first = torch.zeros(3, 3)
    first[0, 0] = 1  # keeps one value and loses the others
    table, *notes = reports(reconstruction.EVALUATION, PointCode(first), tested=400)
    assert isinstance(table, Table)
    x = DATA.test.x[:400].double()
    lost = (x - x @ first.double()).square().mean(1)
    assert table.rows[0][1] == pytest.approx(lost.mean().item(), rel=1e-5)
    assert table.rows[1][0] == "3 principal components"
    assert table.rows[1][1] == pytest.approx(0, abs=1e-9)
    spread = (x - DATA.train.x.double().mean(0)).square().mean().item()
    assert table.rows[2][1] == pytest.approx(spread, rel=1e-4)
    assert table.rows[3][1] > table.rows[0][1]
    assert not notes
    _, (note) = reports(reconstruction.EVALUATION, PointCode(torch.zeros(3, 3)), tested=400)
    assert note.title == "Not its own"


def test_principal_components_are_the_same_by_the_smaller_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    train, x = torch.randn(40, 12, generator=generator), torch.randn(5, 12, generator=generator)
    usual = reconstruction._principal(train, x, 4)
    monkeypatch.setattr(reconstruction, "LARGE", 5)
    torch.testing.assert_close(reconstruction._principal(train, x, 4), usual, atol=1e-6, rtol=0)


def test_images_stand_beside_their_reconstruction() -> None:
    spec = DataSpec((1, 1, 3), Support.UNIT, Layout.IMAGE)
    parts = [Split(s.x[:, None, None] / 3, s.y) for s in (DATA.train, DATA.valid, DATA.test)]

    class Flat(PointCode):
        def encode(self, x: Tensor) -> Any:
            return super().encode(x.flatten(1))

        def decode(self, z: Tensor) -> Tensor:
            return z[:, None, None]

    found = reports(reconstruction.EVALUATION, Flat(torch.eye(3)), Dataset(spec, *parts, Provenance("")), shown=2)
    pictures = found[-1]
    assert isinstance(pictures, Pictures)
    assert pictures.group == ("example", "decoded")
    assert len(pictures.pictures) == 4
    assert np.array_equal(pictures.pictures[0], pictures.pictures[1])


def test_nothing_that_needs_a_density_is_said_of_single_codes() -> None:
    away = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1e-6]])
    note, bars, curves = reports(aggregated.EVALUATION, PointCode(away), examples=400, shown=1)
    assert isinstance(note, Note)
    assert "no density" in note.text
    assert isinstance(bars, Bars)
    assert bars.labels == ("z₂", "z₁")
    assert bars.values[0] == pytest.approx(math.sqrt(2 / math.pi), abs=0.1)  # E|z| of a normal, as all codes are at 0
    assert isinstance(curves, Curves)
    assert curves.title.startswith("z₂")
    codes, prior = curves.series
    width = codes.x[1] - codes.x[0]
    assert codes.y.sum() * width == pytest.approx(1, abs=1e-6)
    assert prior.y.max() < codes.y.max()


def test_they_are_admitted_where_there_is_a_code() -> None:
    spec = DataSpec((1, 8, 8), Support.UNIT, Layout.IMAGE, class_names=("a", "b"))
    unlabelled = DataSpec((1, 8, 8), Support.UNIT, Layout.IMAGE)
    both = {neighbours.EVALUATION, reconstruction.EVALUATION}
    bigan, gan = (Recipe.read(family, "non-saturating", {}, {}) for family in ("bigan", "gan"))
    assert both <= set(admitted(bigan, spec))
    assert both & set(admitted(bigan, unlabelled)) == {reconstruction.EVALUATION}
    assert not both & set(admitted(gan, spec))
