"""A generator of bits or symbols, which are independent given its noise."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import ScoredDraws, Shown, ShownAs
from models.concrete import Bits, Categories, DiscreteUnits
from models.distributions import bernoulli_log_prob
from models.family import Family
from models.implicit import ImplicitModel, ImplicitSettings
from models.networks import Activation, mlp
from models.settings import setting
from models.spec import Batch, DataSpec, Support, UnsuitableData, require


class DiscreteGanSettings(ImplicitSettings):
    recurrent: bool = setting(
        False,
        title="Recurrent",
        help="For sequences: an LSTM that reads the noise at every step. Otherwise every place of an example has "
        "weights of its own.",
    )
    hidden: int = setting(256, title="Hidden units", help="Width of the generator's hidden layers.", ge=1, le=4096)
    layers: int = setting(
        2,
        title="Hidden layers",
        help="Hidden layers of the generator; 0 makes a dense one linear. A recurrent one has at least 1.",
        ge=0,
        le=8,
    )
    activation: Activation = setting(
        "relu", title="Activation", help="Non-linearity of the hidden layers; a recurrent network has its own."
    )


class DiscreteGan(ImplicitModel):
    """p(x | z) = Π_d p(x_d | z), z ~ p(z): a network says, of every place, how probable each of its values is.

    What is drawn of z is shared by all places, and all that makes them depend on each other. p(x | z) can be scored,
    p(x) cannot. A discriminator is shown bits as they are, and of a symbol one of K switches, (B, T, K): there the
    probabilities of the values have a place too, between those of the values.

    z: (B, latent); x: (B, *event), bits, or whole numbers below K as floats.
    """

    def __init__(self, settings: DiscreteGanSettings, spec: DataSpec) -> None:
        self.check(settings, spec)
        values = spec.categories if spec.support is Support.SYMBOLS else 1
        network: nn.Module
        if settings.recurrent:
            network = _Recurrent(settings, spec.dimensions, values)
        else:
            sizes = [settings.latent, *[settings.hidden] * settings.layers, spec.dimensions * values]
            network = mlp(sizes, settings.activation)
        super().__init__(settings, spec, network)
        self.categories = spec.categories if spec.support is Support.SYMBOLS else 0

    @staticmethod
    def check(settings: DiscreteGanSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData unless the data are bits, or sequences of single symbols."""
        require(spec, Support.BITS, Support.SYMBOLS, model="A generator of discrete values")
        if spec.support is Support.SYMBOLS and len(spec.event_shape) != 1:
            raise UnsuitableData(
                "A generator of discrete values makes sequences of one symbol at a time: choose sequences of single "
                "symbols, such as text."
            )
        if settings.recurrent and spec.support is not Support.SYMBOLS:
            raise UnsuitableData("A recurrent generator makes sequences of symbols: choose text, or one that is not.")

    def given(self, z: Tensor) -> DiscreteUnits:
        """p(x | z), of which a state is what a discriminator is shown."""
        logits = self.generator(z)
        if self.categories:
            return Categories(logits.reshape(len(z), *self.event_shape, self.categories))
        return Bits(logits.reshape(len(z), *self.event_shape))

    def decode(self, z: Tensor) -> Tensor:
        """The probabilities of bits, and the most probable symbols."""
        p = self.given(z).mean
        return self.nearest(p) if self.categories else p

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.draw_given(self.prior().sample(n, generator), generator)

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.decode(self.prior().sample(n, generator))

    def draw_given(self, z: Tensor, generator: Generator | None = None) -> Tensor:
        return self.nearest(self.given(z).sample(1, generator)[0])

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        codes = z.reshape(-1, z.shape[-1])
        log_p = self._log_prob(x.expand(*z.shape[:-1], *x.shape[1:]).flatten(0, z.dim() - 2), self.given(codes))
        return log_p.flatten(1).sum(1).reshape(z.shape[:-1])

    def draw_scored(self, n: int, generator: Generator | None = None) -> ScoredDraws:
        given = self.given(self.prior().sample(n, generator))
        x = self.nearest(given.sample(1, generator)[0])
        return ScoredDraws(x, self._log_prob(x, given))

    def draw_relaxed(
        self, n: int, temperature: Tensor | float, hard: bool = False, generator: Generator | None = None
    ) -> Tensor:
        return self.given(self.prior().sample(n, generator)).relaxed(temperature, hard, generator)

    def draw_embedded(self, n: int, generator: Generator | None = None) -> Tensor:
        """The probabilities themselves: means of the places of the values."""
        return self.given(self.prior().sample(n, generator)).mean

    def nearest(self, e: Tensor) -> Tensor:
        return (e.argmax(-1) if self.categories else e > 0.5).to(e)

    def _log_prob(self, x: Tensor, given: DiscreteUnits) -> Tensor:
        """log p(x_d | z) of each place: (B, *event)."""
        if self.categories:
            return given.logits.log_softmax(-1).gather(-1, x.long().unsqueeze(-1)).squeeze(-1)
        return bernoulli_log_prob(x, given.logits)

    # What a discriminator is shown.

    def shown_as(self) -> ShownAs:
        if self.categories:
            return ShownAs((*self.event_shape, self.categories), network="convolutional")
        return ShownAs(tuple(self.event_shape))

    def show_data(self, batch: Batch, generator: Generator | None = None) -> Shown:
        return Shown(F.one_hot(batch.x.long(), self.categories).to(batch.x) if self.categories else batch.x)

    def show_samples(self, batch: Batch, generator: Generator | None = None) -> Shown:
        with torch.no_grad():
            x = self.sample(len(batch.x), generator)
        return self.show_data(Batch(x, batch.y, batch.index))


class _Recurrent(nn.Module):
    """z (B, latent) -> logits of K values at each of T steps (B, T, K): no step hears what was drawn at another."""

    def __init__(self, settings: DiscreteGanSettings, length: int, values: int) -> None:
        super().__init__()
        self.length = length
        self.recurrent = nn.LSTM(settings.latent, settings.hidden, max(settings.layers, 1), batch_first=True)
        self.output = nn.Linear(settings.hidden, values)

    def forward(self, z: Tensor) -> Tensor:
        h, _ = self.recurrent(z.unsqueeze(1).expand(-1, self.length, -1))
        logits: Tensor = self.output(h)
        return logits


FAMILY = Family(
    key="discrete-gan",
    title="GAN of discrete values",
    group="adversarial",
    lecture="Generative adversarial networks",
    summary="Noise says how probable each value of each bit or symbol is, and values are drawn. No gradient passes "
    "a draw: three ways around it can be compared.",
    look_for="With relaxed or embedded samples it learns fast; by rewards alone, which say how good a sample was "
    "but not what to change, slowly. Samples that repeat each other are mode collapse.",
    model=DiscreteGan,
    settings=DiscreteGanSettings,
    learners=("gumbel-gan", "reinforce-gan", "embedding-gan"),
    data="digits",
    binarization="threshold",
)
