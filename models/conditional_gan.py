"""Conditional generative adversarial network: examples of a class."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor

from models.capabilities import Shown, ShownAs
from models.family import Family
from models.image_networks import image_generator
from models.implicit import FromNoise, ImplicitSettings, require_movable
from models.networks import Activation, mlp
from models.normalisation import Normalisation
from models.settings import setting
from models.spec import Batch, DataSpec, Layout, UnsuitableData, require_layout

NAME = "A conditional generative adversarial network"


class ConditionalGanSettings(ImplicitSettings):
    generator: Literal["dense", "convolutional"] = setting(
        "dense",
        title="Generator network",
        help="Dense: every unit to every value of an example. Convolutional: for images, doubled layer after layer.",
        reference="Mirza & Osindero (2014); Radford et al. (2016)",
    )
    hidden: int = setting(
        256, title="Hidden units", help="Width of the hidden layers of a dense generator.", ge=1, le=4096
    )
    layers: int = setting(
        2, title="Hidden layers", help="Hidden layers of a dense generator; 0 makes it linear.", ge=0, le=8
    )
    convolutions: int = setting(
        2,
        title="Convolutions",
        help="Of a convolutional generator. Each doubles the sides of the image: 2 suit 8×8 pixels, 4 suit 64×64.",
        ge=1,
        le=6,
    )
    channels: int = setting(
        32,
        title="Channels",
        help="Features of every pixel before the last convolution, twice as many before each one that comes earlier. "
        "For convolutional generators only.",
        ge=1,
        le=256,
    )
    activation: Activation = setting("relu", title="Activation", help="Non-linearity of the hidden layers.")
    normalisation: Normalisation = setting(
        "batch",
        title="Normalisation",
        help="Of channels over the minibatch, of the features of each pixel, or none; of convolutional generators.",
        reference="Ioffe & Szegedy (2015); Karras et al. (2018), section 4.2",
    )


class ConditionalGan(FromNoise):
    """x = G(z, y), z ~ p(z): examples of class y (Mirza & Osindero, 2014). The class stands beside the noise as one of
    K numbers that is 1, whose weights in the first layer are its embedding, and beside what the discriminator judges.

    Examples whose label is hidden teach nothing about a class: in their place stand labelled ones of the same batch,
    drawn anew. Where a batch has none, no class stands beside its examples.
    """

    def __init__(self, settings: ConditionalGanSettings, spec: DataSpec) -> None:
        self.check(settings, spec)
        self.classes, self.network = spec.classes, settings.generator
        inputs, activation = settings.latent + spec.classes, settings.activation
        if settings.generator == "dense":
            super().__init__(
                settings, spec, mlp([inputs, *[settings.hidden] * settings.layers, spec.dimensions], activation)
            )
        else:
            widths = [settings.channels << layer for layer in range(settings.convolutions)]
            network = image_generator(spec.event_shape, widths, inputs, activation, settings.normalisation)
            super().__init__(settings, spec, network)

    @staticmethod
    def check(settings: ConditionalGanSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when there are no classes, or nothing a generator could learn."""
        require_movable(spec, NAME)
        if not spec.classes:
            raise UnsuitableData(
                f"{NAME} learns what each class looks like, and these data have no classes: choose data with labels, "
                "such as the handwritten digits, or a generative adversarial network without classes."
            )
        if settings.generator == "convolutional":
            require_layout(spec, Layout.IMAGE, model="A convolutional generator")

    # Examples of a class.

    def conditional_classes(self) -> int:
        return self.classes

    def decode_of_class(self, z: Tensor, y: Tensor) -> Tensor:
        return self.example(self.generator(torch.cat([z, self.one_of(y, z)], 1)))

    def sample_of_class(self, y: Tensor, generator: Generator | None = None) -> Tensor:
        return self.decode_of_class(self.prior().sample(len(y), generator), y)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        device = next(self.parameters()).device
        return self.sample_of_class(torch.randint(self.classes, (n,), generator=generator, device=device), generator)

    def one_of(self, y: Tensor, like: Tensor) -> Tensor:
        """(B,) -> (B, K): 1 at the class of each, nowhere where y is -1."""
        return (y.unsqueeze(1) == torch.arange(self.classes, device=y.device)).to(like.dtype)

    # What a discriminator is shown.

    def shown_as(self) -> ShownAs:
        return ShownAs(tuple(self.event_shape), self.classes, network=self.network)

    def show_data(self, batch: Batch, generator: Generator | None = None) -> Shown:
        place = labelled_places(batch.y, generator)
        return Shown(batch.x[place], self.one_of(batch.y[place], batch.x))

    def show_samples(self, batch: Batch, generator: Generator | None = None) -> Shown:
        y = batch.y[labelled_places(batch.y, generator)]
        return Shown(self.sample_of_class(y, generator), self.one_of(y, batch.x))


def labelled_places(y: Tensor, generator: Generator | None = None) -> Tensor:
    """For each example itself where it has a label, and otherwise one of the labelled, drawn with replacement: places
    in the batch (B,). Itself too where none has a label."""
    known = y >= 0
    first = torch.argsort((~known).to(torch.uint8), stable=True)  # the labelled ones lie in front
    count = known.sum()
    drawn = (torch.rand(len(y), generator=generator, device=y.device) * count).long()
    other = first[torch.minimum(drawn, (count - 1).clamp(min=0))]
    itself = torch.arange(len(y), device=y.device)
    return torch.where(known | (count == 0), itself, other)


FAMILY = Family(
    key="conditional-gan",
    title="Conditional GAN",
    group="adversarial",
    lecture="Generative adversarial networks",
    summary="Generator and discriminator are told the class: examples of a class that is chosen.",
    look_for="On the latent map the class can be chosen: the same z as another class should keep its style.",
    model=ConditionalGan,
    settings=ConditionalGanSettings,
    learners=("non-saturating", "minimax", "wasserstein", "unrolled"),
    data="digits",
)
