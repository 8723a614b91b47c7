"""Distributions in the plane that are known exactly: density and sampler, each draw with an explicit generator."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from models.distributions import LOG_2PI


class PlanarDensity(ABC):
    """A density p(x) for x in the plane, with the part (component, arm, square) that each draw comes from."""

    @property
    @abstractmethod
    def parts(self) -> int:
        """How many parts there are."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats: (B, 2) -> (B,), on x's device and in its precision. -inf where p(x) = 0."""

    @abstractmethod
    def draw(self, n: int, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """n independent draws and the part each comes from: (n, 2) float32 and (n,) int64, on the CPU."""

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n independent draws: (n, 2) float32."""
        return self.draw(n, generator)[0]


@dataclass(frozen=True)
class Mixture(PlanarDensity):
    """K round Gaussians of equal weight: p(x) = 1/K Σ_k N(x; means[k], sigma² I)."""

    means: Tensor  # (K, 2) float64
    sigma: float

    @property
    def parts(self) -> int:
        return len(self.means)

    def log_prob(self, x: Tensor) -> Tensor:
        # differences, not ‖x‖² - 2x·m + ‖m‖², which cancels where sigma is small
        distance = (x[:, None, :] - self.means.to(x)).square().sum(-1)
        log_norm = LOG_2PI + 2 * math.log(self.sigma) + math.log(len(self.means))
        return torch.logsumexp(distance / (-2 * self.sigma**2), 1) - log_norm

    def draw(self, n: int, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        component = torch.randint(len(self.means), (n,), generator=generator)
        return self.means[component].float() + self.sigma * torch.randn(n, 2, generator=generator), component


@dataclass(frozen=True)
class Curves(PlanarDensity):
    """Points spread evenly along curves of equal length and blurred by a Gaussian.

    The curves are given as knots a standard deviation or less apart. The mixture of Gaussians at the knots *is* the
    distribution that is sampled and scored, so the density is exact; it differs from that of the unbroken curve by a
    ripple of 2 exp(-2π²), below 1e-8.
    """

    knots: Tensor  # (curves, knots, 2) float64
    sigma: float

    @property
    def parts(self) -> int:
        return len(self.knots)

    def log_prob(self, x: Tensor) -> Tensor:
        return self._mixture.log_prob(x)

    def draw(self, n: int, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        x, knot = self._mixture.draw(n, generator)
        return x, knot // self.knots.shape[1]

    @property
    def _mixture(self) -> Mixture:
        return Mixture(self.knots.reshape(-1, 2), self.sigma)


@dataclass(frozen=True)
class Checkerboard(PlanarDensity):
    """Uniform on the dark squares of a board of `squares` × `squares`, centred at 0, with sides of length `side`."""

    squares: int
    side: float

    @property
    def parts(self) -> int:
        return len(self._dark)

    def log_prob(self, x: Tensor) -> Tensor:
        place = torch.floor(x / self.side + self.squares / 2)
        inside = ((place >= 0) & (place < self.squares)).all(1) & (place.sum(1) % 2 == 0)
        level = -math.log(len(self._dark) * self.side**2)
        return torch.where(inside, level, -math.inf).to(x)

    def draw(self, n: int, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        dark = self._dark
        part = torch.randint(len(dark), (n,), generator=generator)
        within = torch.rand(n, 2, generator=generator)
        return (dark[part] + within - self.squares / 2) * self.side, part

    @property
    def _dark(self) -> Tensor:
        place = torch.cartesian_prod(torch.arange(self.squares), torch.arange(self.squares))
        return place[place.sum(1) % 2 == 0]


def turned(x: Tensor, degrees: float) -> Tensor:
    """Points (…, 2) turned counterclockwise about 0."""
    turn = math.radians(degrees)
    a, b = x.unbind(-1)
    return torch.stack([math.cos(turn) * a - math.sin(turn) * b, math.sin(turn) * a + math.cos(turn) * b], -1)


def letter(size: float, sigma: float, degrees: float = 0.0) -> Mixture:
    """Seven Gaussians in the shape of an F, `size` apart: no turn and no reflection leaves it as it is."""
    places = [(-1.0, -1.5), (-1.0, -0.5), (-1.0, 0.5), (-1.0, 1.5), (0.0, 1.5), (1.0, 1.5), (0.0, 0.5)]
    return Mixture(turned(size * torch.tensor(places, dtype=torch.float64), degrees), sigma)


def ring(modes: int, radius: float, sigma: float, degrees: float = 0.0) -> Mixture:
    """`modes` Gaussians on a circle, the first at `degrees`."""
    # the end point would repeat the first
    angle = math.radians(degrees) + torch.arange(modes, dtype=torch.float64) * (2 * math.pi / modes)
    return Mixture(radius * torch.stack([angle.cos(), angle.sin()], 1), sigma)


def grid(per_side: int, spacing: float, sigma: float) -> Mixture:
    """`per_side`² Gaussians on a square grid, centred at 0."""
    axis = (torch.arange(per_side, dtype=torch.float64) - (per_side - 1) / 2) * spacing
    return Mixture(torch.cartesian_prod(axis, axis), sigma)


def random_mixture(modes: int, spread: float, sigma: float, seed: int) -> Mixture:
    """`modes` Gaussians whose means are drawn from N(0, spread² I)."""
    generator = Generator().manual_seed(seed)
    return Mixture(spread * torch.randn(modes, 2, generator=generator, dtype=torch.float64), sigma)


def two_moons(sigma: float, degrees: float = 0.0) -> Curves:
    """Two half circles of radius 1, each reaching into the other, turned counterclockwise about the point between."""
    angle = torch.linspace(0, math.pi, math.ceil(math.pi / sigma) + 1, dtype=torch.float64)
    upper = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], 1)
    if degrees:
        upper = turned(upper, degrees)
    return Curves(torch.stack([upper, -upper]), sigma)


def spiral(arms: int, turns: float, radius: float, sigma: float) -> Curves:
    """`arms` Archimedean spirals r = radius · angle / (2π turns), evenly filled along their length."""
    fine = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    end = 2 * math.pi * turns

    def along(fraction: Tensor) -> Tensor:
        return radius * fraction[:, None] * torch.stack([(end * fraction).cos(), (end * fraction).sin()], 1)

    length = torch.cat([torch.zeros(1, dtype=torch.float64), along(fine).diff(dim=0).norm(dim=1).cumsum(0)])
    wanted = torch.linspace(0, length[-1].item(), math.ceil(length[-1].item() / sigma) + 1, dtype=torch.float64)
    right = torch.searchsorted(length, wanted).clamp(1, len(fine) - 1)
    share = (wanted - length[right - 1]) / (length[right] - length[right - 1])
    arm = along(fine[right - 1] + share * (fine[right] - fine[right - 1]))
    angle = torch.arange(arms, dtype=torch.float64) * (2 * math.pi / arms)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).reshape(arms, 2, 2)
    return Curves(arm @ turn.transpose(1, 2), sigma)
