"""Which dimensions of a code carry anything. Where none does, the posterior has collapsed: q(z | x) says the same of
every x, and the decoder does without z (Bowman et al., 2016)."""

from __future__ import annotations

from typing import Any

from torch import Generator, Tensor

from models.capabilities import Encodes

ACTIVE = 0.01  # Burda, Grosse & Salakhutdinov (2016), section 5.2: variance of the posterior mean of an active unit
CARRIES = 0.01  # nats of KL, where there is no posterior mean to look at
MEANING = f"variance over examples of the posterior mean > {ACTIVE:g} (Burda et al., 2016)"


def active_units(model: Any, x: Tensor, generator: Generator | None = None) -> Tensor:
    """Which dimensions of the code depend on the examples x (B, *event): bool (latent,). By the variance of the
    posterior mean over the examples, or, where the model only `BoundsEvidence`, by the mean KL of each."""
    if isinstance(model, Encodes):
        return model.encode(x).mean.var(0) > ACTIVE
    carried: Tensor = model.elbo(x, generator).kl_per_dimension.mean(0)
    return carried > CARRIES
