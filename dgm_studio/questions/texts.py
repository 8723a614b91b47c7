"""Questions to a model of sequences that generates from the first symbol to the last."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np

from dgm_studio.overlap import joined, longest_overlap
from dgm_studio.questions.arrays import array, seeded, tensor
from dgm_studio.subject import Subject
from dgm_studio.written import written
from models.capabilities import CompletesAtTemperature


@dataclass(frozen=True)
class Continuations:
    """Several ways to go on from the same beginning."""

    x: np.ndarray  # (n, T) float32, symbol numbers; the beginning is the first `known` of them
    log_prob: np.ndarray  # (n, T): log p(x_t | x_<t) in nats, by the model at temperature 1
    known: int

    @property
    def bits(self) -> float:
        """Bits per symbol of the beginning; NaN where there is none."""
        return float(-self.log_prob[0, : self.known].mean() / log(2)) if self.known else float("nan")


@dataclass(frozen=True)
class GoOn:
    """Keep `start` (k,), k ≤ T, as the beginning, and draw the rest `n` times."""

    start: np.ndarray
    n: int
    seed: int
    temperature: float = 1.0  # without effect on a model that has none

    def __call__(self, subject: Subject) -> Continuations:
        x = np.zeros((self.n, subject.spec.dimensions), np.float32)
        x[:, : len(self.start)] = self.start
        known = np.arange(x.shape[1]) < len(self.start)
        given, kept = tensor(subject, x), tensor(subject, known).expand(x.shape)
        model, generator = subject.model, seeded(subject, self.seed)
        if isinstance(model, CompletesAtTemperature):
            drawn = model.complete_at_temperature(given, kept, self.temperature, generator)
        else:
            drawn = model.complete(given, kept, generator)
        return Continuations(array(drawn.x), array(drawn.log_prob), len(self.start))


@dataclass(frozen=True)
class NextSymbol:
    """log p(next | before) in nats of every symbol: (K,). `before` (k,) symbol numbers, k < T."""

    before: np.ndarray

    def __call__(self, subject: Subject) -> np.ndarray:
        x = np.zeros((1, subject.spec.dimensions), np.float32)
        x[0, : len(self.before)] = self.before
        return array(subject.model.log_predictions(tensor(subject, x))[0, len(self.before)])


@dataclass(frozen=True)
class Overlaps:
    """The longest part of each text that stands in the training data: (where it begins, its length)."""

    texts: tuple[str, ...]
    searched: int = 1_000_000  # characters of the training data at most, so that it does not hold up what trains

    def __call__(self, subject: Subject) -> tuple[tuple[int, int], ...]:
        within = training_text(subject)[: self.searched]
        return tuple(longest_overlap(text, within) for text in self.texts)


def training_text(subject: Subject) -> str:
    """The training data, to search in: one text where its windows overlap, else examples with END between them."""
    x = array(subject.dataset.train.x)
    stride = _stride(x)
    if stride is None:
        return joined(written(x, subject.spec.symbols))
    first, *rest = written(x[:1], subject.spec.symbols) + written(x[1:, -stride:], subject.spec.symbols)
    return first + "".join(rest)


def _stride(x: np.ndarray) -> int | None:
    """By how much each example (N, T) is moved against the one before it, in one sequence from which all were cut; None
    where they do not overlap."""
    length = x.shape[1]
    for stride in range(1, length if len(x) > 1 else 0):
        first = np.array_equal(x[0, stride:], x[1, : length - stride])  # rules out most, at once
        if first and np.array_equal(x[:-1, stride:], x[1:, : length - stride]):
            return stride
    return None
