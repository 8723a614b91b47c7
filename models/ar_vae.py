"""Variational auto-encoder of images with an autoregressive decoder."""

from __future__ import annotations

from typing import cast

import torch
from torch import Generator, Tensor, nn

from models.auto_encoder import AutoEncoder
from models.capabilities import Completion
from models.family import Family
from models.image_networks import image_decoder, image_encoder
from models.likelihoods import Likelihood, LikelihoodSettings
from models.pixelcnn import PixelCnn, PixelCnnSettings
from models.pixels import MARGIN, check_pixels
from models.posteriors import POSTERIORS, PosteriorSettings
from models.settings import setting
from models.spec import DataSpec

FEATURES = 8  # numbers by which the code speaks to each coordinate
CODES = 32  # from the prior, which a completion mixes


class ArVaeSettings(PosteriorSettings):
    latent: int = setting(
        8, title="Latent size", help="Dimensions of z.", reference="Kingma & Welling (2014), z", ge=1, le=256
    )
    layers: int = setting(
        3,
        title="Gated layers",
        help="Of the decoder. Each widens what a pixel has heard of by one pixel. The more it has heard of, the better "
        "the decoder does without the code.",
        reference="Chen et al. (2017), section 3.1",
        ge=1,
        le=32,
    )
    reach: int = setting(
        MARGIN,
        title="First window",
        help="How far the decoder's first layer looks to each side and up. A decoder that sees little has to ask the "
        "code for everything else.",
        unit="pixels",
        reference="Chen et al. (2017), section 3.1",
        ge=1,
        le=MARGIN,
    )
    channels: int = setting(
        16,
        title="Channels",
        help="Features of every pixel in each of the decoder's stacks, and in the networks to and from the code. With "
        "colours, these share the stacks'.",
        ge=1,
        le=256,
    )
    hidden: int = setting(
        128, title="Hidden units", help="Width of the layers next to the code in both networks.", ge=1, le=4096
    )


