"""What generators share that draw examples but give them no density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from models.capabilities import Shown, ShownAs
from models.distributions import Distribution, Uniform, standard_normal
from models.settings import Settings, setting
from models.spec import Batch, DataSpec, Support, UnsuitableData, require

Prior = Literal["normal", "uniform"]


class ImplicitSettings(Settings):
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


class FromNoise(nn.Module):
    """An example is made from noise z ~ p(z), and from something else where `generator` takes more.

    `generator` is the network G: (B, latent or more) -> numbers that make an example (B, *event), in 0…1 by a sigmoid
    or any real number, as the data is.
    """

    def __init__(self, settings: ImplicitSettings, spec: DataSpec, generator: nn.Module) -> None:
        super().__init__()
        self.event_shape: Sequence[int] = spec.event_shape
        self.latent, self.prior_name = settings.latent, settings.prior
        self.is_unit = spec.support is Support.UNIT
        self.generator = generator

    def prior(self) -> Distribution:
        normal = standard_normal(self.latent, like=next(self.parameters()))
        if self.prior_name == "normal":
            return normal
        ones = torch.ones_like(normal.mean)
        return Uniform(-ones, ones)

    def example(self, output: Tensor) -> Tensor:
        """What the network's numbers make: (B, …) -> (B, *event)."""
        return (output.sigmoid() if self.is_unit else output).reshape(-1, *self.event_shape)


class ImplicitModel(FromNoise):
    """x = G(z), z ~ p(z): a distribution that can be sampled but has no likelihood (Mohamed & Lakshminarayanan, 2016).

    The density exists only as the image of p(z) under G, so no capability here scores an example.
    """

    def decode(self, z: Tensor) -> Tensor:
        return self.example(self.generator(z))

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.decode(self.prior().sample(n, generator))

    # What a discriminator is shown.

    def shown_as(self) -> ShownAs:
        return ShownAs(tuple(self.event_shape))

    def show_data(self, batch: Batch, generator: Generator | None = None) -> Shown:
        return Shown(batch.x)

    def show_samples(self, batch: Batch, generator: Generator | None = None) -> Shown:
        return Shown(self.decode(self.prior().sample(len(batch.x), generator)))


def require_movable(spec: DataSpec, model: str) -> None:
    """Raise UnsuitableData unless the data is continuous: no gradient reaches a generator through bits."""
    if spec.support is Support.BITS:
        raise UnsuitableData(
            f"{model} cannot model bits: the generator learns by the gradient of the discriminator with respect to its "
            "samples, and a bit cannot move a little. Choose binarisation: none, so that values stay in 0…1, or a GAN "
            "of discrete values."
        )
    require(spec, Support.UNIT, Support.REALS, model=model)
