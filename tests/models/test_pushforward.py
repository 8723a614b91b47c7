"""The density of a warped plane, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from models.distributions import standard_normal
from models.estimation.pushforward import warp_of


class TestWarp:
    LOW, HIGH = torch.tensor([-2.5, -2.5]), torch.tensor([2.5, 2.5])

    def warp(self, decode: object, cells: int = 40) -> object:
        return warp_of(decode, standard_normal(2, like=self.LOW), self.LOW, self.HIGH, cells)  # type: ignore[arg-type]

    def test_a_linear_map_has_the_density_of_its_gaussian(self) -> None:
        matrix, shift = torch.tensor([[1.5, 0.4], [-0.3, 0.6]]), torch.tensor([1.0, 2.0])
        warp = self.warp(lambda z: z @ matrix.T + shift)
        exact = torch.distributions.MultivariateNormal(shift.double(), (matrix @ matrix.T).double())
        centres = (warp.corners[1:, 1:] + warp.corners[:-1, :-1]) / 2
        assert torch.allclose(warp.density, exact.log_prob(centres).exp(), rtol=1e-4)
        assert warp.folds == 0
        inside = (torch.special.ndtr(torch.tensor(2.5)) * 2 - 1).item() ** 2
        assert warp.mass.sum().item() == pytest.approx(inside, rel=1e-3)

    def test_a_mirror_is_no_fold(self) -> None:
        assert self.warp(lambda z: z * torch.tensor([-1.0, 1.0])).folds == 0

    def test_what_is_folded_over_is_counted_by_its_probability(self) -> None:
        warp = self.warp(lambda z: torch.stack([(z[:, 0] - 1).abs(), z[:, 1]], 1))
        normal = torch.distributions.Normal(0.0, 1.0)
        above = normal.cdf(torch.tensor(2.5)) - normal.cdf(torch.tensor(1.0))
        assert warp.folds == pytest.approx((above / (2 * normal.cdf(torch.tensor(2.5)) - 1)).item(), rel=2e-3)

    def test_a_plane_that_collapsed_to_a_point_has_no_finite_density(self) -> None:
        warp = self.warp(lambda z: torch.zeros_like(z))
        assert warp.density.isinf().all()
        assert math.isfinite(warp.folds)
