"""A small discrete auto-encoder, and its bound and evidence with every state of its code visited, written out."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from models.discrete_vae import DiscreteVae, DiscreteVaeSettings
from models.spec import DataSpec, Layout, Support

SPEC = DataSpec((4,), Support.BITS, Layout.VECTOR)
X = torch.tensor([[1, 0, 1, 1], [0, 0, 1, 0]], dtype=torch.float64)


def small(units: int = 2, values: int = 3, seed: int = 0, **settings: object) -> DiscreteVae:
    """A model whose parameters are far from those of its start, so that nothing is even by chance."""
    torch.manual_seed(seed)
    model = DiscreteVae(DiscreteVaeSettings(units=units, values=values, hidden=5, **settings), SPEC).double()  # type: ignore[arg-type]
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(0.7 * torch.randn_like(tensor))
    return model


def all_states(units: int, values: int) -> Tensor:
    """Every state: (K^N, N, K), or (2^N, N) of bits."""
    numbers = torch.tensor(list(product(range(values), repeat=units)))
    return (numbers if values == 2 else F.one_hot(numbers, values)).double()


def log_p_of_units(logits: Tensor, h: Tensor) -> Tensor:
    """log Π_n P(h_n), written out: logits (..., *code), h (S, *code) -> (S, ...)."""
    if h.ndim == 2:
        chosen = torch.where(h.bool(), logits.sigmoid().unsqueeze(-2), (-logits).sigmoid().unsqueeze(-2))
        return chosen.log().sum(-1).movedim(-1, 0)
    return torch.einsum("snk,...nk->s...", h, logits.softmax(-1).log())


def enumerated_bound(model: DiscreteVae, x: Tensor) -> tuple[Tensor, Tensor]:
    """The evidence lower bound and the evidence of each example, all states visited: (B,), (B,)."""
    h = all_states(model.code_shape[0], model.values)
    of_one = model.decoder(h.flatten(1))[:, None]
    log_likelihood = torch.where(x.bool(), of_one.sigmoid(), (-of_one).sigmoid()).log().sum(-1)
    joint = log_likelihood + log_p_of_units(model.prior_logits, h)[:, None]
    log_q = log_p_of_units(model.encoder(x).unflatten(1, model.code_shape), h)
    return (log_q.exp() * (joint - log_q)).sum(0), joint.logsumexp(0)
