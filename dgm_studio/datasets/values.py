"""What arrays of numbers mean: examples of which shape and kind, and which classes."""

from __future__ import annotations

import math
import re

import numpy as np

from dgm_studio.datasets.base import BadData
from dgm_studio.datasets.files import BLOCK, check_size, numbered
from models.spec import Layout, Support

CLASSES = 1000  # more different labels are no classes
NAME = 100  # characters that the name of a class may have
SYMBOLS = 10_000  # more different numbers are no symbols
EXAMPLE = 2**24  # values that one example may have
LARGEST = float(np.finfo(np.float32).max)


def concatenated(arrays: list[tuple[str, np.ndarray]]) -> np.ndarray:
    """Parts of one data set, one after the other. Raises BadData unless their examples have one shape and type."""
    (first_name, first), *others = arrays
    for name, array in others:
        if array.shape[1:] != first.shape[1:]:
            raise BadData(
                f"{name} has examples of {numbered(array.shape[1:])}, but {first_name} of {numbered(first.shape[1:])}."
            )
        if array.dtype != first.dtype:
            raise BadData(f"{name} holds {array.dtype}, but {first_name} {first.dtype}: their scales may differ.")
    return np.concatenate([array for _, array in arrays]) if others else first


def examples(array: np.ndarray, shape: str, name: str) -> tuple[np.ndarray, Support, Layout, tuple[str, ...]]:
    """Any array of numbers as (N, *event) float32, with what it is and what was done. Raises BadData.

    Bytes, and whole numbers 0…255 of images, are divided by 255; whole numbers that are no bytes and reach 16 at most,
    as in the digits of Alpaydin & Kaynak, by 16. Values that all are 0 or 1 are bits;
    values in 0…1 stay; other values are reals. Coordinates of points are reals always, and so are values over time
    that are not all bits. Symbols are whole numbers from 0 on.
    """
    if array.dtype.kind not in "buif":
        raise BadData(f"{name} holds {array.dtype}, not plain numbers. Save it as whole numbers or floats.")
    if array.ndim < 2:
        what = "a row of numbers" if array.ndim else "a single number"
        raise BadData(f"{name} is {what}; examples need one axis more. Save it as examples × values.")
    if 0 in array.shape:
        raise BadData(f"{name} is empty: its shape is {numbered(array.shape)}. Save it with the examples in it.")
    if array[0].size > EXAMPLE:
        raise BadData(f"{name} has {array[0].size:,} values in each example; up to {EXAMPLE:,} can be used.")
    check_size(array.size, name, 0)
    low, high, whole = _range(array, name)
    pixels = (high <= 1 and low >= 0) or _bytes(array, low, high, whole)
    array, layout, steps = _shaped(array, shape, pixels, name)
    if shape == "symbols":
        if not whole or low < 0 or high >= SYMBOLS:
            raise BadData(
                f"{name} holds values {low:g}…{high:g}: symbols are whole numbers from 0 to {SYMBOLS - 1:,}. Number "
                f"them so, or choose the shape sequence."
            )
        steps.append(f"whole numbers taken as {int(high) + 1} symbols")
        return array.astype(np.float32, order="C", copy=False), Support.SYMBOLS, layout, tuple(steps)
    if layout is Layout.POINTS:
        return array.astype(np.float32, order="C", copy=False), Support.REALS, layout, tuple(steps)
    if whole and low >= 0 and high <= 1 and not (layout is Layout.SEQUENCE and array.ndim > 2):
        steps.append("values are 0 or 1: bits")
        return array.astype(np.float32, order="C", copy=False), Support.BITS, layout, tuple(steps)
    if layout is Layout.SEQUENCE:
        steps.append(f"values {low:g}…{high:g} as they are")
        return array.astype(np.float32, order="C", copy=False), Support.REALS, layout, tuple(steps)
    divisor = 0
    if _bytes(array, low, high, whole) and (layout is Layout.IMAGE or array.dtype == np.uint8):
        divisor = 16 if high <= 16 and array.dtype != np.uint8 else 255
    elif array.dtype == np.uint16 and layout is Layout.IMAGE:
        divisor = 65535
    if divisor:
        x = np.divide(array, np.float32(divisor), dtype=np.float32, order="C")
        return x, Support.UNIT, layout, (*steps, f"values divided by {divisor}")
    support = Support.UNIT if low >= 0 and high <= 1 else Support.REALS
    steps.append("values in 0…1 as they are" if support is Support.UNIT else f"values {low:g}…{high:g} as they are")
    return array.astype(np.float32, order="C", copy=False), support, layout, tuple(steps)


def symbol_names(x: np.ndarray, support: Support) -> tuple[str, ...]:
    """How the symbols that `examples` found are written: their numbers. Nothing for other values."""
    return tuple(str(k) for k in range(int(x.max()) + 1)) if support is Support.SYMBOLS else ()


