"""What an evaluation found, as plain values: the window draws reports by type, the project file keeps their trees.

A report knows nothing of torch, Qt or files. `to_tree` gives nested dicts and lists of strings, numbers and arrays;
`from_tree` takes them back, also when they were written by a newer studio (then as a note that says so).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from dgm_studio.basis import Basis
from dgm_studio.number_texts import reindexed

Tree: TypeAlias = dict[str, Any]
Cell: TypeAlias = str | float | tuple[float, float]
Tone: TypeAlias = Literal["plain", "good", "warn", "bad"]

# number: right-aligned, `decimals` places; interval: (low, high); kind: a tag; detail: small print under the row
Format: TypeAlias = Literal["text", "number", "interval", "kind", "detail"]
NO_INTERVAL = (math.nan, math.nan)


@dataclass(frozen=True)
class Column:
    """A column of a Table. `unit` stands in its head; cells of a number column may be NaN where there is no value."""

    title: str
    format: Format = "text"
    unit: str = ""
    decimals: int = 2

    @property
    def head(self) -> str:
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True)
class Table:
    """`bases`, one for each row or none at all, say what its figures rest on: which rows of other tables they may be
    compared with."""

    type: ClassVar[str] = "table/1"
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    bases: tuple[Basis, ...] = ()

    def __post_init__(self) -> None:
        if self.bases and len(self.bases) != len(self.rows):
            raise ValueError(f"{self.title!r} needs a basis for each row, or none.")
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"A row of {self.title!r} has {len(row)} cells for {len(self.columns)} columns.")
            for column, cell in zip(self.columns, row, strict=True):
                if isinstance(cell, tuple) != (column.format == "interval"):
                    raise ValueError(f"{cell!r} is no cell for column {column.title!r} of {self.title!r}.")

    @classmethod
    def read(cls, tree: Tree) -> Table:
        columns = tuple(Column(**column) for column in tree["columns"])
        rows = tuple(tuple(tuple(c) if isinstance(c, list) else c for c in row) for row in tree["rows"])
        bases = tuple(Basis.read(basis) for basis in tree.get("bases", ()))  # not in those of older studios
        return cls(tree["title"], columns, rows, tree["note"], bases)


@dataclass(frozen=True, eq=False)
class Series:
    """A named sequence of points: x and y are (N,) float arrays."""

    name: str
    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        if self.x.ndim != 1 or self.x.shape != self.y.shape:
            raise ValueError(f"{self.name!r} needs x and y of one length, not {self.x.shape} and {self.y.shape}.")

    @classmethod
    def read(cls, tree: Tree) -> Series:
        return cls(tree["name"], np.asarray(tree["x"]), np.asarray(tree["y"]))


@dataclass(frozen=True, eq=False)
class Curves:
    """Lines over one axis. The axis titles carry the units."""

    type: ClassVar[str] = "curves/1"
    title: str
    x_title: str
    y_title: str
    series: tuple[Series, ...]
    note: str = ""

    @classmethod
    def read(cls, tree: Tree) -> Curves:
        series = tuple(Series.read(item) for item in tree["series"])
        return cls(tree["title"], tree["x_title"], tree["y_title"], series, tree["note"])


@dataclass(frozen=True, eq=False)
class Points:
    """Points in a plane, drawn to equal scales when `square`.

    `iso` are values c for which the line x + y = c is drawn, `iso_title` what c is. Points of several reports may be
    drawn together only when their `plane` is the same non-empty text: it names what was measured, and on what.
    """

    type: ClassVar[str] = "points/1"
    title: str
    x_title: str
    y_title: str
    series: tuple[Series, ...]
    note: str = ""
    iso: tuple[float, ...] = ()
    iso_title: str = ""
    plane: str = ""
    square: bool = False

    @classmethod
    def read(cls, tree: Tree) -> Points:
        series = tuple(Series.read(item) for item in tree["series"])
        rest = (tree["note"], tuple(tree["iso"]), tree["iso_title"], tree["plane"], tree["square"])
        return cls(tree["title"], tree["x_title"], tree["y_title"], series, *rest)


@dataclass(frozen=True, eq=False)
class Bars:
    """One bar for each label. Bars whose `marked` is 0 are drawn muted; `mark_title` says what a marked bar is."""

    type: ClassVar[str] = "bars/1"
    title: str
    x_title: str
    y_title: str
    labels: tuple[str, ...]
    values: np.ndarray  # (N,) float
    marked: np.ndarray  # (N,) uint8
    mark_title: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not (len(self.labels),) == self.values.shape == self.marked.shape:
            raise ValueError(f"{self.title!r} needs one label, value and mark for each bar.")

    @classmethod
    def read(cls, tree: Tree) -> Bars:
        arrays = np.asarray(tree["values"]), np.asarray(tree["marked"])
        titles = tree["title"], tree["x_title"], tree["y_title"]
        return cls(*titles, tuple(tree["labels"]), *arrays, tree["mark_title"], tree["note"])


@dataclass(frozen=True, eq=False)
class Part:
    """A part of every bar of a stack: values are (N,) floats of at least 0."""

    name: str
    values: np.ndarray

    @classmethod
    def read(cls, tree: Tree) -> Part:
        return cls(tree["name"], np.asarray(tree["values"]))


@dataclass(frozen=True, eq=False)
class StackedBars:
    """For each label a bar of parts, the first at the bottom. `marks` are values at which a line crosses each bar, and
    `mark_title` says what they are; there may be none."""

    type: ClassVar[str] = "stacked-bars/1"
    title: str
    x_title: str
    y_title: str
    labels: tuple[str, ...]
    parts: tuple[Part, ...]
    marks: np.ndarray  # (N,) float, or (0,)
    mark_title: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        shapes = [part.values.shape for part in self.parts] + ([self.marks.shape] if len(self.marks) else [])
        if not self.parts or any(shape != (len(self.labels),) for shape in shapes):
            raise ValueError(f"{self.title!r} needs a value of each part, and a mark or none, for each label.")
        if any((part.values < 0).any() for part in self.parts):
            raise ValueError(f"{self.title!r} cannot stack parts below 0.")

    @classmethod
    def read(cls, tree: Tree) -> StackedBars:
        titles = tree["title"], tree["x_title"], tree["y_title"], tuple(tree["labels"])
        parts = tuple(Part.read(item) for item in tree["parts"])
        return cls(*titles, parts, np.asarray(tree["marks"]), tree["mark_title"], tree["note"])


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures in groups of `len(group)` that belong together: the first of each is what the others are compared with.

    `captions` has a text for each picture, or is empty. Groups stand below each other if they are `stacked`: rows of a
    sheet.
    """

    type: ClassVar[str] = "pictures/1"
    title: str
    pictures: np.ndarray  # (N, 1 or 3, H, W) uint8
    group: tuple[str, ...] = ("",)  # what the pictures of a group are, in order
    captions: tuple[str, ...] = ()
    note: str = ""
    stacked: bool = False

    def __post_init__(self) -> None:
        if self.pictures.ndim != 4 or self.pictures.dtype != np.uint8 or self.pictures.shape[1] not in (1, 3):
            found = f"{self.pictures.shape} {self.pictures.dtype}"
            raise ValueError(f"{self.title!r} needs pictures (N, 1 or 3, H, W) of uint8, not {found}.")
        if len(self.pictures) % len(self.group) or (self.captions and len(self.captions) != len(self.pictures)):
            raise ValueError(f"{self.title!r} needs whole groups of pictures, and a caption for each or none.")

    @classmethod
    def read(cls, tree: Tree) -> Pictures:
        texts = tuple(tree["group"]), tuple(tree["captions"]), tree["note"]
        stacked = bool(tree.get("stacked", False))  # not in those of older studios
        return cls(tree["title"], np.asarray(tree["pictures"]), *texts, stacked)


