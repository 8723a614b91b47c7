"""Questions about the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dgm_studio.datasets.base import Dataset, Split
from dgm_studio.questions.arrays import array
from dgm_studio.subject import Subject

SplitName = Literal["train", "valid", "test"]


@dataclass(frozen=True)
class Examples:
    """Some examples of a split, as arrays."""

    index: np.ndarray  # (n,) int64, places in the split
    x: np.ndarray  # (n, *event)
    y: np.ndarray  # (n,) int64, -1 without a label


@dataclass(frozen=True)
class ExamplesAt:
    """The examples at some places of a split."""

    index: tuple[int, ...]
    split: SplitName = "test"

    def __call__(self, subject: Subject) -> Examples:
        return _examples(split_of(subject.dataset, self.split), torch.tensor(self.index, dtype=torch.int64))


@dataclass(frozen=True)
class SomeExamples:
    """`n` examples drawn without replacement, of one class if `label` says so; fewer when there are fewer. Of two
    domains, `domain` says of which."""

    n: int
    label: int | None = None
    split: SplitName = "test"
    domain: int = 0

    def __call__(self, subject: Subject) -> Examples:
        split = split_of(subject.dataset.domains[self.domain], self.split)
        if self.label is None:
            candidates = torch.arange(len(split))
        else:
            candidates = (split.y == self.label).nonzero().flatten().cpu()
        order = torch.randperm(len(candidates), generator=subject.generator, device=subject.device).cpu()
        return _examples(split, candidates[order[: self.n]])


def split_of(dataset: Dataset, name: SplitName) -> Split:
    """The part of the data named `name`."""
    return {"train": dataset.train, "valid": dataset.valid, "test": dataset.test}[name]


def spread_out(n: int, limit: int) -> Tensor:
    """At most `limit` of the indices 0 … n - 1, evenly spread: the same ones at each asking."""
    return torch.arange(n) if n <= limit else torch.linspace(0, n - 1, limit).round().long()


def _examples(split: Split, index: Tensor) -> Examples:
    here = index.to(split.x.device)
    return Examples(array(index), array(split.x[here]), array(split.y[here]))
