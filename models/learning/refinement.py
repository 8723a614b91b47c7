"""Refinement of q(z | x) for each example alone, from what the encoder says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Refined:
    """Parameters of q after some steps, and what the first of them found. None has a gradient."""

    parameters: Tensor  # (B, parameters)
    gradient: Tensor  # (B, parameters)  of each example's bound, where the encoder put q
    bound: Tensor  # (B,)  the evidence lower bound there, KL weighted by 1


def refine(
    model: Any,
    x: Tensor,
    parameters: Tensor,
    steps: int,
    rate: float,
    kl_weight: Tensor | float = 1.0,
    generator: Generator | None = None,
) -> Refined:
    """`steps` ≥ 1 steps of stochastic gradient ascent on each example's own bound E_q[log p(x | z)] - w KL, in the
    parameters (B, parameters) of its q alone (Hoffman et al., 2013; Kim et al., 2018, algorithm 1). Each draws z anew.
    """
    gradients, bounds = [], []
    with torch.enable_grad():
        for _ in range(steps):
            parameters = parameters.detach().requires_grad_()
            terms = model.elbo_of(x, parameters, generator)
            objective = (terms.reconstruction - kl_weight * terms.kl).sum()
            (gradient,) = torch.autograd.grad(objective, parameters)
            gradients.append(gradient)
            bounds.append(terms.value.detach())
            parameters = parameters + rate * gradient
    return Refined(parameters.detach(), gradients[0], bounds[0])
