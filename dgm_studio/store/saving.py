"""Writing a file so that at every moment either the old one or the new one is whole.

A temporary file beside it is created, written, closed, brought to the disk, opened again and checked; only then does it
take the old one's name. HDF5 lays out the structure; the bytes follow with plain file calls into space that was
reserved, so that a full disk is noticed before anything depends on it.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import h5py
import numpy as np
import torch
from h5py import h5d, h5g, h5p, h5s

import dgm_studio
from dgm_studio.store import format as fmt
from dgm_studio.store.carrying import carry, compare
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.format import DTYPES, Entry
from dgm_studio.store.reading import Contents, Stored, inspect, locate_together

Item = np.ndarray | Stored  # one dataset: in memory, or a place in a file

TEMPORARY = ".tmp"
USUAL_HEADER = 320  # bytes: about what HDF5 needs to describe one dataset
STRUCTURE = 1024  # bytes: more than HDF5 needs to describe one dataset and its share of groups

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNKNOWN = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)  # what a file system says to a call it lacks


@dataclass(frozen=True)
class Replacement:
    """A new file that is whole and checked, and has yet to take its name."""

    contents: Contents
    path: Path

    def commit(self) -> Contents:
        os.replace(self.contents.path, self.path)
        self.contents.path = self.path
        return self.contents


def write(path: Path, items: Mapping[str, Item], form: str) -> Contents:
    """Replace `path` by a file with these datasets, or leave it as it was and raise ProjectError."""
    with replacement(path, items, form) as new:
        return new.commit()


@contextmanager
def replacement(path: Path, items: Mapping[str, Item], form: str) -> Iterator[Replacement]:
    """A file with these datasets beside `path`, which takes its name if the caller commits it and vanishes otherwise.

    What is already stored is copied as it is, with the checksum of its first writing: damage is never given a new
    checksum. Raises ProjectError.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{uuid4().hex[:8]}{TEMPORARY}")
    try:
        locate_together(item for item in items.values() if isinstance(item, Stored))
        carried = {place: item for place, item in items.items() if isinstance(item, Stored) and item.lies_apart}
        arrays = {place: _in_memory(item) for place, item in items.items() if place not in carried}
        entries = {
            place: item.entry if isinstance(item, Stored) else Entry.of(arrays[place]) for place, item in items.items()
        }
        arrays[fmt.MANIFEST] = fmt.manifest(entries, versions(), path)
        listed = {**entries, fmt.MANIFEST: Entry.of(arrays[fmt.MANIFEST])}
        offsets = _lay_out(temporary, listed, form)
        with open(temporary, "r+b", buffering=0) as file:
            for place, array in arrays.items():
                _put(file.fileno(), fmt.raw(array), offsets[place])
            carry(carried, offsets, file.fileno())
            os.fsync(file.fileno())
        written = inspect(temporary, form)
        written.locate(written.entries)
        _verify(written, {place: item for place, item in items.items() if place not in carried})
        compare(carried, written)
        if path.exists():
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        yield Replacement(written, path)
        sync_folder(path.parent)
    except (OSError, RuntimeError) as error:  # HDF5 reports what fails while it closes as RuntimeError
        raise _explained(path, error) from error
    finally:
        with suppress(OSError):  # what is left goes with the next save
            temporary.unlink(missing_ok=True)


def remove_stale_temporaries(path: Path) -> None:
    """Remove what a save of `path` that was killed has left. Only for the holder of the lock. What the system does not
    let go of stays: that keeps nobody from saving."""
    ours = re.compile(rf"{re.escape(path.name)}\.\d+-\w+{re.escape(TEMPORARY)}")
    with suppress(OSError):
        for entry in os.scandir(path.parent):
            if ours.fullmatch(entry.name) and entry.is_file():
                os.unlink(entry)


def versions() -> dict[str, str]:
    """What writes a file now."""
    return {
        "studio": dgm_studio.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "h5py": h5py.__version__,
        "hdf5": h5py.version.hdf5_version,
    }


def _in_memory(item: Item) -> np.ndarray:
    """What is to be written from memory: an array, or the bytes of a dataset that stand in its header."""
    if isinstance(item, Stored):
        return np.frombuffer(b"".join(item.chunks()), np.uint8)
    return np.ascontiguousarray(item)


def _lay_out(path: Path, entries: Mapping[str, Entry], form: str) -> dict[str, int]:
    """Create the file with its attributes and groups, and a contiguous place for every dataset. Returns the places."""
    plain = h5p.create(h5p.DATASET_CREATE)
    plain.set_layout(h5d.CONTIGUOUS)
    plain.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    plain.set_fill_time(h5d.FILL_TIME_NEVER)
    plain.set_obj_track_times(False)
    offsets: dict[str, int] = {}
    block = max(2048, len(entries) * USUAL_HEADER // 8)
    with h5py.File(path, "x", libver=("v110", "v110"), locking=False, meta_block_size=block) as file:
        _reserve(path, sum(entry.nbytes + STRUCTURE for entry in entries.values()) + 64 * STRUCTURE)
        groups: dict[str, Any] = {"": file.id}
        for place, entry in entries.items():
            parent, _, name = place.rpartition("/")
            space = h5s.create_simple(entry.shape) if entry.shape else h5s.create(h5s.SCALAR)
            dataset = h5d.create(_group(groups, parent), name.encode(), DTYPES[entry.dtype], space, plain)
            offsets[place] = dataset.get_offset() if entry.nbytes else 0
        file.attrs.create("format", np.bytes_(form))
        file.attrs.create("schema", fmt.SCHEMA, dtype=np.int64)
        file.attrs.create("manifest_sha256", np.bytes_(entries[fmt.MANIFEST].sha256))
        file.attrs.create("complete", 1, dtype=np.int64)
        file.flush()
        end = file.id.get_filesize()
    os.truncate(path, end)
    return offsets


def _group(groups: dict[str, Any], path: str) -> Any:
    if path not in groups:
        parent, _, name = path.rpartition("/")
        groups[path] = h5g.create(_group(groups, parent), name.encode())
    return groups[path]


def _reserve(path: Path, size: int) -> None:
    """Make the disk set space aside: HDF5 cannot let go of a file that it fails to write, so it must not fail."""
    if not hasattr(os, "posix_fallocate"):
        return
    with open(path, "r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in _UNKNOWN:  # file systems that cannot set space aside
                raise


def _put(file: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


def _verify(contents: Contents, items: Mapping[str, Item]) -> None:
    """Read back what was written from memory."""
    for place, source in items.items():
        stored = Stored(contents, place)
        digest = stored.digest()
        if digest == stored.entry.sha256:
            continue
        if not (isinstance(source, Stored) and source.digest() == digest):  # it was damaged already
            raise ProjectError("unwritable", contents.path, f"the disk gave back other bytes for {place}.")


def sync_folder(folder: Path) -> None:
    """Bring the names in `folder` to the disk, where the system can. Raises OSError when the disk fails."""
    if os.name == "nt":  # folders cannot be opened there; the rename itself is journalled
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that may be written to and not listed
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
    finally:
        os.close(handle)


def _explained(path: Path, error: OSError | RuntimeError) -> ProjectError:
    reason, number = str(error), getattr(error, "errno", None)
    if number in _FULL or any(f"errno = {code}," in reason for code in _FULL):
        return ProjectError(
            "full",
            path,
            "there is no room on the disk. What was saved before is untouched; free some space and try again.",
        )
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ProjectError("read-only", path, f"the folder {path.parent} cannot be written to. Save it elsewhere.")
    return ProjectError("unwritable", path, f"it could not be saved ({reason}). What was saved before is untouched.")
