"""Sentences from a small grammar, whose probabilities are known exactly: the truth a model of text can be held to."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Generator, Tensor

from dgm_studio.datasets.base import Provenance, RawData, Report, Source
from models.settings import Settings, setting
from models.spec import Layout, Support

Sentences = Literal["long", "short"]

# Each sign has a few expansions with their probabilities; <name> stands for another sign. No sign contains itself, so
# the language is finite, and every sentence has one derivation. The verb agrees with its subject, however far away.
RULES: dict[str, tuple[tuple[float, str], ...]] = {
    "long": ((0.5, "<one> <does>."), (0.5, "<many> <do>.")),
    "short": ((0.5, "<a> <thing> <rest>s."), (0.5, "<some> <thing>s <rest>.")),
    "one": ((0.6, "<a> <thing>"), (0.4, "<a> <kind> <thing>")),
    "many": ((0.6, "<some> <thing>s"), (0.4, "<some> <kind> <thing>s")),
    "does": ((0.4, "<rest>s"), (0.6, "<see>s <what>")),
    "do": ((0.4, "<rest>"), (0.6, "<see> <what>")),
    "what": ((0.5, "<one>"), (0.5, "<many>")),
    "a": ((0.5, "the"), (0.3, "a"), (0.2, "every")),
    "some": ((0.5, "the"), (0.5, "many")),
    "thing": ((0.3, "cat"), (0.25, "dog"), (0.2, "bird"), (0.15, "king"), (0.1, "queen")),
    "kind": ((0.4, "small"), (0.3, "tall"), (0.2, "red"), (0.1, "quiet")),
    "rest": ((0.5, "sleep"), (0.3, "sing"), (0.2, "run")),
    "see": ((0.4, "see"), (0.3, "hear"), (0.2, "like"), (0.1, "follow")),
}


@lru_cache(maxsize=2)
def sentences(kind: Sentences = "long") -> dict[str, float]:
    """Every sentence that is of a kind, and its probability."""
    return dict(_expansions(f"<{kind}>"))


@lru_cache(maxsize=64)
def _expansions(text: str) -> tuple[tuple[str, float], ...]:
    """Every way to write `text` out, with its probability."""
    found = re.search("<(.*?)>", text)
    if found is None:
        return ((text, 1.0),)
    before, after = text[: found.start()], _expansions(text[found.end() :])
    first = [(word, p * q) for p, expansion in RULES[found[1]] for word, q in _expansions(expansion)]
    return tuple((before + word + rest, p * q) for word, p in first for rest, q in after)


@dataclass(frozen=True)
class GrammarDensity:
    """p(x) of sentences written with `symbols` and filled up with blanks to `length` characters."""

    symbols: tuple[str, ...]
    length: int
    kind: Sentences = "long"

    @property
    def sentences(self) -> dict[str, float]:
        """Every sentence and its probability."""
        return sentences(self.kind)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, -inf for what is no sentence: (B, T) symbol numbers -> (B,)."""
        known = self.sentences
        found = [known.get(self.written(row).rstrip(" "), 0.0) for row in x.long().tolist()]
        return torch.tensor([math.log(p) if p > 0 else -math.inf for p in found]).to(x)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n independent sentences: (n, T) float32."""
        p = torch.tensor(list(self.sentences.values()), dtype=torch.float64)
        chosen, known = torch.multinomial(p, n, replacement=True, generator=generator), list(self.sentences)
        return self.encoded([known[k] for k in chosen.tolist()])

    @property
    def entropy(self) -> float:
        """-Σ p log p in nats per sentence: what no model's mean -log p(x) can be below, but by chance."""
        return -math.fsum(p * math.log(p) for p in self.sentences.values())

    def written(self, row: list[int]) -> str:
        return "".join(self.symbols[k] for k in row)

    def encoded(self, texts: list[str]) -> Tensor:
        """Texts as symbol numbers, filled up with blanks: (len(texts), T) float32."""
        number = {symbol: k for k, symbol in enumerate(self.symbols)}
        return torch.tensor([[number[sign] for sign in text.ljust(self.length)] for text in texts]).float()


def grammar(kind: Sentences = "long") -> GrammarDensity:
    """The grammar with an alphabet of the characters that occur, and room for its longest sentence."""
    known = sentences(kind)
    return GrammarDensity(tuple(sorted({" ", *"".join(known)})), max(map(len, known)), kind)


class GrammarSettings(Settings):
    kind: Sentences = setting(
        "long",
        title="Sentences",
        help="Long ones may have adjectives and an object, and there are 62,875 of them; short ones have an article, a "
        "noun and a verb, and there are 75.",
    )
    examples: int = setting(
        10_000, title="Examples", help="How many sentences are drawn for all three parts.", ge=10, le=1_000_000
    )
    seed: int = setting(0, title="Seed", help="Decides which sentences are drawn.", ge=0, le=2**31 - 1)


def _load(settings: GrammarSettings, report: Report) -> RawData:
    report(0.0, f"Drawing {settings.examples} sentences")
    p = grammar(settings.kind)
    x = p.sample(settings.examples, Generator().manual_seed(settings.seed))
    steps = (
        f"{settings.examples} independent draws out of {len(p.sentences):,} sentences, seed {settings.seed}",
        f"filled up with blanks to {p.length} characters; the grammar's entropy is {p.entropy:.3f} nats a sentence",
    )
    return RawData(
        x=x.numpy(),
        y=None,
        support=Support.SYMBOLS,
        layout=Layout.SEQUENCE,
        provenance=Provenance("Sentences of a grammar", steps=steps),
        density=p,
        symbols=p.symbols,
        protocol=f"sentences filled up with blanks to {p.length} characters",
    )


SOURCE = Source(
    "grammar",
    "Sentences of a grammar",
    "Short English sentences with known probabilities: does a model learn what agrees with what?",
    GrammarSettings,
    _load,
)
