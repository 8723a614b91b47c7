"""A classifier that may begin as the recognition network of a model."""

from __future__ import annotations

from collections.abc import Generator as Yields
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import StartsFromData
from models.learning.base import adam
from models.networks import flat
from models.normalisation import WeightNormalised
from models.spec import DataSpec

RECENT = 20  # steps whose cross-entropy says whether a classifier has learned its examples


class Perceptron(nn.Module):
    """A multilayer perceptron of logistic units with a softmax at its end: (B, *event) -> logits (B, classes)."""

    def __init__(self, sizes: Sequence[int], classes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.head = nn.Linear(sizes[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        h = flat(x)
        for layer in self.layers:
            h = torch.sigmoid(layer(h))
        logits: Tensor = self.head(h)
        return logits

    @torch.no_grad()
    def unroll(self, recognition: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Take over a model's recognition weights; the head stays."""
        for layer, (weight, bias) in zip(self.layers, recognition, strict=True):
            assert isinstance(layer, nn.Linear)
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)

    def while_learning(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """The logits that are learned from."""
        logits: Tensor = self(x)
        return logits


@torch.no_grad()
def start_anew(network: nn.Module, generator: Generator | None = None) -> None:
    """Weights and biases of each linear map or convolution uniform within 1 / √inputs, directions of weights that are
    normalised to any side: as they begin by themselves."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            reach = layer.weight[0].numel() ** -0.5
            for parameter in layer.parameters(recurse=False):
                parameter.uniform_(-reach, reach, generator=generator)
        elif isinstance(layer, WeightNormalised):
            layer.start_anew(generator)


def fit(
    network: Any,
    x: Tensor,
    y: Tensor,
    steps: int,
    batch: int,
    rate: float,
    enough: float,
    generator: Generator | None = None,
) -> Yields[float, None, int]:
    """Train a classifier (see `capabilities.LearnsFromLabels`) with Adam on minibatches of x (N, *event) with labels y
    (N,), each a part of one permutation after the other, until the mean cross-entropy of RECENT steps is below `enough`
    nats, or for `steps` steps. Yields the fraction done at every step; returns how many steps there were."""
    if isinstance(network, StartsFromData):
        network.start_from(x, len(x))
    optimizer, size = adam(network, rate), min(batch, len(x))
    order = torch.empty(0, dtype=torch.int64, device=x.device)
    recent: list[Tensor] = []
    for step in range(steps):
        if len(order) < size:
            order = torch.randperm(len(x), generator=generator, device=x.device)
        places, order = order[:size], order[size:]
        with torch.enable_grad():  # for the one who waits for the next part, none may be recorded
            optimizer.zero_grad()
            loss = F.cross_entropy(network.while_learning(x[places], generator), y[places])
            loss.backward()
            optimizer.step()
        recent.append(loss.detach())
        if len(recent) == RECENT:
            if torch.stack(recent).mean().item() < enough:
                return step + 1
            recent.clear()
        yield (step + 1) / steps
    return steps


def perceptron_for(model: Any, spec: DataSpec) -> Perceptron:
    """A classifier with the layers of a model that `HasRecognition`, its weights random."""
    widths = [len(bias) for _, bias in model.recognition_layers()]
    return Perceptron([spec.dimensions, *widths], spec.classes)
