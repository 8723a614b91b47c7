"""Parallel tempering: chains at several temperatures that exchange their states, so that the cold ones mix.

Where energies are divided by a high temperature, a chain crosses between modes with ease; exchanges carry what it finds
down to temperature 1, whose distribution stays exactly the model's (Swendsen & Wang, 1986; Geyer, 1991; for Boltzmann
machines Desjardins et al., 2010, and Cho, Raiko & Ilin, 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Tempered:
    """States of C chains at each of T temperatures, the first of which is 1."""

    v: Tensor  # (T, C, *event)
    h: Tensor  # (T, C, *hidden)  drawn
    hidden: Tensor  # (C, *hidden)  what stands for h given v at temperature 1, as `sweep` says it
    accepted: Tensor  # 0-d: the part of all offered exchanges that were made


def ladder(count: int, hottest: float) -> tuple[float, ...]:
    """`count` temperatures from 1 to `hottest` whose inverses are evenly spaced."""
    if count == 1:
        return (1.0,)
    end = 1 / hottest
    return tuple(1 / (1 + (end - 1) * k / (count - 1)) for k in range(count))


def tempered_sweep(
    model: Any, v: Tensor, h: Tensor, temperatures: Sequence[float], generator: Generator | None = None
) -> Tempered:
    """One round of exchanges, then one sweep at each temperature, of a model that `LearnsInPhases`.

    v: (T, C, *event), h: (T, C, *hidden), both drawn. Leaves Π_t exp(-E(v_t, h_t) / T_t) as it is.
    """
    order, accepted = exchange(
        torch.stack([model.energy(*state) for state in zip(v, h, strict=True)]), temperatures, generator
    )
    chains = torch.arange(v.shape[1], device=v.device)
    v, h = v[order, chains], h[order, chains]
    visible, hidden = [], []
    for at, temperature in enumerate(temperatures):
        swept, said = model.sweep(v[at], h[at], generator, temperature)
        visible.append(swept)
        hidden.append(model.draw_hidden(said, generator))
        if at == 0:
            of_cold = said
    return Tempered(torch.stack(visible), torch.stack(hidden), of_cold, accepted)


def exchange(
    energies: Tensor, temperatures: Sequence[float], generator: Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Which state each temperature takes over, (T, C) int64, and the part of the offers that were accepted, 0-d.

    energies: (T, C). Neighbours a and b exchange their states with probability min(1, exp((1/T_a - 1/T_b)(E_a - E_b))):
    first pairs that begin at an even place, then those that begin at an odd one.
    """
    levels, chains = energies.shape
    inverse = torch.stack([energies.new_full((), 1 / t) for t in temperatures])  # no copy from the host
    order = torch.arange(levels, device=energies.device)[:, None].repeat(1, chains)
    accepted = []
    for first in (0, 1):
        cold, hot = slice(first, levels - 1, 2), slice(first + 1, levels, 2)
        now = energies.gather(0, order)
        log_ratio = (inverse[cold] - inverse[hot])[:, None] * (now[cold] - now[hot])
        chance = torch.rand(log_ratio.shape, generator=generator, device=now.device, dtype=now.dtype)
        swap = chance.log() < log_ratio
        order[cold], order[hot] = (
            torch.where(swap, order[hot], order[cold]),
            torch.where(swap, order[cold], order[hot]),
        )
        accepted.append(swap.flatten())
    return order, torch.cat(accepted).float().mean()
