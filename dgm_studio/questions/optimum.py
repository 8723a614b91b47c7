"""A model of points in the plane against the density that its data were drawn from: what the best discriminator would
say, and how far apart the two distributions are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Generator, Tensor

from dgm_studio.datasets.base import Dataset, Density
from dgm_studio.evaluations.base import difference_interval
from dgm_studio.questions.arrays import Bounds, array, seeded
from dgm_studio.questions.landscapes import sampling
from dgm_studio.subject import Subject
from models.capabilities import HasCritic, HasDiscriminator, SamplesOfClass
from models.estimation.divergence import Binned, Grid, optimal_value
from models.estimation.measure import Kind, Measure, mean_measure
from models.estimation.transport import dual_bound, wasserstein_distance

DRAWN = 20_000  # samples in a histogram
CELLS = 64  # of it, to a side
PAIRED = 400  # samples and data that are matched: the time grows with their cube


@dataclass(frozen=True)
class Optimum:
    """D* over the plane."""

    bounds: Bounds
    best: np.ndarray  # (rows, columns), first row at the lower edge; NaN where neither data nor samples are
    samples: int  # in its histogram


@dataclass(frozen=True)
class AskOptimum:
    """D* = p / (p + q) in cells over `bounds`: p integrated from the exact density, q counted in draws."""

    bounds: Bounds
    averaged: bool = False
    samples: int = DRAWN
    seed: int = 0

    def __call__(self, subject: Subject) -> Optimum:
        left, bottom, right, top = self.bounds
        target = _cells_of(known_density(subject.dataset), Grid((left, bottom), (right, top), CELLS))
        draws = sampling(subject, self.averaged).sample(self.samples, seeded(subject, self.seed))
        return Optimum(self.bounds, array(target.optimal_discriminator(draws)), self.samples)


@dataclass(frozen=True)
class Figure:
    """A measured distance, and what a perfect sampler scores by the same protocol, where there is one."""

    key: str
    measure: Measure
    perfect: float | None = None


@dataclass(frozen=True)
class AskGap:
    """How far the model is from the density, and what the game says of that."""

    averaged: bool = False
    samples: int = DRAWN
    paired: int = PAIRED
    seed: int = 0

    def __call__(self, subject: Subject) -> tuple[Figure, ...]:
        density = known_density(subject.dataset)
        noise = seeded(subject, self.seed)
        draws = sampling(subject, self.averaged).sample(self.samples, noise)
        target = _cells_of(density, Grid.around(subject.dataset.train.x, CELLS))
        perfect = _perfect(density, target, self.samples, self.paired)
        js, forward, backward = target.divergences(draws)
        figures = [
            Figure("js", js, target.perfect(self.samples)),
            Figure("forward", forward, perfect.forward),
            Figure("backward", backward, perfect.backward),
            Figure("w1", _wasserstein(draws[: self.paired].cpu(), perfect), perfect.distance),
        ]
        # a discriminator that is told classes plays another game: for pairs of an example and its class
        told = isinstance(subject.model, SamplesOfClass) and subject.model.conditional_classes()
        if isinstance(subject.learner, HasDiscriminator) and not told:
            figures += [
                Figure("value", _value(subject.learner, subject.dataset, draws), -math.log(4)),
                Figure("best value", _best_value(js), optimal_value(target.perfect(self.samples))),
            ]
        if isinstance(subject.learner, HasCritic):
            figures += _estimate(subject.learner, perfect.data.to(draws), draws[: self.paired])
        return tuple(figures)


def known_density(dataset: Dataset) -> Density:
    if dataset.density is None:
        raise ValueError("The exact density of these data is not known.")
    return dataset.density


def _wasserstein(draws: Tensor, perfect: _Perfect) -> Measure:
    value = wasserstein_distance(draws, perfect.data)
    protocol = f"the best pairing, found exactly, of {len(draws)} samples with {len(draws)} draws of the data"
    note = "too large on average, since both sets scatter: compare with the perfect sampler; without an interval"
    return Measure("Wasserstein distance W₁", value, value, value, Kind.ESTIMATE, "distance", protocol, note)


def _estimate(critic: HasCritic, data: Tensor, draws: Tensor) -> list[Figure]:
    """What the critic says of W₁, as it is and divided by its slope."""
    on_data, on_samples = critic.criticise(data), critic.criticise(draws)
    value, low, high = difference_interval(on_data, on_samples)
    slope, bound = dual_bound(on_data, on_samples, data, draws)
    protocol = f"mean of {len(data)} draws of the data less that of {len(draws)} samples"
    name, by = (
        "Critic's estimate E f(x) − E f(G(z))",
        f"divided by its greatest slope between the two sets, {slope:.3f}",
    )
    return [
        Figure("estimate", Measure(name, value, low, high, Kind.ESTIMATE, "distance", protocol, likelihood=False)),
        Figure(
            "dual", Measure(f"{name}, {by}", bound, bound, bound, Kind.LOWER_BOUND, "distance", f"{protocol}, {by}",
                            "never above W₁ of the same sets", likelihood=False),
        ),
    ]  # fmt: skip


def _value(learner: HasDiscriminator, dataset: Dataset, draws: Tensor) -> Measure:
    """V(D, G) of the discriminator as it is, on held-out data."""
    data = dataset.valid.x[: len(draws)].to(draws)
    on_data, on_samples = learner.discriminate(data), learner.discriminate(draws[: len(data)])
    values = on_data.clamp_min(1e-30).log() + (1 - on_samples).clamp_min(1e-30).log()
    protocol = f"mean log D(x) + log(1 − D(G(z))) over {len(data)} held-out examples and {len(data)} samples"
    measure = mean_measure("V(D, G) of the discriminator as it is", values, Kind.ESTIMATE, protocol, "nats")
    return replace(measure, likelihood=False)


def _best_value(js: Measure) -> Measure:
    name = "V(D*, G) = 2 JS − log 4, of the best one"
    value, low, high = (optimal_value(v) for v in (js.value, js.low, js.high))
    note = "the most that any discriminator of these cells can reach (Goodfellow et al., 2014, theorem 1)"
    return replace(js, name=name, value=value, low=low, high=high, note=note)


@dataclass(frozen=True)
class _Perfect:
    """What draws from the density itself score."""

    forward: float
    backward: float
    data: Tensor  # (paired, 2), which samples are matched with
    distance: float  # of as many other draws from them


# What depends on the data alone is dear, and the same at every asking. The key holds the density, so that its id is of
# no other; a run's views ask of one or two grids at a time.
_binned: dict[tuple[int, Grid], tuple[Density, Binned]] = {}
_perfects: dict[tuple[int, Grid, int, int], tuple[Density, _Perfect]] = {}
KEPT = 4


def _cells_of(density: Density, grid: Grid) -> Binned:
    key = id(density), grid
    if key not in _binned:
        _keep(_binned, key, (density, Binned(density, grid)))
    return _binned[key][1]


def _perfect(density: Density, target: Binned, samples: int, paired: int) -> _Perfect:
    key = id(density), target.grid, samples, paired
    if key not in _perfects:
        draws = density.sample(samples + 2 * paired, Generator().manual_seed(1))
        data, other = draws[samples:].split(paired)
        _, forward, backward = target.divergences(draws[:samples])
        found = _Perfect(forward.value, backward.value, data, wasserstein_distance(other, data))
        _keep(_perfects, key, (density, found))
    return _perfects[key][1]


def _keep(kept: dict[Any, Any], key: Any, value: Any) -> None:
    while len(kept) >= KEPT:
        kept.pop(next(iter(kept)), None)
    kept[key] = value
