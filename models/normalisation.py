"""Normalisation of the features of an image between layers."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Normalisation = Literal["batch", "pixel", "none"]

SMALL = 1e-5  # added to a variance
PACE = 0.1  # of the running statistics


class BatchNormalisation(nn.Module):
    """Each channel has the learned mean and spread over all places and examples (Ioffe & Szegedy, 2015): (B, C, H, W).

    While learning, these are of the batch itself, so that its examples depend on each other; in evaluation mode they
    are running statistics, and every example is by itself. They are buffers, which move only where a gradient is
    recorded: whoever merely draws from a model that learns, as its opponent does, leaves it as it was.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not torch.is_grad_enabled():
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=SMALL)
        return F.batch_norm(x, self.mean, self.variance, self.weight, self.bias, self.training, PACE, SMALL)


class PixelNormalisation(nn.Module):
    """The features of every place have a mean square of 1 (Karras et al., 2018, section 4.2): (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mean(1, keepdim=True) + SMALL).rsqrt()


def normalisation_layers(kind: Normalisation, channels: int) -> list[nn.Module]:
    """What stands between a layer and its non-linearity: one module or none."""
    if kind == "batch":
        return [BatchNormalisation(channels)]
    return [PixelNormalisation()] if kind == "pixel" else []
