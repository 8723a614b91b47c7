"""Questions to a model that generates an example coordinate by coordinate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgm_studio.inference import Subject
from dgm_studio.questions.arrays import array, seeded, tensor


@dataclass(frozen=True)
class Completions:
    """Several ways to go on from the same known coordinates."""

    x: np.ndarray  # (n, *event)
    mean: np.ndarray  # (n, *event): E[x_d | those before d]
    log_prob: np.ndarray  # (n, *event): log p(x_d | those before d), nats
    known: np.ndarray  # (*event) bool
    order: np.ndarray  # (D,) int64: flat indices, first generated first

    @property
    def place(self) -> np.ndarray:
        """When each coordinate's turn comes: (*event) int64, 0 … D - 1."""
        place = np.empty(len(self.order), np.int64)
        place[self.order] = np.arange(len(self.order))
        return place.reshape(self.known.shape)

    @property
    def unheard(self) -> int:
        """How many known coordinates come after the first unknown one: those before them were drawn without them."""
        unknown = self.place[~self.known]
        return 0 if unknown.size == 0 else int((self.known & (self.place > unknown.min())).sum())


@dataclass(frozen=True)
class Complete:
    """Keep `x` (*event) where `known` (*event, bool) and draw the rest, `n` times."""

    x: np.ndarray
    known: np.ndarray
    n: int
    seed: int

    def __call__(self, subject: Subject) -> Completions:
        x = tensor(subject, self.x).expand(self.n, *self.x.shape)
        known = tensor(subject, self.known).expand(self.n, *self.x.shape)
        drawn = subject.model.complete(x, known, seeded(subject, self.seed))
        return Completions(
            array(drawn.x), array(drawn.mean), array(drawn.log_prob), self.known, array(subject.model.order())
        )
