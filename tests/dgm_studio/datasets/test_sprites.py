"""Sprites: what is drawn is what the factors say."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import BadData, Dataset
from dgm_studio.datasets.sources import load
from dgm_studio.datasets.sprites import MARGIN, SATURATION, SHADES, SHAPES, SIZES, Sprites, SpriteSettings, sprites
from models.spec import FactorKind, Layout, Support

SIDE = 48


def drawn(n: int = 40, **chosen: object) -> tuple[Sprites, Tensor]:
    true = sprites(SpriteSettings(side=SIDE, examples=n, **chosen))
    return true, true.draw(SIDE)


def moments(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Mass and centroid (x, y) of grey pictures (N, 1, S, S), in pixels."""
    mass = picture.sum((1, 2, 3))
    at = torch.arange(picture.shape[-1]) + 0.5
    x, y = (picture * at).sum((1, 2, 3)) / mass, (picture * at[:, None]).sum((1, 2, 3)) / mass
    return mass, torch.stack([x, y], 1)


def phase(picture: Tensor, true: Sprites, order: int) -> Tensor:
    """The angle of Σ z^order |z|² over the picture, z from the centroid with y upwards, as a part of a turn: it goes
    `order` times as far as the shape turns."""
    at = torch.arange(SIDE) + 0.5
    right, up = at[None, None, :] - SIDE * true.x[:, None, None], SIDE * true.y[:, None, None] - at[None, :, None]
    z = torch.complex(right.expand(-1, SIDE, -1), up.expand(-1, -1, SIDE))
    moment = (picture[:, 0] * z**order * z.abs() ** 2).sum((1, 2))
    return moment.angle() / (2 * math.pi)


@pytest.mark.parametrize("shape", [shape.name for shape in SHAPES])
def test_area_place_and_orientation_are_those_of_the_factors(shape: str) -> None:
    true, picture = drawn(shapes=shape)
    mass, centroid = moments(picture)
    area = (true.size * SIDE).square()
    torch.testing.assert_close(mass / true.shade, area, rtol=0.02, atol=0)
    torch.testing.assert_close(centroid, SIDE * torch.stack([true.x, true.y], 1), rtol=0, atol=0.06)
    turns = next(entry.turns for entry in SHAPES if entry.name == shape)
    for order in (2, 3) if turns == 1 else (turns,):  # the heart is too round for its first one; these two tell it
        upright = phase(replace(true, rotation=torch.zeros(40)).draw(SIDE), true, order)
        turned = (phase(picture, true, order) - upright - order / turns * true.rotation + 0.5) % 1 - 0.5
        assert turned.abs().max() < 0.05
    assert picture.amax((1, 2, 3)).sub(true.shade).abs().max() < 1e-6
    border = torch.cat([picture[..., 0, :], picture[..., -1, :], picture[..., 0], picture[..., -1]], -1)
    assert border.max() < 0.5  # nothing is cut off


def test_edges_are_smooth_and_a_shift_by_one_pixel_moves_the_picture() -> None:
    true, _ = drawn(10)
    true = replace(true, x=torch.full((10,), 0.5), y=torch.full((10,), 0.5))
    moved = replace(true, x=true.x + 1 / SIDE)
    picture = true.draw(SIDE)
    torch.testing.assert_close(moved.draw(SIDE)[..., 1:], picture[..., :-1])
    part = picture / true.shade[:, None, None, None]
    assert ((part > 0.1) & (part < 0.9)).sum() > 20
    quarter = replace(true, x=true.x + 0.25 / SIDE).draw(SIDE)
    assert (quarter - picture).abs().max() < 0.3  # it glides


def test_each_hue_has_its_colour() -> None:
    true, picture = drawn(60, colour=True)
    assert true.hue is not None
    exact = replace(true, hue=torch.tensor([0, 1 / 3, 2 / 3]).repeat(20)).draw(SIDE)
    brightest = exact.amax((2, 3)) / true.shade[:, None]
    torch.testing.assert_close(brightest, (SATURATION * torch.eye(3) + 1 - SATURATION).repeat(20, 1))
    assert picture.shape == (60, 3, SIDE, SIDE)
    around = replace(true, hue=true.hue + 1).draw(SIDE)
    torch.testing.assert_close(around, picture, atol=1e-5, rtol=0)


def grid(**chosen: object) -> Dataset:
    small = {"side": 12, "values": "full grid", "positions": 2, "sizes": 2, "rotations": 3, "shades": 1}
    return load(DataChoice(source="sprites", settings=small | chosen))


def test_a_full_grid_has_each_combination_of_values_once() -> None:
    data = grid()
    rows = torch.cat([part.factors for part in (data.train, data.valid, data.test)])
    assert [factor.name for factor in data.spec.factors] == ["shape", "x", "y", "size", "rotation"]  # one shade only
    assert len(rows) == len(rows.unique(dim=0)) == 4 * 2 * 2 * 2 * 3
    assert [len(column.unique()) for column in rows.t()] == [4, 2, 2, 2, 3]
    assert torch.equal(rows[:, 1].unique(), torch.tensor([MARGIN, 1 - MARGIN]))
    assert torch.equal(rows[:, 3].unique(), torch.tensor(SIZES))


def test_each_example_keeps_its_factors_through_split_and_binarisation() -> None:
    for binarization in ("none", "threshold", "dynamic"):
        data = load(DataChoice(source="sprites", settings={"examples": 60, "side": 16}, binarization=binarization))
        assert data.spec.support is (Support.UNIT if binarization == "none" else Support.BITS)
        assert (data.spec.layout, data.spec.event_shape) == (Layout.IMAGE, (1, 16, 16))
        for part in (data.train, data.valid, data.test):
            assert part.factors is not None
            shape, x, y, size, rotation, shade = part.factors.t()
            again = Sprites(shape.long(), x, y, size, rotation, shade).draw(16)
            if binarization != "dynamic" or part is data.train:
                assert torch.equal(part.x, (again > 0.5).float() if binarization == "threshold" else again)
            assert torch.equal(part.y, shape.long())
        if binarization == "threshold":
            assert (data.train.x.sum((1, 2, 3)) > 0).all()  # SHADES are above a half
    assert SHADES[0] > 0.5


def test_the_same_settings_give_the_same_data_and_another_seed_others() -> None:
    def fingerprint(**settings: object) -> str:
        small = {"examples": 30, "side": 8} | settings
        return load(DataChoice(source="sprites", settings=small)).provenance.fingerprint

    assert fingerprint() == fingerprint()
    assert fingerprint() != fingerprint(seed=1)


def test_one_shape_is_no_label_and_kinds_are_told() -> None:
    data = load(DataChoice(source="sprites", settings={"examples": 30, "side": 8, "shapes": "heart", "colour": True}))
    assert data.spec.classes == 0
    kinds = {factor.name: factor.kind for factor in data.spec.factors}
    assert "shape" not in kinds
    assert [name for name, kind in kinds.items() if kind is FactorKind.CIRCULAR] == ["rotation", "hue"]


def test_a_grid_that_is_too_large_is_refused_before_it_is_made() -> None:
    with pytest.raises(BadData, match="Use fewer examples or smaller ones"):
        grid(positions=64, rotations=64, sizes=64)
