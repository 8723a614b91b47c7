"""Sequences drawn from hidden Markov models that are known exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from dgm_studio.datasets.base import Provenance, RawData, Report, Source
from models.distributions import gaussian_log_prob
from models.hidden_chain import draw_states, evidence
from models.settings import Settings, setting
from models.spec import Layout, Support


@dataclass(frozen=True)
class MarkovDensity:
    """A hidden Markov model. Each state emits a symbol, or a normal value where `means` and `deviations` are given."""

    initial: Tensor  # (K,) float64
    transition: Tensor  # (K, K) float64, from row to column
    length: int
    emission: Tensor | None = None  # (K, symbols) float64
    means: Tensor | None = None  # (K,) float64
    deviations: Tensor | None = None  # (K,) float64

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats: (B, length) -> (B,)."""
        given = x.cpu()  # not every device knows 64 bits
        if self.emission is not None:
            of_each = self.emission.log()[:, given.T.long()].transpose(0, 1)
        else:
            assert self.means is not None
            assert self.deviations is not None
            of_each = gaussian_log_prob(given.double().T[:, None], self.means[:, None], self.deviations.log()[:, None])
        return evidence(self.initial.log(), self.transition.log(), of_each).to(x)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n independent sequences: (n, length) float32, on the CPU."""
        states = draw_states(self.initial, self.transition, n, self.length, generator)
        if self.emission is not None:
            return self.emission[states.flatten()].multinomial(1, generator=generator).reshape(states.shape).float()
        assert self.means is not None
        assert self.deviations is not None
        noise = torch.randn(states.shape, generator=generator, dtype=torch.float64)
        return (self.means[states] + self.deviations[states] * noise).float()


def health(length: int) -> MarkovDensity:
    """How a patient feels from day to day, healthy or with a fever (the example of Wikipedia's article on the Viterbi
    algorithm)."""
    return MarkovDensity(
        _table([0.6, 0.4]),
        _table([[0.7, 0.3], [0.4, 0.6]]),
        length,
        emission=_table([[0.5, 0.4, 0.1], [0.1, 0.3, 0.6]]),
    )


def casino(length: int) -> MarkovDensity:
    """A casino that exchanges its fair die for a loaded one now and then (Durbin et al., 1998, section 3.2), begun
    long ago."""
    return MarkovDensity(
        _table([2 / 3, 1 / 3]),
        _table([[0.95, 0.05], [0.1, 0.9]]),
        length,
        emission=_table([[1 / 6] * 6, [0.1] * 5 + [0.5]]),
    )


def regimes(length: int) -> MarkovDensity:
    """Values that stay low and restless, calm, or high for a while."""
    return MarkovDensity(
        torch.full((3,), 1 / 3, dtype=torch.float64),
        _table([[0.94, 0.05, 0.01], [0.03, 0.94, 0.03], [0.01, 0.05, 0.94]]),
        length,
        means=_table([-1.0, 0.1, 1.2]),
        deviations=_table([0.7, 0.15, 0.35]),
    )


def _table(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


class SequenceSettings(Settings):
    examples: int = setting(
        1000, title="Sequences", help="How many sequences are drawn for all three parts.", ge=10, le=1_000_000
    )
    length: int = setting(100, title="Length", help="Steps of each sequence.", ge=2, le=1_000_000)
    seed: int = setting(0, title="Seed", help="Decides which sequences are drawn.", ge=0, le=2**31 - 1)


class HealthSettings(SequenceSettings):
    length: int = setting(10, title="Length", help="Days of each patient.", ge=2, le=1_000_000)


def _source(
    key: str,
    title: str,
    summary: str,
    settings: type[SequenceSettings],
    density: Callable[[int], MarkovDensity],
    symbols: tuple[str, ...] = (),
) -> Source:
    def load(chosen: SequenceSettings, report: Report) -> RawData:
        report(0.0, f"Drawing {chosen.examples} sequences")
        p = density(chosen.length)
        return RawData(
            x=p.sample(chosen.examples, Generator().manual_seed(chosen.seed)).numpy(),
            y=None,
            support=Support.SYMBOLS if symbols else Support.REALS,
            layout=Layout.SEQUENCE,
            provenance=Provenance(
                title, steps=(f"{chosen.examples} independent draws from the exact model, seed {chosen.seed}",)
            ),
            density=p,
            symbols=symbols,
        )

    return Source(key, title, summary, settings, load)


SOURCES = (
    _source(
        "casino",
        "Dishonest casino",
        "Throws of a fair die that is sometimes exchanged for a loaded one.",
        SequenceSettings,
        casino,
        symbols=tuple("123456"),
    ),
    _source(
        "health",
        "Healthy or fever",
        "How patients feel from day to day, which a hidden state of health decides.",
        HealthSettings,
        health,
        symbols=("normal", "cold", "dizzy"),
    ),
    _source(
        "regimes",
        "Regime switching",
        "Series of values whose level and spread change now and then.",
        SequenceSettings,
        regimes,
    ),
)
