"""How far a model is from a density in the plane that is known, and the discriminator that could tell them apart.

Both are compared as probabilities of the cells of a grid, plus one cell for everything outside it. The data's are
integrals of its density; a model without a density is counted in a histogram of its samples. Cells forget what is
inside them, so the divergence between cells is never above the divergence between the densities (data processing).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from models.estimation.measure import Kind, Measure


class KnownDensity(Protocol):
    def log_prob(self, x: Tensor) -> Tensor: ...  # (B, 2) -> (B,) nats


@dataclass(frozen=True)
class Grid:
    """`bins` x `bins` cells over a rectangle of the plane."""

    low: tuple[float, float]
    high: tuple[float, float]
    bins: int = 64

    @staticmethod
    def around(x: Tensor, bins: int = 64, margin: float = 0.15) -> Grid:
        """The rectangle that holds the points x (N, 2), a `margin` of its sides wider at every edge."""
        low, high = x.amin(0).double(), x.amax(0).double()
        edge = margin * (high - low)
        return Grid(_pair(low - edge), _pair(high + edge), bins)

    @property
    def sides(self) -> tuple[float, float]:
        """Width and height of a cell."""
        return (self.high[0] - self.low[0]) / self.bins, (self.high[1] - self.low[1]) / self.bins

    def centres(self, parts: int = 1) -> Tensor:
        """Centres of the cells, each split into `parts` x `parts`: (bins * parts, bins * parts, 2) by [row, column] =
        [y, x], float64."""
        n = self.bins * parts
        place = (torch.arange(n, dtype=torch.float64) + 0.5) / n
        x, y = (low + (high - low) * place for low, high in zip(self.low, self.high, strict=True))
        return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)

    def log_mass(self, density: KnownDensity, parts: int = 6) -> Tensor:
        """log P(cell), flattened, then log P(outside): (bins² + 1,), float64, by the midpoint rule on parts² points in
        every cell. Raises ValueError when the cells hold more than 1 + 1 %: the density is too narrow for the rule."""
        n = self.bins * parts
        log_p = (
            density.log_prob(self.centres(parts).reshape(-1, 2)).double().reshape(self.bins, parts, self.bins, parts)
        )
        area = self.sides[0] * self.sides[1] / parts**2
        log_cells = log_p.logsumexp((1, 3)).flatten() + math.log(area)
        total = log_cells.exp().sum().item()
        if total > 1.01:
            raise ValueError(
                f"The density integrates to {total:.3f} on a grid of {n}×{n} points: it is too narrow for it, or it is "
                "not normalised. Use more bins."
            )
        outside = torch.tensor([max(1 - total, 0.0)], dtype=torch.float64).log()
        return torch.cat([log_cells, outside]) - math.log(max(total, 1.0))

    def cells(self, x: Tensor) -> Tensor:
        """The number of the cell that each of x (N, 2) lies in, bins² outside: (N,) int64."""
        x = x.detach().double().cpu()
        low, side = torch.tensor(self.low, dtype=torch.float64), torch.tensor(self.sides, dtype=torch.float64)
        column, row = ((x - low) / side).floor().unbind(1)
        inside = (column >= 0) & (column < self.bins) & (row >= 0) & (row < self.bins)
        return torch.where(inside, row * self.bins + column, self.bins**2).long()

    def counts(self, x: Tensor) -> Tensor:
        """How many of x (N, 2) lie in each cell, flattened, and outside: (bins² + 1,), float64."""
        return torch.bincount(self.cells(x), minlength=self.bins**2 + 1).double()


def jensen_shannon(log_p: Tensor, log_q: Tensor) -> float:
    """JS(p, q) = ½ KL(p ‖ m) + ½ KL(q ‖ m), m = (p + q) / 2, in nats: 0 … log 2. Both (K,), logs of probabilities."""
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    return (kullback_leibler(log_p, log_m) + kullback_leibler(log_q, log_m)) / 2


def kullback_leibler(log_p: Tensor, log_q: Tensor) -> float:
    """KL(p ‖ q) in nats; infinite when q is 0 somewhere where p is not."""
    terms = torch.where(log_p > -math.inf, log_p.exp() * (log_p - log_q), 0.0)
    return terms.sum().item()


class Binned:
    """A known density over the cells of a grid, against which draws are counted, as often as one likes."""

    def __init__(self, density: KnownDensity, grid: Grid) -> None:
        """Raises ValueError when the density is too narrow for the grid."""
        self.grid, self.log_p = grid, grid.log_mass(density)
        self._perfect: dict[int, float] = {}

    def perfect(self, samples: int) -> float:
        """The JS that a perfect sampler scores on average with so many draws."""
        if samples not in self._perfect:
            self._perfect[samples] = perfect_score(self.log_p, samples)
        return self._perfect[samples]

    def divergences(self, x: Tensor) -> tuple[Measure, Measure, Measure]:
        """JS, KL(data ‖ model) and KL(model ‖ data) between cells, the model counted in a histogram of draws x (N, 2).

        The histogram makes each figure too large on average, because its counts scatter; the note on JS says by how
        much for a perfect sampler, which is what a model's figure should be held against. Nothing is subtracted.
        KL(data ‖ model) would be infinite with one empty cell, so there ½ is added to every count (Krichevsky &
        Trofimov, 1981).
        """
        log_p, grid = self.log_p, self.grid
        counts = grid.counts(x)
        n = counts.sum()
        q = counts / n
        log_q = q.log()
        protocol = f"{len(x)} samples in a histogram of {grid.bins}×{grid.bins} cells and one outside"
        js = jensen_shannon(log_p, log_q)
        # by the delta method, from dJS/dq = ½ log(q / m)
        slope = torch.where(q > 0, 0.5 * (log_q - torch.logaddexp(log_p, log_q) + math.log(2)), 0.0)
        half = 1.96 * math.sqrt(max(0.0, ((q * slope.square()).sum() - (q * slope).sum().square()).item()) / n.item())
        log_smooth = ((counts + 0.5) / (n + 0.5 * len(counts))).log()
        forward, backward = kullback_leibler(log_p, log_smooth), kullback_leibler(log_q, log_p)
        unit = "nats"
        return (
            Measure(
                "Jensen–Shannon divergence", js, js - half, js + half, Kind.ESTIMATE, unit, protocol,
                f"a perfect sampler scores {self.perfect(len(x)):.4f} on average; the most is log 2 = 0.6931",
            ),
            Measure(
                "KL(data ‖ model)", forward, forward, forward, Kind.ESTIMATE, unit, f"{protocol}; each count + ½",
                "large when the model leaves out what the data has; without an interval",
            ),
            Measure(
                "KL(model ‖ data)", backward, backward, backward, Kind.ESTIMATE, unit, protocol,
                "large when the model draws what the data has not; without an interval",
            ),
        )  # fmt: skip

    def optimal_discriminator(self, x: Tensor) -> Tensor:
        """D* in each cell, the model counted in a histogram of draws x (N, 2): (bins, bins), lowest row first. NaN
        where less than one of N draws of the data is expected, and none of the model's fell: nobody has been there."""
        counts = self.grid.counts(x)[:-1]
        log_p = self.log_p[:-1]
        seen = (counts > 0) | (log_p.exp() * len(x) >= 1)
        best = optimal_discriminator(log_p, (counts / len(x)).log())
        return torch.where(seen, best, math.nan).reshape(self.grid.bins, self.grid.bins)


