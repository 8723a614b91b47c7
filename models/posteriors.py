"""Families of approximate posteriors q(z | x) over a continuous code, each with the prior that belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from models.distributions import (
    Distribution,
    Exponential,
    FullNormal,
    Laplace,
    Logistic,
    LogNormal,
    Normal,
    limited,
    standard_normal,
)
from models.settings import Settings, setting

PosteriorName = Literal["Gaussian", "full Gaussian", "log-normal", "exponential", "logistic", "Laplace"]

SMALLEST, LARGEST = -15.0, 15.0  # of the logarithm of a scale, whatever a network says: scales of 3e-7 to 3e6
WIDEST = 2.0  # of the log σ of log z: e^(±40) is then no more than what is drawn once in millions


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
    return Normal(mean, limited(log_scale, SMALLEST, LARGEST))


def _full_normal(output: Tensor) -> FullNormal:
    """Means, then the logarithms of the diagonal of the Cholesky factor, then what is below it, row by row."""
    size = _size(output.shape[-1])
    mean, log_diagonal, below = output.split([size, size, output.shape[-1] - 2 * size], dim=-1)
    rows, columns = torch.tril_indices(size, size, -1, device=output.device)
    factor = limited(log_diagonal, SMALLEST, LARGEST).exp().diag_embed()
    factor[..., rows, columns] = below
    return FullNormal(mean, factor)


def _size(outputs: int) -> int:
    """L, of which L (L + 3) / 2 numbers make a Gaussian."""
    return round(((9 + 8 * outputs) ** 0.5 - 3) / 2)


def _log_normal(output: Tensor) -> LogNormal:
    location, log_scale = output.chunk(2, dim=-1)
    return LogNormal(limited(location, SMALLEST, LARGEST), limited(log_scale, SMALLEST, WIDEST))


def _exponential(output: Tensor) -> Exponential:
    return Exponential(limited(output, SMALLEST, LARGEST))


def _logistic(output: Tensor) -> Logistic:
    location, log_scale = output.chunk(2, dim=-1)
    return Logistic(location, limited(log_scale, SMALLEST, LARGEST))


def _laplace(output: Tensor) -> Laplace:
    location, log_scale = output.chunk(2, dim=-1)
    return Laplace(location, limited(log_scale, SMALLEST, LARGEST))


def _zeros(size: int, like: Tensor) -> Tensor:
    return torch.zeros(size, device=like.device, dtype=like.dtype)


def _closed_form(q: Any, z: Tensor) -> Tensor:
    kl: Tensor = q.kl_from_standard()
    return kl


def _drawn(q: Logistic, z: Tensor) -> Tensor:
    return q.log_prob_each(z) - Logistic.standard_log_prob(z)


def _twice(size: int) -> int:
    return 2 * size


POSTERIORS: dict[str, PosteriorFamily] = {
    "Gaussian": PosteriorFamily(_twice, _normal, standard_normal, _closed_form),
    "full Gaussian": PosteriorFamily(lambda size: size * (size + 3) // 2, _full_normal, standard_normal, _closed_form),
    "log-normal": PosteriorFamily(
        _twice, _log_normal, lambda size, like: LogNormal(_zeros(size, like), _zeros(size, like)), _closed_form
    ),
    "exponential": PosteriorFamily(
        lambda size: size, _exponential, lambda size, like: Exponential(_zeros(size, like)), _closed_form
    ),
    "logistic": PosteriorFamily(
        _twice, _logistic, lambda size, like: Logistic(_zeros(size, like), _zeros(size, like)), _drawn
    ),
    "Laplace": PosteriorFamily(
        _twice, _laplace, lambda size, like: Laplace(_zeros(size, like), _zeros(size, like)), _closed_form
    ),
}
assert set(POSTERIORS) == set(get_args(PosteriorName))


class PosteriorSettings(Settings):
    """What every model whose encoder says a `PosteriorFamily` lets a person choose of it."""

    posterior: PosteriorName = setting(
        "Gaussian",
        title="Posterior q(z|x)",
        help="The family of q(z|x), and with it the prior: independent N(0, 1), of which full Gaussian also knows "
        "correlations given x; log-normal, e^N(0, 1); exponential, of mean 1; logistic or Laplace, of location 0 and "
        "scale 1. Log-normal and exponential codes are positive.",
        reference="Kingma & Welling (2014), section 2.4",
    )
