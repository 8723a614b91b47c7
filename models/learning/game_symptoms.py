"""What ails a game: a generator that leaves out much of the data, a discriminator that teaches nothing any more."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from models.estimation.diversity import distinct
from models.estimation.lost import CLUSTERS, ENOUGH, RARE, lost_share
from models.learning.base import Symptom, Ways

SETTLED = 3000  # updates of the generator: before, it has yet to spread, and often begins at a few samples
COLLAPSED = 0.4  # of the data is left out
SAMPLES = 500  # that are looked at, at least
REPEATED = 0.5  # of the different examples that data have
SURE = 0.99
SLIGHT = 0.01  # nats
AT_BOUNDS = 0.9  # of a critic's weights
FLAT, STEEP = 0.1, 3.0  # mean slopes of a critic that is asked for 1


def mode_collapse(data: Tensor, samples: Tensor, ways: Ways, generator: Generator) -> Symptom | None:
    """Whether samples leave out a large part of the data; both (N, *event)."""
    if min(len(data), len(samples)) < ENOUGH or not samples.isfinite().all():
        return None
    lost = lost_share(data, samples, generator)
    if lost <= COLLAPSED:
        return None
    return Symptom(
        "mode collapse",
        "Mode collapse: the generator's samples leave out a large part of the data.",
        f"{lost:.0%} of {len(data)} held-out examples are in clusters that hold next to no samples: of {CLUSTERS} by "
        f"k-means, those with less than {RARE:.0%} of what belongs there, of {len(samples)} samples. More than "
        f"{COLLAPSED:.0%} are told, from {SETTLED} updates of the generator on.",
        "A discriminator that sees several samples at once, or one that the generator foresees, notices what is left "
        "out.",
        ways,
    )


def repetition(data: Tensor, samples: Tensor, ways: Ways) -> Symptom | None:
    """Whether samples of discrete values repeat each other much more than data do; both (N, *event)."""
    n = min(len(data), len(samples))
    if n < ENOUGH:
        return None
    ours, theirs = (len(distinct(x[:n])[0]) for x in (samples, data))
    if ours >= REPEATED * theirs:
        return None
    return Symptom(
        "mode collapse",
        "Mode collapse: the generator's samples repeat each other.",
        f"{ours} different ones among {n} samples, and {theirs} among as many held-out examples. Less than "
        f"{REPEATED:.0%} of those is told, from {SETTLED} updates of the generator on.",
        "A discriminator that sees several samples at once notices when they are alike.",
        ways,
    )


def at_bounds(share: float, bound: float, ways: Ways) -> Symptom | None:
    """Whether clipping has taken most of a critic's weights to its bounds; `share` of them lies there."""
    if share < AT_BOUNDS:
        return None
    return Symptom(
        "critic at its bounds",
        "Clipping has pressed the critic's weights to their bounds, where it can only be a very simple function.",
        f"{share:.0%} of its weights are ±{bound:g}. From {AT_BOUNDS:.0%} on it is told, from {SETTLED} updates of the "
        "generator on (Gulrajani et al., 2017, section 3).",
        "A gradient penalty bounds the critic's slope and leaves its weights free.",
        ways,
    )


def steepness(slope: float, ways: Ways) -> Symptom | None:
    """Whether a critic that is asked for slopes near 1 has others on average: `slope`."""
    if FLAT <= slope <= STEEP:
        return None
    return Symptom(
        "critic out of bounds",
        "The critic's slope has left its bounds: what it says of the distance, and the generator's gradient, are off.",
        f"‖∇f‖ is {slope:.3g} on average on lines between held-out examples and samples, and is asked to be near 1. "
        f"Below {FLAT:g} and above {STEEP:g} it is told, from {SETTLED} updates of the generator on.",
        "A stronger penalty, or a slower critic, holds the slope.",
        ways,
    )


def saturation(
    on_data: Tensor, on_samples: Tensor, loss: Callable[[Tensor], Tensor], samples: Tensor, spread: float, ways: Ways
) -> Symptom | None:
    """Whether the discriminator is sure of everything, its probabilities being (N,) each, and `loss`, of samples
    (N, *event), hardly depends on where these are. `spread`: how far examples are from their mean."""
    if on_data.mean() < SURE or on_samples.mean() > 1 - SURE:
        return None
    with torch.enable_grad():
        moved = samples.detach().requires_grad_()
        (slope,) = torch.autograd.grad(loss(moved).sum(), moved)
    change = (slope.flatten(1).norm(dim=1).mean() * spread).item()
    if change > SLIGHT:
        return None
    return Symptom(
        "saturation",
        "The discriminator is sure of everything, and the generator's gradient has vanished.",
        f"D(x) is {on_data.mean():.3f} on held-out examples and {on_samples.mean():.3f} on samples, on average; moving "
        f"a sample as far as examples are from their mean would change its loss by {change:.2g} nats, by its gradient. "
        f"Beyond {SURE} and {1 - SURE:.2f}, and below {SLIGHT:g} nats, it is told.",
        "A weaker discriminator, or one that is not to be sure, has a slope that the generator can follow.",
        ways,
    )
