"""How sharp pictures are: the energy of their gradients."""

from __future__ import annotations

import math

from torch import Tensor

from models.estimation.measure import Kind, Measure


def gradient_energy(x: Tensor) -> Tensor:
    """The mean squared difference of neighbouring pixels, across and down, over all channels: (B, C, H, W) -> (B,),
    float64. Zero for an even picture; noise is sharp too, so that samples should be as sharp as data and no more."""
    x = x.double()
    across = (x[..., :, 1:] - x[..., :, :-1]).flatten(1).square()
    down = (x[..., 1:, :] - x[..., :-1, :]).flatten(1).square()
    return (across.sum(1) + down.sum(1)) / max(1, across.shape[1] + down.shape[1])


def relative_sharpness(samples: Tensor, data: Tensor, where: str) -> Measure:
    """The ratio of the mean gradient energies (M,) and (N,); 1 where samples are as sharp as data on average. The
    interval is by the delta method."""
    ours, theirs = samples.double(), data.double()
    scale = theirs.mean().item() or math.nan
    ratio = ours.mean().item() / scale
    variances = (x.var().item() / len(x) if len(x) > 1 else math.inf for x in (ours, ratio * theirs))
    half = 1.96 * math.sqrt(sum(variances)) / scale
    protocol = f"{where}; {len(samples)} samples against {len(data)} examples"
    return Measure("sharpness", ratio, max(0.0, ratio - half), ratio + half, Kind.ESTIMATE, "of the data's", protocol)
