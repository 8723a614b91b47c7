"""What a discriminator makes of an example before it says one number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.capabilities import ShownAs
from models.image_networks import image_feature_count, image_features
from models.networks import activation_layer, flat, hidden_layers, sequence_feature_count, sequence_features
from models.normalisation import DenseNormalisation
from models.recurrence import lstm_cell

if TYPE_CHECKING:
    from models.learning.critics import CriticSettings


class Dense(nn.Module):
    def __init__(self, settings: CriticSettings, shown: ShownAs) -> None:
        super().__init__()
        inputs = int(torch.Size(shown.shape).numel()) + shown.beside
        widths = [inputs, *[settings.hidden] * settings.layers]
        self.features = widths[-1]
        self.layers = nn.Sequential(*hidden_layers(widths, settings.activation, _kind(settings), bare=1))

    def forward(self, x: Tensor, beside: Tensor | None) -> Tensor:
        inputs = flat(x) if beside is None else torch.cat([flat(x), beside], 1)
        features: Tensor = self.layers(inputs)
        return features


class Convolutional(nn.Module):
    """Convolutions that halve an image, or a sequence (Radford et al., 2016). What stands beside an image goes with
    their features through a dense layer, which can relate the two."""

    def __init__(self, settings: CriticSettings, shown: ShownAs) -> None:
        super().__init__()
        widths = [settings.channels << layer for layer in range(settings.layers)]
        image = len(shown.shape) == 3
        features = image_features if image else sequence_features
        self.seen = features(shown.shape, widths, settings.activation, _kind(settings))
        count = image_feature_count if image else sequence_feature_count
        self.features = count(shown.shape, widths) + shown.beside
        self.mix: nn.Module = nn.Identity()
        if shown.beside and settings.layers:
            self.mix = nn.Sequential(nn.Linear(self.features, settings.hidden), activation_layer(settings.activation))
            self.features = settings.hidden

    def forward(self, x: Tensor, beside: Tensor | None) -> Tensor:
        seen = self.seen(x)
        features: Tensor = self.mix(seen if beside is None else torch.cat([seen, beside], 1))
        return features


class Recurrent(nn.Module):
    """LSTMs over the steps of a sequence, or the rows of an image, one above the other; what the topmost one says at
    the end, and what stands beside: (B, T, dims) or (B, channels, T, width) -> (B, features). Packed sequences are read
    one after the other. Step by step, as penalties on gradients need derivatives of derivatives, which fused recurrent
    kernels do not have.
    """

    def __init__(self, settings: CriticSettings, shown: ShownAs) -> None:
        super().__init__()
        self.size = settings.hidden
        self.image = len(shown.shape) == 3
        read = shown.shape[0] * shown.shape[2] if self.image else shown.shape[1]
        widths = [read, *[self.size] * max(settings.layers, 1)]
        self.inputs = nn.ModuleList(nn.Linear(below, 4 * self.size) for below in widths[:-1])
        self.before = nn.ModuleList(nn.Linear(self.size, 4 * self.size, bias=False) for _ in widths[1:])
        self.features = self.size + shown.beside

    def forward(self, x: Tensor, beside: Tensor | None) -> Tensor:
        steps = x.transpose(1, 2).flatten(2) if self.image else x
        for inputs, before in zip(self.inputs, self.before, strict=True):
            hidden = cell = x.new_zeros(len(x), self.size)
            said = []
            for heard in inputs(steps).unbind(1):
                hidden, cell = lstm_cell(heard + before(hidden), cell)
                said.append(hidden)
            steps = torch.stack(said, 1)
        return hidden if beside is None else torch.cat([hidden, beside], 1)


def _kind(settings: CriticSettings) -> DenseNormalisation:
    return "batch" if settings.batch_normalisation else "none"
