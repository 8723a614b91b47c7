"""Families of approximate posteriors q(z | x) over a continuous code, each with the prior that belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import Tensor

from models.distributions import Distribution, Normal, standard_normal

PosteriorName = Literal["Gaussian"]


@dataclass(frozen=True)
class PosteriorFamily:
    """How q(z | x) is read from what an encoder says, and the prior p(z).

    `kl(q, z)` is KL(q ‖ p) of each dimension, (..., L): in closed form where there is one, otherwise log q - log p at z
    ~ q, whose mean it is.
    """

    outputs: Callable[[int], int]  # numbers that the encoder says, for a code of L dimensions
    read: Callable[[Tensor], Distribution]  # (..., outputs) -> a distribution over (..., L), reparameterised
    prior: Callable[[int, Tensor], Distribution]  # L, and a tensor whose device and precision it shall have
    kl: Callable[[Any, Tensor], Tensor]


def _normal(output: Tensor) -> Normal:
    """Means, then log standard deviations."""
    mean, log_scale = output.chunk(2, dim=-1)
    return Normal(mean, log_scale)


POSTERIORS: dict[str, PosteriorFamily] = {
    "Gaussian": PosteriorFamily(lambda size: 2 * size, _normal, standard_normal, lambda q, z: q.kl_from_standard()),
}
assert set(POSTERIORS) == set(get_args(PosteriorName))
