"""A picture from outside, as a model sees it, and where it lands."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dgm_studio.questions.arrays import array, seeded, tensor
from dgm_studio.subject import Subject
from models.capabilities import BoundsEvidence, WeighsEvidence
from models.distributions import FullNormal, Normal, Point
from models.spec import Support

INK = 0.2  # a value above this belongs to the figure and not to an empty background
DRAWS = 64  # from the posterior, behind the terms of a bound
WEIGHTS = 200  # draws behind an importance-weighted bound
CLOUD = 200  # draws that show a posterior


@dataclass(frozen=True)
class EvidenceBounds:
    """Lower bounds on log p(x) of one picture, in nats."""

    reconstruction: float  # E_q[log p(x | z)], the mean of DRAWS draws
    kl: float  # KL(q(z | x) || p(z))
    error: float  # the standard error of reconstruction - kl from the draws
    weighted: float | None  # log of the mean of WEIGHTS importance weights (Burda et al., 2016); None without weights

    @property
    def elbo(self) -> float:
        return self.reconstruction - self.kl


@dataclass(frozen=True)
class Landing:
    """Where a picture lands in the latent space."""

    input: np.ndarray  # (C, H, W): the picture as the model saw it
    reconstruction: np.ndarray  # (C, H, W): decoded from the posterior's mean
    mean: np.ndarray  # (L,) of q(z | x)
    covariance: np.ndarray | None  # (L, L) of q(z | x) where that is a normal, else None
    cloud: np.ndarray  # (CLOUD, L) draws of q(z | x); (0, L) where that is a single point
    bounds: EvidenceBounds | None  # None for a model without one


@dataclass(frozen=True)
class Land:
    """Encode `picture` (C, height, width), values in 0…1, of any size; with `centre` it is first moved and scaled so
    that its figure lies as figures of the training data do."""

    picture: np.ndarray
    centre: bool = True

    def __call__(self, subject: Subject) -> Landing:
        x = fit(subject, self.picture, self.centre)
        model = subject.model
        posterior = model.encode(x)
        covariance = None
        if isinstance(posterior, Normal):
            covariance = torch.diag((2 * posterior.log_scale[0]).exp())
        elif isinstance(posterior, FullNormal):
            covariance = posterior.covariance.reshape(2 * posterior.mean.shape[-1:])
        draws = 0 if isinstance(posterior, Point) else CLOUD
        return Landing(
            array(x[0]),
            array(model.decode(posterior.mean)[0]),
            array(posterior.mean[0]),
            None if covariance is None else array(covariance),
            array(posterior.sample(draws, seeded(subject, 0))[:, 0]),
            _bounds(subject, x),
        )


def _bounds(subject: Subject, x: Tensor) -> EvidenceBounds | None:
    """Of x (1, *event)."""
    model = subject.model
    if not isinstance(model, BoundsEvidence):
        return None
    elbo = model.elbo(x.expand(DRAWS, *x.shape[1:]), seeded(subject, 0))
    weighted = None
    if isinstance(model, WeighsEvidence):
        log_weights = model.log_weights(x, WEIGHTS, seeded(subject, 1))
        weighted = float(log_weights.logsumexp(0)[0]) - math.log(WEIGHTS)
    error = float(elbo.value.std()) / math.sqrt(DRAWS)
    return EvidenceBounds(float(elbo.reconstruction.mean()), float(elbo.kl.mean()), error, weighted)


@dataclass(frozen=True)
class Fit:
    """`picture` (C, height, width), values in 0…1, of any size, as an example of the data: (*event)."""

    picture: np.ndarray

    def __call__(self, subject: Subject) -> np.ndarray:
        return array(fit(subject, self.picture, centre=False)[0])


def fit(subject: Subject, picture: np.ndarray, centre: bool, domain: int = 0) -> Tensor:
    """`picture` (C, height, width), values in 0…1, resampled to the event shape, and made bits or whole levels where
    the data are: (1, *event). Of two domains, `domain` says for which."""
    spec = subject.dataset.domains[domain].spec
    channels, height, width = spec.event_shape
    x = tensor(subject, picture)
    if len(x) != channels:
        x = x.mean(0, keepdim=True).expand(channels, -1, -1)
    x = _padded(x, width / height)
    box = (0.0, 0.0, 1.0, 1.0)  # left, top, right, bottom, as shares of the padded picture
    figure = figure_of(x[None])
    if centre and figure is not None:
        usual = usual_figure(subject, domain)
        if usual is not None:
            box = _window(figure[0], usual)
    x = _resample(x, box, height, width)
    if spec.support is Support.BITS:
        return (x > 0.5).to(x.dtype)
    if spec.support is Support.LEVELS:
        return (x * spec.brightest + 0.5).floor()
    return x


def figure_of(x: Tensor) -> Tensor | None:
    """Where the ink is in pictures (N, C, H, W): (M, 3) of centre x, centre y and the longer side of the bounding
    box, as shares of the picture's sides; the M ≤ N pictures without ink are left out. None if M is 0."""
    ink = x.amax(1) > INK
    some = ink.any(2).any(1)
    if not some.any():
        return None
    columns, rows = _extent(ink[some].any(1)), _extent(ink[some].any(2))
    sides = torch.stack([columns[1] - columns[0], rows[1] - rows[0]]).amax(0)
    return torch.stack([columns.mean(0), rows.mean(0), sides], dim=1)


