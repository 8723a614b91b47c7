"""Downloads that can be watched, cancelled and continued, and that keep only what has the published checksum.

The network is listened to in a thread of its own (connection.py): looking up a name, connecting and reading can each
hang for minutes, and only from outside can that be cancelled at once.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from dgm_studio.datasets.base import BadData, Report
from dgm_studio.datasets.connection import LOOK, Line, Unreachable
from dgm_studio.datasets.files import reading
from dgm_studio.number_texts import bytes_text

PATIENCE = 15.0  # seconds in which something must arrive
ROOM = 2**24  # bytes that are left free on the disk


@dataclass(frozen=True)
class RemoteFile:
    """A file that is published at several addresses."""

    name: str
    size: int  # bytes
    md5: str  # as published
    addresses: tuple[str, ...]


def cache_folder() -> Path:
    """Where downloads are kept, by the habits of the system."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "dgm-studio" / "data"


def fetch(file: RemoteFile, folder: Path, report: Report, patience: float = PATIENCE) -> Path:
    """The file in `folder`, downloaded unless it is there with the right checksum.

    What has arrived is kept in NAME.part, also when `report` raises to cancel, and the next call goes on from there.
    One process downloads at a time; others wait for it. Raises BadData when no address gives the file, and when what
    they gave has a wrong checksum (it is removed).
    """
    target = folder / file.name
    if _matches(target, file):
        return target
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(target, report):
        return target if _matches(target, file) else _from_somewhere(file, target, report, patience)


def _from_somewhere(file: RemoteFile, target: Path, report: Report, patience: float) -> Path:
    partial = target.with_name(f"{file.name}.part")
    problems = []
    if target.exists():
        problems.append(f"the file that is in {target.parent} has not the published checksum")
    for address in file.addresses:
        host = urlsplit(address).netloc
        try:
            continued = _size(partial) > 0
            _download(file, address, partial, report, patience)
            if continued and not _matches(partial, file):  # perhaps its beginning was of another file
                _remove(partial)
                _download(file, address, partial, report, patience)
        except Unreachable as problem:
            problems.append(f"{host}: {problem}")
            continue
        if _matches(partial, file):
            with _writing(target):
                os.replace(partial, target)
            return target
        _remove(partial)
        problems.append(f"{host}: the checksum is not the published one, so the file was removed")
    arrived = _size(partial)
    kept = f" The first {bytes_text(arrived)} are kept, and the next try goes on from there." if arrived else ""
    raise BadData(
        f"{file.name} could not be downloaded ({'; '.join(problems)}).{kept} Without a network, put the file into "
        f"{target.parent}, or choose data that is on this machine."
    )


@contextmanager
def _alone(target: Path, report: Report) -> Iterator[None]:
    """Wait until no other window downloads the same file. `report` may raise to cancel."""
    from dgm_studio.store.lock import lock_path, take  # imports HDF5, which data that is here already does not need

    while True:
        lock = take(lock_path(target))
        if lock.mine:
            break
        if not lock.holder:
            raise BadData(f"{target.name} cannot be downloaded: {target.parent} cannot be written. {lock.notice}")
        report(0.0, f"Waiting for {lock.holder}, which downloads {target.name}")
        time.sleep(LOOK)
    try:
        yield
    finally:
        lock.release()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _remove(path: Path) -> None:
    with _writing(path):
        path.unlink()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What can go wrong with the disk, as a sentence; apart from what can go wrong with the network."""
    try:
        yield
    except OSError as error:
        raise BadData(f"{path} cannot be written: {error.strerror or error}. What had arrived is kept.") from None


def _matches(path: Path, file: RemoteFile) -> bool:
    if not path.is_file() or _size(path) != file.size:
        return False
    with reading(path), open(path, "rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == file.md5


def _download(file: RemoteFile, address: str, partial: Path, report: Report, patience: float) -> None:
    """Append to `partial` until it has the file's size. Raises Unreachable, and whatever `report` raises."""
    have = _size(partial)
    if have > file.size:
        _remove(partial)
        have = 0
    if have == file.size:
        return
    with _writing(partial):
        free = shutil.disk_usage(partial.parent).free
    if free < file.size - have + ROOM:
        raise BadData(
            f"{file.name} needs {bytes_text(file.size - have)} in {partial.parent}; {bytes_text(free)} are free. Make "
            f"room there, and try again."
        )
    text = f"Connecting to {urlsplit(address).netloc}"

    def go_on() -> None:
        report(have / file.size, text)

    go_on()
    line = Line(address, have, file.size, patience)
    try:
        have = line.begins(go_on)
        with _writing(partial), open(partial, "ab" if have else "wb", buffering=0) as output:
            while have < file.size:
                block = line.take(go_on)
                if not block:
                    raise Unreachable(f"the connection ended after {bytes_text(have)} of {bytes_text(file.size)}")
                _write_all(output, block)
                have += len(block)
                text = f"Downloading {file.name}: {bytes_text(have)} of {bytes_text(file.size)}"
                go_on()
    finally:
        line.hang_up()


def _write_all(output: io.RawIOBase | IO[bytes], block: bytes) -> None:
    """A disk that fills takes a part before it refuses the rest."""
    left = memoryview(block)
    while left:
        left = left[output.write(left) or 0 :]
