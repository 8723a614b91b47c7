"""Networks that several models share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Annotated, Literal

from torch import Tensor, nn

from models.normalisation import Normalisation, normalisation_layers
from models.settings import Names

Activation = Annotated[
    Literal["relu", "tanh", "softplus", "leaky relu", "silu"],
    Names({"relu": "ReLU", "leaky relu": "leaky ReLU", "silu": "SiLU"}),
]

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "leaky relu": nn.LeakyReLU,
    "silu": nn.SiLU,
}


def activation_layer(activation: Activation) -> nn.Module:
    return _ACTIVATIONS[activation]()


def mlp(
    sizes: Sequence[int], activation: Activation = "relu", normalisation: Normalisation = "none", bare: int = 0
) -> nn.Sequential:
    """Linear maps of the given widths, between which features are normalised, but for the first `bare` times, and go
    through the activation: (B, sizes[0]) -> (B, sizes[-1])."""
    *widths, outputs = sizes
    hidden = hidden_layers(widths, activation, normalisation, bare)
    return nn.Sequential(*hidden, *([nn.Linear(widths[-1], outputs)] if widths else []))


def hidden_layers(
    sizes: Sequence[int], activation: Activation, normalisation: Normalisation = "none", bare: int = 0
) -> list[nn.Module]:
    """The same, with normalisation and activation after the last map as well: (B, sizes[0]) -> (B, sizes[-1])."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise(sizes)):
        kind: Normalisation = normalisation if i >= bare else "none"
        # batch normalisation takes away what a bias adds
        layers += [nn.Linear(before, after, bias=kind != "batch"), *normalisation_layers(kind, after)]
        layers.append(activation_layer(activation))
    return layers


def convolutions(event_shape: Sequence[int], channels: Sequence[int], activation: Activation) -> nn.Sequential:
    """Convolutions of 3×3 pixels, each but the first of every second pixel, each followed by the activation; then one
    number: (B, *event) -> (B, 1). event: (channels, height, width)."""
    layers: list[nn.Module] = []
    before, *size = event_shape
    for i, width in enumerate(channels):
        stride = 2 if i else 1
        layers += [nn.Conv2d(before, width, 3, stride, padding=1), activation_layer(activation)]
        before, size = width, [-(-side // stride) for side in size]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * prod(size), 1))


def sequence_features(
    event_shape: Sequence[int], widths: Sequence[int], activation: Activation, normalisation: Normalisation = "none"
) -> nn.Sequential:
    """Convolutions over 5 steps, one for each of `widths` (channels), each but the first at every second step and
    normalised: (B, T, dims) -> (B, features)."""
    layers: list[nn.Module] = [_StepsLast()]
    for i, (before, after) in enumerate(pairwise([event_shape[1], *widths])):
        layers.append(nn.Conv1d(before, after, 5, 2 if i else 1, padding=2))
        layers += [*(normalisation_layers(normalisation, after) if i else []), activation_layer(activation)]
    return nn.Sequential(*layers, nn.Flatten())


def sequence_feature_count(event_shape: Sequence[int], widths: Sequence[int]) -> int:
    """How many features these are."""
    length = event_shape[0]
    for _ in widths[1:]:
        length = -(-length // 2)
    return length * (widths[-1] if widths else event_shape[1])


class _StepsLast(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


def flat(x: Tensor) -> Tensor:
    """(B, *event) -> (B, D)."""
    return x.flatten(1)
