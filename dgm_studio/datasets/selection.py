"""Which of a file's arrays are examples, which are labels, and which part each holds.

The rule: arrays with one axis, or with label, target, class or y in their name, are labels; the others are examples.
Names with train, val(id) or test in them hold that part. Among several that remain, one called x, data, images or the
like is taken; otherwise the person has to choose.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dgm_studio.datasets.base import BadData, Provenance, RawData, Report
from dgm_studio.datasets.files import ShapeSettings, check_size, numbered, sha256, within
from dgm_studio.datasets.values import classes, concatenated, examples, symbol_names
from models.settings import setting

EXAMPLE_NAMES = ("x", "data", "images", "image", "samples", "features", "inputs", "arr_0")
LABEL_NAMES = ("y", "labels", "label", "targets", "target", "classes", "class")


class ArraySettings(ShapeSettings):
    """For files that hold named arrays."""

    examples: str = setting(
        "", title="Examples", help="Name of the array that holds them. Empty: found by names such as x_train, data."
    )
    labels: str = setting(
        "auto", title="Labels", help="Name of the array that holds them, none, or auto: found by names such as y_train."
    )


@dataclass(frozen=True)
class Entry:
    """An array in a file, as its header describes it."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[Report], np.ndarray]

    @property
    def words(self) -> list[str]:
        return re.findall(r"[a-z]+|\d+", self.name.lower())

    @property
    def part(self) -> int | None:
        """0 train, 1 valid, 2 test, None: the name does not say."""
        name = self.name.lower()
        return next((k for k, word in enumerate(("train", "val", "test")) if word in name), None)

    @property
    def is_labels(self) -> bool:
        return len(self.shape) == 1 or any(word in LABEL_NAMES for word in self.words)

    def __str__(self) -> str:
        return f"{self.name} ({numbered(self.shape)} {self.dtype})"


def read_selected(entries: list[Entry], settings: ArraySettings, path: Path, report: Report) -> RawData:
    """Read the arrays that `settings` name or the rule finds in the file. Raises BadData."""
    where = str(path)
    chosen = _chosen(entries, settings.examples, where)
    for entry in chosen:
        if {"packed", "packbits"} & set(entry.words):
            raise BadData(
                f"{entry.name} in {where} holds packed bits by its name, and does not say how many. Unpack them with "
                f"numpy.unpackbits and save them under another name."
            )
        check_size(math.prod(entry.shape), f"{entry.name} in {where}", entry.dtype.itemsize)
    labels = _labels(entries, chosen, settings.labels, where)
    before = path.stat()
    digest = sha256(path, within(report, 0.0, 0.2))  # only of what seems fit to be read
    report = within(report, 0.2, 1.0)
    arrays = []
    for i, entry in enumerate(chosen):
        arrays.append((f"{entry.name} in {where}", entry.read(within(report, i / len(chosen), (i + 1) / len(chosen)))))
    y: np.ndarray | None = None
    names: tuple[str, ...] = ()
    if labels:
        done = within(report, 1.0, 1.0)
        values = [(f"{e.name} in {where}", _flat(e.read(done), f"{e.name} in {where}")) for e in labels]
        y, names = classes(concatenated(values), values[0][0])
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise BadData(f"{where} was written to while it was read. Try again when whatever writes it has finished.")
    first = arrays[0][0] if len(arrays) == 1 else where
    x, support, layout, steps = examples(concatenated(arrays), settings.shape, first)
    split = None
    if len(chosen) > 1:
        split = np.repeat([e.part or 0 for e in chosen], [len(a) for _, a in arrays])
    used = ", ".join(e.name for e in (*chosen, *labels))
    provenance = Provenance(path.name, ((where, digest),), (f"arrays used: {used}", *steps))
    symbols = symbol_names(x, support)
    return RawData(x, y, support, layout, provenance, names, split, standardise=settings.standardise, symbols=symbols)


def _chosen(entries: list[Entry], name: str, where: str) -> list[Entry]:
    listed = ", ".join(str(e) for e in entries[:8]) + (", …" if len(entries) > 8 else "")
    if name:
        found = [e for e in entries if e.name == name]
        if not found:
            raise BadData(f"{where} has no array named {name!r}. It has: {listed or 'none'}.")
        return found
    candidates = [e for e in entries if not e.is_labels and e.dtype.kind in "buif"]
    if not candidates:
        raise BadData(f"{where} has no array of examples (numbers with two or more axes). It has: {listed or 'none'}.")
    parts = sorted({e.part for e in candidates if e.part is not None})
    if 0 not in parts:
        unnamed = [e for e in candidates if e.part is None] or candidates
        return [_one(unnamed, where)]
    return [_one([e for e in candidates if e.part == k], where) for k in parts]


def _one(candidates: list[Entry], where: str) -> Entry:
    for name in EXAMPLE_NAMES:
        called = [e for e in candidates if len(candidates) > 1 and (e.name.lower() == name or name in e.words)]
        if len(called) == 1:
            return called[0]
    if len(candidates) > 1:
        listed = ", ".join(str(e) for e in candidates[:8])
        raise BadData(f"{where} has several arrays that could be examples: {listed}. Name one in data.examples.")
    return candidates[0]


def _labels(entries: list[Entry], chosen: list[Entry], name: str, where: str) -> list[Entry]:
    """The labels of each chosen array, or none at all."""
    if name == "none":
        return []
    if name != "auto":
        found = [e for e in entries if e.name == name]
        if not found:
            raise BadData(f"{where} has no array named {name!r}. Choose labels: none, or one of the file's arrays.")
        if len(chosen) != 1 or found[0].shape[:1] != chosen[0].shape[:1]:
            raise BadData(
                f"{name} in {where} has the shape {numbered(found[0].shape)}: labels need one for each of the "
                f"{sum(e.shape[0] for e in chosen)} examples."
            )
        return found

    def fits(e: Entry) -> bool:
        return e.is_labels and e.dtype.kind in "biufSU"

    result = []
    for entry in chosen:
        fitting = [e for e in entries if fits(e) and e.part == entry.part and e.shape[:1] == entry.shape[:1]]
        named = [e for e in fitting if any(word in LABEL_NAMES for word in e.words)] or fitting
        if len(named) != 1:
            return []
        result += named
    return result


def _flat(labels: np.ndarray, name: str) -> np.ndarray:
    """Labels (N,), also from (N, 1) and from one-hot rows."""
    if labels.ndim == 2 and labels.shape[1] > 1 and ((labels != 0).sum(1) == 1).all():
        return labels.argmax(1)
    if labels.size != len(labels):
        raise BadData(f"{name} has the shape {numbered(labels.shape)}: labels are one number for each example.")
    return labels.reshape(-1)
