"""How a project lies in HDF5: names, types and the manifest. Shared by reading and saving.

A file holds contiguous datasets of plain numbers, text being JSON in bytes. `/manifest` lists every other dataset with
type, shape and sha256; a root attribute holds the manifest's own sha256. HDF5 describes where things lie; their bytes
are written and read with plain file calls and checked against the manifest.
"""

from __future__ import annotations

import hashlib
import json
import re
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from h5py import h5t

from dgm_studio.store.errors import ProjectError

SCHEMA = 3
PROJECT = "dgm-studio project"
WORK = "dgm-studio work"  # what a training session keeps beside the project until it is merged
WORK_SUFFIX = ".work"  # of the folder beside the project in which it is kept
PART = ".dgm-part"  # a file in it
MANIFEST = "manifest"

DTYPES: dict[str, Any] = {
    "uint8": h5t.STD_U8LE,
    "uint16": h5t.STD_U16LE,
    "uint32": h5t.STD_U32LE,
    "uint64": h5t.STD_U64LE,
    "int8": h5t.STD_I8LE,
    "int16": h5t.STD_I16LE,
    "int32": h5t.STD_I32LE,
    "int64": h5t.STD_I64LE,
    "float16": h5t.IEEE_F16LE,
    "float32": h5t.IEEE_F32LE,
    "float64": h5t.IEEE_F64LE,
}
_ITEMSIZE = {name: np.dtype(name).itemsize for name in DTYPES}
MAX_RANK = 8
MAX_MANIFEST = 16 * 2**20  # bytes; about 100 000 datasets, as in hundreds of runs
LEAST_HEADER = 128  # bytes: less than HDF5 takes to describe any dataset
MAX_DOCUMENT = 32 * 2**20  # bytes of one JSON text
MAX_MEMORY = 192 * 2**20  # bytes that a JSON text may take when it is read: "[" is 50 times as long in memory

