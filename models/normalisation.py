"""Normalisation between layers: of features, and of weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

Normalisation = Literal["batch", "pixel", "none"]
DenseNormalisation = Literal["batch", "none"]

SMALL = 1e-5  # added to a variance
PACE = 0.1  # of the running statistics
SHORT = 0.1  # standard deviation of the numbers in a direction


class BatchNormalisation(nn.Module):
    """Each channel has the learned mean and spread over all places and examples (Ioffe & Szegedy, 2015): (B, C), or
    (B, C, …) with places.

    While learning, these are of the batch itself, so that its examples depend on each other; in evaluation mode they
    are running statistics, and every example is by itself. They are buffers, which move only where a gradient is
    recorded: whoever merely draws from a model that learns, as its opponent does, leaves it as it was (see `held` too).
    """

    follows = True

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not (self.follows and torch.is_grad_enabled()):
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=SMALL)
        return F.batch_norm(x, self.mean, self.variance, self.weight, self.bias, self.training, PACE, SMALL)


@contextmanager
def held(network: nn.Module) -> Iterator[None]:
    """While a network is gone through to learn what comes before it: what it follows by moving averages stays."""
    following = [layer for layer in network.modules() if getattr(layer, "follows", False)]
    for layer in following:
        layer.follows = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for layer in following:
            layer.follows = True  # type: ignore[assignment]


class PixelNormalisation(nn.Module):
    """The features of every place have a mean square of 1 (Karras et al., 2018, section 4.2): (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mean(1, keepdim=True) + SMALL).rsqrt()


def normalisation_layers(kind: Normalisation, channels: int) -> list[nn.Module]:
    """What stands between a layer and its non-linearity: one module or none."""
    if kind == "batch":
        return [BatchNormalisation(channels)]
    return [PixelNormalisation()] if kind == "pixel" else []


class WeightNormalised(nn.Module):
    """s ⊙ (V / ‖V‖) x + b, with the norm of each row of V: the weights of a unit turn apart from how long they are
    (Salimans & Kingma, 2016): (B, inputs) -> (B, outputs).

    `start_from` chooses s and b by data. Where s is not learned it stays as it is from then on.
    """

    scale: Tensor  # (outputs,), s
    started: Tensor  # 0-d, whether s and b were chosen by data

    def __init__(self, inputs: int, outputs: int, scale_learns: bool = False) -> None:
        super().__init__()
        self.direction = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        if scale_learns:
            self.scale = nn.Parameter(torch.empty(outputs))
        else:
            self.register_buffer("scale", torch.empty(outputs))
        self.register_buffer("started", torch.zeros((), dtype=torch.int64))
        self.start_anew()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, F.normalize(self.direction) * self.scale.unsqueeze(1), self.bias)

    @torch.no_grad()
    def start_anew(self, generator: Generator | None = None) -> None:
        """Any direction, length 1. How long V is decides how fast it turns: short, as published."""
        self.direction.normal_(std=SHORT, generator=generator)
        self.scale.fill_(1)
        self.bias.zero_()
        self.started.zero_()

    @torch.no_grad()
    def start_from(self, x: Tensor, noise: float = 0.0) -> None:
        """From now on these inputs, (B, inputs), with noise of this variance added to each, give outputs of mean 0 and
        variance 1 (section 3)."""
        outputs = F.linear(x, F.normalize(self.direction))
        self.scale.copy_((outputs.var(0, unbiased=False) + noise + SMALL).rsqrt())
        self.bias.copy_(-outputs.mean(0) * self.scale)
        self.started.fill_(1)
