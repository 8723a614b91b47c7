"""Deep convolutional generative adversarial network: a generator of images."""

from __future__ import annotations

from models.capabilities import ShownAs
from models.family import Family
from models.image_networks import image_generator
from models.implicit import ImplicitModel, ImplicitSettings, require_movable
from models.networks import Activation
from models.normalisation import Normalisation
from models.settings import setting
from models.spec import DataSpec, Layout, require_layout


class DcganSettings(ImplicitSettings):
    channels: int = setting(
        32,
        title="Channels",
        help="Features of every pixel before the last convolution; each one before it has twice as many.",
        reference="Radford et al. (2016), 128 at 64×64 pixels",
        ge=1,
        le=256,
    )
    convolutions: int = setting(
        2,
        title="Convolutions",
        help="Each doubles the sides of the image: 2 suit 8×8 pixels, 3 suit 28×28, 4 suit 64×64. Sides that "
        "would start with fewer than two pixels are not doubled.",
        ge=1,
        le=6,
    )
    activation: Activation = setting("relu", title="Activation", help="Non-linearity of the hidden layers.")
    normalisation: Normalisation = setting(
        "batch",
        title="Normalisation",
        help="Batch: channels over the whole minibatch, as published; samples of a step then depend on each other, and "
        "those that are shown take running statistics instead. Pixel: the features of each pixel by themselves.",
        reference="Ioffe & Szegedy (2015); Karras et al. (2018), section 4.2",
    )


class Dcgan(ImplicitModel):
    """x = G(z), z ~ p(z), with transposed convolutions for G (Radford, Metz & Chintala, 2016). A sigmoid ends it where
    the paper has a tanh: values here lie in 0…1."""

    def __init__(self, settings: DcganSettings, spec: DataSpec) -> None:
        self.check(settings, spec)
        widths = [settings.channels << layer for layer in range(settings.convolutions)]
        network = image_generator(
            spec.event_shape, widths, settings.latent, settings.activation, settings.normalisation
        )
        super().__init__(settings, spec, network)

    def shown_as(self) -> ShownAs:
        return ShownAs(tuple(self.event_shape), network="convolutional")

    @staticmethod
    def check(settings: DcganSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data are no images, or made of bits."""
        require_layout(spec, Layout.IMAGE, model="The convolutional generator")
        require_movable(spec, "A generative adversarial network")


FAMILY = Family(
    key="dcgan",
    title="Convolutional GAN (DCGAN)",
    group="adversarial",
    lecture="Generative adversarial networks",
    summary="A generator of images by transposed convolutions, against a convolutional discriminator.",
    look_for="Strokes and edges appear before whole shapes. D(x) on data and on samples should not part for good.",
    model=Dcgan,
    settings=DcganSettings,
    learners=("non-saturating", "minimax", "wasserstein", "unrolled"),
    data="digits",
)
