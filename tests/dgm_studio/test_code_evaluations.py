"""What evaluations say of a code: of data whose examples are their own factors, so that every figure is known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluation import admitted
from dgm_studio.evaluations import aggregated, disentanglement
from dgm_studio.evaluations.base import Evaluation
from dgm_studio.reports import Bars, Curves, HeatMap, Note, Report, Table
from dgm_studio.subject import Subject
from models.catalog import Recipe
from models.distributions import Normal, standard_normal
from models.spec import DataSpec, Factor, FactorKind, Layout, Support

FACTORS = (Factor("kind", FactorKind.CATEGORICAL, ("a", "b", "c")), Factor("x"), Factor("turn", FactorKind.CIRCULAR))
SPEC = DataSpec((3,), Support.REALS, Layout.VECTOR, class_names=("a", "b", "c"), factors=FACTORS)


def split(n: int, seed: int) -> Split:
    generator = Generator().manual_seed(seed)
    kind = torch.randint(3, (n,), generator=generator)
    factors = torch.cat([kind[:, None].float(), torch.rand(n, 2, generator=generator)], 1)
    return Split(factors.clone(), kind, factors)


DATA = Dataset(SPEC, split(3000, 0), split(50, 1), split(500, 2), Provenance("factors"))


class Code(nn.Module):
    """Codes around x · `mixing`, hardly wider than a point."""

    def __init__(self, mixing: Tensor, scale: float = 1e-3) -> None:
        super().__init__()
        self.mixing, self.scale = mixing, scale

    def encode(self, x: Tensor) -> Normal:
        mean = x @ self.mixing
        return Normal(mean, torch.full_like(mean, math.log(self.scale)))

    def prior(self) -> Normal:
        return standard_normal(self.mixing.shape[1], self.mixing)

    def decode(self, z: Tensor) -> Tensor:
        return z

    def sampler(self) -> nn.Module:
        return self


def reports(entry: Evaluation, model: Any, dataset: Dataset = DATA, **settings: Any) -> list[Report]:
    subject = Subject(model, dataset, 7, Generator().manual_seed(0))
    with torch.no_grad():
        items = list(entry.run(subject, entry.settings(**settings)))
    assert all(0 <= item <= 1 + 1e-9 for item in items if isinstance(item, float))
    return [item for item in items if not isinstance(item, float)]


def rows(table: Report) -> dict[str, tuple[Any, ...]]:
    assert isinstance(table, Table)
    return {str(row[0]): row for row in table.rows}


def test_a_code_that_is_the_factors_is_found_unit_by_unit() -> None:
    order = torch.eye(3)[[2, 0, 1]]  # kind in z3, x in z1, turn in z2
    table, picture, circular = reports(disentanglement.EVALUATION, Code(order))
    found = rows(table)
    for factor, unit in (("kind", "z₃"), ("x", "z₁"), ("turn", "z₂")):
        assert found[factor][1] > 0.9
        assert f"Best unit {unit}" in found[factor][-1]
    assert found["mean of all: MIG"][1] == pytest.approx(np.mean([found[f.name][1] for f in FACTORS]))
    assert found["x"][3] == pytest.approx(1, abs=1e-4)
    assert 0.25 < found["turn"][3] < 0.36  # a straight unit is no circle
    assert isinstance(picture, HeatMap)
    assert picture.rows == ("kind", "x", "turn")
    assert picture.columns == ("z₁", "z₂", "z₃")
    assert picture.values.argmax(1).tolist() == [2, 0, 1]
    assert isinstance(circular, Note)
    assert "turn" in circular.title


def test_what_the_code_does_not_know_is_named() -> None:
    only_x = torch.tensor([[0.0], [1.0], [0.0]])
    *_, lost = reports(disentanglement.EVALUATION, Code(only_x))
    assert isinstance(lost, Note)
    assert lost.title == "Not in the code"
    assert "kind, turn" in lost.text


def test_draws_of_units_that_carry_nothing_tell_nothing_while_their_means_do() -> None:
    faint = torch.tensor([[0.0, 0.0], [1.0, 1e-3], [0.0, 0.0]])  # z2 is x as well, far below its own noise
    of_draws, _, *_ = reports(disentanglement.EVALUATION, Code(faint, 0.05), codes="draws")
    of_means, _, *_ = reports(disentanglement.EVALUATION, Code(faint, 0.05), codes="means")
    assert rows(of_draws)["x"][1] > 0.4
    assert rows(of_means)["x"][1] < 0.01


def test_data_with_labels_alone_are_probed_for_them() -> None:
    parts = [replace(part, y=part.y.clone(), factors=None) for part in (DATA.train, DATA.valid, DATA.test)]
    parts[0].y[:100] = -1  # not labelled
    labelled = Dataset(replace(SPEC, factors=()), parts[0], parts[1], parts[2], Provenance("labels"))
    table, _ = reports(disentanglement.EVALUATION, Code(torch.eye(3)), labelled)
    (row,) = rows(table).values()
    assert row[0] == "label"
    assert row[1] > 0.9
    assert row[3] > row[5] + 0.2
    assert "2,900 training examples" in table.note
    few = Dataset(labelled.spec, parts[0], parts[1], Split(parts[2].x[:5], parts[2].y[:5]), Provenance("few"))
    (note,) = reports(disentanglement.EVALUATION, Code(torch.eye(3)), few)
    assert isinstance(note, Note)
    assert note.title == "Not measured"


def test_it_is_admitted_where_there_is_a_code_and_something_known() -> None:
    recipe = Recipe.read("vae", "reparameterized-elbo", {}, {})
    nothing = replace(SPEC, factors=(), class_names=())
    for spec, fits in ((SPEC, True), (replace(SPEC, factors=()), True), (nothing, False)):
        assert (disentanglement.EVALUATION in admitted(recipe, spec)) is fits
        assert aggregated.EVALUATION in admitted(recipe, spec)


def test_codes_are_held_to_the_prior_dimension_by_dimension() -> None:
    away = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1e-6]])  # z1 in 0…1, z2 at 0: both far narrower than N(0, 1)
    table, bars, curves, *notes = reports(aggregated.EVALUATION, Code(away, 0.1), examples=400, shown=1)
    found = rows(table)
    parts = found["index-code information I(n; z)"][1] + found["KL(q(z)‖p(z))"][1]
    assert found["mean KL(q(z|x)‖p(z))"][1] == pytest.approx(parts)
    assert isinstance(bars, Bars)
    assert bars.labels == ("z₂", "z₁")
    assert bars.marked.tolist() == [0, 1]
    # z2 is N(0, 0.1²) for every example
    assert bars.values[0] == pytest.approx(0.5 * (0.01 - 1) - math.log(0.1), abs=0.1)
    assert isinstance(curves, Curves)
    assert curves.title.startswith("z₂")
    codes, prior = curves.series
    width = codes.x[1] - codes.x[0]
    assert codes.y.sum() * width == pytest.approx(1, abs=1e-6)
    assert prior.y.sum() * width == pytest.approx(0.998, abs=5e-3)
    assert [note.title for note in notes if isinstance(note, Note)] == ["Codes lie elsewhere than the prior"]
