"""What reading from files has in common: limits, checksums, decompression, and what numbers mean."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from dgm_studio.datasets import memory
from dgm_studio.datasets.base import BadData, Report
from models.settings import Settings, setting
from models.spec import Layout, Support

LIMIT = 2**31  # bytes that a data set may take in memory as float32
BLOCK = 2**22  # bytes between two reports
GZIP = b"\x1f\x8b"  # how gzip files begin
CLASSES = 1000  # more different labels are no classes
NAME = 100  # characters that the name of a class may have
EXAMPLE = 2**24  # values that one example may have
LARGEST = float(np.finfo(np.float32).max)
DENSEST = 1100  # deflate, the densest of the usual packings, reaches 1032:1
SMALL = 2**26  # bytes that may be unpacked from anything


class Digest(Protocol):
    """What hashlib gives."""

    def update(self, data: bytes, /) -> None: ...


class FileSettings(Settings):
    """What every source that reads from disk has."""

    path: str = setting("", title="File or folder", help="Where the data lies. It can also be dropped on the window.")
    standardise: bool = setting(
        False,
        title="Standardise",
        help="Shift and scale each coordinate (or channel) to mean 0 and standard deviation 1 over the training part.",
    )


class ShapeSettings(FileSettings):
    """For files that hold rows of numbers."""

    shape: str = setting(
        "auto",
        title="Shape",
        help="What an example is: points, vector, HEIGHTxWIDTH or CHANNELSxHEIGHTxWIDTH. auto: from the axes of the "
        "array; rows of n² ≥ 64 values in 0…1 or 0…255 are square images.",
        pattern=r"^(auto|points|vector|([13]x)?[1-9]\d{0,4}x[1-9]\d{0,4})$",
    )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what can go wrong while a file is read into a sentence that names it."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile, struct.error) as error:
        raise BadData(f"{path} is damaged or cut off: {str(error).rstrip('.')}. Get the file again.") from None
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror or error}.") from None
    except MemoryError:
        raise BadData(f"{path} needs more memory than there is. Close other programs, or use fewer examples.") from None


def within(report: Report, begin: float, end: float) -> Report:
    """A report for one part of the work: its 0…1 become begin…end."""
    return lambda fraction, text: report(begin + (end - begin) * fraction, text)


def existing(path: str, kind: str = "file") -> Path:
    """The path a person named, if it is there and is a file (or a folder). Raises BadData."""
    if not path:
        raise BadData(f"No {kind} is chosen. Set data.path, or drop a {kind} on the window.")
    try:
        found = Path(path).expanduser()
        there = found.exists()
    except (OSError, ValueError, RuntimeError) as error:  # no permission, a name too long, ~nobody
        raise BadData(f"{path} cannot be reached: {getattr(error, 'strerror', None) or error}.") from None
    if not there:
        folder = next(parent for parent in (*found.absolute().parents,) if parent.is_dir())
        raise BadData(
            f"{found} does not exist: the folder {folder} has no {found.absolute().relative_to(folder).parts[0]!r}. If "
            f"it was moved, put it back there, or choose it where it lies now."
        )
    if kind == "file" and not found.is_file():
        raise BadData(f"{found} is not a file.")
    if kind == "folder" and not found.is_dir():
        raise BadData(f"{found} is not a folder.")
    if not (found.is_file() or found.is_dir()):
        raise BadData(f"{found} is neither a file nor a folder.")
    return found


def sha256(path: Path, report: Report) -> str:
    """The checksum of a file that is too large to hold. Raises BadData."""
    digest = hashlib.sha256()
    with reading(path), open(path, "rb") as file:
        size = max(1, os.fstat(file.fileno()).st_size)
        done = 0
        while block := file.read(BLOCK):
            digest.update(block)
            done += len(block)
            report(min(1.0, done / size), f"Checking {path.name}")
    return digest.hexdigest()


class _Digested(io.RawIOBase):
    """A file whose checksum is taken while it is read, so that it is that of what was used."""

    def __init__(self, file: IO[bytes], digest: Digest) -> None:
        self._file, self._digest = file, digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(len(buffer))
        self._digest.update(block)
        buffer[: len(block)] = block
        return len(block)


@contextmanager
def opened(path: Path, digest: Digest | None = None) -> Iterator[io.BufferedIOBase]:
    """The file's content, decompressed if it is gzip. `digest` takes in the bytes as they lie on the disk, up to where
    the content is read. Use within `reading`."""
    with open(path, "rb") as file:
        packed = file.read(2) == GZIP
        file.seek(0)
        source = file if digest is None else io.BufferedReader(_Digested(file, digest), BLOCK)
        yield gzip.GzipFile(fileobj=source) if packed else source


def read_array(
    file: io.BufferedIOBase | IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], path: Path, report: Report
) -> np.ndarray:
    """The values of an array, which are all that is left in `file`. Raises BadData unless there are exactly as many;
    the size has been checked by the caller. Never holds more than the header promised."""
    wanted = math.prod(shape) * dtype.itemsize
    content = bytearray()
    while block := file.read(min(BLOCK, wanted + 1 - len(content))):
        content += block
        report(min(1.0, len(content) / max(1, wanted)), f"Unpacking {path.name}")
    if len(content) != wanted:
        state = "cut off: it has fewer" if len(content) < wanted else "damaged: it has more"
        raise BadData(f"{path} is {state} values than the {numbered(shape)} that its header says. Get the file again.")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def check_size(values: int, what: str, itemsize: int = 4) -> None:
    """Refuse an array of so many values before it is read, if it is beyond LIMIT or what is free: as it is read, as
    32-bit numbers, and once more when its parts are separated."""
    size, raw = values * 4, values * itemsize
    if size > LIMIT or raw > 2 * LIMIT:
        raise BadData(
            f"{what} holds {values:,} values, {bytes_text(max(size, raw))}; up to {bytes_text(LIMIT)} as 32-bit "
            f"numbers can be used. Use fewer examples or smaller ones."
        )
    needed, free = raw + 2 * size, memory.free_memory()
    if free is not None and needed > free:
        raise BadData(
            f"{what} needs {bytes_text(needed)} of memory while it is read; {bytes_text(free)} are free. Close other "
            f"programs, or use fewer examples or smaller ones."
        )


def check_packing(unpacked: int, packed: int, what: str) -> None:
    """Refuse what unpacks to more than any packing of numbers makes of so few bytes."""
    if unpacked > max(SMALL, DENSEST * packed):
        raise BadData(
            f"{what} would unpack {bytes_text(packed)} to {bytes_text(unpacked)}: it is damaged, or made to fill the "
            f"memory. Get it again from a source you trust."
        )


def bytes_text(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def numbered(shape: Iterable[int]) -> str:
    """Axes as people write them: 60000×28×28."""
    return "×".join(str(n) for n in shape) or "a single number"


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
    values in 0…1 stay; other values are reals. Coordinates of points are reals always.
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
    if layout is Layout.POINTS:
        return array.astype(np.float32, order="C", copy=False), Support.REALS, layout, tuple(steps)
    if whole and low >= 0 and high <= 1:
        steps.append("values are 0 or 1: bits")
        return array.astype(np.float32, order="C", copy=False), Support.BITS, layout, tuple(steps)
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