def usual_figure(subject: Subject, domain: int = 0) -> tuple[float, float, float] | None:
    """The mean of `figure_of` over training data; None where pictures have no empty background to move a figure on
    (ink at nearly every border)."""
    data = subject.dataset.domains[domain]
    x = data.train.x[:500] / data.spec.brightest
    ink = x.amax(1) > INK
    corners = torch.stack([ink[:, 0, 0], ink[:, 0, -1], ink[:, -1, 0], ink[:, -1, -1]]).float().mean()
    figures = figure_of(x)
    if figures is None or corners > 0.5:
        return None
    x, y, side = figures.mean(0).tolist()
    return x, y, side


def _extent(marked: Tensor) -> Tensor:
    """Where the marked cells of each row (N, W) begin and end, as shares of the row: (2, N)."""
    width = marked.shape[1]
    places = torch.arange(width, device=marked.device)
    first = torch.where(marked, places, width).amin(1)
    last = torch.where(marked, places, -1).amax(1)
    return torch.stack([first / width, (last + 1) / width])


def _window(figure: Tensor, usual: tuple[float, float, float]) -> tuple[float, float, float, float]:
    """The part of a picture that, stretched over the whole, puts its figure where figures usually are."""
    x, y, side = figure.tolist()
    scale = side / usual[2]
    left, top = x - usual[0] * scale, y - usual[1] * scale
    return left, top, left + scale, top + scale


def _padded(x: Tensor, aspect: float) -> Tensor:
    """A picture (C, H, W) with empty borders, so that width / height is `aspect`."""
    height, width = x.shape[1:]
    down = max(0, round(width / aspect) - height)
    right = max(0, round(height * aspect) - width)
    return F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))


def _resample(x: Tensor, box: tuple[float, float, float, float], height: int, width: int) -> Tensor:
    """The part `box` of a picture (C, H, W), by averaging over each of height × width pixels; empty outside."""
    finer = max(1, round(x.shape[-1] * (box[2] - box[0]) / width))
    left, top, right, bottom = box
    span = [left + right - 1, top + bottom - 1]
    rows = [[right - left, 0.0, span[0]], [0.0, bottom - top, span[1]]]
    theta = torch.tensor([rows], dtype=x.dtype, device=x.device)
    places = F.affine_grid(theta, [1, len(x), height * finer, width * finer], align_corners=False)
    fine = F.grid_sample(x[None], places, mode="bilinear", padding_mode="zeros", align_corners=False)
    return F.avg_pool2d(fine, finer).clamp(0, 1)
