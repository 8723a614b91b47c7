"""Paths through a latent space: key frames, and how time runs between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Easing = Literal["even", "smooth", "start", "arrive"]
EASINGS: tuple[Easing, ...] = get_args(Easing)

_SHARES: dict[Easing, Callable[[np.ndarray], np.ndarray]] = {
    "even": lambda t: t,
    "smooth": lambda t: t * t * (3 - 2 * t),
    "start": lambda t: t * t,
    "arrive": lambda t: t * (2 - t),
}


def eased(t: np.ndarray, easing: Easing) -> np.ndarray:
    """Which share of a leg lies behind after the share t (…) of its time: from 0 to 1, never back. "smooth" starts and
    arrives at rest, "start" only starts there, "arrive" only arrives."""
    return _SHARES[easing](t)


@dataclass(frozen=True)
class KeyFrame:
    """A place on a path."""

    z: np.ndarray  # (L,)
    seconds: float = 1.0  # that the leg from here to the next one takes; of no meaning at the end of an open path
    easing: Easing = "smooth"


@dataclass(frozen=True)
class Path:
    """A way through two key frames or more; a closed one leads from the last back to the first."""

    frames: tuple[KeyFrame, ...]
    closed: bool = False
    spherical: bool = False

    @property
    def legs(self) -> tuple[tuple[KeyFrame, KeyFrame], ...]:
        """From where to where, in order."""
        ends = (*self.frames[1:], self.frames[0]) if self.closed else self.frames[1:]
        return tuple(zip(self.frames, ends, strict=False))

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return sum(begin.seconds for begin, _ in self.legs)

    def at(self, times: np.ndarray) -> np.ndarray:
        """The places at `times` (N,) in seconds from the start: (N, L). A closed path goes round and round; an open one
        stays at its ends."""
        starts = np.cumsum([0.0, *(begin.seconds for begin, _ in self.legs)])
        t = np.mod(times, starts[-1]) if self.closed else np.clip(times, 0, starts[-1])
        which = np.clip(np.searchsorted(starts, t, side="right") - 1, 0, len(self.legs) - 1)
        places = np.empty((len(t), len(self.frames[0].z)), np.float32)
        for i, (begin, end) in enumerate(self.legs):
            here = which == i
            share = eased((t[here] - starts[i]) / begin.seconds, begin.easing)
            places[here] = between(begin.z, end.z, share, self.spherical)
        return places

    def film(self, per_second: int) -> np.ndarray:
        """The places of a film's pictures: (N, L). The last one of an open path is its end; that of a closed one comes
        before its beginning, so that the film can be repeated without a stop."""
        n = max(1, round(self.seconds * per_second))
        return self.at(np.arange(n + (not self.closed)) * (self.seconds / n))


def between(a: np.ndarray, b: np.ndarray, share: np.ndarray, spherical: bool) -> np.ndarray:
    """The places at each `share` (N,) of the way from a to b (both (L,)): (N, L), along the straight line or along the
    great arc, which keeps to the radius where a Gaussian prior has its mass (White, 2016, "Sampling generative
    networks")."""
    t = np.asarray(share, np.float32)[:, None]
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    angle = np.arccos(np.clip(a @ b / norms, -1, 1)) if norms > 0 else 0.0
    # the great arc is not defined for opposite, parallel or zero vectors
    if not spherical or np.sin(angle) < 1e-4:
        return (1 - t) * a + t * b
    return ((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)).astype(np.float32)


def interpolate(a: np.ndarray, b: np.ndarray, steps: int, spherical: bool) -> np.ndarray:
    """`steps` places from a to b at equal shares of the way: (steps, L)."""
    return between(a, b, np.linspace(0, 1, steps), spherical)
