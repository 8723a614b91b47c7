"""Opening a file that may come from anybody, and reading from it what can be proved to be what was written.

Opening checks the file, its root attributes, the manifest and every link. The header of a dataset is checked when it is
first used, before a byte of it is read (0.1 ms each: 4 s for all of a project with 200 runs); its bytes are then read
with plain file calls and compared with their sha256. Nothing here writes, and no file stays open.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5l, h5o, h5p, h5s, h5t

from dgm_studio.store import format as fmt
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.format import DTYPES, Entry

SIGNATURE = b"\x89HDF\r\n\x1a\n"
ATTRIBUTES = {b"format", b"schema", b"complete", b"manifest_sha256"}
CHUNK = 8 * 2**20  # bytes hashed or copied at a time

Fingerprint = tuple[int, int, int, int]
Recognition = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Stored:
    """One dataset of a file on disk."""

    contents: Contents
    path: str

    @property
    def entry(self) -> Entry:
        return self.contents.entries[self.path]

    @property
    def lies_apart(self) -> bool:
        """Whether it has a place of its own in the file, outside its header."""
        return isinstance(self.contents.offset(self.path), int)

    def read(self) -> np.ndarray:
        """The array, freshly read. Raises ProjectError when it is not what was written, or cannot be read."""
        try:
            array = np.empty(self.entry.shape, self.entry.dtype)
        except MemoryError:
            text = f"{self.path} takes {self.entry.nbytes / 1e9:.1f} GB, more than there is memory for."
            raise ProjectError("unsafe", self.contents.path, text) from None
        view, filled = fmt.raw(array), 0
        try:
            for chunk in self.chunks():
                view[filled : filled + len(chunk)] = chunk
                filled += len(chunk)
        except OSError as error:
            raise _unreadable(self.contents.path, error) from None
        if fmt.sha256(array) != self.entry.sha256:
            raise ProjectError("damaged", self.contents.path, f"{self.path} differs from what was written.")
        return array

    def digest(self) -> str:
        """The sha256 of the bytes as they are now. Raises as `chunks` does."""
        sha = hashlib.sha256()
        for chunk in self.chunks():
            sha.update(chunk)
        return sha.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they are now, in order and complete. Raises ProjectError or OSError."""
        offset = self.contents.offset(self.path)
        if isinstance(offset, bytes):
            yield offset
            return
        file = self.contents.path
        left = self.entry.nbytes
        with open(file, "rb", buffering=0) as stream:
            stream.seek(offset)
            while left:
                chunk = stream.read(min(left, CHUNK))
                if not chunk:
                    raise ProjectError("truncated", file, f"the file ends within {self.path}.")
                left -= len(chunk)
                yield chunk


@dataclass
class Contents:
    """What a file holds, by path. `schema` is the format's version it was written in."""

    path: Path
    fingerprint: Fingerprint
    schema: int
    versions: dict[str, str]
    entries: dict[str, Entry]
    _offsets: dict[str, int | bytes] = field(default_factory=dict, repr=False)  # bytes: stored within the header

    def items(self) -> dict[str, Stored]:
        return {path: Stored(self, path) for path in self.entries}

    def offset(self, path: str) -> int | bytes:
        if path not in self._offsets:
            self.locate([path])
        return self._offsets[path]

    def require_unchanged(self) -> None:
        """Raise ProjectError unless this is still the file that was opened."""
        if fingerprint(self.path) != self.fingerprint:
            raise ProjectError(
                "conflict", self.path, "the file was replaced or changed by another program since it was opened."
            )

    def locate(self, paths: Iterable[str]) -> None:
        """Check the headers of these datasets and note where their bytes lie. Raises ProjectError."""
        wanted = [path for path in paths if path not in self._offsets]
        if not wanted:
            return
        self.require_unchanged()
        with _opened(self.path) as root:
            for path in wanted:
                self._offsets[path] = _located(root, path, self.entries[path], self.path, self.fingerprint[2])


def locate_together(stored: Iterable[Stored]) -> None:
    """Look up all places of one file in one visit."""
    by_file: dict[int, list[Stored]] = {}
    for item in stored:
        by_file.setdefault(id(item.contents), []).append(item)
    for group in by_file.values():
        group[0].contents.locate(item.path for item in group)


def fingerprint(path: Path) -> Fingerprint:
    """Changes when the file is replaced or written to. Raises ProjectError("missing")."""
    return known_by(_status(path))[:4]


