"""NumPy's .npy and .npz files. Pickled objects are never loaded: only plain numbers are read."""

from __future__ import annotations

import math
import os
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from dgm_studio.datasets.base import BadData, RawData, Report, Source
from dgm_studio.datasets.files import (
    check_packing,
    check_size,
    existing,
    read_array,
    reading,
)
from dgm_studio.datasets.selection import ArraySettings, Entry, read_selected
from dgm_studio.number_texts import bytes_text

MAX_ARRAYS = 1000
AXES = 32
LISTED = 2**22  # bytes that the list of an archive's contents may take
END = 2**16 + 1024  # bytes at the end of an archive in which the place of that list stands


def entries_of(path: Path) -> list[Entry]:
    """The arrays in a file by their headers. Raises BadData."""
    with reading(path):
        if not zipfile.is_zipfile(path):
            with open(path, "rb") as file:
                if file.read(2) == b"PK":
                    raise BadData(f"{path} is a damaged or cut off archive. Get the file again.")
                file.seek(0)
                shape, _, dtype = _header(file, str(path))
            return [Entry(path.stem, shape, dtype, partial(_read, path, None))]
        with _archive(path) as archive:
            names = [info.filename for info in archive.infolist() if info.filename.endswith(".npy")]
            if len(names) > MAX_ARRAYS:
                raise BadData(f"{path} has {len(names):,} arrays; files with up to {MAX_ARRAYS:,} are read.")
            twice = next((name for name, count in Counter(names).items() if count > 1), None)
            if twice is not None:
                raise BadData(f"{path} has two arrays named {twice!r}. Save each under a name of its own.")
            found = []
            for name in names:
                with _member(archive, name, path) as file:
                    shape, _, dtype = _header(file, f"{name} in {path}")
                found.append(Entry(name.removesuffix(".npy"), shape, dtype, partial(_read, path, name)))
            return found


def _archive(path: Path) -> zipfile.ZipFile:
    """The archive, unless its list of contents alone would fill the memory. Raises BadData."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - END))
        end = file.read()
    at = end.rfind(b"PK\5\6")  # the record at the end: a name, and the size of the list at 12, -1 when beyond 32 bits
    listed = int.from_bytes(end[at + 12 : at + 16], "little") if at >= 0 else 0
    far = end.rfind(b"PK\6\6")  # its larger form: the size at 40
    if listed == 2**32 - 1 and far >= 0:
        listed = int.from_bytes(end[far + 40 : far + 48], "little")
    if listed > LISTED:
        raise BadData(f"{path} lists {bytes_text(listed)} of contents, far more than arrays need. Unpack it first.")
    return zipfile.ZipFile(path)


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> IO[bytes]:
    try:
        return archive.open(name)
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or packed in a way that Python does not know
        reason = str(error).rstrip(".")
        raise BadData(f"{name} in {path} cannot be unpacked: {reason}. Save it with numpy.savez.") from None


def _read(path: Path, name: str | None, report: Report) -> np.ndarray:
    where = f"{name} in {path}" if name else str(path)
    with reading(path):
        if name is None:
            with open(path, "rb") as file:
                return _values(file, where, path, report)
        with _archive(path) as archive, _member(archive, name, path) as file:
            return _values(file, where, path, report, archive.getinfo(name).compress_size)


def _values(file: IO[bytes], where: str, path: Path, report: Report, packed: int | None = None) -> np.ndarray:
    shape, by_columns, dtype = _header(file, where)
    check_size(math.prod(shape), where, dtype.itemsize)
    if packed is not None:
        check_packing(math.prod(shape) * dtype.itemsize, packed, where)
    if not by_columns:
        return read_array(file, shape, dtype, path, report)
    return read_array(file, shape[::-1], dtype, path, report).transpose()


def _header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and type. NumPy limits the header to 10 000 characters."""
    try:
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"its format version is {version[0]}.{version[1]}")
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, by_columns, dtype = header(file)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, TokenError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise BadData(f"{where} is not a NumPy array that can be read: {reason}. Save it again as .npy.") from None
    if dtype.hasobject:
        raise BadData(
            f"{where} holds Python objects, which could run code when loaded. Save it as an array of numbers "
            f"(examples of one size, allow_pickle=False)."
        )
    if len(shape) > AXES:
        raise BadData(f"{where} has {len(shape)} axes; arrays of up to {AXES} are read.")
    if any(n < 0 for n in shape):
        raise BadData(f"{where} is damaged: its header says a negative size. Get the file again.")
    return shape, by_columns, dtype


def _load(settings: ArraySettings, report: Report) -> RawData:
    path = existing(settings.path)
    return read_selected(entries_of(path), settings, path, report)


SOURCE = Source("numpy", "NumPy files", "Arrays in .npz or .npy, with labels if there are any.", ArraySettings, _load)
