"""The density of x = G(z) by change of variables, on a grid of cells of a latent plane."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.distributions import Distribution


@dataclass(frozen=True)
class Warp:
    """The cells of a grid over a latent plane, and where they go. n cells to a side."""

    corners: Tensor  # (n + 1, n + 1, 2): images of the grid's corners
    density: Tensor  # (n, n): a cell's probability divided by the area of its image; inf where it has none
    folded: Tensor  # (n, n) bool: turned over, compared with most of the probability
    mass: Tensor  # (n, n): the prior's probability of each cell

    @property
    def folds(self) -> float:
        """The share of the grid's probability that is turned over. Above 0, and below ½, G is not one-to-one: it lays
        parts of the latent plane over each other, where their densities add."""
        return (self.mass[self.folded].sum() / self.mass.sum()).item()


def warp_of(decode: Callable[[Tensor], Tensor], prior: Distribution, low: Tensor, high: Tensor, cells: int) -> Warp:
    """Carry the grid of `cells`² cells from `low` to `high` (2,) through `decode`: (B, 2) -> (B, 2).

    p(G(z)) = p(z) / |det ∂G/∂z|, averaged over a cell: its probability, by the midpoint rule, over the area of the
    quadrilateral of its images. Exact in the limit of small cells, and for linear G at any size of them.
    """
    place = torch.linspace(0, 1, cells + 1, device=low.device)
    across, up = torch.meshgrid(place, place, indexing="xy")
    corners = decode((low + torch.stack([across, up], -1) * (high - low)).reshape(-1, 2))
    corners = corners.reshape(cells + 1, cells + 1, 2).double()
    middle = (torch.arange(cells, device=low.device) + 0.5) / cells
    across, up = torch.meshgrid(middle, middle, indexing="xy")
    centres = low + torch.stack([across, up], -1) * (high - low)
    size = (high - low).double().log().sum() - 2 * math.log(cells)
    mass = (prior.log_prob(centres.reshape(-1, 2)).double() + size).exp().reshape(cells, cells)
    area = signed_areas(corners)
    turned = area < 0
    most = (mass * turned).sum() > 0.5 * mass.sum()
    return Warp(corners, mass / area.abs(), turned ^ most, mass)


def signed_areas(corners: Tensor) -> Tensor:
    """Areas of the quadrilaterals of a grid of corners (rows, columns, 2), by the cross product of their diagonals;
    below 0 where their turn is clockwise: (rows - 1, columns - 1)."""
    rising = corners[1:, 1:] - corners[:-1, :-1]
    falling = corners[1:, :-1] - corners[:-1, 1:]
    return 0.5 * (rising[..., 0] * falling[..., 1] - rising[..., 1] * falling[..., 0])
