"""Questions about the Gaussians that a model consists of, and their way through learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dgm_studio.questions.arrays import array
from dgm_studio.questions.examples import spread_out
from dgm_studio.subject import Subject
from models.capabilities import Components, Frames, KeepsFrames
from models.distributions import FullNormal

POINTS = 2000


@dataclass(frozen=True)
class Way:
    """Components in two coordinates, at steps in order; the last is the present one. A frame is a first axis."""

    steps: np.ndarray  # (F,) int64: how many steps had been done
    values: np.ndarray  # (F,) what the learner reported then; NaN for the present one
    weights: np.ndarray  # (F, K)
    means: np.ndarray  # (F, K, 2)
    covariances: np.ndarray  # (F, K, 2, 2)
    mean_covariances: np.ndarray  # (F, K, 2, 2), how uncertain each mean is


@dataclass(frozen=True)
class AskWay:
    """The way of the components in the coordinates `across` and `up` of the flattened example."""

    across: int
    up: int

    def __call__(self, subject: Subject) -> Way:
        now = subject.model.components()
        steps = torch.tensor([subject.step], device=now.means.device)
        values = torch.full((1,), torch.nan, device=now.means.device)
        parts = [part[None] for part in _plane(now, self.across, self.up)]
        way = _frames(subject)
        if way is not None:
            before = way.steps < subject.step
            steps, values = torch.cat([way.steps[before], steps]), torch.cat([way.values[before], values])
            then = _plane(way.components, self.across, self.up)
            parts = [torch.cat([a[before], b]) for a, b in zip(then, parts, strict=True)]
        return Way(array(steps), array(values), *(array(part) for part in parts))


@dataclass(frozen=True)
class PlanePoints:
    """Training examples in two coordinates, where they came from, and where they are said to come from."""

    points: np.ndarray  # (N, 2)
    y: np.ndarray  # (N,) class, -1 without a label
    component: np.ndarray  # (N,) the most responsible one
    certainty: np.ndarray  # (N,) its responsibility


@dataclass(frozen=True)
class AskPoints:
    """At most POINTS training examples in the coordinates `across` and `up`, and the components responsible for them as
    they were at `step`: the present ones where that is not among those that are kept."""

    across: int
    up: int
    step: int

    def __call__(self, subject: Subject) -> PlanePoints:
        train = subject.dataset.train
        index = spread_out(len(train), POINTS).to(train.x.device)
        x = train.x[index].to(subject.device)
        way = _frames(subject)
        place = [] if way is None else (way.steps == self.step).nonzero().flatten().tolist()
        if way is not None and place and self.step != subject.step:
            shares = _responsibilities(x.flatten(1), Components(*(p[place[0]] for p in vars(way.components).values())))
        else:
            shares = subject.model.responsibilities(x)
        most = shares.max(1)
        points = x.flatten(1)[:, [self.across, self.up]]
        return PlanePoints(array(points), array(train.y[index]), array(most.indices), array(most.values))


def _frames(subject: Subject) -> Frames | None:
    """What the learner keeps, if it keeps any."""
    if not isinstance(subject.learner, KeepsFrames):
        return None
    frames = subject.learner.frames()
    return frames if len(frames.steps) else None


def _plane(components: Components, across: int, up: int) -> list[Tensor]:
    """Weights, means and both covariances in two coordinates, with whatever axes come first."""
    pick = [across, up]
    of_pair = [c[..., pick, :][..., pick] for c in (components.covariances, components.mean_covariances)]
    return [components.weights, components.means[..., pick], *of_pair]


def _responsibilities(x: Tensor, components: Components) -> Tensor:
    """P(component | x) of a mixture of Gaussians: (N, D) -> (N, K). In double precision where the device has it."""
    dtype = torch.float32 if x.device.type == "mps" else torch.float64
    weights, means, covariances = (c.to(dtype) for c in (components.weights, components.means, components.covariances))
    log_p = [
        FullNormal(mean, torch.linalg.cholesky_ex(covariance).L).log_prob(x.to(dtype))
        for mean, covariance in zip(means, covariances, strict=True)
    ]
    return (torch.stack(log_p, 1) + weights.log()).softmax(1)
