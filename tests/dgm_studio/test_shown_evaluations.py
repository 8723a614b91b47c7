"""Evaluations that show: the plane of a code, canvases step by step."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluations import canvases, plane
from dgm_studio.reports import Note, Pictures, Table
from dgm_studio.subject import Subject
from models.capabilities import DrawnInSteps
from models.distributions import Normal, standard_normal
from models.spec import DataSpec, Layout, Support

SHAPE = (1, 1, 2)


class Shows(nn.Module):
    """Decodes a code of as many dimensions as are asked for to its first two; draws a step brighter each time."""

    def __init__(self, latent: int = 2) -> None:
        super().__init__()
        self.latent = latent

    def prior(self) -> Normal:
        return standard_normal(self.latent, torch.zeros(()))

    def decode(self, z: Tensor) -> Tensor:
        return (z[:, :2] / 8 + 0.5).reshape(-1, *SHAPE)

    def draw_in_steps(self, n: int, generator: Generator | None = None) -> DrawnInSteps:
        steps = torch.tensor([0.1, 0.5, 0.6]).reshape(1, 3, 1, 1, 1).expand(n, 3, *SHAPE)
        return DrawnInSteps(steps, None, None, 1, 1)

    def redraw_in_steps(self, x: Tensor, generator: Generator | None = None) -> DrawnInSteps:
        """Halfway from black to the example, then all of it; looked at in the middle, written to the right."""
        middle, right = torch.tensor([0.5, 0.0, 1.0, 1.0]), torch.tensor([1.0, 0.0, 0.5, 1.0])
        read = middle.expand(len(x), 2, 4)
        written = torch.stack([middle, right]).expand(len(x), 2, 4)
        return DrawnInSteps(torch.stack([x / 2, x], 1), read, written, 2, 2)


class Learned(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def sampler(self) -> nn.Module:
        return self.model


def subject(model: nn.Module) -> Subject:
    x = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]).reshape(4, *SHAPE)
    split = Split(x, torch.full((4,), -1))
    data = Dataset(DataSpec(SHAPE, Support.UNIT, Layout.IMAGE), split, split, split, Provenance("tiny"))
    return Subject(Learned(model), data, 7, Generator().manual_seed(0))  # type: ignore[arg-type]


def test_the_plane_goes_by_quantiles_to_the_right_and_upwards() -> None:
    *_, report = plane.EVALUATION.run(subject(Shows()), plane.PlaneSettings(side=3))
    assert isinstance(report, Pictures)
    quantiles = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor([1 / 6, 0.5, 5 / 6]))
    assert [float(name.replace("−", "-")) for name in report.group] == pytest.approx(quantiles.tolist(), abs=0.05)
    grid = torch.tensor(report.pictures).reshape(3, 3, 2).float() / 255 * 8 - 4
    for k in range(3):
        assert grid[k, :, 0].tolist() == pytest.approx(quantiles.tolist(), abs=0.1)
        assert grid[:, k, 1].tolist() == pytest.approx(quantiles.flip(0).tolist(), abs=0.1)


def test_a_code_of_other_than_two_dimensions_has_no_plane() -> None:
    (report,) = plane.EVALUATION.run(subject(Shows(3)), plane.PlaneSettings())
    assert isinstance(report, Note)
    assert "3 dimensions" in report.text


def test_every_step_says_what_it_changes_and_what_is_left() -> None:
    items = list(canvases.EVALUATION.run(subject(Shows()), canvases.CanvasSettings(drawings=10, shown=2)))
    table, pictures = [item for item in items if not isinstance(item, float)][:2]
    assert isinstance(table, Table)
    assert [row[1] for row in table.rows] == pytest.approx([0.1, 0.4, 0.1], abs=1e-6)
    assert [row[3] for row in table.rows] == pytest.approx([0.5, 0.1, 0.0], abs=1e-6)
    assert isinstance(pictures, Pictures)
    assert pictures.group == ("1", "2", "3")
    assert pictures.pictures.shape == (6, *SHAPE)


def test_canvases_come_nearer_to_the_example_that_is_looked_at() -> None:
    items = list(canvases.EVALUATION.run(subject(Shows()), canvases.CanvasSettings(drawings=10, shown=2)))
    table, windows, pictures = items[-3:]
    assert isinstance(table, Table)
    assert isinstance(windows, Table)
    assert [row[1] for row in table.rows] == pytest.approx([1 / 8, 0.0])
    assert [row[3] for row in table.rows] == pytest.approx([5 / 8, 1.0])  # of the next example, the other way round
    assert [row[1] for row in windows.rows] == pytest.approx([1.0, 1.0])
    assert [row[2] for row in windows.rows] == pytest.approx([1 / 4, 1 / 4], abs=1e-5)  # half a pixel of two
    assert [row[3] for row in windows.rows] == pytest.approx([1 / 4, 1 / 4], abs=1e-5)
    assert [row[4] for row in windows.rows] == pytest.approx([1.0, 0.75])  # 2 and 1.5 of 2 pixels
    assert isinstance(pictures, Pictures)
    assert pictures.group == ("x", "1", "2")
    assert pictures.pictures.shape == (6, 3, 4, 8)
    second = pictures.pictures[2]
    assert second[:, 0, 0].tolist() == list(canvases.READ)
    assert second[:, 0, 3].tolist() == list(canvases.WRITTEN)
    assert (second[:, :, 4:7] == 255).all()  # nothing is drawn inside
