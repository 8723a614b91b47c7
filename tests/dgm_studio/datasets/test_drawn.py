"""Distributions that somebody drew: their text, their density, their draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Generator

from dgm_studio.config import DataChoice
from dgm_studio.datasets.drawn import (
    CELL,
    REACH,
    SIDE,
    SIGMA,
    Drawn,
    DrawnSettings,
    patches,
    read_drawing,
    write_drawing,
)
from dgm_studio.datasets.sources import load
from models.estimation.divergence import Grid
from models.settings import SettingsError


def drawing(*cells: tuple[int, int, int]) -> np.ndarray:
    """Cells as (row from below, column, weight)."""
    weights = np.zeros((SIDE, SIDE), np.int64)
    for row, column, weight in cells:
        weights[row, column] = weight
    return weights


def centre(row: int, column: int) -> torch.Tensor:
    return torch.tensor([[(column + 0.5) * CELL - REACH, (row + 0.5) * CELL - REACH]], dtype=torch.float64)


@given(arrays(np.int64, (SIDE, SIDE), elements=st.sampled_from([0, 0, 0, 1, 5, 9])))
def test_what_is_written_is_read_again(weights: np.ndarray) -> None:
    text = write_drawing(weights)
    if weights.any():
        assert np.array_equal(read_drawing(text), weights)
    else:
        assert text == ""


def test_the_text_of_an_empty_plane_with_one_cell_is_short() -> None:
    assert write_drawing(drawing((SIDE - 2, 10, 7))) == "/.10;7"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "Nothing is drawn"),
        ("000/0", "Nothing is drawn"),
        ("12a", "Row 1"),
        ("9/.;9", "Row 2"),
        ("9/.123;9", "Row 2"),
        ("9" * (SIDE + 1), f"{SIDE + 1} cells"),
        (".32;9", "33 cells"),
        ("9/" * SIDE + "9", "33"),
    ],
)
def test_what_is_no_drawing_is_refused_with_a_sentence(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        read_drawing(text)
    with pytest.raises(SettingsError, match=r"data\.drawing"):
        load(DataChoice(source="drawn", settings={"drawing": text}))


def test_the_density_is_the_mixture_of_its_cells_near_and_far() -> None:
    weights = drawing((3, 4, 1), (20, 30, 3))
    x = torch.cat([centre(3, 4) + 0.02, centre(20, 30), torch.tensor([[0.3, 0.1], [-1.9, 1.9], [40.0, -25.0]])])
    terms = [
        math.log(share) - (x - centre(row, column)).square().sum(1) / (2 * SIGMA**2)
        for row, column, share in ((3, 4, 0.25), (20, 30, 0.75))
    ]
    exact = torch.stack(terms).logsumexp(0) - math.log(2 * math.pi * SIGMA**2)
    assert torch.allclose(Drawn(weights).log_prob(x), exact, rtol=1e-9, atol=1e-9)
    assert Drawn(weights).log_prob(x.float()).dtype == torch.float32


def test_it_integrates_to_one() -> None:
    density = Drawn(read_drawing(DrawnSettings().drawing))
    assert Grid((-3, -3), (3, 3), 64).log_mass(density, parts=3)[:-1].exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_an_evenly_painted_area_is_even() -> None:
    density = Drawn(np.full((SIDE, SIDE), 9))
    place = torch.linspace(-1, 1, 101, dtype=torch.float64)
    p = density.log_prob(torch.stack([place, 0.3 * place], 1)).exp()
    assert ((p.max() - p.min()) / p.mean()).item() < 2e-4
    assert p.mean().item() == pytest.approx(1 / (2 * REACH) ** 2, rel=1e-3)


def test_draws_agree_with_the_density_and_come_from_their_patch() -> None:
    weights = drawing((5, 5, 1), (5, 6, 2), (25, 20, 6))
    x, part = Drawn(weights).draw(60_000, Generator().manual_seed(0))
    assert x.dtype == torch.float32
    assert [(part == k).double().mean().item() for k in (0, 1)] == pytest.approx([6 / 9, 3 / 9], abs=0.01)
    upper = x[part == 0].double()
    assert upper.mean(0).tolist() == pytest.approx(centre(25, 20)[0].tolist(), abs=0.003)
    assert upper.std(0).tolist() == pytest.approx([SIGMA, SIGMA], rel=0.02)


def test_patches_are_connected_also_at_corners_and_numbered_from_the_top() -> None:
    found = patches(drawing((9, 3, 1), (8, 4, 1), (2, 2, 1), (2, 3, 5)))
    assert found[9, 3] == found[8, 4] == 1
    assert found[2, 2] == found[2, 3] == 2
    assert found.max() == 2


def test_the_data_set_has_a_class_for_each_patch_and_its_density() -> None:
    text = write_drawing(drawing((5, 5, 1), (25, 20, 6)))
    data = load(DataChoice(source="drawn", settings={"drawing": text, "examples": 400}))
    assert data.spec.class_names == ("patch 1", "patch 2")
    assert data.density is not None
    assert data.density.log_prob(data.train.x).isfinite().all()
    heart = load(DataChoice(source="drawn", settings={"examples": 100}))
    assert heart.spec.classes == 1