def _bytes(array: np.ndarray, low: float, high: float, whole: bool) -> bool:
    return array.dtype == np.uint8 or (whole and low >= 0 and 1 < high <= 255)


def _range(array: np.ndarray, name: str) -> tuple[float, float, bool]:
    """Smallest and largest value, and whether all are whole numbers; in blocks, so that no large copy is made."""
    low, high, whole = math.inf, -math.inf, True
    rows = max(1, BLOCK // max(1, array[0].nbytes))
    for start in range(0, len(array), rows):
        block = array[start : start + rows]
        if block.dtype.kind == "f":
            bad = ~np.isfinite(block)
            if bad.any():
                place = np.argwhere(bad)[0]
                value = block[tuple(place)]
                inner = ", ".join(str(i) for i in place[1:])
                raise BadData(
                    f"{name} holds {value} in example {start + place[0]}, at ({inner}). Leave such examples out, or "
                    f"give them a number."
                )
            whole = whole and bool((block == np.floor(block)).all())
        low, high = min(low, float(block.min())), max(high, float(block.max()))
    if max(abs(low), abs(high)) > LARGEST:
        raise BadData(
            f"{name} holds values of up to {max(abs(low), abs(high)):g}, too large for 32-bit numbers. "
            f"Scale them before saving."
        )
    return low, high, whole


def _shaped(array: np.ndarray, shape: str, pixels: bool, name: str) -> tuple[np.ndarray, Layout, list[str]]:
    """The array as examples of the shape asked for, images as (N, channels, height, width)."""
    n, size = len(array), math.prod(array.shape[1:])
    if "x" in shape:
        event = tuple(int(part) for part in re.split("x", shape))
        if math.prod(event) != size:
            raise BadData(f"{name} has {size} values in each example; a shape of {shape} needs {math.prod(event)}.")
        return array.reshape(n, *event) if len(event) == 3 else array.reshape(n, 1, *event), Layout.IMAGE, []
    if shape == "points" and size != 2:
        raise BadData(f"{name} has {size} values in each example; points have 2.")
    if shape == "points" or (shape == "auto" and array.shape[1:] == (2,)):
        return array.reshape(n, 2), Layout.POINTS, []
    if shape == "vector":
        return array.reshape(n, size), Layout.VECTOR, []
    if shape in ("sequence", "symbols"):
        most = 3 if shape == "sequence" else 2
        if array.ndim > most:
            form = "sequences × steps" if most == 2 else "sequences × steps, or sequences × steps × values"
            raise BadData(f"{name} has the shape {numbered(array.shape)}; {shape} needs {form}.")
        return array, Layout.SEQUENCE, []
    if array.ndim == 2:
        side = math.isqrt(size)
        if pixels and side >= 8 and side * side == size:
            return array.reshape(n, 1, side, side), Layout.IMAGE, [f"{size} values taken as an image of {side}×{side}"]
        return array, Layout.VECTOR, []
    if array.ndim == 3:
        return array[:, None], Layout.IMAGE, []
    if array.ndim == 4 and array.shape[3] in (1, 3) and array.shape[1] not in (1, 3):
        return array.transpose(0, 3, 1, 2), Layout.IMAGE, ["channels moved from the last axis to the first"]
    if array.ndim == 4 and array.shape[1] in (1, 3):
        return array, Layout.IMAGE, []
    raise BadData(
        f"{name} has the shape {numbered(array.shape)}. Examples are vectors, or images of height × width with 1 or 3 "
        f"channels first or last. Give the shape of an example in data.shape."
    )


def classes(labels: np.ndarray, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels (N,) of any kind as numbers 0… and the names of the classes. Raises BadData.

    Whole numbers from 0 on keep their value, so that a class which does not occur is noticed; others are numbered in
    order.
    """
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all() or (labels != np.floor(labels)).any():
            raise BadData(f"{name} holds numbers that are not whole: these are no classes. Choose labels: none.")
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "biuSU":
        raise BadData(f"{name} holds {labels.dtype}: labels are whole numbers or text. Choose labels: none.")
    distinct, y = np.unique(labels, return_inverse=True)
    if len(distinct) > CLASSES:
        raise BadData(f"{name} holds {len(distinct)} different values: these are no classes. Choose labels: none.")
    if distinct.dtype.kind in "biu":
        top = int(distinct[-1])
        if int(distinct[0]) >= 0 and top < 2 * len(distinct):
            return labels.astype(np.int64), tuple(str(k) for k in range(top + 1))
    names = tuple(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in distinct)
    if max(map(len, names), default=0) > NAME:
        raise BadData(f"{name} holds texts of more than {NAME} characters: these are no classes. Choose labels: none.")
    return y.astype(np.int64), names
