"""Digits on textures: what the pictures are, and that they belong to the digits."""

from __future__ import annotations

import torch
from torch import Generator

from dgm_studio.config import DataChoice
from dgm_studio.datasets.sources import load
from dgm_studio.datasets.textures import blend, textures
from models.spec import Layout, Support


def test_textures_are_colours_in_0_to_1_that_the_generator_alone_decides() -> None:
    made, again, other = (textures(5, 16, Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert made.shape == (5, 3, 16, 16)
    assert ((made >= 0) & (made <= 1)).all()
    assert torch.equal(made, again)
    assert not torch.equal(made, other)
    assert made.std((2, 3)).min() > 0.02, "uneven"
    assert (made[:, 0] - made[:, 1]).abs().mean() > 0.05, "coloured"


def test_a_digit_turns_the_colours_of_its_ground_round() -> None:
    ground = textures(2, 8, Generator().manual_seed(0))
    white, black = torch.ones(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)
    assert torch.allclose(blend(white, ground), 1 - ground)
    assert torch.equal(blend(black, ground), ground)


def test_both_domains_hold_out_the_same_digits_at_the_same_split_seed() -> None:
    """So that no digit is tested in one domain that was learned from, with its label, in the other."""
    for seed in (0, 5):
        digits = load(DataChoice(source="digits", split_seed=seed))
        plain = load(DataChoice(source="digits-textures", settings={"side": 8, "strength": 0.0}, split_seed=seed))
        for name in ("train", "valid", "test"):
            one, other = getattr(digits, name), getattr(plain, name)
            assert torch.equal(one.y, other.y)
            assert torch.allclose(one.x.expand(-1, 3, -1, -1), other.x, atol=1e-6)


def test_it_is_described_as_colour_images_with_the_classes_of_the_digits() -> None:
    data = load(DataChoice(source="digits-textures"))
    assert data.spec.event_shape == (3, 16, 16)
    assert (data.spec.support, data.spec.layout) == (Support.UNIT, Layout.IMAGE)
    assert data.spec.class_names == load(DataChoice(source="digits")).spec.class_names
    assert any("textures of strength 0.7, seed 0" in step for step in data.provenance.steps)
