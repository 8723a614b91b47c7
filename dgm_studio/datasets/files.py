"""What reading from files has in common: limits, checksums and decompression."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import math
import os
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
from dgm_studio.number_texts import bytes_text
from models.settings import Settings, setting

LIMIT = 2**31  # bytes that a data set may take in memory as float32
BLOCK = 2**22  # bytes between two reports
GZIP = b"\x1f\x8b"  # how gzip files begin
DENSEST = 1100  # deflate, the densest of the usual packings, reaches 1032:1
SMALL = 2**26  # bytes that may be unpacked from anything


class Digest(Protocol):
    """What hashlib gives."""

    def update(self, data: bytes, /) -> None: ...


class PathSettings(Settings):
    """What every source that reads from disk has."""

    path: str = setting("", title="File or folder", help="Where the data lies. It can also be dropped on the window.")


class FileSettings(PathSettings):
    """For numbers from disk."""

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
        help="What an example is: points, vector, HEIGHTxWIDTH or CHANNELSxHEIGHTxWIDTH, sequence (real values over "
        "time, or vectors of them) or symbols (whole numbers from 0 over time). auto: from the axes of the array; rows "
        "of n² ≥ 64 values in 0…1 or 0…255 are square images.",
        pattern=r"^(auto|points|vector|sequence|symbols|([13]x)?[1-9]\d{0,4}x[1-9]\d{0,4})$",
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
        raise BadData(f"No {kind} is chosen. Choose one (data.path), or drop it on the window.")
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


def numbered(shape: Iterable[int]) -> str:
    """Axes as people write them: 60000×28×28."""
    return "×".join(str(n) for n in shape) or "a single number"
