"""What data is, as far as a model needs to know it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import prod

from torch import Tensor


class Support(StrEnum):
    """The set in which every coordinate of an example lies."""

    BITS = "bits"  # {0, 1}
    UNIT = "unit interval"  # [0, 1]
    REALS = "reals"
    LEVELS = "levels"  # {0, ..., categories - 1}, ordered (grey levels)
    SYMBOLS = "symbols"  # {0, ..., categories - 1}, without order (characters)


class Layout(StrEnum):
    """How the coordinates of an example lie."""

    IMAGE = "image"  # (channels, height, width)
    POINTS = "points"  # (2,)
    VECTOR = "vector"  # (dimensions,)
    SEQUENCE = "sequence"  # (time,) or (time, dimensions)


class FactorKind(StrEnum):
    CONTINUOUS = "continuous"
    CIRCULAR = "circular"  # in 0…1, where 0 and 1 are the same
    CATEGORICAL = "categorical"  # whole numbers from 0 on


@dataclass(frozen=True)
class Factor:
    """Something that examples were made from, and that is known of each."""

    name: str
    kind: FactorKind = FactorKind.CONTINUOUS
    categories: tuple[str, ...] = ()  # what each number of a categorical factor means


@dataclass(frozen=True)
class DataSpec:
    """Describes a data set to a model. Nothing here depends on where the data came from."""

    event_shape: tuple[int, ...]
    support: Support
    layout: Layout
    categories: int = 0  # for LEVELS and SYMBOLS
    class_names: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()  # how each of SYMBOLS is written, if it is more than a number
    protocol: str = ""  # how the values were made ("threshold at 0.5"); said wherever a likelihood is shown
    factors: tuple[Factor, ...] = ()  # what the examples were made from, where that is known; not for models
    other: DataSpec | None = None  # the second domain, for models between two sets

    @property
    def dimensions(self) -> int:
        """Number of coordinates of one example."""
        return prod(self.event_shape)

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @property
    def brightest(self) -> float:
        """The value of an image's coordinate that is shown white; 0 is shown black."""
        return self.categories - 1 if self.support is Support.LEVELS else 1


class UnsuitableData(ValueError):
    """The model cannot take this data; the sentence says why and what would make it fit."""


@dataclass(frozen=True)
class Batch:
    """Some examples. `y` is -1 where a label is hidden; `other` holds examples of the second domain."""

    x: Tensor  # (B, *event_shape), float32
    y: Tensor  # (B,), int64
    index: Tensor  # (B,), int64: the example's place in its split
    other: Batch | None = None

    def chunk(self, parts: int) -> list[Batch]:
        """As many batches of the same size, one after the other."""
        others = [None] * parts if self.other is None else self.other.chunk(parts)
        pieces = (self.x.chunk(parts), self.y.chunk(parts), self.index.chunk(parts))
        return [Batch(x, y, index, other) for x, y, index, other in zip(*pieces, others, strict=True)]


def require(spec: DataSpec, *supports: Support, model: str) -> None:
    """Raise UnsuitableData unless the data lies in one of `supports`."""
    if spec.support in supports:
        return
    other = "images and " if spec.support in (Support.REALS, Support.SYMBOLS) else ""  # which preparing cannot change
    advice = {
        Support.BITS: f"choose {other}a binarisation (threshold, fixed or dynamic)",
        Support.UNIT: f"choose {other}values scaled to 0…1 (binarisation: none)",
        Support.REALS: "choose a data set of real numbers, such as a 2-D density",
        Support.LEVELS: f"choose {other}a number of grey levels",
        Support.SYMBOLS: "choose a sequence of symbols, such as text",
    }
    wanted = " or ".join(advice[s] for s in supports)
    given = "values between 0 and 1" if spec.support is Support.UNIT else spec.support
    raise UnsuitableData(f"{model} cannot model {given}: {wanted}.")


def require_layout(spec: DataSpec, *layouts: Layout, model: str) -> None:
    """Raise UnsuitableData unless the examples lie as one of `layouts`."""
    if spec.layout in layouts:
        return
    what = {
        Layout.IMAGE: "images",
        Layout.POINTS: "points in a plane",
        Layout.VECTOR: "vectors",
        Layout.SEQUENCE: "sequences",
    }
    wanted = " or ".join(what[layout] for layout in layouts)
    raise UnsuitableData(f"{model} models {wanted}, and these data are {what[spec.layout]}: choose {wanted}.")


def require_at_most(spec: DataSpec, dimensions: int, model: str) -> None:
    """Raise UnsuitableData when an example has more than `dimensions` coordinates."""
    if spec.dimensions > dimensions:
        smaller = "choose a smaller size for the images" if spec.layout is Layout.IMAGE else "choose shorter examples"
        raise UnsuitableData(
            f"{model} takes examples of up to {dimensions:,} values; these have {spec.dimensions:,}: {smaller}."
        )
