"""Arrays in HDF5 files from elsewhere, read without trusting them.

Only what lies in the file itself is followed (no soft or external links, external storage or virtual data sets), only
plain numbers are read, and the declared size is checked before memory is taken. Another process goes through each file
first, because HDF5 itself can crash or take all memory on a damaged one (preflight.py).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dgm_studio.store.errors import ProjectError
from dgm_studio.store.preflight import look_at_arrays
from dgm_studio.store.reading import Recognition, recognition

MAX_OBJECTS = 10_000
MAX_DEPTH = 8
MAX_CHUNK = 2**26  # bytes of a chunk that is larger than what it is a part of
BLOCK = 2**24  # bytes read between two reports
REMEMBERED = 64  # files that were looked at

_looked_at: dict[Recognition, None] = {}  # by this process, the newest last


class UnreadableArrays(ValueError):
    """A file that cannot be used; the sentence names it and says what is wrong."""


@dataclass(frozen=True)
class ArrayHeader:
    name: str  # its path in the file, without the leading slash
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stored: int  # bytes that its values take in the file


def list_arrays(path: Path) -> list[ArrayHeader]:
    """Every plain array of numbers in the file, in order of name. Raises UnreadableArrays."""
    _look_first(path)
    with _opened(path) as file, _sentences(path):
        return [
            ArrayHeader(name, array.shape, array.dtype, array.id.get_storage_size())
            for name, array in _arrays(file, path)
        ]


def read_array(path: Path, name: str, limit: int, report: Callable[[float], None]) -> np.ndarray:
    """The array `name`. Raises UnreadableArrays if it takes more than `limit` bytes or cannot be read; `report` is
    called with the fraction done, and what it raises passes through."""
    _look_first(path)
    with _opened(path) as file:
        with _sentences(path):
            array = dict(_arrays(file, path)).get(name)
        if array is None:
            raise UnreadableArrays(f"{path} has no plain array named {name!r}.")
        size = math.prod(array.shape) * array.dtype.itemsize
        chunk = math.prod(array.chunks or (0,)) * array.dtype.itemsize
        if max(size, chunk) > limit:
            raise UnreadableArrays(f"{name} in {path} takes {max(size, chunk):,} bytes; up to {limit:,} are read.")
        if size and array.id.get_storage_size() == 0:
            raise UnreadableArrays(f"{name} in {path} was declared but never written.")
        if chunk > max(size, MAX_CHUNK):
            raise UnreadableArrays(f"{name} in {path} is stored in pieces of {chunk:,} bytes, larger than all of it.")
        with _sentences(path):
            _check_packing(array, chunk, f"{name} in {path}", lambda: report(0.0))
        result = np.empty(array.shape, array.dtype.newbyteorder("="))
        rows = max(1, BLOCK // max(1, size // max(1, len(result))), (array.chunks or (1,))[0]) if result.ndim else 1
        for start in range(0, len(result) if result.ndim else 0, rows):
            report(start / len(result))
            with _sentences(path):
                array.read_direct(result, np.s_[start : start + rows], np.s_[start : start + rows])
        return result


def walk(path: Path) -> None:
    """Go wherever `list_arrays` and `read_array` go but for the values themselves. For the other process. Raises
    UnreadableArrays."""
    with _opened(path) as file, _sentences(path):
        for _, array in _arrays(file, path):
            array.id.get_storage_size()
            if array.chunks:
                array.id.chunk_iter(lambda piece: None)


def _look_first(path: Path) -> None:
    """Have another process go through the file, unless that was done since it last changed. Raises UnreadableArrays."""
    try:
        found = recognition(path)
        if found not in _looked_at:
            look_at_arrays(path)
            _looked_at[found] = None
            while len(_looked_at) > REMEMBERED:
                del _looked_at[next(iter(_looked_at))]
    except ProjectError as error:  # "foreign": what `walk` says, which names the file itself
        text = error.text if error.code == "foreign" else f"{path} cannot be read: {error.text}"
        raise UnreadableArrays(text) from None


def _check_packing(array: h5py.Dataset, chunk: int, where: str, go_on: Callable[[], None]) -> None:
    """Refuse chunks that unpack to more than their `chunk` bytes: HDF5 would take the memory for whatever comes out."""
    plist = array.id.get_create_plist()
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    harmless = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)
    packings = [i for i, kind in enumerate(filters) if kind not in harmless]
    if len(packings) > 1:
        raise UnreadableArrays(f"{where} is packed more than once. Save it packed once, or not at all.")
    stored: list[Any] = []
    if packings:
        array.id.chunk_iter(stored.append)
    for k, piece in enumerate(stored):
        if k % 64 == 0:
            go_on()
        if piece.size > chunk + chunk // 8 + 1024:
            raise UnreadableArrays(f"{where} is damaged: a packed piece of it is larger than the whole piece.")
        packed = not piece.filter_mask >> packings[0] & 1
        if packed and filters[packings[0]] == h5py.h5z.FILTER_DEFLATE:
            content = array.id.read_direct_chunk(piece.chunk_offset)[1]
            if len(zlib.decompressobj().decompress(content, chunk + 1)) > chunk:
                raise UnreadableArrays(f"{where} is made to fill the memory: a piece unpacks to more than it says.")


def _arrays(file: h5py.File, path: Path) -> Iterator[tuple[str, h5py.Dataset]]:
    """Walk the groups by hard links alone; a group that is reached again is not walked again."""
    seen: set[int] = set()
    waiting: list[tuple[str, h5py.Group, int]] = [("", file, 0)]
    met = 0
    while waiting:
        prefix, group, depth = waiting.pop(0)
        address = h5py.h5o.get_info(group.id).addr
        if address in seen or depth > MAX_DEPTH:
            continue
        seen.add(address)
        for name in group:
            met += 1
            if met > MAX_OBJECTS:
                raise UnreadableArrays(f"{path} has more than {MAX_OBJECTS:,} objects.")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            item = group.get(name)
            if isinstance(item, h5py.Group):
                waiting.append((f"{prefix}{name}/", item, depth + 1))
            elif isinstance(item, h5py.Dataset) and _plain(item):
                yield f"{prefix}{name}", item


def _plain(array: h5py.Dataset) -> bool:
    return bool(array.shape) and array.dtype.kind in "buif" and not array.is_virtual and not array.external


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    with _sentences(path):
        file = h5py.File(path, "r", locking=False)
    with file:
        yield file


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """What HDF5 raises about a damaged file, as a sentence."""
    try:
        yield
    except UnreadableArrays:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, MemoryError, zlib.error) as error:
        raise UnreadableArrays(f"{path} cannot be read as HDF5: {error}.") from None
