"""Questions about a model of points in the plane."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dgm_studio.questions.arrays import Bounds, array, cell_centres, seeded, tensor
from dgm_studio.questions.examples import spread_out
from dgm_studio.subject import Subject
from models.capabilities import (
    Decodes,
    DecodesOfClass,
    HasCritic,
    HasDiscriminator,
    Samples,
    SamplesOfClass,
    TakesTurns,
)
from models.estimation.progress import finish
from models.estimation.pushforward import warp_of
from models.estimation.quadrature import normalised


class Field(StrEnum):
    """A number at each place of the plane."""

    DATA = "data density"
    MODEL = "model density"
    ESTIMATE = "estimated model density"  # importance-weighted, unbiased
    ENERGY = "density of the energy"  # exp(-F), normalised by quadrature
    DISCRIMINATOR = "discriminator"
    CRITIC = "critic"


SUMMED = 256  # points to a side of the grid by which an energy is normalised
WEIGHTED_DRAWS, WEIGHTED_RESOLUTION = 16, 48  # an estimate costs as many decodings as it has draws


@dataclass(frozen=True)
class DataPoints:
    """At most `limit` training points (N, 2), their classes (N,), -1 without one, and square bounds that hold the
    middle 99 % of each coordinate and a tenth more on each side."""

    limit: int = 2000

    def __call__(self, subject: Subject) -> tuple[np.ndarray, np.ndarray, Bounds]:
        split = subject.dataset.train
        index = spread_out(len(split), self.limit).to(split.x.device)
        points = array(split.x[index])
        low, high = np.quantile(points, [0.005, 0.995], axis=0)
        centre, half = (low + high) / 2, float((high - low).max() * 0.6) or 1.0
        (x, y) = centre.tolist()
        return points, array(split.y[index]), (x - half, y - half, x + half, y + half)


@dataclass(frozen=True)
class Warped:
    """Where a regular grid over the middle 99 % of each coordinate of a 2-D latent space goes, by p(G(z)) =
    p(z) / |det ∂G/∂z|. n cells to a side."""

    corners: np.ndarray  # (n + 1, n + 1, 2)
    density: np.ndarray  # (n, n): a cell's probability divided by the area of its image
    folded: np.ndarray  # (n, n) bool: turned over
    folds: float  # the share of the probability that is

    @property
    def cells(self) -> int:
        return self.folded.size


@dataclass(frozen=True)
class Landscape:
    """Everything drawn over the plane, at one step of the run."""

    bounds: Bounds
    kind: Field | None = None
    field: np.ndarray | None = None  # (rows, columns) over the bounds, first row at the lower edge
    samples: np.ndarray | None = None  # (n, 2)
    gradients: np.ndarray | None = None  # (k, 2): ∇D, or a critic's ∇f, at the first k samples
    warp: Warped | None = None


@dataclass(frozen=True)
class AskLandscape:
    """The layers that are shown. A layer that the subject cannot give stays None."""

    bounds: Bounds
    field: Field | None = None
    resolution: int = 96
    samples: int = 0
    arrows: int = 0
    warp: bool = False
    averaged: bool = False  # of a game: samples of the average that it keeps, not of the generator that plays
    label: int | None = None  # of a model that is told a class: samples, grid and what is judged are of this one
    seed: int = 0

    def __call__(self, subject: Subject) -> Landscape:
        samples, model = None, sampling(subject, self.averaged)
        if self.samples and self.label is not None and isinstance(model, SamplesOfClass):
            y = torch.full((self.samples,), self.label, device=subject.device)
            samples = model.sample_of_class(y, seeded(subject, self.seed))
        elif self.samples and isinstance(model, Samples):
            samples = model.sample(self.samples, seeded(subject, self.seed))
        gradients = None
        if samples is not None and self.arrows and isinstance(subject.learner, HasDiscriminator | HasCritic):
            gradients = array(discriminator_gradient(subject.learner, samples[: self.arrows], self.label))
        return Landscape(
            self.bounds,
            self.field,
            None if self.field is None else self._field(subject, self.field),
            None if samples is None else array(samples),
            gradients,
            warped_grid(subject, model, self.label) if self.warp else None,
        )

    def _field(self, subject: Subject, field: Field) -> np.ndarray:
        """The density, the discriminator's P(real), or the critic's score, at cell centres."""
        n = WEIGHTED_RESOLUTION if field is Field.ESTIMATE else self.resolution
        points = tensor(subject, cell_centres(self.bounds, n, n))
        if field is Field.DISCRIMINATOR:
            values = _discriminator(subject).discriminate(points, *self._as_class(points))
        elif field is Field.CRITIC:
            values = _critic(subject).criticise(points, *self._as_class(points))
        elif field is Field.MODEL:
            values = subject.model.log_prob(points).exp()
        elif field is Field.ENERGY:
            learned, _ = finish(normalised(subject.model, subject.dataset.train.x.to(points), SUMMED))
            values = learned.log_prob(points).exp()
        elif field is Field.ESTIMATE:
            weights = subject.model.log_weights(points, WEIGHTED_DRAWS, seeded(subject, self.seed))
            values = (weights.logsumexp(0) - math.log(WEIGHTED_DRAWS)).exp()
        else:
            density = subject.dataset.density
            if density is None:
                raise ValueError("The exact density of these data is not known.")
            values = density.log_prob(points.cpu()).exp()
        return array(values).reshape(n, n)

    def _as_class(self, points: Tensor) -> tuple[Tensor, ...]:
        return labels_of(points, self.label)


def labels_of(points: Tensor, label: int | None) -> tuple[Tensor, ...]:
    """What is told of points beside where they are: their class (N,), if one is chosen."""
    return () if label is None else (torch.full((len(points),), label, device=points.device),)


def discriminator_gradient(learner: HasDiscriminator | HasCritic, x: Tensor, label: int | None = None) -> Tensor:
    """∇D(x) at each point: (k, 2) -> (k, 2). A sample that follows it looks more real; where it vanishes, a
    generator learns nothing (Goodfellow et al., 2014, section 3)."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        judged = learner.criticise if isinstance(learner, HasCritic) else learner.discriminate
        (gradient,) = torch.autograd.grad(judged(x, *labels_of(x, label)).sum(), x)
    return gradient


