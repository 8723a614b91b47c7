"""A small classifier whose last hidden layer is a space in which samples and data can be compared."""

from __future__ import annotations

from collections.abc import Generator as Yields

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.learning.base import adam
from models.networks import flat
from models.spec import DataSpec, Layout

WIDTH = 64  # features
CHANNELS = (16, 32)
AT_ONCE = 500


class Classifier(nn.Module):
    """Images: two convolutions of 3×3, the second of every second pixel, and a hidden layer; other data: two hidden
    layers. (B, *event), black at 0 and white at `brightest` -> logits (B, classes)."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        layers: list[nn.Module]
        self.brightest = spec.brightest
        if spec.layout is Layout.IMAGE:
            channels, height, width = spec.event_shape
            first, second = CHANNELS
            places = -(-height // 2) * -(-width // 2)
            layers = [
                nn.Conv2d(channels, first, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(first, second, 3, 2, padding=1),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(second * places, WIDTH),
            ]
        else:
            layers = [
                nn.Flatten(),
                nn.Linear(spec.dimensions, 2 * WIDTH),
                nn.ReLU(),
                nn.Linear(2 * WIDTH, WIDTH),
            ]
        self.body = nn.Sequential(*layers, nn.ReLU())
        self.head = nn.Linear(WIDTH, spec.classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, *event) -> (B, WIDTH)."""
        found: Tensor = self.body(x / self.brightest)
        return found

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits


def trained_classifier(
    spec: DataSpec, x: Tensor, y: Tensor, steps: int, batch: int, seed: int
) -> Yields[float, None, Classifier]:
    """A classifier of x (N, *event) with labels y (N,), all 0 or more, after `steps` of Adam on minibatches: the same
    for the same data and seed, whatever else is drawn. Yields the fraction done."""
    generator = Generator(x.device).manual_seed(seed)
    with torch.device("meta"):  # what builds a network by itself draws from the process-wide generator
        network = Classifier(spec)
    network = network.to_empty(device=x.device)
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            reach = layer.weight[0].numel() ** -0.5  # as layers begin by themselves
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -reach, reach, generator=generator)
    optimizer = adam(network, 1e-3)
    for step in range(steps):
        places = torch.randint(len(x), (min(batch, len(x)),), generator=generator, device=x.device)
        with torch.enable_grad():
            optimizer.zero_grad()
            F.cross_entropy(network(x[places]), y[places]).backward()
            optimizer.step()
        yield (step + 1) / steps
    return network


def features_of(network: Classifier | None, x: Tensor, brightest: float = 1) -> Tensor:
    """The space in which x (N, *event) is compared: features of a classifier, or without one the values, white at 1."""
    if network is None:
        return flat(x) / brightest
    with torch.no_grad():
        return torch.cat([network.features(part) for part in x.split(AT_ONCE)])
