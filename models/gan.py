"""Generative adversarial network: the generator. Its adversary is the learner's (models/learning/adversarial.py)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor, nn

from models.distributions import Distribution, Uniform, standard_normal
from models.networks import Activation, mlp
from models.settings import Settings, setting
from models.spec import DataSpec, Support, UnsuitableData, require

Prior = Literal["normal", "uniform"]


class GanSettings(Settings):
    latent: int = setting(
        32,
        title="Latent size",
        help="Dimensions of the noise z. Fewer than the data needs leaves parts of it out of reach.",
        reference="Goodfellow et al. (2014), z",
        ge=1,
        le=256,
    )
    prior: Prior = setting(
        "normal",
        title="Prior p(z)",
        help="Normal: N(0, I). Uniform: every coordinate in −1…1, so that the whole latent space can be walked.",
        reference="Goodfellow et al. (2014), p_z",
    )
    hidden: int = setting(256, title="Hidden units", help="Width of the generator's hidden layers.", ge=1, le=4096)
    layers: int = setting(
        2, title="Hidden layers", help="Hidden layers of the generator; 0 makes it linear.", ge=0, le=8
    )
    activation: Activation = setting("relu", title="Activation", help="Non-linearity of the hidden layers.")


class Gan(nn.Module):
    """x = G(z), z ~ p(z): a distribution that can be sampled but has no likelihood (Goodfellow et al., 2014).

    The density exists only implicitly, as the image of p(z) under G, so no capability here scores an example.
    z: (B, latent); x: (B, *event), in 0…1 by a sigmoid or any real number by a linear output, as the data is.
    """

    def __init__(self, settings: GanSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.latent, self.prior_name = spec.event_shape, settings.latent, settings.prior
        self.is_unit = spec.support is Support.UNIT
        widths = [settings.hidden] * settings.layers
        self.generator = mlp([settings.latent, *widths, spec.dimensions], settings.activation)

    @staticmethod
    def check(settings: GanSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData unless the data is continuous: no gradient reaches a generator through bits."""
        if spec.support is Support.BITS:
            raise UnsuitableData(
                "A generative adversarial network cannot model bits: the generator learns by the gradient of the "
                "discriminator with respect to its samples, and a bit cannot move a little. "
                "Choose binarisation: none, so that values stay in 0…1."
            )
        require(spec, Support.UNIT, Support.REALS, model="A generative adversarial network")

    def prior(self) -> Distribution:
        normal = standard_normal(self.latent, like=next(self.parameters()))
        if self.prior_name == "normal":
            return normal
        ones = torch.ones_like(normal.mean)
        return Uniform(-ones, ones)

    def decode(self, z: Tensor) -> Tensor:
        output = self.generator(z)
        return (output.sigmoid() if self.is_unit else output).reshape(-1, *self.event_shape)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.decode(self.prior().sample(n, generator))