def recognition(path: Path) -> Recognition:
    """What this very file can be known by when the studio starts again. Raises ProjectError("missing")."""
    return known_by(_status(path))


def known_by(status: os.stat_result) -> Recognition:
    """A fingerprint, and when anything of the file changed last: programs can set back the time of its content, but not
    that one. It is no sign of a conflict, because another name, mode or link changes it too."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> ProjectError:
    if isinstance(error, FileNotFoundError):
        return ProjectError("missing", path, "the file was moved or deleted.")
    return ProjectError("unreadable", path, f"the file cannot be read ({error.strerror}).")


def inspect(path: Path, form: str = fmt.PROJECT) -> Contents:
    """Check that `path` is a whole file of ours in a version that this studio knows. Raises ProjectError."""
    require_hdf5(path)
    before = fingerprint(path)
    with _opened(path) as root:
        schema = _version(root, form, path)
        entries, versions = _manifest(root, path, before[2])
        total = sum(entry.nbytes for entry in entries.values())
        if total > before[2]:
            raise ProjectError("unsafe", path, f"it claims to hold {total} bytes, more than the file is long.")
        _check_links(root, _tree([*entries, fmt.MANIFEST], path), path, "")
    return Contents(path, before, schema, versions, entries)


def require_hdf5(path: Path) -> None:
    """Raise ProjectError unless this is a file that begins as HDF5 does. Touches nothing else and never waits."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ProjectError("special", path, "this is a folder, not a project file.")
        if not stat.S_ISREG(status.st_mode):
            raise ProjectError("special", path, "this is a device or pipe, not a project file.")
        with open(path, "rb") as file:
            start = file.read(8)
    except FileNotFoundError:
        raise ProjectError("missing", path, f"there is no such file in {path.parent}.") from None
    except PermissionError:
        raise ProjectError("unreadable", path, "you have no permission to read this file.") from None
    except OSError as error:
        raise ProjectError("special", path, f"the file cannot be opened ({error.strerror}).") from None
    if not start:
        raise ProjectError("empty", path, "the file is empty.")
    if start != SIGNATURE:
        kind = "a zip archive or PyTorch file" if start.startswith(b"PK") else "another kind of file"
        raise ProjectError("foreign", path, f"this is {kind}, not a project of the studio.")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The root group, read-only; whatever HDF5 cannot make sense of becomes a ProjectError."""
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_file_locking(False, True)  # files are only ever replaced, and network drives often have no locks
    try:
        file = h5f.open(os.fsencode(path), h5f.ACC_RDONLY, access)
        try:
            yield h5g.open(file, b"/")
        finally:
            file.close()
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        reason = str(error)
        if "truncated file" in reason:
            raise ProjectError("truncated", path, "the end of the file is missing.") from None
        raise ProjectError("damaged", path, f"the file's structure cannot be read ({reason}).") from None


def _version(root: Any, form: str, path: Path) -> int:
    names = {name for name in ATTRIBUTES if h5a.exists(root, name)}
    if b"format" not in names or _attribute(root, b"format", path) != form:
        raise ProjectError(
            "foreign", path, f"this HDF5 file is not a {form.removeprefix('dgm-studio ')} of the studio."
        )
    schema = _attribute(root, b"schema", path) if b"schema" in names else None
    if not isinstance(schema, int) or schema < 1:
        raise ProjectError("schema", path, "the version of its format is missing or is no version of the studio.")
    if schema > fmt.SCHEMA:
        raise ProjectError(
            "newer",
            path,
            f"it was made by a newer studio (format {schema}; this one reads up to {fmt.SCHEMA}). It was left as it "
            "is; update the studio to open it.",
        )
    if b"complete" not in names or _attribute(root, b"complete", path) != 1:
        raise ProjectError("incomplete", path, "writing this file was never finished.")
    if names != ATTRIBUTES or h5a.get_num_attrs(root) != len(ATTRIBUTES):
        raise ProjectError("manifest", path, "its root has attributes missing or added.")
    return schema


def _attribute(root: Any, name: bytes, path: Path) -> Any:
    """A scalar whole number or short text; None for anything else."""
    attribute = h5a.open(root, name)
    kind, space = attribute.get_type(), attribute.get_space()
    if space.get_simple_extent_type() != h5s.SCALAR:
        return None
    if isinstance(kind, h5t.TypeIntegerID):
        number = np.zeros((), np.int64)
        attribute.read(number)
        return int(number)
    if isinstance(kind, h5t.TypeStringID) and not kind.is_variable_str() and kind.get_size() <= 64:
        text = np.zeros((), f"S{kind.get_size()}")
        attribute.read(text)
        return text.item().decode("ascii", "replace")
    return None


def _manifest(root: Any, path: Path, size: int) -> tuple[dict[str, Entry], dict[str, str]]:
    name = fmt.MANIFEST.encode()
    if name not in root or root.links.get_info(name).type != h5l.TYPE_HARD:
        raise ProjectError("manifest", path, "the manifest is missing.")
    dataset = h5o.open(root, name)
    extent = dataset.shape if isinstance(dataset, h5d.DatasetID) else None
    if extent is None or len(extent) != 1 or extent[0] > fmt.MAX_MANIFEST:
        raise ProjectError("manifest", path, "the manifest is no text of a possible length.")
    entry = Entry("uint8", extent, _attribute(root, b"manifest_sha256", path) or "")
    contents = Contents(path, fingerprint(path), fmt.SCHEMA, {}, {fmt.MANIFEST: entry})
    contents._offsets[fmt.MANIFEST] = _located(root, fmt.MANIFEST, entry, path, size)
    data = b"".join(Stored(contents, fmt.MANIFEST).chunks())
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise ProjectError("manifest", path, "the manifest does not match its checksum.")
    return fmt.read_manifest(data, path, size)


def _tree(paths: list[str], file: Path) -> dict[str, Any]:
    """Groups as dicts, datasets as None."""
    tree: dict[str, Any] = {}
    for path in paths:
        *groups, name = path.split("/")
        here = tree
        for group in groups:
            here = here.setdefault(group, {})
            if here is None:
                break
        if here is None or name in here:
            raise ProjectError("manifest", file, f"the manifest has something else in the place of {path}.")
        here[name] = None
    return tree


def _check_links(group: Any, expected: dict[str, Any], path: Path, place: str) -> None:
    """Every name in the manifest is there as a hard link, and no other is."""
    if group.get_num_objs() != len(expected):
        raise ProjectError("unsafe", path, f"{place or '/'} does not hold what the manifest lists.")
    links: dict[bytes, int] = {}

    def note(name: bytes, info: Any) -> None:
        links[name] = info.type

    group.links.iterate(note, info=True)
    for name, below in expected.items():
        here = f"{place}/{name}"
        if links.get(name.encode()) != h5l.TYPE_HARD:
            raise ProjectError("unsafe", path, f"{here} is missing, or points to somewhere else.")
        if below is not None:
            inner = h5o.open(group, name.encode())
            if not isinstance(inner, h5g.GroupID):
                raise ProjectError("unsafe", path, f"{here} is not a group.")
            _check_links(inner, below, path, here)


def _located(root: Any, path: str, entry: Entry, file: Path, size: int) -> int | bytes:
    """Where a dataset's bytes lie, after checking that they are its own, plain and as many as it declares."""
    dataset = h5o.open(root, path.encode())
    if not isinstance(dataset, h5d.DatasetID):
        raise ProjectError("unsafe", file, f"{path} is not a dataset.")
    space = dataset.get_space()
    simple = space.get_simple_extent_type() in (h5s.SIMPLE, h5s.SCALAR)
    if not simple or space.get_simple_extent_dims() != entry.shape or not dataset.get_type().equal(DTYPES[entry.dtype]):
        raise ProjectError("unsafe", file, f"{path} has another type or shape than the manifest says.")
    if entry.nbytes == 0:
        return b""
    if dataset.get_storage_size() != entry.nbytes:
        raise ProjectError("unsafe", file, f"{path} declares more than it stores.")
    offset = dataset.get_offset()  # there is none unless the bytes lie in one piece in this file
    if offset is None:
        return _compact(dataset, path, entry, file)
    if offset + entry.nbytes > size:
        raise ProjectError("truncated", file, f"{path} lies beyond the end of the file.")
    return int(offset)


def _compact(dataset: Any, path: str, entry: Entry, file: Path) -> bytes:
    """Bytes that stand in the dataset's own header."""
    if dataset.get_create_plist().get_layout() != h5d.COMPACT:
        raise ProjectError("unsafe", file, f"{path} is stored in a way that no project uses.")
    array = np.empty(entry.shape, entry.dtype)
    dataset.read(h5s.ALL, h5s.ALL, array)
    return bytes(fmt.raw(array))
