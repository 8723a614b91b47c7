"""A machine whose states can be enumerated, exact draws of it, and how far another is from it."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from models.estimation.enumeration import all_states, log_probabilities
from models.rbm import Rbm, RbmSettings
from models.spec import Batch, DataSpec, Layout, Support

SPEC = DataSpec((5,), Support.BITS, Layout.VECTOR)
STATES = torch.cat(list(all_states(5, torch.zeros(()))))  # (32, 5)


def machine(seed: int = 1, scale: float = 1.0, hidden: int = 2) -> Rbm:
    torch.manual_seed(seed)
    model = Rbm(RbmSettings(hidden=hidden), SPEC)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, scale)
    return model


def probabilities(model: Rbm) -> Tensor:
    """Of all states: (32,)."""
    with torch.no_grad():
        return log_probabilities(model.log_prob, SPEC.event_shape, model.weight).exp()


def drawn(model: Rbm, n: int, seed: int = 0) -> Tensor:
    """Exact draws of the model: (n, 5)."""
    chosen = torch.multinomial(probabilities(model), n, replacement=True, generator=Generator().manual_seed(seed))
    return STATES[chosen]


def divergence(truth: Rbm, model: Rbm) -> float:
    """KL(truth ‖ model) in nats, enumerated."""
    p, q = probabilities(truth), probabilities(model)
    return (p * (p / q).log()).sum().item()


def batch_of(x: Tensor) -> Batch:
    index = torch.arange(len(x))
    return Batch(x, index, index)
