"""Questions to a model that draws in steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dgm_studio.questions.arrays import array, seeded
from dgm_studio.questions.examples import SplitName, split_of
from dgm_studio.subject import Subject
from models.capabilities import DrawnInSteps


@dataclass(frozen=True)
class Drawings:
    """Drawings of T steps. A window is (centre x, centre y, stride, σ) in pixels from the middle of the upper left
    pixel; there are `read_size` or `write_size` places along a side of it."""

    canvases: np.ndarray  # (n, T, *event): what stands on the canvas after each step
    read: np.ndarray | None  # (n, T, 4)
    written: np.ndarray | None  # (n, T, 4)
    read_size: int
    write_size: int
    examples: np.ndarray | None = None  # (n, *event): what was looked at, if anything was

    @property
    def steps(self) -> int:
        return int(self.canvases.shape[1])


@dataclass(frozen=True)
class DrawNew:
    """`n` new drawings; the same ones at each asking, but for the weights."""

    n: int
    seed: int = 0

    def __call__(self, subject: Subject) -> Drawings:
        with subject.giving_way():
            return _drawings(subject.model.draw_in_steps(self.n, seeded(subject, self.seed)))


@dataclass(frozen=True)
class Redraw:
    """Drawings of `n` examples of a split, drawn without replacement, of one class if `label` says so; fewer when there
    are fewer. The same examples at each asking."""

    n: int
    seed: int = 0
    label: int | None = None
    split: SplitName = "test"

    def __call__(self, subject: Subject) -> Drawings:
        split = split_of(subject.dataset, self.split)
        candidates = torch.arange(len(split)) if self.label is None else (split.y == self.label).nonzero()[:, 0].cpu()
        order = torch.randperm(len(candidates), generator=torch.Generator().manual_seed(self.seed))
        x = split.x[candidates[order[: self.n]].to(split.x.device)].to(subject.device)
        with subject.giving_way():
            return _drawings(subject.model.redraw_in_steps(x, seeded(subject, self.seed)), x)


def _drawings(drawn: DrawnInSteps, examples: Tensor | None = None) -> Drawings:
    read, written = (None if windows is None else array(windows) for windows in (drawn.read, drawn.written))
    seen = None if examples is None else array(examples)
    return Drawings(array(drawn.canvases), read, written, drawn.read_size, drawn.write_size, seen)
