"""What the catalogue says of a family of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from models.settings import Settings


@dataclass(frozen=True)
class Family:
    """A family of models. `model(settings, spec)` builds one; `model.check(settings, spec)` raises UnsuitableData."""

    key: str
    title: str
    group: str  # a word by which it is found, with others like it
    lecture: str  # the chapter that it belongs to
    summary: str
    look_for: str  # what to watch while it learns
    model: type[nn.Module]
    settings: type[Settings]
    learners: tuple[str, ...]  # keys; the first is the default
    data: str  # key of the data set that `train --family` takes when none is named
    binarization: str = "none"
    # the second domain, for families that learn from two: its "source", and what is not as by default there
    other: Mapping[str, Any] | None = None
