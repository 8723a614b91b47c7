"""Variational auto-encoder of images with convolutional networks."""

from __future__ import annotations

from models.auto_encoder import AutoEncoder
from models.family import Family
from models.image_networks import image_decoder, image_encoder
from models.likelihoods import LikelihoodSettings, check_likelihood, chosen_likelihood
from models.networks import Activation
from models.posteriors import POSTERIORS, PosteriorSettings
from models.settings import setting
from models.spec import DataSpec, Layout, require_layout


class ConvVaeSettings(PosteriorSettings, LikelihoodSettings):
    latent: int = setting(
        2,
        title="Latent size",
        help="Dimensions of z. With 2 the latent map shows everything the model learned.",
        reference="Kingma & Welling (2014), z",
        ge=1,
        le=256,
    )
    channels: int = setting(
        32,
        title="Channels",
        help="Features of every pixel after the first convolution; each further one doubles them.",
        ge=1,
        le=256,
    )
    layers: int = setting(
        2,
        title="Convolutions",
        help="In each network. Each halves the sides of the image that still have four pixels or more.",
        ge=1,
        le=6,
    )
    hidden: int = setting(
        256, title="Hidden units", help="Width of the layer between the convolutions and the code.", ge=1, le=4096
    )
    activation: Activation = setting(
        "leaky relu",
        title="Activation",
        help="Non-linearity of the hidden layers. Units of a relu may fall silent for every example, and stay so.",
        reference="Radford et al. (2016)",
    )


class ConvVae(AutoEncoder):
    """The encoder is strided convolutions, the decoder their transposes (Radford, Metz & Chintala, 2016, whose
    generator this is without batch normalisation: what an example is encoded to never depends on its neighbours)."""

    def __init__(self, settings: ConvVaeSettings, spec: DataSpec) -> None:
        self.check(settings, spec)
        posterior, likelihood = POSTERIORS[settings.posterior], chosen_likelihood(settings, spec)
        widths = [settings.channels << layer for layer in range(settings.layers)]
        shape, hidden, activation = spec.event_shape, settings.hidden, settings.activation
        encoder = image_encoder(shape, widths, hidden, posterior.outputs(settings.latent), activation)
        decoder = image_decoder(shape, widths, hidden, settings.latent, likelihood.outputs, activation)
        super().__init__(shape, settings.latent, posterior, likelihood, encoder, decoder)

    @staticmethod
    def check(settings: ConvVaeSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data are no images, or the likelihood cannot be theirs."""
        require_layout(spec, Layout.IMAGE, model="The convolutional auto-encoder")
        check_likelihood(settings, spec, "The convolutional auto-encoder")


FAMILY = Family(
    key="conv-vae",
    title="Convolutional auto-encoder",
    group="variational",
    lecture="Variational auto-encoders",
    summary="A variational auto-encoder of images: its encoder halves the image by convolutions, its decoder "
    "doubles it by transposed ones, so that a stroke is learned once for all places.",
    look_for="Sharper edges than the plain auto-encoder draws with as many weights. On large images it learns in "
    "fewer steps, each of which takes longer.",
    model=ConvVae,
    settings=ConvVaeSettings,
    learners=("reparameterized-elbo", "wake-sleep"),
    data="digits",
)