def divergences_of(x: Tensor, density: KnownDensity, grid: Grid) -> tuple[Measure, Measure, Measure]:
    """JS, KL(data ‖ model) and KL(model ‖ data) between the cells of `grid`. x (N, 2): draws of the model."""
    return Binned(density, grid).divergences(x)


def perfect_score(log_p: Tensor, samples: int, repeats: int = 32) -> float:
    """The mean JS between the cells' probabilities and histograms of `samples` draws from these same probabilities.

    Near (K - 1) / 8n in K well-filled cells; far less where most cells expect fewer than one draw. So it is simulated,
    with independent Poisson counts, from a seed of its own.
    """
    rates = (log_p.exp() * samples).expand(repeats, -1)
    counts = torch.poisson(rates, generator=Generator().manual_seed(0))
    log_q = (counts / counts.sum(1, keepdim=True)).log()
    return sum(jensen_shannon(log_p, row) for row in log_q) / repeats


def optimal_discriminator(log_p: Tensor, log_q: Tensor) -> Tensor:
    """D*(x) = p / (p + q), the best answer to "data or sample?" (Goodfellow et al., 2014, proposition 1).

    With it the game's value is 2 JS(p, q) - log 4: -log 4 where samples are distributed as the data.
    """
    return torch.sigmoid(log_p - log_q)


def optimal_value(js: float) -> float:
    """The value of the game with the best discriminator, in nats: 2 JS - log 4 (Goodfellow et al., 2014, theorem 1)."""
    return 2 * js - math.log(4)


def _pair(x: Tensor) -> tuple[float, float]:
    return x[0].item(), x[1].item()
