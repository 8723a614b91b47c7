"""One Gaussian fitted to a density in the plane, by either of the two divergences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.distributions import LOG_2PI

LogDensity = Callable[[Tensor], Tensor]  # (N, 2) -> (N,), differentiable, in double precision
NODES = 41  # along an axis, of the lattice on which means under a Gaussian are taken
REACH = 5.0  # standard deviations that this lattice covers
ITERATIONS = 100


@dataclass(frozen=True)
class Fit:
    """N(mean, root rootᵀ)."""

    mean: Tensor  # (2,)
    root: Tensor  # (2, 2), lower triangular

    @property
    def covariance(self) -> Tensor:
        return self.root @ self.root.t()

    @property
    def area(self) -> float:
        """Of its 2σ ellipse."""
        return 4 * math.pi * float(self.root.diagonal().prod())

    def log_prob(self, x: Tensor) -> Tensor:
        """(N, 2) -> (N,)."""
        z = torch.linalg.solve_triangular(self.root, (x - self.mean).t(), upper=False)
        return -0.5 * z.square().sum(0) - self.root.diagonal().log().sum() - LOG_2PI


@dataclass(frozen=True)
class Lattice:
    """A density at points of a square lattice, as probabilities that sum to 1."""

    points: Tensor  # (N, 2)
    log_density: Tensor  # (N,)  of p itself
    shares: Tensor  # (N,)
    mass: float  # of p on the lattice before it was made 1

    def divergence_to(self, fit: Fit) -> float:
        """KL(p ‖ fit) in nats."""
        return float((self.shares * (self.log_density - fit.log_prob(self.points))).nan_to_num(0.0).sum())


def lattice(log_density: LogDensity, low: Tensor, high: Tensor, nodes: int = 301) -> Lattice:
    """Of a box from `low` to `high`, (2,) each."""
    axes = [torch.linspace(float(a), float(b), nodes, dtype=torch.float64) for a, b in zip(low, high, strict=True)]
    points = torch.cartesian_prod(*axes)
    value = log_density(points)
    cell = float((axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0]))
    weights = value.exp() * cell
    return Lattice(points, value, weights / weights.sum(), float(weights.sum()))


def covering(p: Lattice) -> Fit:
    """The Gaussian of smallest KL(p ‖ q): that with the mean and covariance of p."""
    mean = p.shares @ p.points
    away = p.points - mean
    return Fit(mean, torch.linalg.cholesky((away * p.shares[:, None]).t() @ away))


def reverse_divergence(fit: Fit, log_density: LogDensity) -> Tensor:
    """KL(fit ‖ p) in nats, a 0-d tensor that is differentiable in the fit."""
    axis = torch.linspace(-REACH, REACH, NODES, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    weights = (-0.5 * z.square().sum(1)).softmax(0)
    entropy = 1 + LOG_2PI + fit.root.diagonal().log().sum()
    return -(weights @ log_density(fit.mean + z @ fit.root.t())) - entropy


def seeking(log_density: LogDensity, starts: Sequence[Fit]) -> Fit:
    """The Gaussian of smallest KL(q ‖ p) that is found by L-BFGS from any of `starts`."""
    best, least = starts[0], math.inf
    for start in starts:
        mean = start.mean.clone().requires_grad_()
        logs = start.root.diagonal().log().clone().requires_grad_()
        slant = start.root[1, 0].clone().requires_grad_()
        optimiser = torch.optim.LBFGS([mean, logs, slant], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

        def fit(mean: Tensor = mean, logs: Tensor = logs, slant: Tensor = slant) -> Fit:
            scale = logs.exp()
            zero = torch.zeros_like(slant)
            return Fit(mean, torch.stack([torch.stack([scale[0], zero]), torch.stack([slant, scale[1]])]))

        def closure(optimiser: torch.optim.Optimizer = optimiser, fit: Callable[[], Fit] = fit) -> float:
            optimiser.zero_grad()
            value = reverse_divergence(fit(), log_density)
            value.backward()
            return float(value.detach())

        with torch.enable_grad():
            optimiser.step(closure)
        with torch.no_grad():
            found = fit()
            value = float(reverse_divergence(found, log_density))
        if value < least:
            best, least = Fit(found.mean.detach(), found.root.detach()), value
    return best
