"""How much of the data a model's samples leave out, from examples alone: no density or class has to be known."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from models.estimation.k_means import k_means, nearest
from models.estimation.progress import finish

CLUSTERS = 20
RARE = 0.1  # a cluster is lost whose share of the samples is less than this part of its share of the data
ENOUGH = 5 * CLUSTERS  # examples and samples, at least
ITERATIONS = 20


def lost_share(data: Tensor, samples: Tensor, generator: Generator | None = None) -> float:
    """The share of the data (N, *event) that lies in clusters which the samples (n, *event) leave out.

    Clusters are those of k-means on the data; what belongs to one is only said by which centre is nearest, so that
    samples need not be good to be counted, as they must be in counts of modes (after the bins of Richardson & Weiss,
    2018). N and n ≥ ENOUGH.
    """
    x, drawn = data.flatten(1), samples.flatten(1)
    centres = finish(k_means(x, CLUSTERS, ITERATIONS, generator))
    of_data, of_samples = (
        torch.bincount(nearest(each, centres), minlength=CLUSTERS) / len(each) for each in (x, drawn)
    )
    return of_data[of_samples < RARE * of_data].sum().item()
