"""Questions about what single hidden units do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dgm_studio.questions.arrays import array, tensor
from dgm_studio.questions.examples import spread_out
from dgm_studio.subject import Subject
from models.capabilities import HasFilters, HasHiddenLayers

CANDIDATES = 1024  # units of a layer among which the strongest are looked for, where each has to be decoded


@dataclass(frozen=True)
class UnitPictures:
    """What one hidden unit does."""

    alone: np.ndarray  # (*event): its weights, or E[x | it alone is on] - E[x | none is on]
    effect: np.ndarray  # (*event): E[x | it is on] - E[x | it is off], the rest of its layer as it is
    are_weights: bool


@dataclass(frozen=True)
class LookAtUnit:
    """The unit with flat index `unit` of a hidden layer in state `h` (*layer); units have the value `off` or 1."""

    layer: int
    unit: int
    h: np.ndarray
    off: float = 0.0

    def __call__(self, subject: Subject) -> UnitPictures:
        model, h = subject.model, tensor(subject, self.h).flatten()
        rest, none = h.expand(2, -1).clone(), torch.zeros(2, len(h), device=subject.device)
        rest[0, self.unit], rest[1, self.unit], none[0, self.unit] = 1, self.off, 1
        made = model.top_down(self.layer, torch.cat([rest, none]).reshape(4, *self.h.shape))
        alone, are_weights = made[2] - made[3], False
        if self.layer == 0 and isinstance(model, HasFilters):
            filters = model.filters()
            alone, are_weights = filters[self.unit // max(1, len(h) // len(filters))], True
        return UnitPictures(array(alone), array(made[0] - made[1]), are_weights)


@dataclass(frozen=True)
class FilterSheet:
    """What the strongest units of a hidden layer do, the strongest first."""

    units: np.ndarray  # (k,) int64: flat indices of units; -1 where a filter belongs to none
    pictures: np.ndarray  # (k, *event)
    are_weights: bool


@dataclass(frozen=True)
class Filters:
    """At most `limit` units of a hidden layer, those with the largest norm first: their weights, or, of higher layers,
    E[x | the unit alone is on] - E[x | none is on]. Of feature maps, the unit in the middle of each."""

    layer: int = 0
    limit: int = 100

    def __call__(self, subject: Subject) -> FilterSheet:
        model = subject.model
        shape: tuple[int, ...] = ()
        if isinstance(model, HasHiddenLayers):
            shape = tuple(model.hidden_shapes()[self.layer])
        units = _representatives(shape)
        are_weights = self.layer == 0 and isinstance(model, HasFilters)
        if are_weights:
            pictures = model.filters()
            if len(pictures) != len(units):
                units = torch.full((len(pictures),), -1)
        else:
            units = units[spread_out(len(units), CANDIDATES)]
            alone = torch.zeros(len(units) + 1, int(np.prod(shape)), device=subject.device)
            alone[torch.arange(len(units)), units.to(subject.device)] = 1
            made = model.top_down(self.layer, alone.reshape(-1, *shape))
            pictures = made[:-1] - made[-1:]
        strongest = pictures.flatten(1).norm(dim=1).argsort(descending=True)[: self.limit]
        return FilterSheet(array(units[strongest.cpu()]), array(pictures[strongest]), are_weights)


def _representatives(shape: tuple[int, ...]) -> Tensor:
    """Flat indices: every unit of a layer (n,), the middle one of each map in (maps, height, width)."""
    if len(shape) != 3:
        return torch.arange(int(np.prod(shape)))
    maps, height, width = shape
    return torch.arange(maps) * (height * width) + (height // 2) * width + width // 2
