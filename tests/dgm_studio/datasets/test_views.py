"""Digits in a style and points that are turned: views of the same, whose counterparts are known."""

from __future__ import annotations

import pytest
import torch

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import counterparts
from dgm_studio.datasets.digit_styles import STYLES, Style
from dgm_studio.datasets.sources import load
from models.spec import Support

PLAIN = DataChoice(source="digit-styles", settings={"style": "plain", "part": "all"})


def styled(style: str, part: str = "all", **choice: object) -> DataChoice:
    return DataChoice.model_validate({"source": "digit-styles", "settings": {"style": style, "part": part}, **choice})


@pytest.mark.parametrize("style", STYLES)
def test_a_style_keeps_values_in_range_and_shows_the_digits_in_their_order(style: Style) -> None:
    plain, made = load(PLAIN), load(styled(style))
    assert made.spec.support is Support.UNIT
    assert 0 <= made.train.x.min() < made.train.x.max() <= 1
    assert torch.equal(made.train.y, plain.train.y)
    translate = counterparts(load(PLAIN.model_copy(update={"other": styled(style)})))
    assert translate is not None
    assert torch.allclose(translate(plain.test.x), made.test.x)


@pytest.mark.parametrize("style", [style for style, (_, recover) in STYLES.items() if recover is not None])
def test_what_loses_nothing_is_had_back(style: Style) -> None:
    translate = counterparts(load(PLAIN.model_copy(update={"other": styled(style)})), back=True)
    assert translate is not None
    assert torch.allclose(translate(load(styled(style)).test.x), load(PLAIN).test.x, atol=1e-6)


def test_halves_share_no_digit() -> None:
    first, second = (load(styled("plain", part)) for part in ("first half", "second half"))
    both = torch.cat([data.x for half in (first, second) for data in (half.train, half.valid, half.test)])
    whole = load(PLAIN)
    every = torch.cat([data.x for data in (whole.train, whole.valid, whole.test)])
    assert len(both) == len(every)
    assert torch.equal(both.flatten(1).sort(0).values, every.flatten(1).sort(0).values)


def test_slanting_moves_rows_by_their_height() -> None:
    upright = torch.zeros(1, 1, 8, 8)
    upright[..., 4] = 1
    slanted = STYLES["slanted"][0](upright)
    centre = (slanted * torch.arange(8)).sum(-1) / slanted.sum(-1)
    assert torch.allclose(centre[0, 0], 4 + 0.4 * (3.5 - torch.arange(8)), atol=1e-5)


def test_edges_of_an_even_square_are_its_outline() -> None:
    square = torch.zeros(1, 1, 8, 8)
    square[..., 2:6, 2:6] = 1
    edges = STYLES["edges"][0](square)
    assert edges[0, 0, 4, 4] == 0
    assert (edges[0, 0, 2, 1:7] == 1).all()


@pytest.mark.parametrize(("source", "other"), [("ring", "turned-ring"), ("letter", "letter")])
def test_turned_points_are_where_the_turn_takes_them(source: str, other: str) -> None:
    second = DataChoice(source=other, settings={"angle": 90.0, "seed": 5})
    data = load(DataChoice(source=source, other=second))
    assert data.other is not None
    there, back = counterparts(data), counterparts(data, back=True)
    assert there is not None
    assert back is not None
    x = data.test.x
    assert torch.allclose(there(x), torch.stack([-x[:, 1], x[:, 0]], 1), atol=1e-6)
    assert torch.allclose(back(there(x)), x, atol=1e-6)
    assert data.other.density is not None
    assert data.density is not None
    assert torch.allclose(data.other.density.log_prob(there(x)), data.density.log_prob(x), atol=1e-4)


def test_unlike_sets_have_no_counterparts() -> None:
    wider = DataChoice(source="turned-ring", settings={"sigma": 0.2})
    assert counterparts(load(DataChoice(source="ring", other=wider))) is None
    assert counterparts(load(DataChoice(source="ring", other=DataChoice(source="moons")))) is None
    assert counterparts(load(DataChoice(source="ring"))) is None
    assert counterparts(load(PLAIN.model_copy(update={"other": styled("edges")})), back=True) is None


def test_values_that_were_changed_are_no_view() -> None:
    bits = load(PLAIN.model_copy(update={"binarization": "threshold", "other": styled("inverse")}))
    assert counterparts(bits) is None