@dataclass(frozen=True, eq=False)
class HeatMap:
    """A number for each place of a picture, as a colour between 0 and the largest, or the smallest if it is below 0.

    Of a table of numbers, `rows` and `columns` name each row and column; they are empty for a picture."""

    type: ClassVar[str] = "heat-map/1"
    title: str
    values: np.ndarray  # (H, W) float
    unit: str
    note: str = ""
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.size == 0:
            raise ValueError(f"{self.title!r} needs values (H, W), not {self.values.shape}.")
        for names, count in zip((self.rows, self.columns), self.values.shape, strict=True):
            if names and len(names) != count:
                raise ValueError(f"{self.title!r} needs a name for each row and column, or none.")

    @property
    def ends(self) -> tuple[float, float]:
        """The values of the two ends of the scale."""
        low, high = min(0.0, float(self.values.min())), float(self.values.max())
        return low, max(high, low + 1e-9)

    @classmethod
    def read(cls, tree: Tree) -> HeatMap:
        names = tuple(tree.get("rows", ())), tuple(tree.get("columns", ()))  # not in those of older studios
        return cls(tree["title"], np.asarray(tree["values"]), tree["unit"], tree["note"], *names)


NOT_MEASURED = "Not measured"  # the title of a note that says why there is no report of what was asked for


@dataclass(frozen=True)
class Note:
    """A sentence that reads the other reports, or stands where there is nothing to draw."""

    type: ClassVar[str] = "note/1"
    title: str
    text: str
    tone: Tone = "plain"

    @classmethod
    def read(cls, tree: Tree) -> Note:
        return cls(tree["title"], tree["text"], tree["tone"])


Report: TypeAlias = Table | Curves | Points | Bars | StackedBars | Pictures | HeatMap | Note
_TYPES: dict[str, type[Report]] = {
    cls.type: cls for cls in (Table, Curves, Points, Bars, StackedBars, Pictures, HeatMap, Note)
}


def to_tree(report: Report) -> Tree:
    """The report as nested dicts and lists of str, int, float and ndarray, with its type and version in "type"."""
    return {"type": report.type, **_plain(report)}


def from_tree(tree: Tree) -> Report:
    """The report of a tree. One that cannot be read becomes a note, so that the others of a run are still shown."""
    kind = str(tree.get("type", ""))
    if kind not in _TYPES:
        text = f"This studio does not know reports of type {kind!r}; a newer one does. It is kept in the project."
        return Note(str(tree.get("title", "")), text, "warn")
    try:
        return _TYPES[kind].read(_as_named_now(tree))
    except (KeyError, TypeError, ValueError) as error:
        text = f"This {kind.partition('/')[0]} cannot be read ({error}). Run the evaluation again to replace it."
        return Note(str(tree.get("title", "")), text, "bad")


def _as_named_now(value: Any) -> Any:
    """The tree with the names of today: results of older studios stand beside those of this one."""
    if isinstance(value, str):
        return reindexed(value)
    if isinstance(value, dict):
        return {key: _as_named_now(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_named_now(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return str(value)  # an enum's text
    return value
