"""Evidence, bound and divergence of a net that can be enumerated."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluation import Measured, evaluate
from dgm_studio.events import Snapshot
from dgm_studio.reports import Note, StackedBars, Table
from models.catalog import Recipe
from models.spec import DataSpec, Layout, Support


def measured(first: int) -> tuple[Any, list[Any], Dataset]:
    x = torch.randint(2, (24, 6), generator=Generator().manual_seed(0)).float()
    parts = [Split(x[a : a + 8], torch.full((8,), -1)) for a in (0, 8, 16)]
    dataset = Dataset(DataSpec((6,), Support.BITS, Layout.VECTOR), *parts, Provenance("bits"))
    recipe = Recipe.read("sigmoid-belief", "wake-sleep", {"first": first, "second": 0}, {})
    torch.manual_seed(0)
    learner = recipe.build(dataset.spec, 8)
    for parameter in learner.model.parameters():
        torch.nn.init.normal_(parameter, 0.0, 2.0)
    weights = Snapshot(1, {key: value.clone() for key, value in learner.state_dict().items()})
    return learner.model, list(evaluate(recipe, dataset, weights, ["bound-identity"], torch.device("cpu"))), dataset


def test_the_three_terms_are_apart_and_add_up_for_every_q() -> None:
    model, events, dataset = measured(4)
    assert isinstance(events[-1], Measured)
    terms, bars, sums = events[-1].result.reports
    assert isinstance(terms, Table)
    assert isinstance(bars, StackedBars)
    assert isinstance(sums, Table)
    with torch.no_grad():
        evidence = model.log_prob(dataset.test.x).mean().item()
        draws = model.log_weights(dataset.test.x, 20_000, Generator().manual_seed(1)).mean().item()
    rows = {str(row[0]): row for row in terms.rows}
    assert all(row[3] == pytest.approx(evidence, abs=1e-4) for row in terms.rows)
    assert rows["recognition"][1] == pytest.approx(draws, abs=0.1)
    lacking = [rows[name][2] for name in ("posterior", "best factorial", "recognition")]
    assert lacking[0] == pytest.approx(0, abs=1e-9)
    assert lacking[0] < lacking[1] < lacking[2]
    assert sum(part.values for part in bars.parts).tolist() == pytest.approx(bars.marks.tolist())  # type: ignore[union-attr]
    right, *wrong = sums.rows
    assert right[2] < 1e-9
    assert all(row[1] > 0.1 for row in wrong)


def test_a_net_with_too_many_states_says_so() -> None:
    _, events, _ = measured(13)
    assert isinstance(events[-1], Measured)
    (note,) = events[-1].result.reports
    assert isinstance(note, Note)
    assert "2¹²" in note.text
