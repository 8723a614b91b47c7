"""Which modes of a known mixture a model finds, and how many of its samples lie near one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from models.capabilities import Samples
from models.estimation.measure import Kind, Measure, wilson

RADIUS = 3.0  # a sample is of high quality within this many standard deviations of a mode
SAMPLES = 2500


class Mixture(Protocol):
    """A mixture of round Gaussians. Properties rather than fields, so that frozen dataclasses fit."""

    @property
    def means(self) -> Tensor: ...  # (K, D)

    @property
    def sigma(self) -> float: ...  # of every component and coordinate


def as_mixture(density: Any) -> Mixture | None:
    """The density as a mixture of round Gaussians, if it is one."""
    # a protocol of properties cannot be asked for with isinstance
    return density if hasattr(density, "means") and hasattr(density, "sigma") else None


@dataclass(frozen=True)
class Coverage:
    modes: Measure  # modes with at least one sample of high quality
    quality: Measure  # share of samples of high quality
    counts: Tensor  # (K,) int64: samples of high quality at each mode


def perfect_quality(dimensions: int) -> float:
    """The share of a Gaussian's own samples within RADIUS standard deviations: P(χ²_D ≤ 9), 98.89 % in the plane.

    A model above it does not draw better samples than the data: its modes are narrower, the beginning of collapse.
    """
    half = torch.tensor([dimensions / 2, RADIUS**2 / 2], dtype=torch.float64)
    return torch.special.gammainc(half[0], half[1]).item()


def coverage(model: Samples, mixture: Mixture, generator: Generator, samples: int = SAMPLES) -> Coverage:
    """Modes found and high-quality share of `samples` draws, by the protocol of Srivastava et al. (2017) and Lin et al.
    (2018): each draw belongs to its nearest mode, and counts when it is within 3σ of it."""
    with torch.no_grad():
        return coverage_of(model.sample(samples, generator), mixture)


def coverage_of(x: Tensor, mixture: Mixture) -> Coverage:
    """The same for draws x (N, D) that are already there."""
    means = mixture.means.to(x)
    distance, nearest = torch.cdist(x, means).min(1)
    # a draw that is not a number is near no mode: comparisons with NaN are false
    good = nearest[distance <= RADIUS * mixture.sigma]
    counts = torch.bincount(good, minlength=len(means))
    n, found = len(x), int((counts > 0).sum())
    protocol = f"{n} samples, within {RADIUS:g}σ of the nearest of {len(means)} modes, σ = {mixture.sigma:g}"
    modes = Measure(
        "modes found", found, found, found, Kind.LOWER_BOUND, f"of {len(means)}", protocol, "a rare mode can be missed"
    )
    quality = Measure(
        "high-quality samples", len(good) / n, *wilson(len(good) / n, n), Kind.ESTIMATE, "share", protocol
    )
    perfect = perfect_quality(x.shape[1])
    if quality.low > perfect:
        note = f"above the {perfect:.2%} of a perfect sampler: the modes are narrower than the data's"
        quality = replace(quality, note=note)
    return Coverage(modes, quality, counts)
