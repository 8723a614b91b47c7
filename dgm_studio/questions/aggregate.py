"""The aggregated posterior q(z) = mean over the data of q(z | x), against the prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from dgm_studio.questions.arrays import Bounds, array, seeded
from dgm_studio.questions.examples import SplitName, split_of, spread_out
from dgm_studio.questions.latent import Plane
from dgm_studio.questions.parts import by_parts
from dgm_studio.subject import InParts, Parts, Subject

SMOOTH = 1.2  # cells: the standard deviation of the kernel that the counts are smoothed with
PRIOR_DRAWS = 40_000
HOLE = 0.1  # where q(z) is below this share of p(z), samples of the prior decode to what no data led to


@dataclass(frozen=True)
class Aggregate:
    """Two densities projected on a plane, per unit of its area, estimated from draws in the same way."""

    prior: np.ndarray  # (rows, columns), first row at the lower edge; one row where the plane is a line
    posterior: np.ndarray  # (rows, columns)
    bounds: Bounds
    holes: float  # the share of the prior's mass where q(z) < HOLE p(z), both as projected and smoothed

    @property
    def densities(self) -> tuple[np.ndarray, np.ndarray]:
        return self.prior, self.posterior


@dataclass(frozen=True)
class AskAggregate(InParts):
    """Draw from q(z | x) of at most `limit` examples, and from the prior; project both on `plane`."""

    plane: Plane
    limit: int = 1000
    draws: int = 32
    resolution: int = 64
    split: SplitName = "train"

    def parts(self, subject: Subject) -> Parts:
        split = split_of(subject.dataset, self.split)
        index = spread_out(len(split), self.limit).to(split.x.device)
        noise = seeded(subject, 0)

        def draw(x: Tensor) -> np.ndarray:
            drawn = subject.model.encode(x.to(subject.device)).sample(self.draws, noise)
            return self.plane.project(array(drawn.flatten(0, 1)))

        q = np.concatenate((yield from by_parts(draw, split.x[index])))
        p = self.plane.project(array(subject.model.prior().sample(PRIOR_DRAWS, seeded(subject, 1))))
        low, high = np.quantile(np.concatenate([q, p]), [0.001, 0.999], axis=0)
        margin = 0.1 * (high - low)
        low, high = low - margin, high + margin
        rows = self.resolution
        if not self.plane.v.any():
            rows, low[1], high[1] = 1, -1.0, 1.0
        bounds = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        prior, aggregated = (density_of(points, bounds, rows, self.resolution) for points in (p, q))
        hole = aggregated < HOLE * prior
        return Aggregate(prior, aggregated, bounds, float(prior[hole].sum() / prior.sum()))


def density_of(points: np.ndarray, bounds: Bounds, rows: int, columns: int) -> np.ndarray:
    """The density of points (N, 2) per unit of area, smoothed counts in rows × columns cells over `bounds`:
    (rows, columns). Those outside are left out, not moved."""
    left, bottom, right, top = bounds
    edges = np.linspace(bottom, top, rows + 1), np.linspace(left, right, columns + 1)
    counts = np.histogram2d(points[:, 1], points[:, 0], bins=edges)[0]
    smooth = _kernel(rows) @ counts @ _kernel(columns).T
    area = (right - left) * (top - bottom) / (rows * columns)
    return (smooth / (len(points) * area)).astype(np.float32)


def _kernel(n: int) -> np.ndarray:
    """A Gaussian over n cells whose columns sum to 1, so that smoothing keeps the mass: (n, n)."""
    away = np.arange(n)[:, None] - np.arange(n)
    weights = np.exp(-0.5 * (away / SMOOTH) ** 2)
    return weights / weights.sum(0)
