"""Bidirectional generative adversarial network: a generator and an encoder, judged together."""

from __future__ import annotations

from typing import Literal

from torch import Generator, Tensor

from models.capabilities import Shown, ShownAs
from models.distributions import Distribution, Normal, Point, limited
from models.family import Family
from models.implicit import ImplicitModel, ImplicitSettings, require_movable
from models.networks import Activation, flat, mlp
from models.normalisation import DenseNormalisation
from models.posteriors import LARGEST, SMALLEST
from models.settings import setting
from models.spec import Batch, DataSpec

Encoder = Literal["a code", "a Gaussian"]


class BiganSettings(ImplicitSettings):
    encoder: Encoder = setting(
        "a code",
        title="Encoder says",
        help="A code: one for each example, as in BiGAN. A Gaussian: a spread of codes, from which one is drawn, as in "
        "adversarially learned inference (ALI).",
        reference="Donahue et al. (2017), E; Dumoulin et al. (2017), q(z|x)",
    )
    hidden: int = setting(
        256,
        title="Hidden units",
        help="Width of the hidden layers of generator and encoder.",
        ge=1,
        le=4096,
    )
    layers: int = setting(
        2,
        title="Hidden layers",
        help="Hidden layers of the generator, and of the encoder; 0 makes both linear.",
        ge=0,
        le=8,
    )
    activation: Activation = setting("leaky relu", title="Activation", help="Non-linearity of the hidden layers.")
    normalisation: DenseNormalisation = setting(
        "none",
        title="Normalisation",
        help="Batch: each hidden unit over the whole minibatch, but for the encoder's first layer. What is shown takes "
        "running statistics instead.",
        reference="Ioffe & Szegedy (2015); Donahue et al. (2017), appendix C",
    )


class Bigan(ImplicitModel):
    """x = G(z), z ~ p(z), and an encoder for the way back, which learn from a discriminator of pairs (Donahue,
    Krähenbühl & Darrell, 2017; Dumoulin et al., 2017):

        min_{G, E} max_D E_x[log D(x, E(x))] + E_z[log(1 - D(G(z), z))].

    Where no D can tell these pairs apart, E inverts G (theorem 2). It ends in a tanh where the prior is uniform
    in -1…1, so that codes of data can lie nowhere else. x: (B, *event); z: (B, latent).
    """

    def __init__(self, settings: BiganSettings, spec: DataSpec) -> None:
        self.check(settings, spec)
        widths = [settings.hidden] * settings.layers
        sizes = [settings.latent, *widths, spec.dimensions]
        super().__init__(settings, spec, mlp(sizes, settings.activation, settings.normalisation))
        self.is_gaussian = settings.encoder == "a Gaussian"
        said = settings.latent * (2 if self.is_gaussian else 1)
        self.encoder = mlp([spec.dimensions, *widths, said], settings.activation, settings.normalisation, bare=1)

    @staticmethod
    def check(settings: BiganSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData unless the data is continuous."""
        require_movable(spec, "A bidirectional adversarial network")

    def encode(self, x: Tensor) -> Distribution:
        said = self.encoder[-1](self.encoder_features(x))
        mean = said[:, : self.latent]
        mean = mean.tanh() if self.prior_name == "uniform" else mean
        if self.is_gaussian:
            return Normal(mean, limited(said[:, self.latent :], SMALLEST, LARGEST))
        return Point(mean)

    def encoder_features(self, x: Tensor) -> Tensor:
        centred = flat(2 * x - 1 if self.is_unit else x)
        features: Tensor = self.encoder[:-1](centred)
        return features

    # What a discriminator is shown.

    def shown_as(self) -> ShownAs:
        return ShownAs(tuple(self.event_shape), beside=self.latent, encoded=True)

    def show_data(self, batch: Batch, generator: Generator | None = None) -> Shown:
        return Shown(batch.x, self.encode(batch.x).sample(1, generator).squeeze(0))

    def show_samples(self, batch: Batch, generator: Generator | None = None) -> Shown:
        z = self.prior().sample(len(batch.x), generator)
        return Shown(self.decode(z), z)


FAMILY = Family(
    key="bigan",
    title="Bidirectional adversarial network",
    group="adversarial",
    lecture="Generative adversarial networks",
    summary="A generator and an encoder for the way back. The discriminator sees pairs: an example with its code, "
    "or a sample with the noise it was made from.",
    look_for="Reconstructions are never asked for, and come all the same: where pairs cannot be told apart, the "
    "encoder inverts the generator. Where they show another example, let the discriminator learn faster.",
    model=Bigan,
    settings=BiganSettings,
    learners=("non-saturating", "minimax", "wasserstein", "unrolled"),
    data="digits",
)
