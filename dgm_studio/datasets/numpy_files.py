"""NumPy's .npy and .npz files. Pickled objects are never loaded: only plain numbers are read."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from dgm_studio.datasets.base import BadData, Provenance, RawData, Report, Source
from dgm_studio.datasets.files import check_size, existing, read_array, reading, sha256, within
from dgm_studio.datasets.selection import ArraySettings, Entry, read_selected

MAX_ARRAYS = 1000


def entries_of(path: Path) -> list[Entry]:
    """The arrays in a file by their headers. Raises BadData."""
    with reading(path):
        if not zipfile.is_zipfile(path):
            with open(path, "rb") as file:
                if file.read(2) == b"PK":
                    raise BadData(f"{path} is a damaged or cut off archive.")
                file.seek(0)
                shape, _, dtype = _header(file, str(path))
            return [Entry(path.stem, shape, dtype, partial(_read, path, None))]
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if info.filename.endswith(".npy")]
            if len(names) > MAX_ARRAYS:
                raise BadData(f"{path} has {len(names)} arrays; files with up to {MAX_ARRAYS} are read.")
            found = []
            for name in names:
                with _member(archive, name, path) as file:
                    shape, _, dtype = _header(file, f"{name} in {path}")
                found.append(Entry(name.removesuffix(".npy"), shape, dtype, partial(_read, path, name)))
            return found


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> IO[bytes]:
    try:
        return archive.open(name)
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or packed in a way that Python does not know
        raise BadData(f"{name} in {path} cannot be unpacked: {error}.") from None


def _read(path: Path, name: str | None, report: Report) -> np.ndarray:
    where = f"{name} in {path}" if name else str(path)
    with reading(path):
        if name is None:
            with open(path, "rb") as file:
                return _values(file, where, path, report)
        with zipfile.ZipFile(path) as archive, _member(archive, name, path) as file:
            return _values(file, where, path, report)


def _values(file: IO[bytes], where: str, path: Path, report: Report) -> np.ndarray:
    shape, by_columns, dtype = _header(file, where)
    check_size(int(np.prod(shape, dtype=object)), where)
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
        raise BadData(f"{where} is not a NumPy array that can be read: {reason}.") from None
    if dtype.hasobject:
        raise BadData(
            f"{where} holds Python objects, which could run code when loaded. Save it as an array of numbers "
            f"(examples of one size, allow_pickle=False)."
        )
    if any(n < 0 for n in shape):
        raise BadData(f"{where} is damaged: its header says a negative size.")
    return shape, by_columns, dtype


def _load(settings: ArraySettings, report: Report) -> RawData:
    path = existing(settings.path)
    provenance = Provenance(path.name, ((str(path), sha256(path, within(report, 0.0, 0.2))),))
    return read_selected(entries_of(path), settings, str(path), provenance, within(report, 0.2, 1.0))


SOURCE = Source("numpy", "NumPy files", "Arrays in .npz or .npy, with labels if there are any.", ArraySettings, _load)
