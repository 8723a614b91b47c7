"""Variational auto-encoder."""

from __future__ import annotations

from torch import Tensor

from models.auto_encoder import AutoEncoder
from models.family import Family
from models.likelihoods import LikelihoodSettings, check_likelihood, chosen_likelihood
from models.networks import Activation, flat, mlp
from models.posteriors import POSTERIORS, PosteriorSettings
from models.settings import setting
from models.spec import DataSpec


class VaeSettings(PosteriorSettings, LikelihoodSettings):
    latent: int = setting(
        2,
        title="Latent size",
        help="Dimensions of z. With 2 the latent map shows everything the model learned.",
        reference="Kingma & Welling (2014), z",
        ge=1,
        le=256,
    )
    hidden: int = setting(
        256,
        title="Hidden units",
        help="Width of the hidden layers of both networks.",
        reference="Kingma & Welling (2014), appendix C",
        ge=1,
        le=4096,
    )
    layers: int = setting(
        2,
        title="Hidden layers",
        help="Hidden layers in each network. With 0 both are linear; with a Gaussian likelihood that is "
        "probabilistic PCA.",
        reference="Tipping & Bishop (1999), for 0",
        ge=0,
        le=8,
    )
    activation: Activation = setting("relu", title="Activation", help="Non-linearity of the hidden layers.")


class Vae(AutoEncoder):
    """Both networks are multilayer perceptrons (Kingma & Welling, 2014, appendix C)."""

    def __init__(self, settings: VaeSettings, spec: DataSpec) -> None:
        self.check(settings, spec)
        posterior, likelihood = POSTERIORS[settings.posterior], chosen_likelihood(settings, spec)
        widths = [settings.hidden] * settings.layers
        said, needed = posterior.outputs(settings.latent), likelihood.outputs * spec.dimensions
        encoder = mlp([spec.dimensions, *widths, said], settings.activation)
        decoder = mlp([settings.latent, *widths, needed], settings.activation)
        super().__init__(spec.event_shape, settings.latent, posterior, likelihood, encoder, decoder)

    def posterior_parameters(self, x: Tensor) -> Tensor:
        return super().posterior_parameters(flat(x))

    def encoder_features(self, x: Tensor) -> Tensor:
        return super().encoder_features(flat(x))

    @staticmethod
    def check(settings: VaeSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when these settings cannot model this data."""
        check_likelihood(settings, spec, "The variational auto-encoder")


FAMILY = Family(
    key="vae",
    title="Variational auto-encoder",
    group="variational",
    lecture="Variational auto-encoders",
    summary="A decoder p(x|z) and an encoder q(z|x), trained together on a lower bound of the evidence.",
    look_for="Reconstruction and KL rise together at first. A KL near 0 means that the decoder ignores z.",
    model=Vae,
    settings=VaeSettings,
    learners=("reparameterized-elbo", "score-function", "wake-sleep"),
    data="digits",
)
