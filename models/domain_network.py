"""A classifier on features that two domains share, for adaptation from one to the other."""

from __future__ import annotations

from math import prod
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from models.family import Family
from models.image_networks import image_encoder, pooled_feature_count, pooled_features
from models.networks import Activation, activation_layer, mlp
from models.normalisation import DenseNormalisation
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support, UnsuitableData, require

Network = Literal["dense", "convolutional", "pooled"]
MODEL = "A domain-adversarial network"


class DomainNetworkSettings(Settings):
    network: Network = setting(
        "dense",
        title="Features by",
        help="Dense: fully connected layers. For images also convolutional: convolutions that halve the image, then "
        "dense layers; or pooled: convolutions of 5×5 pixels, of whose maps the largest value of every 2×2 stays, and "
        "is a feature itself.",
        reference="Ganin et al. (2016), figure 1, G_f, and figure 4a",
    )
    features: int = setting(
        64,
        title="Features",
        help="How many features the classifier and the domain discriminator see. Pooled ones are as many as there are.",
        reference="Ganin et al. (2016), f",
        ge=1,
        le=4096,
    )
    layers: int = setting(
        2,
        title="Feature layers",
        help="Layers before the features: dense ones, or convolutions, of which there is at least one.",
        ge=0,
        le=6,
    )
    hidden: int = setting(64, title="Hidden units", help="Width of the hidden layers.", ge=1, le=4096)
    channels: int = setting(
        16,
        title="Channels",
        help="Channels of the first convolution; each further one has twice as many. For images by convolutions.",
        ge=1,
        le=512,
    )
    classifier_layers: int = setting(
        0,
        title="Classifier layers",
        help="Hidden layers between the features and the classes; 0 makes the classifier linear.",
        reference="Ganin et al. (2016), figure 1, G_y",
        ge=0,
        le=4,
    )
    activation: Activation = setting("relu", title="Activation", help="Non-linearity after each layer.")
    normalisation: DenseNormalisation = setting(
        "none",
        title="Normalisation",
        help="Batch: each feature between layers has the mean and spread in a minibatch of one domain that it has in "
        "one of the other. In use, those of the target count. Not of the first layer that halves images.",
        reference="Ioffe & Szegedy (2015); Li et al. (2018)",
    )


class DomainNetwork(nn.Module):
    """P(class | x) by a classifier on features f(x), the same for both domains (Ganin et al., 2016, section 4).

    What makes the features of the domains alike is the learner's (models/learning/domain_adversarial.py). x: (B,
    *event) of either domain; features (B, F). Images of two sizes or numbers of channels are brought to the larger size
    by bilinear interpolation, and to colour by repeating grey.
    """

    def __init__(self, settings: DomainNetworkSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.is_unit = spec.support is Support.UNIT
        self.common = common_shape(spec)
        self.width = settings.features
        activation, normalisation, features = settings.activation, settings.normalisation, settings.features
        channels = [settings.channels * 2**i for i in range(max(1, settings.layers))]
        if settings.network == "pooled":
            self.width = pooled_feature_count(self.common, channels)
            self.extract = pooled_features(self.common, channels, activation, normalisation)
        else:
            if settings.network == "convolutional":
                extract: nn.Sequential = image_encoder(
                    self.common, channels, settings.hidden, features, activation, normalisation
                )
            else:
                widths = [prod(self.common), *[settings.hidden] * settings.layers, features]
                extract = nn.Sequential(nn.Flatten(), mlp(widths, activation, normalisation))
            self.extract = nn.Sequential(extract, activation_layer(activation))
        hidden = [settings.hidden] * settings.classifier_layers
        self.classifier = mlp([self.width, *hidden, spec.classes], activation)

    @staticmethod
    def check(settings: DomainNetworkSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData unless there are two domains of the same kind, the first of which has classes."""
        other = spec.other
        if other is None:
            raise UnsuitableData(
                f"{MODEL} learns from two domains: choose a second data set, such as moons that are turned, or digits "
                "on textures beside digits."
            )
        require(spec, Support.UNIT, Support.REALS, model=MODEL)
        if spec.layout is Layout.SEQUENCE:
            raise UnsuitableData(f"{MODEL} does not take sequences: choose images, points or vectors.")
        if (other.layout, other.support) != (spec.layout, spec.support):
            raise UnsuitableData(
                f"{MODEL} compares examples of one kind. The first domain has {_kind(spec)}, the second "
                f"{_kind(other)}: choose both alike."
            )
        if spec.layout is not Layout.IMAGE and other.event_shape != spec.event_shape:
            raise UnsuitableData(
                f"{MODEL} compares examples of one size. Those of the first domain have {spec.dimensions} values, of "
                f"the second {other.dimensions}: choose both alike."
            )
        channels, others = spec.event_shape[0], other.event_shape[0]
        if spec.layout is Layout.IMAGE and channels != others and 1 not in (channels, others):
            raise UnsuitableData(
                f"{MODEL} repeats grey as colours, but cannot compare {channels} channels with {others}: choose grey "
                "or colour images."
            )
        if spec.classes < 2:
            raise UnsuitableData(
                f"{MODEL} learns classes from its first domain, and that has none: choose data with labels."
            )
        if other.classes and other.class_names != spec.class_names:
            raise UnsuitableData(
                f"{MODEL} takes the classes of its first domain over to the second, and theirs differ: choose a second "
                "domain with the same names of classes, or without labels."
            )
        if settings.network != "dense" and spec.layout is not Layout.IMAGE:
            raise UnsuitableData("Features by convolutions are of images: choose dense ones, or images.")

    def feature_count(self) -> int:
        return self.width

    def features(self, x: Tensor) -> Tensor:
        x = to_shape(x, self.common)
        features: Tensor = self.extract(2 * x - 1 if self.is_unit else x)
        return features

    def classify(self, features: Tensor) -> Tensor:
        logits: Tensor = self.classifier(features)
        return logits

    def class_log_prob(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x)).log_softmax(1)


def common_shape(spec: DataSpec) -> tuple[int, ...]:
    """The shape that examples of both domains are brought to."""
    if spec.other is None or spec.layout is not Layout.IMAGE:
        return spec.event_shape
    return tuple(max(a, b) for a, b in zip(spec.event_shape, spec.other.event_shape, strict=True))


def to_shape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Images (B, C, H, W) with more rows, columns or channels; anything of this shape as it is."""
    if tuple(x.shape[1:]) == shape:
        return x
    if tuple(x.shape[2:]) != shape[1:]:
        x = F.interpolate(x, shape[1:], mode="bilinear", align_corners=False)
    return x.expand(-1, shape[0], -1, -1)


def _kind(spec: DataSpec) -> str:
    return f"{spec.layout} data with values in {spec.support}"


FAMILY = Family(
    key="domain-adversarial",
    title="Domain-adversarial network",
    group="adversarial",
    lecture="Generative adversarial networks",
    summary="A classifier that learns from labels of one domain and is used on another. Its features play a game "
    "against a discriminator of domains: classes must be told apart by them, domains must not.",
    look_for="Domain accuracy falls towards ½ and domain loss rises towards log 2 = 0.69, while source accuracy "
    "stays. Target accuracy, of labels that are never learned from, then rises; with λ = 0 it stays behind.",
    model=DomainNetwork,
    settings=DomainNetworkSettings,
    learners=("domain-adversarial",),
    data="moons",
    other={"source": "moons", "settings": {"angle": 35, "seed": 1}},
)
