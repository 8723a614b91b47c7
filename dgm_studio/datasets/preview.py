"""What is shown of a data set before anything is trained on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from dgm_studio.datasets.base import PARTS, Dataset, Split
from dgm_studio.number_texts import thousands
from models.spec import Layout, Support


@dataclass(frozen=True)
class ClassCount:
    name: str
    train: int
    valid: int
    test: int


@dataclass(frozen=True)
class DataPreview:
    """`examples` are in the order of their classes; `labels` are -1 without one."""

    title: str
    layout: Layout
    examples: np.ndarray  # (k, *event) float32, k ≤ n; grey levels divided by the brightest
    labels: np.ndarray  # (k,) int64
    counts: tuple[ClassCount, ...]
    low: float
    high: float
    sizes: tuple[int, int, int]  # training, validation, test
    lines: tuple[str, ...]  # sentences: shape and values, sizes, where it comes from, what was done
    warnings: tuple[str, ...]
    symbols: tuple[str, ...] = ()  # how each is written, where the examples are made of them


def preview(dataset: Dataset, n: int = 100) -> DataPreview:
    """The first examples of each class in the training part, n in all, and what is known about the data."""
    spec, train = dataset.spec, dataset.train
    chosen = _chosen(train, spec.classes, n)
    splits = (train, dataset.valid, dataset.test)
    sizes = (len(train), len(dataset.valid), len(dataset.test))
    per_class = [torch.bincount(s.y[s.y >= 0], minlength=spec.classes).tolist() for s in splits]
    low = min(float(split.x.min()) for split in splits)
    high = max(float(split.x.max()) for split in splits)
    shape = "×".join(str(k) for k in spec.event_shape)
    provenance = dataset.provenance
    kind = "values in the unit interval" if spec.support is Support.UNIT else spec.support
    values = f"{shape} {kind}, from {low:.4g} to {high:.4g}".replace(" -", " −")
    if spec.support is Support.SYMBOLS:
        values = f"{spec.layout.capitalize()}s of {shape} symbols out of {spec.categories}"
    lines = (
        values,
        f"{', '.join(f'{thousands(size)} {name}' for name, size in zip(PARTS, sizes, strict=True))} examples",
        *([f"{spec.classes} classes"] if spec.classes else []),
        *provenance.steps,
        *(f"{name}, sha256 {digest[:12]}…" for name, digest in provenance.files),
        *([provenance.licence] if provenance.licence else []),
    )
    counts = tuple(ClassCount(name, *(counts[k] for counts in per_class)) for k, name in enumerate(spec.class_names))
    return DataPreview(
        provenance.title,
        spec.layout,
        (train.x[chosen] / spec.brightest).numpy(),
        train.y[chosen].numpy(),
        counts,
        low,
        high,
        sizes,
        lines,
        dataset.warnings,
        spec.symbols,
    )


def _chosen(train: Split, classes: int, n: int) -> torch.Tensor:
    if not classes:
        return torch.arange(min(n, len(train)))
    each = max(1, n // classes)
    return torch.cat([(train.y == k).nonzero().flatten()[:each] for k in range(classes)])[:n]