_COMPONENT = r"(?!\.+(?:/|\Z))[A-Za-z0-9_.+~%-]{1,255}"
_PATH = re.compile(f"{_COMPONENT}(?:/{_COMPONENT}){{0,15}}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SHA = re.compile(r"[0-9a-f]{64}")


class Entry(NamedTuple):  # a project has tens of thousands: made in a third of the time of a frozen dataclass
    """One dataset as the manifest describes it."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * _ITEMSIZE[self.dtype]

    @staticmethod
    def of(array: np.ndarray) -> Entry:
        """Describe an array that is about to be written."""
        return Entry(array.dtype.name, array.shape, sha256(array))


def work_folder(path: Path) -> Path:
    """Where training sessions of the project at `path` keep what is not merged yet."""
    return path.with_name(path.name + WORK_SUFFIX)


def work_folders(path: Path) -> list[Path]:
    """Where sessions of the project at `path` may have left something: its own folder, and those beside it whose
    project is there no more, as after a renaming."""
    own = work_folder(path)
    others = [
        folder
        for folder in sorted(path.parent.glob(f"?*{WORK_SUFFIX}"))
        if folder != own and folder.is_dir() and not project_of(folder).exists()
    ]
    return [own, *others]


def project_of(folder: Path) -> Path:
    """The project that a work folder belongs to by its name."""
    return folder.with_name(folder.name.removesuffix(WORK_SUFFIX))


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(raw(array)).hexdigest()


def raw(array: np.ndarray) -> memoryview:
    """The bytes of a C-ordered array, without a copy."""
    return array.reshape(-1).view(np.uint8).data


def escaped(name: str) -> str:
    """`name` as one component of a path; every byte but letters, digits, "_", "-" and inner dots as %XX."""
    plain = "".join(c if re.match(r"[A-Za-z0-9_.-]", c) else "".join(f"%{b:02X}" for b in c.encode()) for c in name)
    return plain if plain.strip(".") else "%2E" * len(plain) or "%"


def unescaped(component: str) -> str:
    parts = re.sub(rb"%([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), component.encode())
    return "" if component == "%" else parts.decode()


def document(value: Any) -> np.ndarray:
    """A JSON value as the bytes that are stored. Raises ValueError for NaN, and for more than could be read again."""
    text = _encoded(value)
    if _excessive(text):
        raise ValueError(f"{len(text) / 1e6:.1f} MB of text are more than a project can hold in one place")
    return np.frombuffer(text, np.uint8)


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def parsed(data: memoryview | bytes, file: Path, place: str) -> Any:
    """The JSON value in stored bytes. Raises ProjectError("damaged" or "unsafe")."""
    text = bytes(data)
    if _excessive(text):
        raise ProjectError("unsafe", file, f"{place} is larger than any text of a project.")
    try:
        value = json.loads(text, parse_constant=_refuse)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()  # half a pair could neither be shown nor saved
        return value
    except (ValueError, RecursionError) as error:
        raise ProjectError("damaged", file, f"{place} cannot be read ({error}).") from None


def _excessive(text: bytes) -> bool:
    """Whether reading this JSON could take more than MAX_MEMORY: the text, its strings, and what CPython takes for
    a dict or list with one item, and for an item."""
    characters = len(text) * (1 if text.isascii() else 4)
    memory = 2 * characters + 240 * text.count(b"{") + 104 * text.count(b"[") + 72 * text.count(b",")
    return len(text) > MAX_DOCUMENT or memory > MAX_MEMORY


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def manifest(entries: dict[str, Entry], versions: dict[str, str], file: Path) -> np.ndarray:
    """The bytes of the manifest of `file`. Raises ProjectError("unwritable") for more datasets than one can list."""
    listed = {path: {"dtype": e.dtype, "shape": e.shape, "sha256": e.sha256} for path, e in entries.items()}
    text = _encoded({"versions": versions, "datasets": listed})
    if len(text) > MAX_MANIFEST or _excessive(text):
        reason = f"it would hold {len(entries):,} arrays, more than can be listed. What was saved before is untouched"
        raise ProjectError("unwritable", file, f"{reason}. Move some runs to a project of their own, and save again.")
    return np.frombuffer(text, np.uint8)


def read_manifest(data: bytes, file: Path, size: int) -> tuple[dict[str, Entry], dict[str, str]]:
    """Entries and versions; every path, type and shape is one that a project may have. `size`: bytes of the file.
    Raises ProjectError."""
    value = parsed(data, file, "The manifest")
    if not isinstance(value, dict) or not isinstance(value.get("datasets"), dict):
        raise ProjectError("manifest", file, "the manifest is not a list of datasets.")
    versions = value.get("versions")
    if not isinstance(versions, dict):
        raise ProjectError("manifest", file, "the manifest does not say what wrote it.")
    if len(value["datasets"]) * LEAST_HEADER > size - len(data):  # before time is spent on each
        raise ProjectError("unsafe", file, "the manifest lists more datasets than the file has room for.")
    entries = {path: _entry(path, item, file) for path, item in value["datasets"].items()}
    return entries, {str(key): str(item) for key, item in versions.items()}


def _entry(path: str, item: Any, file: Path) -> Entry:
    if not _PATH.fullmatch(path):
        raise ProjectError("unsafe", file, f"the manifest names {path[:80]!r}, which no project holds.")
    if not isinstance(item, dict) or item.keys() != {"dtype", "shape", "sha256"}:
        raise ProjectError("manifest", file, f"the manifest does not describe {path}.")
    dtype, shape, sha = item["dtype"], item["shape"], item["sha256"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ProjectError("unsafe", file, f"{path} has the type {dtype!r:.80}, which no project holds.")
    if not isinstance(shape, list) or len(shape) > MAX_RANK or not all(map(_is_size, shape)):
        raise ProjectError("unsafe", file, f"{path} has a shape that no project holds.")
    if not isinstance(sha, str) or not _SHA.fullmatch(sha):
        raise ProjectError("manifest", file, f"the manifest has no checksum of {path}.")
    return Entry(dtype, tuple(shape), sha)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**48