def sampling(subject: Subject, averaged: bool) -> Any:
    """Whose samples are looked at: of a game's two generators, the one that plays, or the average of it."""
    learner = subject.learner
    return learner.model if isinstance(learner, TakesTurns) and not averaged else subject.model


def warped_grid(subject: Subject, model: Any, label: int | None = None, cells: int = 32) -> Warped | None:
    """None for other latent sizes than 2, and where there is no one grid: of all classes together, for one."""
    if isinstance(model, DecodesOfClass) and label is not None:
        decode: Callable[[Tensor], Tensor] = partial(_decode_of_class, model, label)
    elif isinstance(model, Decodes):
        decode = model.decode
    else:
        return None
    prior = model.prior()
    if prior.mean.numel() != 2:
        return None
    draws = prior.sample(2000, seeded(subject, 0))
    low, high = draws.quantile(0.005, dim=0), draws.quantile(0.995, dim=0)
    warp = warp_of(decode, prior, low, high, cells)
    return Warped(array(warp.corners), array(warp.density), array(warp.folded), warp.folds)


def _decode_of_class(model: DecodesOfClass, label: int, z: Tensor) -> Tensor:
    return model.decode_of_class(z, torch.full((len(z),), label, device=z.device))


def _critic(subject: Subject) -> HasCritic:
    if not isinstance(subject.learner, HasCritic):
        raise TypeError("This run has no critic.")
    return subject.learner


def _discriminator(subject: Subject) -> HasDiscriminator:
    if not isinstance(subject.learner, HasDiscriminator):
        raise TypeError("This run has no discriminator.")
    return subject.learner
