"""Whether wake and sleep ascend anything, as it is reported; the figures' oracles are in tests/models."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluation import Measured, Unmeasured, evaluate
from dgm_studio.evaluations import objective
from dgm_studio.events import Snapshot
from dgm_studio.reports import Curves, Note, Table
from models.catalog import Recipe, family, learning
from models.spec import DataSpec, Layout, Support


def measured(first: int) -> Measured | Unmeasured:
    x = torch.randint(2, (24, 4), generator=Generator().manual_seed(0)).float()
    parts = [Split(x[a : a + 8], torch.full((8,), -1)) for a in (0, 8, 16)]
    dataset = Dataset(DataSpec((4,), Support.BITS, Layout.VECTOR), *parts, Provenance("bits"))
    recipe = Recipe.read("sigmoid-belief", "wake-sleep", {"first": first, "second": 0}, {})
    torch.manual_seed(0)
    learner = recipe.build(dataset.spec, 8)
    for parameter in learner.model.parameters():
        torch.nn.init.normal_(parameter, 0.0, 1.0)
    weights = Snapshot(1, {key: value.clone() for key, value in learner.state_dict().items()})
    *_, last = evaluate(recipe, dataset, weights, ["objective"], torch.device("cpu"))
    assert isinstance(last, Measured | Unmeasured)
    return last


def test_only_the_bound_comes_back_with_no_work_done() -> None:
    found = measured(3)
    assert isinstance(found, Measured)
    turning, round_once, directions = found.result.reports
    assert isinstance(turning, Table)
    assert isinstance(round_once, Curves)
    assert isinstance(directions, Table)
    bound, other = turning.rows
    assert bound[1:4] == pytest.approx((0, 1, 0), abs=1e-10)
    assert float(other[1]) > 0.01  # type: ignore[arg-type]
    assert abs(float(other[3])) > 1e-3  # type: ignore[arg-type]
    ends = [float(series.y[-1]) for series in round_once.series]
    assert ends == [bound[3], other[3]]
    assert abs(round_once.series[0].y).max() > 1e-3  # it went up and down on the way
    generation, recognition, _ = directions.rows
    assert generation[3] == pytest.approx(1)  # awake they are one
    assert float(recognition[3]) < 0.99  # type: ignore[arg-type]


def test_what_is_too_large_to_be_dreamed_of_is_not_offered() -> None:
    model, learner = family("sigmoid-belief").model, learning("wake-sleep").learner
    small, large = (DataSpec((n,), Support.BITS, Layout.VECTOR) for n in (9, 64))
    assert objective.EVALUATION.admits(model, learner, small)
    assert not objective.EVALUATION.admits(model, learner, large)
    refused = measured(13)
    assert isinstance(refused, Measured)
    (note,) = refused.result.reports
    assert isinstance(note, Note)
    assert "2¹⁶" in note.text
