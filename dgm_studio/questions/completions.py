"""Questions to a model that generates an example coordinate by coordinate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter

import numpy as np
import torch

from dgm_studio.questions.arrays import array, seeded, tensor
from dgm_studio.subject import Subject
from models.capabilities import CompletesOfClass, Completion, ConditionsOnClass


class Order(StrEnum):
    """In which order a model that allows any generates the pixels of an image."""

    RASTER = "raster"  # row by row
    KNOWN_FIRST = "known first"  # what is known, then the rest, each row by row
    RANDOM = "random"
    CENTRE = "from the centre"


@dataclass(frozen=True)
class Completions:
    """Several ways to go on from the same known coordinates."""

    x: np.ndarray  # (n, *event)
    mean: np.ndarray  # (n, *event): E[x_d | those before d]
    log_prob: np.ndarray  # (n, *event): log p(x_d | those before d), nats
    known: np.ndarray  # (*event) bool
    order: np.ndarray  # (D,) int64: flat indices, first generated first
    seconds: float = 0.0  # that drawing took
    first: int = 0  # the place of the first of them among all that are wanted

    @property
    def place(self) -> np.ndarray:
        """When each coordinate's turn comes: (*event) int64, 0 … D - 1."""
        return places(self.order, self.known.shape)

    @property
    def unheard(self) -> int:
        """How many known coordinates come after the first unknown one: those before them were drawn without them."""
        unknown = self.place[~self.known]
        return 0 if unknown.size == 0 else int((self.known & (self.place > unknown.min())).sum())

    def joined(self, more: Completions) -> Completions:
        """These, which begin at 0, with `more` of the same kind in their places, whether or not there were some."""
        at, end = more.first, more.first + len(more.x)
        pairs = (self.x, more.x), (self.mean, more.mean), (self.log_prob, more.log_prob)
        x, mean, log_prob = (np.concatenate([old[:at], new, old[end:]]) for old, new in pairs)
        return Completions(x, mean, log_prob, more.known, more.order, more.seconds, self.first)


@dataclass(frozen=True)
class Complete:
    """Keep `x` (*event) where `known` (*event, bool) and draw the rest, `n` times.

    `order` (D,) of flat indices is for models that allow any (`CompletesInAnyOrder`), `label` for those that complete
    as an example of a class (`CompletesOfClass`); None leaves both to the model.
    """

    x: np.ndarray
    known: np.ndarray
    n: int
    seed: int
    order: np.ndarray | None = None
    label: int | None = None
    first: int = 0  # the answer's, which may come after other questions were asked

    def __call__(self, subject: Subject) -> Completions:
        begun = perf_counter()
        with subject.giving_way():
            drawn, order = self._draw(subject)
        found = array(drawn.x), array(drawn.mean), array(drawn.log_prob)
        return Completions(*found, self.known, order, perf_counter() - begun, self.first)

    def _draw(self, subject: Subject) -> tuple[Completion, np.ndarray]:
        model, generator = subject.model, seeded(subject, self.seed)
        x = tensor(subject, self.x).expand(self.n, *self.x.shape)
        known = tensor(subject, self.known).expand(self.n, *self.x.shape)
        if self.order is not None:
            order = torch.from_numpy(self.order).to(subject.device)
            return model.complete_in_order(x, known, order, generator), self.order
        if self.label is not None:
            y = torch.full((self.n,), self.label, device=subject.device)
            return model.complete_of_class(x, known, y, generator), array(model.order())
        return model.complete(x, known, generator), array(model.order())


@dataclass(frozen=True)
class Classes:
    """How many classes the model can complete examples of; 0 where it does not condition on the class."""

    def __call__(self, subject: Subject) -> int:
        model = subject.model
        can = isinstance(model, ConditionsOnClass) and isinstance(model, CompletesOfClass)
        return int(model.conditional_classes()) if can else 0


def ordered(order: Order, known: np.ndarray, seed: int) -> np.ndarray:
    """The pixels of an image (C, H, W) in this order, the channels of each one after the other: (D,) flat indices.

    A pixel is known where all of its channels are; `seed` decides a random order."""
    channels, height, width = known.shape
    raster = np.arange(height * width)
    if order is Order.KNOWN_FIRST:
        pixels = np.argsort(~known.all(0).reshape(-1), kind="stable")
    elif order is Order.RANDOM:
        pixels = np.random.default_rng(seed).permutation(raster)
    elif order is Order.CENTRE:
        y, x = np.divmod(raster, width)
        distance = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
        pixels = np.argsort(distance.round(6), kind="stable")
    else:
        pixels = raster
    return (pixels[:, None] + np.arange(channels) * height * width).reshape(-1)


def places(order: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """When each coordinate's turn comes in `order` (D,): (*shape) int64, 0 … D - 1."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place.reshape(shape)
