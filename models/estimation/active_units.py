"""Which units of a code carry anything. Where none does, the posterior has collapsed: q(z | x) says the same of every
x, and the decoder does without z (Bowman et al., 2016)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from models.capabilities import Encodes, HasCodeMean

ACTIVE = 0.01  # Burda, Grosse & Salakhutdinov (2016), section 5.2: variance of the posterior mean of an active unit


def code_means(model: Any, x: Tensor) -> Tensor | None:
    """The posterior mean of each unit given x (B, *event): (B, units), or (B, units, values) where a unit has one of
    several values; None where the model does not say."""
    if isinstance(model, HasCodeMean):
        return model.code_mean(x)
    return model.encode(x).mean if isinstance(model, Encodes) else None


def active_units(means: Tensor) -> Tensor:
    """Which units depend on the example, by their `code_means` over many: (units,) bool."""
    varies = means.var(0) > ACTIVE
    return varies.any(1) if varies.ndim == 2 else varies
