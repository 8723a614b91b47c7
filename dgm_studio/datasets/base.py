"""What a data set is, and what every source of data gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from dgm_studio.config import BINARIZATION_TEXT, Binarization
from models.distributions import bernoulli
from models.settings import Settings
from models.spec import DataSpec, Layout, Support


class BadData(ValueError):
    """Data that cannot be used; the sentence says which file and what is wrong with it."""


class Density(Protocol):
    """A distribution that is known exactly."""

    def log_prob(self, x: Tensor) -> Tensor: ...
    def sample(self, n: int, generator: Generator | None = None) -> Tensor: ...


@dataclass(frozen=True)
class Provenance:
    """Where data came from and what was done to it, for the project file."""

    title: str
    files: tuple[tuple[str, str], ...] = ()  # (path or address, sha256)
    steps: tuple[str, ...] = ()  # preprocessing, in order
    licence: str = ""


@dataclass(frozen=True)
class RawData:
    """What a source reads. `x` is (N, *event) float32; `split` holds given parts (0 train, 1 valid, 2 test)."""

    x: np.ndarray
    y: np.ndarray | None  # (N,) int64, or None without labels
    support: Support
    layout: Layout
    provenance: Provenance
    class_names: tuple[str, ...] = ()
    split: np.ndarray | None = None  # (N,) uint8; None: split by seed
    density: Density | None = None


Report = Callable[[float, str], None]  # fraction done, what is being done; may raise Stop to cancel


@dataclass(frozen=True)
class Source:
    """A kind of data: its key, what can be set, and how it is read. `load` raises BadData."""

    key: str
    title: str
    summary: str
    settings: type[Settings]
    load: Callable[[Any, Report], RawData]
    available: Callable[[], bool] = field(default=lambda: True)


@dataclass(frozen=True)
class Split:
    x: Tensor  # (N, *event) float32
    y: Tensor  # (N,) int64; -1 without a label

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Dataset:
    """Data as a run sees it. With dynamic binarisation `train.x` holds probabilities, and `draws_bits` is True;
    `valid` and `test` always hold what likelihoods are measured on."""

    spec: DataSpec
    train: Split
    valid: Split
    test: Split
    provenance: Provenance
    draws_bits: bool = False
    density: Density | None = None


def prepare(raw: RawData, binarization: Binarization, split_seed: int) -> Dataset:
    """Split by seed (80 / 10 / 10 unless the source brings a split), binarise, describe. Raises BadData."""
    generator = torch.Generator().manual_seed(split_seed)
    x = torch.from_numpy(np.ascontiguousarray(raw.x, dtype=np.float32))
    y = torch.full((len(x),), -1) if raw.y is None else torch.from_numpy(raw.y.astype(np.int64))
    if binarization != "none" and raw.support is not Support.UNIT:
        raise BadData(f"{raw.provenance.title} holds {raw.support}; only values in 0…1 can be made bits.")
    draws_bits = binarization == "dynamic"
    part = _parts(len(x), raw.split, generator)
    if binarization == "threshold":
        x = (x > 0.5).float()
    elif binarization in ("fixed", "dynamic"):
        bits = bernoulli(x, generator)
        keep = (part == 0) if draws_bits else torch.zeros(len(x), dtype=torch.bool)
        x = torch.where(keep.reshape(-1, *[1] * (x.ndim - 1)), x, bits)
    spec = DataSpec(
        event_shape=tuple(x.shape[1:]),
        support=raw.support if binarization == "none" else Support.BITS,
        layout=raw.layout,
        class_names=raw.class_names,
        protocol=BINARIZATION_TEXT[binarization],
    )
    splits = [Split(x[part == k], y[part == k]) for k in range(3)]
    for name, split in zip(("training", "validation", "test"), splits, strict=True):
        if len(split) == 0:
            raise BadData(f"{raw.provenance.title} has too few examples ({len(x)}): its {name} part would be empty.")
    return Dataset(spec, *splits, raw.provenance, draws_bits, raw.density)


def _parts(n: int, given: np.ndarray | None, generator: Generator) -> Tensor:
    """0, 1 or 2 for each example. A given split without a validation part gives up a tenth of its training part."""
    order = torch.randperm(n, generator=generator)
    if given is None:
        part = torch.zeros(n, dtype=torch.uint8)
        held = max(1, n // 10)
        part[order[:held]], part[order[held : 2 * held]] = 2, 1
        return part
    part = torch.from_numpy(given.copy())
    if not (part == 1).any():
        train = order[part[order] == 0]
        part[train[: max(1, len(train) // 10)]] = 1
    return part
