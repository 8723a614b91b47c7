"""log Z of an energy over the plane, by a sum over a grid."""

from __future__ import annotations

import math
from collections.abc import Generator as Yields
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from models.capabilities import HasFreeEnergy
from models.estimation.divergence import Grid
from models.estimation.measure import Check, Kind, Measure, mean_measure
from models.estimation.progress import stage

POINTS = 512  # along each side of the grid
MARGIN = 1.0  # of the data's range, that the grid reaches beyond it at every edge
EVALUATED = 16_384  # points at once
ACCURATE = 0.01  # nats that two grids may differ by before the value is called an estimate


@dataclass(frozen=True)
class Normalised:
    """p(x) = exp(-F(x)) / Z with a known Z: a density where there was an energy."""

    model: HasFreeEnergy
    log_partition: float
    like: Tensor  # a tensor of the device and precision in which the model computes

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats: (B, 2) -> (B,), in parts, so that a fine grid needs little memory. Records no gradient."""
        with torch.no_grad():
            energy = torch.cat([self.model.free_energy(part.to(self.like)) for part in x.split(EVALUATED)])
        return -energy.to(x) - self.log_partition


def log_partition_on(model: HasFreeEnergy, grid: Grid, like: Tensor) -> Yields[float, None, Tensor]:
    """log ∫ exp(-F) over `grid` by the midpoint rule, whose error falls with the square of the distance of points, and
    faster for smooth energies that are low inside. `like`: data, for device and precision. A 0-d tensor, float64."""
    rows = grid.centres().to(like).flatten(0, 1).split(EVALUATED)
    sums = []
    for done, part in enumerate(rows, start=1):
        sums.append((-model.free_energy(part)).double().logsumexp(0))
        yield done / len(rows)
    width, height = grid.sides
    return torch.stack(sums).logsumexp(0) + math.log(width * height)


Normalising: TypeAlias = Yields[float, None, tuple[Normalised, float]]


def normalised(model: HasFreeEnergy, data: Tensor, points: int = POINTS) -> Normalising:
    """The density of an energy over the plane near `data` (N, 2), and how far log Z, by a grid of `points` a side, is
    from that with half as many: about three times its own error where that is small."""
    coarse = Grid.around(data, points // 2, MARGIN)
    rough = yield from stage(log_partition_on(model, coarse, data), 0.0, 0.2)
    fine = yield from stage(log_partition_on(model, Grid(coarse.low, coarse.high, points), data), 0.2, 0.8)
    return Normalised(model, fine.item(), data), abs((fine - rough).item())


def quadrature_log_likelihood(model: Any, x: Tensor, where: str, data: Tensor) -> Yields[float, None, Measure]:
    """The mean of log p(x) with log Z summed over a grid around `data`, for examples (N, 2)."""
    density, difference = yield from normalised(model, data)
    kind = Kind.EXACT if difference <= ACCURATE else Kind.ESTIMATE
    protocol = (
        f"{where}; log Z = {density.log_partition:.4f} by quadrature on {POINTS}×{POINTS} points around the data, "
        f"{difference:.1g} from half as many to a side"
    )
    check = Check(
        "Change of log Z from half as many points to a side",
        f"{difference:.1g} nats",
        f"at most {ACCURATE:g} nats",
        difference <= ACCURATE,
    )
    return replace(mean_measure("log p(x), quadrature", density.log_prob(x), kind, protocol), checks=(check,))
