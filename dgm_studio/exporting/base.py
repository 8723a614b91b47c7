"""What every part of an export is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import Tensor

from dgm_studio.config import RunConfig
from dgm_studio.reports import Table
from dgm_studio.store.metrics import Curve
from dgm_studio.subject import Subject
from models.spec import DataSpec


@dataclass(frozen=True)
class Frame:
    """Samples that a run kept of itself at a step; `means`: conditional means."""

    step: int
    samples: np.ndarray
    means: bool


@dataclass(frozen=True)
class Source:
    """What is exported: a run as it was at a step, with all that was measured of it. Without its data there is no
    `subject`, and `missing` says why; `tensors` are those of the model then, of `kept_at`."""

    name: str
    config: RunConfig
    subject: Subject | None
    began: float = 0.0  # when the run was made, in seconds since 1970
    curves: Mapping[str, Curve] = field(default_factory=dict)
    wall: Curve | None = None  # seconds of training by step
    frame_steps: tuple[int, ...] = ()
    frame: Callable[[int], Frame] | None = None  # read when it is asked for
    tables: tuple[tuple[str, int, Table], ...] = ()  # (evaluation, step, table)
    samples: int = 64  # how many are drawn
    seed: int = 0
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    kept_at: int = -1
    missing: str = ""
    called_off: Callable[[], bool] = lambda: False  # asked within what takes long, which then raises Cancelled

    @property
    def step(self) -> int:
        return self.kept_at if self.subject is None else self.subject.step

    @property
    def there(self) -> Subject:
        """The subject, for parts that need the data."""
        assert self.subject is not None
        return self.subject

    @property
    def spec(self) -> DataSpec:
        return self.there.spec


class Cancelled(Exception):
    """The person has changed their mind."""


Tell = Callable[[str], None]  # what is being done; raises Cancelled


class Part(ABC):
    """One kind of file. `write` fills a folder that is put in its place when every part is written."""

    key: ClassVar[str]
    title: ClassVar[str]
    help: ClassVar[str]  # one sentence
    default: ClassVar[bool] = True
    needs_data: ClassVar[bool] = False

    def refusal(self, model: type, learner: type) -> str:
        """Why this run has none of it: a sentence; empty where it has."""
        return ""

    @abstractmethod
    def write(self, source: Source, folder: Path, tell: Tell) -> list[str]:
        """Write files below `folder`. Returns sentences for the report: what was checked, what was left out and why."""
