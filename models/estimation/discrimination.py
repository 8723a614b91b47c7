"""A discriminator beside the best one there is, D* = p / (p + q), in the cells of a grid over the plane."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.estimation.divergence import Binned, jensen_shannon, optimal_discriminator, optimal_value


@dataclass(frozen=True)
class Discrimination:
    """By cell, flattened, the last one everything outside the grid; all (K,) float64."""

    said: Tensor  # what the discriminator says on average of data and samples there; NaN where none fell
    best: Tensor  # D*
    weight: Tensor  # (p + q) / 2
    js: float  # between cells, in nats

    @property
    def distance(self) -> float:
        """The mean of |D − D*| over a fair mixture of data and samples. ½ everywhere is half the total variation away
        from D*."""
        seen = ~self.said.isnan()
        return (self.weight * (self.said - self.best).abs())[seen].sum().item() / self.weight[seen].sum().item()

    @property
    def best_value(self) -> float:
        """V(D*, G) = 2 JS − log 4 (Goodfellow et al., 2014, theorem 1), in nats."""
        return optimal_value(self.js)


def discrimination(
    target: Binned, data: Tensor, samples: Tensor, on_data: Tensor, on_samples: Tensor
) -> Discrimination:
    """By draws of the data and of the model, as many of one as of the other, both (N, 2), and what a discriminator says
    of them, both (N,).

    D* of a cell is the mean of D*(x) over what lies in it, data and samples alike, since p / (p + q) is the probability
    that something found at x is of the data. So means of D are held against it. p is integrated, q is counted.
    """
    grid = target.grid
    counts = grid.counts(samples)
    log_q = (counts / counts.sum()).log()
    both = torch.cat([grid.cells(data), grid.cells(samples)])
    said = torch.cat([on_data, on_samples]).detach().double().cpu()
    total = torch.zeros_like(counts).index_add_(0, both, said)
    mean = total / torch.bincount(both, minlength=len(counts))
    # a cell where both are 0 has no best answer, and no weight
    best = torch.where((counts > 0) | (target.log_p > -math.inf), optimal_discriminator(target.log_p, log_q), 0.5)
    weight = (target.log_p.exp() + log_q.exp()) / 2
    return Discrimination(mean, best, weight, jensen_shannon(target.log_p, log_q))