class ArVae(AutoEncoder):
    """p(x | z) = Π_d p(x_d | x_<d, z): a gated PixelCNN, to which maps made from z are added at every pixel (Gulrajani
    et al., 2017; Chen et al., 2017).

    Where the pixels before one say as much of it as the code would, the bound is best when q(z | x) is the prior: a
    code costs nats and brings none (Bowman et al., 2016). Such a posterior has collapsed.
    """

    likelihood: PixelsInTurn

    def __init__(self, settings: ArVaeSettings, spec: DataSpec) -> None:
        self.check(settings, spec)
        posterior, likelihood = POSTERIORS[settings.posterior], PixelsInTurn(settings, spec)
        widths, shape, hidden = [settings.channels, 2 * settings.channels], spec.event_shape, settings.hidden
        encoder = image_encoder(shape, widths, hidden, posterior.outputs(settings.latent), "leaky relu")
        decoder = image_decoder(shape, widths, hidden, settings.latent, FEATURES, "leaky relu")
        super().__init__(shape, settings.latent, posterior, likelihood, encoder, decoder)

    @staticmethod
    def check(settings: ArVaeSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData unless the data are small images of bits or levels."""
        check_pixels(spec, False, model="The auto-encoder with an autoregressive decoder")

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        """E[x_d | x_<d, z] of n exact draws."""
        z = self.prior().sample(n, generator)
        return self.likelihood.paint(self._output(z), generator).mean

    def order(self) -> Tensor:
        """Row by row, and within a pixel colour by colour."""
        return self.likelihood.net.order()

    def log_conditionals_given(self, x: Tensor, z: Tensor) -> Tensor:
        return self.likelihood.log_conditionals(x, self._output(z))

    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Completion:
        """Keep `x` where `known`, draw each other coordinate given all those before it, kept or drawn, z being
        integrated out: p(x) is taken as the equal mixture of p(x | z) over CODES draws of the prior, new ones for each
        example. What is said of a coordinate is exact for that mixture, in which codes count by how well they have
        foretold the coordinates before."""
        with torch.no_grad():
            output = self._output(self.prior().sample(len(x) * CODES, generator))
        return self.likelihood.complete(x, known, output, generator)


class PixelsInTurn(Likelihood):
    """Each coordinate given the output of a network and the coordinates before it.

    Its mean would need all images. In its place stand E[x_d | x_<d, output] along one image, drawn with the same
    uniform numbers whatever the output is: where two outputs differ, the outputs are why.
    """

    outputs = FEATURES
    noise: Tensor

    def __init__(self, settings: ArVaeSettings, spec: DataSpec) -> None:
        super().__init__(LikelihoodSettings(), spec)
        stacks = PixelCnnSettings(channels=settings.channels, layers=settings.layers)
        self.net = _ToldPixelCnn(stacks, spec, settings.reach)
        colours, height, width = spec.event_shape
        self.register_buffer("noise", torch.rand(height, width * colours))

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        batch = output.shape[: -len(self.event_shape) - 1]
        each = self.log_conditionals(x.expand(*batch, *self.event_shape).flatten(0, len(batch) - 1), output)
        return self._sum(each).reshape(batch)

    def log_conditionals(self, x: Tensor, output: Tensor) -> Tensor:
        """log p(x_d | x_<d, output) of each coordinate: (B, *event)."""
        return self.net.score(x, self._maps(output))

    def mean(self, output: Tensor) -> Tensor:
        return self.net.paint(self._maps(output), None, self.noise).mean

    def sample(self, output: Tensor, generator: Generator | None = None) -> Tensor:
        return self.paint(output, generator).x

    def paint(self, output: Tensor, generator: Generator | None = None) -> Completion:
        """A draw: (B, outputs, *event)."""
        return self.net.paint(self._maps(output), generator)

    def complete(self, x: Tensor, known: Tensor, output: Tensor, generator: Generator | None = None) -> Completion:
        """By the equal mixture of as many outputs as there are for each example, (B · ways, outputs, *event)."""
        return self.net.complete_mixture(x, known, self._maps(output), generator)

    def _maps(self, output: Tensor) -> Tensor:
        """(..., outputs, colours, H, W) -> (all of them, outputs · colours, H, W)."""
        return output.reshape(-1, self.outputs * self.event_shape[0], *self.event_shape[1:])


class _ToldPixelCnn(PixelCnn):
    """What other models take for the class, y, is maps here: (B, FEATURES · colours, H, W)."""

    def __init__(self, settings: PixelCnnSettings, spec: DataSpec, reach: int) -> None:
        super().__init__(settings, spec, reach)
        self.listen = nn.Conv2d(FEATURES * self.colours, 2 * settings.channels, 1, bias=False)

    def told(self, y: Tensor | None) -> tuple[Tensor, Tensor] | None:
        if y is None:
            return None
        return cast(tuple[Tensor, Tensor], self.listen(y).chunk(2, 1))

    def score(self, x: Tensor, maps: Tensor) -> Tensor:
        """log p(x_d | x_<d, maps) of each coordinate: (B, *event)."""
        return self._score(x, maps)

    def paint(self, maps: Tensor, generator: Generator | None, noise: Tensor | None = None) -> Completion:
        return self._generate(len(maps), maps, generator, noise=noise)

    def complete_mixture(self, x: Tensor, known: Tensor, maps: Tensor, generator: Generator | None) -> Completion:
        return self._generate(len(x), maps, generator, x, known.expand_as(x), len(maps) // len(x))


FAMILY = Family(
    key="ar-vae",
    title="Auto-encoder with an autoregressive decoder",
    group="variational",
    lecture="Variational auto-encoders",
    summary="The decoder draws pixel after pixel, and hears of the code at each. It can do without the code, and "
    "then often does: the posterior collapses.",
    look_for="A KL that falls to 0 while samples are good all the same: what the code would say, the pixels before "
    "say already. KL annealing, free bits or a decoder that sees less keep the code alive.",
    model=ArVae,
    settings=ArVaeSettings,
    learners=("reparameterized-elbo",),
    data="digits",
    binarization="threshold",
)
