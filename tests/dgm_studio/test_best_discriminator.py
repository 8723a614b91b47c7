"""A discriminator against the best one: densities that are known, and what they say of each other."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.datasets.densities import Mixture
from dgm_studio.evaluations import best_discriminator
from dgm_studio.reports import Note, Pictures, Points, Table
from dgm_studio.subject import Subject
from models.spec import DataSpec, Layout, Support

P = Mixture(torch.tensor([[-0.5, 0.0], [0.5, 0.0]], dtype=torch.float64), 0.3)
SHIFT = torch.tensor([0.4, 0.0])


class Shifted:
    """Draws of the data, moved to the right."""

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return P.sample(n, generator) + SHIFT


def log_odds(x: Tensor) -> Tensor:
    return P.log_prob(x.double()) - P.log_prob(x.double() - SHIFT)


def best(x: Tensor) -> Tensor:
    return log_odds(x).sigmoid().float()


def one_half(x: Tensor) -> Tensor:
    return torch.full((len(x),), 0.5)


def the_other_way(x: Tensor) -> Tensor:
    return (-log_odds(x)).sigmoid().float()


def reports(discriminate: object, known: bool = True) -> list[object]:
    part = Split(P.sample(2000, Generator().manual_seed(5)), torch.full((2000,), -1))
    spec = DataSpec((2,), Support.REALS, Layout.POINTS)
    data = Dataset(spec, part, part, part, Provenance("test"), density=P if known else None)
    learner = SimpleNamespace(sampler=Shifted, discriminate=discriminate)
    subject = Subject(learner, data, 7, Generator().manual_seed(0))  # type: ignore[arg-type]
    settings = best_discriminator.BestDiscriminatorSettings(samples=40_000, cells=32)
    return [each for each in best_discriminator.EVALUATION.run(subject, settings) if not isinstance(each, float)]


def table(discriminate: object) -> dict[str, tuple[float, float]]:
    (found,) = (report for report in reports(discriminate) if isinstance(report, Table))
    return {str(row[0]): (row[1], row[2]) for row in found.rows}  # type: ignore[misc]


def exact() -> tuple[float, float]:
    """JS and total variation, by quadrature."""
    n, side = 400, 3.0
    axis = (torch.arange(n, dtype=torch.float64) + 0.5) / n * 2 * side - side
    x = torch.cartesian_prod(axis, axis)
    p, q = P.log_prob(x).exp(), P.log_prob(x - SHIFT).exp()
    m, area = (p + q) / 2, (2 * side / n) ** 2
    js = (torch.special.xlogy(p, p / m) + torch.special.xlogy(q, q / m)).nan_to_num().sum().item() * area / 2
    return js, (p - q).abs().sum().item() * area / 2


def test_the_best_discriminator_is_no_farther_than_counts_scatter_and_its_value_is_that_of_js() -> None:
    found = table(best)
    distance, value = found["The discriminator"]
    scatter, best_value = found["The best one, D*"]
    assert distance < 1.3 * scatter < 0.06
    assert value == pytest.approx(2 * exact()[0] - math.log(4), abs=0.01)
    assert best_value == pytest.approx(value, abs=0.01)


def test_one_that_knows_nothing_is_half_the_total_variation_away() -> None:
    distance, value = table(one_half)["The discriminator"]
    assert distance == pytest.approx(exact()[1] / 2, abs=0.01)
    assert value == pytest.approx(-math.log(4), abs=1e-6)
    assert table(best)["One that knows nothing, D = ½"][0] == pytest.approx(distance, abs=1e-3)


def test_labels_the_wrong_way_round_double_the_distance() -> None:
    distance, value = table(the_other_way)["The discriminator"]
    assert distance == pytest.approx(exact()[1], abs=0.02)
    assert value < -math.log(4)


def test_pictures_show_data_left_of_samples_in_both() -> None:
    (pictures,) = (report for report in reports(best) if isinstance(report, Pictures))
    for picture in pictures.pictures[:, 0].astype(float):
        left, right = picture[:, :16].mean(), picture[:, 16:].mean()
        assert left > 127.5 > right
    (points,) = (report for report in reports(best) if isinstance(report, Points))
    cells = points.series[1]
    assert np.abs(cells.x - cells.y).mean() < 0.05


def test_without_a_density_it_says_why_nothing_is_measured() -> None:
    (note,) = reports(best, known=False)
    assert isinstance(note, Note)
