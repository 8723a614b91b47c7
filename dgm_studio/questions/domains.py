"""Questions about features that two domains share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dgm_studio.questions.arrays import Bounds, array, cell_centres, tensor
from dgm_studio.questions.examples import spread_out
from dgm_studio.subject import Subject
from models.capabilities import TellsDomains

EXAMPLES = 500  # of each domain


@dataclass(frozen=True)
class DomainMap:
    """Held-out examples of both domains, those of the first before those of the second."""

    points: np.ndarray  # (N, 2) features on two axes, principal ones of both domains together
    explained: float  # the part of the features' variance that lies along the two
    inputs: np.ndarray  # (N, 2) the examples themselves where they are points in the plane; nothing elsewhere: (0, 2)
    domain: np.ndarray  # (N,) int64, 0 or 1
    index: np.ndarray  # (N,) int64, places in the test part of their domain
    y: np.ndarray  # (N,) int64, -1 without a label
    taken_for: np.ndarray  # (N,) int64, the most probable class
    certainty: np.ndarray  # (N,) its probability
    of_second: np.ndarray  # (N,) P(second domain) by the discriminator; NaN where there is none

    def accuracy(self, domain: int) -> tuple[int, int]:
        """How many labelled examples of a domain are classified right, and how many there are."""
        known = (self.domain == domain) & (self.y >= 0)
        return int((known & (self.taken_for == self.y)).sum()), int(known.sum())


@dataclass(frozen=True)
class AskDomains:
    """The same examples at each asking: at most `limit` of each domain, from all over its test part."""

    limit: int = EXAMPLES

    def __call__(self, subject: Subject) -> DomainMap:
        features, inputs, log_probs, seconds, index, y = [], [], [], [], [], []
        for domain in subject.dataset.domains:
            places = spread_out(len(domain.test), self.limit)
            x = domain.test.x[places.to(domain.test.x.device)].to(subject.device)
            seen = subject.model.features(x)
            features.append(seen.cpu())
            log_probs.append(subject.model.classify(seen).log_softmax(1))
            inputs.append(x.flatten(1) if x[0].numel() == 2 else x.new_zeros(0, 2))
            seconds.append(_of_second(subject, x))
            index.append(places)
            y.append(domain.test.y[places.to(domain.test.y.device)])
        points, explained = principal_plane(torch.cat(features))
        certainty, taken_for = torch.cat(log_probs).exp().max(1)
        return DomainMap(
            array(points),
            explained,
            array(torch.cat(inputs)),
            np.repeat(np.arange(len(index)), [len(places) for places in index]),
            array(torch.cat(index)),
            array(torch.cat(y)),
            array(taken_for),
            array(certainty),
            array(torch.cat(seconds)),
        )


@dataclass(frozen=True)
class PlaneField:
    """What is said of each place of the plane within `bounds`; the first row is at the lower edge."""

    bounds: Bounds
    of: Literal["classes", "domain"]
    values: np.ndarray  # P(class), (n, n, classes), or P(second domain), (n, n)


@dataclass(frozen=True)
class AskPlane:
    bounds: Bounds
    of: Literal["classes", "domain"]
    resolution: int = 96

    def __call__(self, subject: Subject) -> PlaneField:
        n = self.resolution
        places = tensor(subject, cell_centres(self.bounds, n, n))
        if self.of == "domain":
            values: np.ndarray = array(_of_second(subject, places)).reshape(n, n)
        else:
            values = array(subject.model.class_log_prob(places).exp()).reshape(n, n, -1)
        return PlaneField(self.bounds, self.of, values)


def principal_plane(features: Tensor) -> tuple[Tensor, float]:
    """Features (N, F) on their first two principal axes, (N, 2), the second being 0 where F is 1; and the part of their
    variance along these. In 64 bits, on the CPU."""
    centred = features.double() - features.double().mean(0)
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(centred))
    first = axes.flip(1)[:, :2]
    plane = centred @ first
    if plane.shape[1] == 1:
        plane = torch.cat([plane, torch.zeros_like(plane)], 1)
    total = variances.sum().item()
    return plane, variances.flip(0)[:2].sum().item() / total if total > 0 else 1.0


def turned_like(points: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    """The same points, turned or reflected so that they lie as near as they can to where they were (Procrustes; Gower &
    Dijksterhuis, 2004): axes may change their order and sign from step to step."""
    if before is None or before.shape != points.shape:
        return points
    left, _, right = np.linalg.svd(points.T.astype(np.float64) @ before.astype(np.float64))
    turned: np.ndarray = (points @ (left @ right)).astype(np.float32)
    return turned


def _of_second(subject: Subject, x: Tensor) -> Tensor:
    learner = subject.learner
    return learner.target_probability(x) if isinstance(learner, TellsDomains) else x.new_full((len(x),), torch.nan)
