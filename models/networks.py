"""Networks that several models share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

Activation = Literal["relu", "tanh", "softplus", "leaky relu"]

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "leaky relu": nn.LeakyReLU,
}


def mlp(sizes: Sequence[int], activation: Activation = "relu") -> nn.Sequential:
    """Linear maps of the given widths with the activation between them: (B, sizes[0]) -> (B, sizes[-1])."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), _ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def flat(x: Tensor) -> Tensor:
    """(B, *event) -> (B, D)."""
    return x.flatten(1)
