"""Units of a Boltzmann machine visited one after the other, for a whole batch of states at once."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor

from models.distributions import bernoulli

SETTLING = 30  # visits of each unit until a mean field counts as settled


def draw_in_turn(
    units: Tensor | None,
    field: Tensor,
    coupling: Tensor | None,
    temperature: float = 1.0,
    generator: Generator | None = None,
    held: Tensor | None = None,
    ways: Literal["there", "back", "both"] = "there",
) -> tuple[Tensor, Tensor]:
    """A Gibbs sweep over bits with P(s_i = 1 | the others) = σ((field_i + coupling_i·s) / temperature).

    units, field: (B, n); coupling: (n, n), symmetric with a zero diagonal; held: bool (n,) or (B, n), those that stay.
    Returns the new units, and the probability with which each was drawn (the unit itself where it is held). `ways` says
    in which order units are visited; "both" goes there and back, which is reversible. Units without coupling are
    independent and drawn at once; then `units` matter only where they are held.
    """
    if coupling is None:
        mean = (field if temperature == 1 else field / temperature).sigmoid()
        drawn = bernoulli(mean, generator)
        if held is None:
            return drawn, mean
        assert units is not None
        return torch.where(held, units, drawn), torch.where(held, units, mean)
    assert units is not None
    # a unit's row lies in one piece for all states, and is written in place
    state, base = units.t().contiguous().clone(), field.t().contiguous()
    for way in ("there", "back") if ways == "both" else (ways,):
        thresholds = _thresholds(units, field, temperature, generator, held)
        above = base - thresholds  # and then what the other units add: above 0, the unit is 1
        visits = list(zip(above, coupling, state, strict=True))
        for row, weights, unit in visits if way == "there" else reversed(visits):
            torch.addmv(row, state.t(), weights, out=row)
            torch.gt(row, 0, out=unit)
    drawn, mean = state.t().contiguous(), (above + thresholds).t().div(temperature).sigmoid()
    return drawn, mean if held is None else torch.where(held, units, mean)


def settle_in_turn(field: Tensor, coupling: Tensor | None) -> Tensor:
    """Means of independent units at the fixed point μ_i = σ(field_i + coupling_i·μ) that is reached from μ = σ(field):
    (B, n) -> (B, n). Each visit lowers the variational free energy."""
    if coupling is None:
        return field.sigmoid()
    base = field.t().contiguous()
    means = base.sigmoid()
    logit = torch.empty_like(base[0])
    visits = list(zip(base, coupling, means, strict=True))
    for _ in range(SETTLING):
        for row, weights, mean in visits:
            torch.addmv(row, means.t(), weights, out=logit)
            torch.sigmoid(logit, out=mean)
    return means.t().contiguous()


def _thresholds(
    units: Tensor, field: Tensor, temperature: float, generator: Generator | None, held: Tensor | None
) -> Tensor:
    """What a unit's logit must exceed for it to be 1: logistic noise, for u < σ(l / T) says T logit(u) < l. Held units
    get bounds that only they exceed: (n, B)."""
    noise = torch.rand(field.shape, generator=generator, device=field.device, dtype=field.dtype)
    thresholds = noise.logit_().mul_(temperature)
    if held is not None:
        thresholds = torch.where(held, (0.5 - units) * torch.inf, thresholds)
    return thresholds.t().contiguous()
