"""A recurrent generator of symbols, for adversarial games."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from models.capabilities import ScoredDraws, Shown, ShownAs
from models.char_rnn import CharRnn, CharRnnSettings
from models.concrete import Categories
from models.family import Family
from models.settings import setting
from models.spec import Batch, DataSpec


class SequenceGanSettings(CharRnnSettings):
    hidden: int = setting(
        64, title="Hidden units", help="Width of each recurrent layer.", reference="Yu et al. (2017), G", ge=1, le=4096
    )


class SequenceGan(CharRnn):
    """p(x) = Π_t p(x_t | x_<t), as a player of a game (Yu et al., 2017).

    No noise is put in: chance is that of the draws, one symbol after the other. So log p(x) stays exact, and what the
    game makes of a generator can be compared with what maximum likelihood makes of it. What a discriminator says
    reaches the generator by the probabilities of its draws, or through relaxed ones.

    x: (B, T), whole numbers below K as floats. A discriminator is shown one of K switches at each step: (B, T, K).
    """

    def __init__(self, settings: SequenceGanSettings, spec: DataSpec) -> None:
        super().__init__(settings, spec)

    def draw_scored(self, n: int, generator: Generator | None = None) -> ScoredDraws:
        """Draws without a graph, then one pass over all of them for their probabilities."""
        with torch.no_grad():
            x = self.sample(n, generator)
        return ScoredDraws(x, self.log_conditionals(x))

    def draw_relaxed(
        self, n: int, temperature: Tensor | float, hard: bool = False, generator: Generator | None = None
    ) -> Tensor:
        """A relaxed symbol, a point between the symbols, is what is read at the next step: (n, T, K)."""
        weight = self.output.weight
        start = F.pad(weight.new_zeros(1, self.categories), (0, 1), value=1.0)
        before, state, drawn = start.expand(n, -1), None, []
        for _ in range(self.length):
            read = before if self.embedding is None else before @ self.embedding.weight
            h, state = self.recurrent(read.unsqueeze(1), state)
            drawn.append(Categories(self.output(h)).relaxed(temperature, hard, generator))
            before = F.pad(drawn[-1][:, 0], (0, 1))
        return torch.cat(drawn, 1)

    # What a discriminator is shown.

    def shown_as(self) -> ShownAs:
        return ShownAs((self.length, self.categories), network="convolutional")

    def show_data(self, batch: Batch, generator: Generator | None = None) -> Shown:
        return Shown(F.one_hot(batch.x.long(), self.categories).to(self.output.weight.dtype))

    def show_samples(self, batch: Batch, generator: Generator | None = None) -> Shown:
        with torch.no_grad():
            x = self.sample(len(batch.x), generator)
        return self.show_data(Batch(x, batch.y, batch.index))


FAMILY = Family(
    key="sequence-gan",
    title="GAN of sequences",
    group="adversarial",
    lecture="Generative adversarial networks",
    summary="A recurrent network writes symbol after symbol and learns from a discriminator of whole sequences. "
    "Its likelihood is exact, so that the game can be compared with maximum likelihood.",
    look_for="Compare log p(x) with maximum likelihood's: the game asks for sequences that pass, not for all that "
    "there are. Fewer and fewer different ones are mode collapse.",
    model=SequenceGan,
    settings=SequenceGanSettings,
    learners=("gumbel-gan", "reinforce-gan", "maximum-likelihood"),
    data="grammar",
)
