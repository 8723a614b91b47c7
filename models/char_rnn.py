"""Recurrent network over sequences of symbols."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import Completion
from models.distributions import require_temperature
from models.family import Family
from models.settings import Names, Settings, setting
from models.spec import DataSpec, Layout, Support, UnsuitableData, require, require_layout

Cell = Annotated[Literal["lstm", "gru"], Names({"lstm": "LSTM", "gru": "GRU"})]


class CharRnnSettings(Settings):
    cell: Cell = setting(
        "lstm",
        title="Cell",
        help="What a layer remembers: a long short-term memory's cell and output, or a gated unit's output alone.",
        reference="Hochreiter & Schmidhuber (1997); Cho et al. (2014)",
    )
    hidden: int = setting(
        256, title="Hidden units", help="Width of each recurrent layer.", reference="Graves (2013), H", ge=1, le=4096
    )
    layers: int = setting(
        1, title="Layers", help="Recurrent layers, each fed by the one below.", reference="Graves (2013), N", ge=1, le=8
    )
    embedding: int = setting(
        0,
        title="Embedding",
        help="A symbol enters as a vector of this many learned numbers; 0: as one of K switches (one-hot).",
        reference="Bengio et al. (2003), m",
        zero="one-hot",
        ge=0,
        le=1024,
    )


class CharRnn(nn.Module):
    """p(x) = Π_t p(x_t | x_<t) over symbols, where a recurrent state stands for x_<t (Mikolov et al., 2010; Graves,
    2013, equations (1) to (5)).

    s_t = f(x_{t-1}, s_{t-1}) and p(x_t = k | x_<t) = softmax(W h_t + b)_k, h_t being the top layer's output in s_t. The
    state begins at 0, and a start symbol beside the K others stands before x_1. Any length could be generated; p(x) is
    over the T symbols of an example. Generating keeps the state, so that an example costs T steps and not T²/2.

    x: (B, T), whole numbers below K as floats.
    """

    def __init__(self, settings: CharRnnSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.length, self.categories = spec.dimensions, spec.categories
        inputs = settings.embedding or spec.categories + 1
        self.embedding = nn.Embedding(spec.categories + 1, settings.embedding) if settings.embedding else None
        layer = nn.LSTM if settings.cell == "lstm" else nn.GRU
        self.recurrent = layer(inputs, settings.hidden, settings.layers, batch_first=True)
        self.output = nn.Linear(settings.hidden, spec.categories)

    @staticmethod
    def check(settings: CharRnnSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData unless the data are sequences of single symbols."""
        require(spec, Support.SYMBOLS, model="A recurrent network over symbols")
        require_layout(spec, Layout.SEQUENCE, model="A recurrent network over symbols")
        if len(spec.event_shape) != 1:
            raise UnsuitableData(
                f"A recurrent network over symbols reads one symbol at a time, and these data have "
                f"{spec.event_shape[1]}: choose sequences of single symbols, such as text."
            )

    def log_predictions(self, x: Tensor) -> Tensor:
        """log p(x_t = k | x_<t) of every symbol at every place: (B, T) -> (B, T, K)."""
        start = torch.full_like(x[:, :1], self.categories)
        return self._advance(torch.cat([start, x[:, :-1]], 1), None)[0]

    def log_conditionals(self, x: Tensor) -> Tensor:
        return self.log_predictions(x).gather(2, x.long().unsqueeze(2)).squeeze(2)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.log_conditionals(x).sum(1)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n exact draws, in T steps."""
        weight = self.output.weight
        x = torch.zeros(n, self.length, device=weight.device, dtype=weight.dtype)
        return self.complete(x, x.bool(), generator).x

    def order(self) -> Tensor:
        """From the first to the last."""
        return torch.arange(self.length, device=self.output.weight.device)

    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Completion:
        """Keep `x` where `known`, draw each other symbol given all those before it, kept or drawn.

        A known symbol speaks only to those after it: a draw from p(unknown | known) when the known ones come first.
        """
        return self.complete_at_temperature(x, known, 1.0, generator)

    def complete_at_temperature(
        self, x: Tensor, known: Tensor, temperature: float, generator: Generator | None = None
    ) -> Completion:
        require_temperature(temperature)
        keep = known.expand_as(x)
        drawn, log_prob = torch.empty_like(x), torch.empty_like(x)
        before, state = torch.full_like(x[:, :1], self.categories), None
        for t in range(self.length):
            log_p, state = self._advance(before, state)
            log_p = log_p[:, 0]
            weights = (log_p / temperature).softmax(1)
            new = torch.multinomial(weights, 1, generator=generator)[:, 0].to(x)
            drawn[:, t] = torch.where(keep[:, t], x[:, t], new)
            before = drawn[:, t : t + 1]
            log_prob[:, t] = log_p.gather(1, before.long())[:, 0]
        return Completion(drawn, drawn, log_prob)

    def _advance(self, before: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Read symbols, the first of which comes after `state`: (B, t) -> log-probabilities of the symbol after each
        (B, t, K), and the state after the last."""
        symbols = before.long()
        if self.embedding is None:
            read = F.one_hot(symbols, self.categories + 1).to(self.output.weight.dtype)
        else:
            read = self.embedding(symbols)
        h, state = self.recurrent(read, state)
        return self.output(h).log_softmax(-1), state


FAMILY = Family(
    key="char-rnn",
    title="Recurrent neural network",
    group="autoregressive",
    lecture="Deep auto-regressive models",
    summary="Character after character, each with a probability given all before it, which a recurrent state "
    "stands for (char-RNN).",
    look_for="Samples learn spaces first, then short words, then what words go together. Held-out text that "
    "becomes less probable while training text becomes more so is being learned by heart.",
    model=CharRnn,
    settings=CharRnnSettings,
    learners=("maximum-likelihood",),
    data="python-reference",
)
