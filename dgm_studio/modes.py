"""Modes found and the share of good samples, measured while a run trains on data whose modes are known."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor

from dgm_studio.datasets.base import Dataset
from dgm_studio.state import looking
from models.capabilities import Samples
from models.estimation.coverage import RADIUS, SAMPLES, Coverage, as_mixture, coverage_of, perfect_quality
from models.learning.base import Learner, Quantity

PERFECT = "perfect/"  # before a key: what a perfect sampler scores
QUANTITIES = (
    Quantity("samples/modes", "Modes found", unit="modes"),
    Quantity("samples/quality", "Good samples", unit="share"),
)
PROTOCOL = f"of {SAMPLES:,} samples, those count that are good: within {RADIUS:g}σ of the nearest mode"
PROBE, PATIENCE = 100, 0.05  # so many samples may take so many seconds; a model that is slower is not measured


class ModeCounter:
    """Counts modes by the protocol of models/estimation/coverage.py, with the same noise each time and a generator of
    its own: looking never changes a run."""

    def __init__(self, learner: Learner, dataset: Dataset, device: torch.device) -> None:
        self._learner, self._device = learner, device
        self._density, self._mixture = dataset.density, as_mixture(dataset.density)
        self._told = False
        self.possible = self._mixture is not None and isinstance(learner.sampler(), Samples)

    def measure(self) -> Iterator[tuple[str, Tensor]]:
        """Keys and values; a perfect sampler's as well the first time. Nothing for a model that samples slowly."""
        if not self._told:
            self._draw(PROBE)  # warms up as well: the first call of a kind may take longer
            started = time.perf_counter()
            self._draw(PROBE)
            self.possible = time.perf_counter() - started <= PATIENCE
        if not self.possible:
            return
        if not self._told:
            self._told = True
            assert self._density is not None
            perfect = self._density.sample(SAMPLES, Generator().manual_seed(0))
            yield PERFECT + QUANTITIES[0].key, self._tensor(self._count(perfect).modes.value)
            yield PERFECT + QUANTITIES[1].key, self._tensor(perfect_quality(perfect.shape[1]))
        found = self._count(self._draw(SAMPLES))
        yield QUANTITIES[0].key, self._tensor(found.modes.value)
        yield QUANTITIES[1].key, self._tensor(found.quality.value)

    def _draw(self, n: int) -> Tensor:
        with looking(self._learner):
            model: Any = self._learner.sampler()
            samples: Tensor = model.sample(n, Generator(self._device).manual_seed(0))
        return samples

    def _count(self, x: Tensor) -> Coverage:
        assert self._mixture is not None
        return coverage_of(x, self._mixture)

    def _tensor(self, value: float) -> Tensor:
        return torch.tensor(value, dtype=torch.float32, device=self._device)
