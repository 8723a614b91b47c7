"""Questions about a latent space: what lies where, and what a place decodes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from dgm_studio.questions.arrays import Bounds, array, cell_centres, seeded, tensor
from dgm_studio.questions.examples import SplitName, split_of, spread_out
from dgm_studio.questions.parts import by_parts
from dgm_studio.subject import InParts, Parts, Subject
from models.capabilities import BoundsEvidence
from models.distributions import Distribution

DRAWS = 8  # from each q(z | x), where its scale is measured
LONG = 1.5  # seconds that encoding may take
LEAST = 500  # examples are encoded at least
TRIED = 8  # examples that show how long one takes


@dataclass(frozen=True)
class Plane:
    """Two directions through a latent space. `u` and `v` are orthonormal, (L,); with one dimension `v` is zero."""

    origin: np.ndarray
    u: np.ndarray
    v: np.ndarray

    @staticmethod
    def axes(size: int, i: int, j: int) -> Plane:
        """The plane of two coordinates; with `i == j` a line."""
        u, v = np.zeros(size, np.float32), np.zeros(size, np.float32)
        u[i] = 1
        if i != j:
            v[j] = 1
        return Plane(np.zeros(size, np.float32), u, v)

    def project(self, z: np.ndarray) -> np.ndarray:
        """(..., L) -> (..., 2)."""
        away = z - self.origin
        return np.stack([away @ self.u, away @ self.v], axis=-1)

    def lift(self, point: np.ndarray, z: np.ndarray) -> np.ndarray:
        """`z` (L,) moved parallel to the plane until it projects to each `point` (..., 2): (..., L)."""
        shift = point - self.project(z)
        return (z + shift[..., :1] * self.u + shift[..., 1:] * self.v).astype(np.float32)


def principal_plane(z: np.ndarray, previous: Plane | None = None) -> Plane:
    """The plane of largest variance of `z` (N, L ≥ 2) through its mean.

    Its basis is only defined up to rotation and reflection; it is turned to agree with `previous` as well as it can
    (orthogonal Procrustes), so that a map does not flip while a model trains.
    """
    origin = z.mean(0)
    centred = (z - origin).astype(np.float64)
    basis = np.linalg.eigh(centred.T @ centred)[1][:, :-3:-1]  # (L, 2), largest first
    if previous is None:
        basis = basis * np.where(basis[np.abs(basis).argmax(0), [0, 1]] < 0, -1, 1)
    else:
        left, _, right = np.linalg.svd(basis.T @ np.stack([previous.u, previous.v], axis=1))
        basis = basis @ (left @ right)
    u, v = basis.T.astype(np.float32)
    return Plane(origin.astype(np.float32), u, v)


KEPT = 32  # draws of the prior that are shown
REACH = 4.0  # standard deviations of the prior to each side that a person can go along one dimension


@dataclass(frozen=True)
class PriorView:
    """The prior, as far as a map needs it. It need not be a normal, nor reach everywhere."""

    mean: np.ndarray  # (L,)
    scale: np.ndarray  # (L,) standard deviations, measured on 2000 draws
    lowest: np.ndarray  # (L,) where its density ends along each dimension; -inf where it does not within REACH
    highest: np.ndarray  # (L,) the same upwards
    draws: np.ndarray  # (KEPT, L) some of them

    @property
    def low(self) -> np.ndarray:
        """Where a slider of each dimension begins: (L,)."""
        return np.maximum(self.mean - REACH * self.scale, self.lowest)

    @property
    def high(self) -> np.ndarray:
        return np.minimum(self.mean + REACH * self.scale, self.highest)

    def inside(self, z: np.ndarray) -> np.ndarray:
        """z (..., L), moved to where the prior has a density."""
        return np.clip(z, self.lowest, self.highest).astype(np.float32)


@dataclass(frozen=True)
class AskPrior:
    """How large the latent space is and where its mass lies."""

    def __call__(self, subject: Subject) -> PriorView:
        prior = subject.model.prior()
        draws = prior.sample(2000, seeded(subject, 0))
        scale = draws.std(0)
        lowest, highest = (array(_end_of_support(prior, side * REACH * scale)) for side in (-1, 1))
        return PriorView(array(prior.mean), array(scale), lowest, highest, array(draws[:KEPT]))


def _end_of_support(prior: Distribution, reach: Tensor) -> Tensor:
    """Along each axis from the mean to mean + reach (L,), the last place with a density, by bisection; ± inf where
    there is one all the way: (L,)."""
    inside, outside = torch.zeros_like(reach), reach.clone()

    def has_density(shift: Tensor) -> Tensor:
        return prior.log_prob(prior.mean + shift.diag()).isfinite()

    everywhere = has_density(outside)
    for _ in range(24):
        middle = (inside + outside) / 2
        good = has_density(middle)
        inside, outside = torch.where(good, middle, inside), torch.where(good, outside, middle)
    return torch.where(everywhere, torch.inf * reach.sign(), prior.mean + inside)


@dataclass(frozen=True)
class DrawPrior:
    """One z from the prior: (L,)."""

    def __call__(self, subject: Subject) -> np.ndarray:
        return array(subject.model.prior().sample(1, subject.generator)[0])


@dataclass(frozen=True)
class Sheet:
    """Something at each cell of a grid over part of a plane."""

    values: np.ndarray  # (rows, columns, ...), first row at the lower edge
    bounds: Bounds


@dataclass(frozen=True)
class PriorDensity:
    """p(z) on a grid of the plane through z (L,), relative to its largest value there."""

    plane: Plane
    z: np.ndarray
    bounds: Bounds
    resolution: int = 64

    def __call__(self, subject: Subject) -> Sheet:
        z = grid(self.plane, self.z, self.bounds, self.resolution, self.resolution)
        log_p = subject.model.prior().log_prob(tensor(subject, z)).reshape(self.resolution, self.resolution)
        # where the whole plane lies outside the prior's support, the density is 0 and not NaN
        return Sheet(array((log_p - log_p.max()).exp().nan_to_num(0)), self.bounds)


Labels = np.ndarray | int | None  # of each place (n,), of all of them, or none where a code alone decodes


def decoding(subject: Subject, labels: Labels) -> Callable[[Tensor, Tensor], Tensor]:
    """What codes (B, L) at places (B,) of all that are asked for decode to: the mean of p(x | z), or the generated
    example."""
    if labels is None:
        return lambda z, place: subject.model.decode(z)
    if isinstance(labels, int):
        return lambda z, place: subject.model.decode_of_class(z, torch.full_like(place, labels))
    of_each = torch.from_numpy(np.ascontiguousarray(labels, np.int64)).to(subject.device)
    return lambda z, place: subject.model.decode_of_class(z, of_each[place])


def decoded_in_parts(
    subject: Subject, z: np.ndarray, labels: Labels, last: Callable[[np.ndarray], np.ndarray] = np.asarray
) -> Parts:
    """What each of `z` (n, L) decodes to, all by one state of the model, `last` applied to each part: (n, *event)."""
    decode, places = decoding(subject, labels), torch.arange(len(z), device=subject.device)
    codes = tensor(subject, z)
    parts = yield from by_parts(lambda place: last(array(decode(codes[place], place))), places)
    return np.concatenate(parts)


@dataclass(frozen=True)
class Decoded:
    z: np.ndarray  # (n, L)
    x: np.ndarray  # (n, *event), the mean of p(x | z) or the generated example


@dataclass(frozen=True)
class Decode:
    """Decode each of `z` (n, L)."""

    z: np.ndarray
    labels: Labels = None

    def __call__(self, subject: Subject) -> Decoded:
        places = torch.arange(len(self.z), device=subject.device)
        return Decoded(self.z, array(decoding(subject, self.labels)(tensor(subject, self.z), places)))


@dataclass(frozen=True)
class DecodeMany(InParts):
    """The same of many places, in parts."""

    z: np.ndarray
    labels: Labels = None

    def parts(self, subject: Subject) -> Parts:
        return Decoded(self.z, (yield from decoded_in_parts(subject, self.z, self.labels)))


@dataclass(frozen=True)
class DecodeGrid(InParts):
    """Decode the centres of a grid of cells over part of a plane through z (L,): the learned manifold (Kingma &
    Welling, 2014, figure 4)."""

    plane: Plane
    z: np.ndarray
    bounds: Bounds
    columns: int
    rows: int
    labels: Labels = None

    def parts(self, subject: Subject) -> Parts:
        z = grid(self.plane, self.z, self.bounds, self.columns, self.rows)
        x = yield from decoded_in_parts(subject, z, self.labels)
        return Sheet(x.reshape(self.rows, self.columns, *x.shape[1:]), self.bounds)


def grid(plane: Plane, z: np.ndarray, bounds: Bounds, columns: int, rows: int) -> np.ndarray:
    """Centres of cells over `bounds` as `cell_centres` has them, lifted into the space at z: (rows * columns, L)."""
    return plane.lift(cell_centres(bounds, columns, rows), z)


@dataclass(frozen=True)
class Embedding:
    """Encoded data: the means of q(z | x)."""

    split: SplitName
    index: np.ndarray  # (N,) places in the split
    means: np.ndarray  # (N, L)
    y: np.ndarray  # (N,) int64, -1 without a label
    scale: np.ndarray  # (L,) standard deviation of q(z_l | x), its square averaged over the data; measured on draws
    kl: np.ndarray | None  # (L,) KL(q(z_l | x) || p(z_l)) in nats, averaged over data; None without a bound
    plane: Plane | None  # the plane of largest variance; None with fewer than two dimensions


def nearest(embedding: Embedding, z: np.ndarray, n: int) -> np.ndarray:
    """The n codes that lie nearest to z (L,), as rows of the embedding, the nearest first."""
    away = np.linalg.norm(embedding.means - z, axis=1)
    return np.argsort(away, kind="stable")[:n]


@dataclass(frozen=True)
class Embed(InParts):
    """Encode at most `limit` examples, fewer where that would take long. `previous` is the plane that the new one
    should agree with."""

    limit: int = 4000
    split: SplitName = "train"
    previous: Plane | None = None

    def parts(self, subject: Subject) -> Parts:
        split = split_of(subject.dataset, self.split)
        model = subject.model

        def encode(x: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
            x = x.to(subject.device)
            posterior = model.encode(x)
            variances = posterior.sample(DRAWS, seeded(subject, 0)).var(0)
            kl = None
            if isinstance(model, BoundsEvidence):
                kl = array(model.elbo(x[::stride], seeded(subject, 0)).kl_per_dimension)
            return array(posterior.mean), array(variances), kl

        stride = 1
        times = [perf_counter()]
        for _ in range(3):  # the first time may wait for much else
            encode(split.x[:TRIED])
            times.append(perf_counter())
        limit = affordable(min(self.limit, len(split)), min(np.diff(times)) / TRIED)
        index = spread_out(len(split), limit).to(split.x.device)
        stride = -(-len(index) // LEAST)  # a bound decodes as well, which costs more than it tells
        encoded = yield from by_parts(encode, split.x[index])
        z, variances = (np.concatenate([part[i] for part in encoded]) for i in (0, 1))
        kl = None if encoded[0][2] is None else np.concatenate([part[2] for part in encoded]).mean(0)
        plane = principal_plane(z, self.previous) if z.shape[1] > 1 and len(z) > 2 else None
        y = array(split.y[index])
        return Embedding(self.split, array(index), z, y, np.sqrt(variances.mean(0)), kl, plane)


def affordable(limit: int, each: float) -> int:
    """How many examples to look at where one takes `each` seconds: `limit`, or the half of it and so on, but LEAST."""
    while limit > LEAST and limit * each > LONG:
        limit //= 2
    return limit
