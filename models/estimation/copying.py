"""Whether samples are copies of the training set: do they lie nearer to it than new data would?"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.estimation.measure import Kind, Measure, wilson

RARE = 0.01  # of held-out examples lie so near to the training set that a sample as near is worth a look


def nearer_share(samples: Tensor, held_out: Tensor, where: str) -> Measure:
    """P(d(sample) < d(held-out example)), ties counting half, of distances to the nearest training example: samples
    (M,), held_out (N,).

    ½ for a sampler of the distribution that the data come from, 1 for copies, 0 for samples that are farther from the
    training set than any example: the statistic of Mann & Whitney (1947) as a test for copies (Meehan, Chaudhuri &
    Dasgupta, 2020, section 3.1). The interval is that of DeLong, DeLong & Clarke-Pearson (1988).
    """
    samples, held_out = samples.double(), held_out.double()
    of_samples = 1 - _rank(samples, held_out)  # part of the held-out examples that are farther than each sample
    of_held_out = _rank(held_out, samples)
    share = of_samples.mean().item()
    variance = sum(part.var().item() / len(part) if len(part) > 1 else math.inf for part in (of_samples, of_held_out))
    half = 1.96 * math.sqrt(variance)
    ends = max(0.0, share - half), min(1.0, share + half)
    protocol = f"{where}; {len(samples)} samples, {len(held_out)} held-out examples"
    return Measure("nearer to training than held-out data", share, *ends, Kind.ESTIMATE, "share", protocol)


def suspicious_share(samples: Tensor, held_out: Tensor, where: str) -> Measure:
    """The part of samples that lie nearer to the training set than all but RARE of the held-out examples, about RARE
    for a perfect sampler: finds a few copies among many good samples, which `nearer_share` does not."""
    limit = torch.quantile(held_out.double(), RARE, interpolation="lower")
    share = (samples.double() < limit).double().mean().item()
    protocol = (
        f"{where}; {len(samples)} samples nearer than {limit.item():.3g}, as {100 * RARE:.0f} % of {len(held_out)} are"
    )
    return Measure(
        "suspiciously near", share, *wilson(share, len(samples)), Kind.ESTIMATE, "share of samples", protocol
    )


def _rank(values: Tensor, among: Tensor) -> Tensor:
    """The part of `among` below each of `values`, ties counting half."""
    ordered, values = among.sort().values, values.contiguous()
    below = torch.searchsorted(ordered, values, right=False)
    not_above = torch.searchsorted(ordered, values, right=True)
    return (below + not_above).double() / (2 * len(among))
