"""Networks that judge examples: discriminators, and critics that give scores."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from models.capabilities import Shown, ShownAs
from models.image_networks import image_encoder
from models.networks import Activation, activation_layer, flat, mlp
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support, UnsuitableData

Network = Literal["as the generator's", "dense", "convolutional"]


class CriticSettings(Settings):
    network: Network = setting(
        "as the generator's",
        title="Discriminator network",
        help="Dense: every value of an example to every unit. Convolutional: for images, halved layer after layer.",
        reference="Radford et al. (2016), section 3",
    )
    hidden: int = setting(
        128, title="Discriminator units", help="Width of the discriminator's dense layers.", ge=1, le=4096
    )
    layers: int = setting(
        3,
        title="Discriminator layers",
        help="Hidden layers of the discriminator, or convolutions; 0 makes it linear.",
        ge=0,
        le=8,
    )
    channels: int = setting(
        32,
        title="Discriminator channels",
        help="Channels of its first convolution, twice as many of each one after it. For convolutional ones only.",
        ge=1,
        le=1024,
    )
    activation: Activation = setting(
        "leaky relu", title="Discriminator activation", help="Non-linearity of the discriminator's hidden layers."
    )


class Critic(nn.Module):
    """One number for each thing that is shown, a linear map of its features: `Shown` of B -> (B,)."""

    def __init__(self, settings: CriticSettings, shown: ShownAs, spec: DataSpec) -> None:
        super().__init__()
        self.is_unit = spec.support in (Support.UNIT, Support.BITS)
        self.body: nn.Module
        network = shown.network if settings.network == "as the generator's" else settings.network
        if network == "convolutional":
            self.body = _Convolutional(settings, shown)
            features = settings.hidden
        else:
            self.body = _Dense(settings, shown)
            features = self.body.features
        self.head = nn.Linear(features, 1)

    @staticmethod
    def check(settings: CriticSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData where there is nothing to convolve."""
        if settings.network == "convolutional" and spec.layout is not Layout.IMAGE:
            raise UnsuitableData("A convolutional discriminator judges images, and these data are none: choose dense.")

    def features(self, shown: Shown) -> Tensor:
        """What the last layer sees: (B, features)."""
        centred = 2 * shown.x - 1 if self.is_unit else shown.x
        features: Tensor = self.body(centred, shown.beside)
        return features

    def forward(self, shown: Shown) -> Tensor:
        score: Tensor = self.head(self.features(shown)).squeeze(-1)
        return score


class _Dense(nn.Module):
    def __init__(self, settings: CriticSettings, shown: ShownAs) -> None:
        super().__init__()
        inputs = int(torch.Size(shown.shape).numel()) + shown.beside
        widths = [inputs, *[settings.hidden] * settings.layers]
        self.features = widths[-1]
        last = [activation_layer(settings.activation)] if settings.layers else []
        self.layers = nn.Sequential(*mlp(widths, settings.activation), *last)

    def forward(self, x: Tensor, beside: Tensor | None) -> Tensor:
        inputs = flat(x) if beside is None else torch.cat([flat(x), beside], 1)
        features: Tensor = self.layers(inputs)
        return features


class _Convolutional(nn.Module):
    """What stands beside an image is put in after the convolutions."""

    def __init__(self, settings: CriticSettings, shown: ShownAs) -> None:
        super().__init__()
        widths = [settings.channels * 2**i for i in range(max(settings.layers, 1))]
        self.image = image_encoder(shown.shape, widths, settings.hidden, settings.hidden, settings.activation)
        self.mix = nn.Linear(settings.hidden + shown.beside, settings.hidden)
        self.activation = activation_layer(settings.activation)

    def forward(self, x: Tensor, beside: Tensor | None) -> Tensor:
        seen = self.activation(self.image(x))
        features: Tensor = self.activation(self.mix(seen if beside is None else torch.cat([seen, beside], 1)))
        return features


def both(data: Shown, samples: Shown) -> Shown:
    """Examples, then samples, so that one pass judges them: the same numbers as two passes, with half the calls."""
    beside = None
    if data.beside is not None and samples.beside is not None:
        beside = torch.cat([data.beside, samples.beside])
    return Shown(torch.cat([data.x, samples.x]), beside)
