"""What a run shows of itself: samples, or held-out examples by the class that they are taken for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Generator, Tensor

from dgm_studio.datasets.base import Dataset, Provenance, Split, joined
from dgm_studio.shown import heading, shown
from dgm_studio.state import preview
from models.gan import Gan
from models.learning.base import Learner
from models.settings import NoSettings
from models.spec import Batch, DataSpec, Layout, Support
from models.vae import Vae

POINTS = DataSpec((2,), Support.REALS, Layout.POINTS, class_names=("left", "right"))
IMAGES = DataSpec((1, 2, 2), Support.UNIT, Layout.IMAGE, class_names=("dark", "bright"))


class Sides(torch.nn.Module):
    """Says which side of 0.5 the first coordinate is on."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def class_log_prob(self, x: Tensor) -> Tensor:
        first = self.weight * (x.flatten(1)[:, 0] - 0.5)
        return torch.stack([-first, first], 1).log_softmax(1)


class Still(Learner):
    def step(self, batch: Batch) -> dict[str, Tensor]:
        return {}


def data(spec: DataSpec, seed: int) -> Dataset:
    x = torch.rand(12, *spec.event_shape, generator=Generator().manual_seed(seed))
    part = Split(x, torch.zeros(12, dtype=torch.int64))
    return Dataset(spec, part, part, part, Provenance(str(seed)))


def still(dataset: Dataset) -> Still:
    return Still(Sides(), NoSettings(), dataset.spec, 12)


def test_points_of_the_second_domain_carry_the_class_that_they_are_taken_for() -> None:
    both = joined(data(POINTS, 0), data(POINTS, 1))
    seen = preview(still(both), both, 7)
    assert seen.samples.shape == (12, 3)
    assert not seen.means
    assert both.other is not None
    assert np.array_equal(seen.samples[:, :2], both.other.valid.x.numpy())
    assert np.array_equal(seen.samples[:, 2], (both.other.valid.x[:, 0] > 0.5).float().numpy())


def test_images_of_the_second_domain_stand_in_the_order_of_that_class() -> None:
    coloured = replace(IMAGES, event_shape=(3, 3, 3))
    both = joined(data(IMAGES, 0), data(coloured, 1))
    said, spec = shown(still(both), both, 64, True, Generator())
    assert spec == coloured
    bright = said[:, 0, 0, 0] > 0.5
    assert torch.equal(bright, bright.sort().values)
    assert 0 < bright.sum() < 12
    assert preview(still(both), both, 7).samples.dtype == np.uint8


def test_one_domain_shows_its_own_examples() -> None:
    alone = data(POINTS, 0)
    assert torch.equal(shown(still(alone), alone, 5, False, Generator())[0][:, :2], alone.valid.x[:5])


def test_the_heading_says_whether_these_are_samples() -> None:
    assert heading(Gan, POINTS).title == heading(Vae, None).title == "Samples"
    both = replace(POINTS, other=POINTS)
    assert "target" in heading(Sides, both).where
    assert "target" not in heading(Sides, POINTS).where
    assert "no samples" in heading(Sides, both).explained
