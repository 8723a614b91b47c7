"""Langevin dynamics over examples with real coordinates: as it is, and with a Metropolis test that makes it exact.

Where every coordinate lies in 0…1, the two ends are walls at which a move is reflected. Temperatures are above 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Generator, Tensor

from models.spec import DataSpec, Layout, Support

Energy: TypeAlias = Callable[[Tensor], Tensor]  # (B, *event) -> (B,), differentiable


def walled(spec: DataSpec) -> bool:
    """Whether the coordinates of these data end at 0 and 1."""
    return spec.support is Support.UNIT


def spread(x: Tensor, spec: DataSpec) -> Tensor:
    """The standard deviation of examples (B, *event), by which step sizes are scaled: (*event). One for all pixels of
    images, one for each coordinate of other data; 1 where nothing varies."""
    variance = x.var(0, unbiased=False)
    if spec.layout is Layout.IMAGE:
        variance = variance.mean().expand_as(variance)
    return torch.where(variance > 0, variance, 1.0).sqrt()


def fold(x: Tensor) -> tuple[Tensor, Tensor]:
    """x reflected at 0 and 1 until it lies between, and the sign in which a movement comes out of that."""
    turned = x.remainder(2)
    back = turned > 1
    return torch.where(back, 2 - turned, turned), torch.where(back, -1.0, 1.0).to(x)


def add_noise(x: Tensor, scale: Tensor | float, walls: bool, generator: Generator | None = None) -> Tensor:
    """x + scale × standard normal noise, reflected at walls."""
    noisy = x + scale * _normal(x, generator)
    return fold(noisy)[0] if walls else noisy


def slope(energy: Energy, x: Tensor) -> tuple[Tensor, Tensor]:
    """E(x), and its gradient: (B, *event) -> (B,), (B, *event). Works where gradients are switched off, too."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = energy(x)
        (gradient,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), gradient


def unadjusted_step(
    energy: Energy, x: Tensor, step: Tensor | float, noise: float, walls: bool, generator: Generator | None = None
) -> Tensor:
    """x - ½ step² ∇E(x) + noise · step · standard normal noise (Nijkamp et al., 2019).

    With noise 1 and ever smaller steps the chain tends to exp(-E); a step of any size leaves another density. Less
    noise cools it, to a temperature of noise² (while steps are small)."""
    _, gradient = slope(energy, x)
    return add_noise(x - 0.5 * step**2 * gradient, noise * step, walls, generator)


@dataclass(frozen=True)
class Walk:
    """Where chains are, and what the next step needs to know of that place."""

    x: Tensor  # (B, *event)
    energy: Tensor  # (B,)
    gradient: Tensor  # (B, *event)
    accepted: Tensor  # (B,) bool: the last move was made; at the start, all

    @staticmethod
    def at(energy: Energy, x: Tensor) -> Walk:
        value, gradient = slope(energy, x)
        return Walk(x, value, gradient, torch.ones_like(value, dtype=torch.bool))


def adjusted_step(
    energy: Energy,
    walk: Walk,
    step: Tensor | float,
    walls: bool,
    clamp: Tensor | None = None,
    generator: Generator | None = None,
    jumps: float = 0.0,
    reach: Tensor | float = 1.0,
) -> Walk:
    """One step of Metropolis-adjusted Langevin (Besag, 1994; Roberts & Tweedie, 1996): leaves exp(-E) as it is, exactly
    and for a step of any size, and is reversible. Coordinates under `clamp` stay, which leaves the density of the
    others given them.

    Written as one leapfrog step of Hamiltonian dynamics with a fresh momentum p, which is the same (Neal, 2011); at a
    wall the momentum turns round, as a ball's does (Mohasel Afshar & Domke, 2015, in a box). What moves this way keeps
    volumes and runs back when p is turned, so that it is accepted with the probability min(1, exp(H - H')), H = E(x) +
    ½|p|². A move whose energy is not a number is refused.

    With probability `jumps` a chain tries to jump instead: by `reach` × noise, downhill or not, accepted with the
    probability min(1, exp(E - E')). In few dimensions that is how chains come from one mode to another.
    """
    start = _normal(walk.x, generator)
    u, v = torch.rand(2, len(walk.x), generator=generator, device=walk.x.device, dtype=walk.x.dtype)
    per_chain = (-1, *[1] * (walk.x.ndim - 1))
    leaps = v < jumps
    if clamp is not None:
        start = start.masked_fill(clamp, 0)
    half = _pushed(start, walk.gradient, step, clamp)
    x = walk.x + torch.where(leaps.reshape(per_chain), reach * start, step * half)
    if walls:
        x, sign = fold(x)
        half = half * sign
    value, gradient = slope(energy, x)
    end = _pushed(half, gradient, step, clamp)
    momenta = 0.5 * (start.square() - end.square()).flatten(1).sum(1)
    gain = walk.energy - value + torch.where(leaps, 0.0, momenta)
    accepted = u.log() < gain  # false where the gain is not a number
    chosen = accepted.reshape(per_chain)
    return Walk(
        torch.where(chosen, x, walk.x),
        torch.where(accepted, value, walk.energy),
        torch.where(chosen, gradient, walk.gradient),
        accepted,
    )


def _pushed(momentum: Tensor, gradient: Tensor, step: Tensor | float, clamp: Tensor | None) -> Tensor:
    """The momentum after half a step downhill; that of what is clamped stays 0."""
    pushed = torch.addcmul(momentum, gradient, torch.as_tensor(step).to(gradient), value=-0.5)
    return pushed if clamp is None else pushed.masked_fill(clamp, 0)


def _normal(x: Tensor, generator: Generator | None) -> Tensor:
    return torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
