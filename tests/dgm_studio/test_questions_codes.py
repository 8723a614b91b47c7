"""Questions about codes of discrete units."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.questions.codes import (
    WALK,
    CodeOfExample,
    DrawCode,
    LookAtCode,
    WalkOver,
    at_each_value,
    toggled,
    units_that_differ,
)
from dgm_studio.subject import Subject
from models.discrete_vae import DiscreteVae, DiscreteVaeSettings
from models.spec import DataSpec, Layout, Support

SPEC = DataSpec((1, 3, 3), Support.BITS, Layout.IMAGE, class_names=("a", "b"))
BITS = np.array([1, 0, 1, 0], np.float32)
CATEGORIES = np.eye(3, dtype=np.float32)[[2, 0]]


def subject(units: int, values: int) -> Any:
    torch.manual_seed(0)
    model = DiscreteVae(DiscreteVaeSettings(units=units, values=values, hidden=4), SPEC)
    part = Split(torch.rand(6, 1, 3, 3).round(), torch.zeros(6, dtype=torch.int64))
    learner: Any = SimpleNamespace(sampler=lambda: model, parameters=model.parameters)
    return Subject(learner, Dataset(SPEC, part, part, part, Provenance("noise")), 0, Generator().manual_seed(0))


def test_a_state_is_toggled_at_one_unit_only() -> None:
    assert toggled(BITS, 1).tolist() == [1, 1, 1, 0]
    assert toggled(BITS, 2).tolist() == [1, 0, 0, 0]
    assert toggled(CATEGORIES, 4).argmax(1).tolist() == [2, 1]  # unit 2, its second value
    assert at_each_value(CATEGORIES, 1).argmax(-1).tolist() == [[0, 0], [1, 0], [2, 0]]
    assert units_that_differ(CATEGORIES, toggled(CATEGORIES, 4)).tolist() == [False, True]


@pytest.mark.parametrize(("h", "place", "looked"), [(BITS, 1, 1), (CATEGORIES, 4, 1)])
def test_the_effect_of_a_value_is_what_it_makes_less_the_mean_of_the_others(
    h: np.ndarray, place: int, looked: int
) -> None:
    asked = subject(len(h), 2 if h.ndim == 1 else 3)
    found = LookAtCode(0, h, place)(asked)
    states = torch.from_numpy(at_each_value(h, place))
    made = asked.model.top_down(0, states).detach().numpy()
    assert np.allclose(found.values, made)
    assert np.allclose(found.picture, asked.model.top_down(0, torch.from_numpy(h[None])).detach().numpy()[0])
    others = [made[i] for i in range(len(made)) if i != looked]
    assert np.allclose(found.effect, made[looked] - np.mean(others, 0))


def test_a_walk_changes_unit_by_unit_and_leaves_steps_out_where_there_are_many() -> None:
    few = WalkOver(0, BITS, 1 - BITS)(subject(4, 2))
    assert few.states.tolist() == [[1, 0, 1, 0], [0, 0, 1, 0], [0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 0, 1]]
    assert few.differ == 4
    many = WalkOver(0, np.zeros(100, np.float32), np.ones(100, np.float32))(subject(100, 2))
    assert len(many.states) == len(many.pictures) == WALK
    assert many.states.sum(1)[[0, -1]].tolist() == [0, 100]
    nothing = WalkOver(0, CATEGORIES, CATEGORIES)(subject(2, 3))
    assert len(nothing.states) == 1
    assert nothing.differ == 0


def test_codes_are_drawn_from_the_prior_or_inferred_from_a_test_example() -> None:
    asked = subject(2, 3)
    drawn = DrawCode()(asked)
    assert drawn.hidden[0].shape == (2, 3)
    assert drawn.example is None
    inferred = CodeOfExample(0)(asked)
    assert inferred is not None
    assert any(np.array_equal(inferred.example, x) for x in asked.dataset.test.x.numpy())
    assert CodeOfExample(1)(asked) is None  # no example has this label
