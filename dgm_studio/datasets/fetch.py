"""Downloads that can be watched, cancelled and continued, and that keep only what has the published checksum.

The network is listened to in a thread of its own (`_Line`): looking up a name, connecting and reading can each hang for
minutes, and only from outside can that be cancelled at once.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import queue
import re
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from dgm_studio import __version__
from dgm_studio.datasets.base import BadData, Report
from dgm_studio.datasets.files import bytes_text, reading

BLOCK = 2**16
WAITING = 16  # blocks that have arrived and are not yet written
LOOK = 0.1  # seconds between two looks at whether to go on
PATIENCE = 15.0  # seconds in which something must arrive
SLOWEST = 1000  # bytes a second that must arrive; with less, another address is tried
ROOM = 2**24  # bytes that are left free on the disk


@dataclass(frozen=True)
class RemoteFile:
    """A file that is published at several addresses."""

    name: str
    size: int  # bytes
    md5: str  # as published
    addresses: tuple[str, ...]


class _Unreachable(Exception):
    """One address did not give the file; what arrived is kept."""


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
        except _Unreachable as problem:
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
    """Append to `partial` until it has the file's size. Raises _Unreachable, and whatever `report` raises."""
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
    line = _Line(address, have, file.size, patience)
    try:
        have = line.begins(go_on)
        with _writing(partial), open(partial, "ab" if have else "wb", buffering=0) as output:
            while have < file.size:
                block = line.take(go_on)
                if not block:
                    raise _Unreachable(f"the connection ended after {bytes_text(have)} of {bytes_text(file.size)}")
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


class _Line:
    """One request for a file from byte `have` on, listened to in a thread of its own until `hang_up`.

    `begins` gives where in the file the answer begins, then `take` what arrived, and nothing at the end. Both call
    `go_on` several times a second, which may raise, and raise _Unreachable when too little comes.
    """

    def __init__(self, address: str, have: int, size: int, patience: float) -> None:
        self._address, self._have, self._size, self._patience = address, have, size, patience
        self._arrived: queue.Queue[int | bytes | _Unreachable] = queue.Queue(WAITING)
        self._hung_up = threading.Event()
        self._waited, self._count = 0.0, 0  # seconds, and what arrived in them
        threading.Thread(target=self._listen, name="download", daemon=True).start()

    def begins(self, go_on: Callable[[], None]) -> int:
        start = self._next(go_on)
        assert isinstance(start, int), "the place comes first"
        self._waited = 0.0
        return start

    def take(self, go_on: Callable[[], None]) -> bytes:
        block = self._next(go_on)
        assert isinstance(block, bytes), "after the place come bytes"
        self._count += len(block)
        return block

    def hang_up(self) -> None:
        """The thread ends when the network next says something, or after its patience; nobody waits for it."""
        self._hung_up.set()

    def _next(self, go_on: Callable[[], None]) -> int | bytes:
        while True:
            begin = time.monotonic()
            try:
                item = self._arrived.get(timeout=LOOK)
            except queue.Empty:
                item = None
            self._waited += time.monotonic() - begin
            if isinstance(item, _Unreachable):
                raise item
            if self._waited > self._patience:
                if self._count < SLOWEST * self._waited:
                    what = f"only {bytes_text(self._count)}" if self._count else "nothing"
                    raise _Unreachable(f"{what} arrived for {self._patience:g} seconds")
                self._waited, self._count = 0.0, 0
            if item is not None:
                return item
            go_on()

    def _listen(self) -> None:
        try:
            with _request(self._address, self._have, self._patience) as answer:
                start = _start(answer, self._have, self._size)
                self._give(start)
                left = self._size - start
                # read1 returns what is there, so that a slow line is reported often
                while not self._hung_up.is_set() and (block := answer.read1(min(BLOCK, left))):
                    self._give(block)
                    left -= len(block)
                self._give(b"")
        except _Unreachable as problem:
            self._give(problem)
        except urllib.error.HTTPError as error:
            error.close()
            circle = "the server sends from one address to the next without end"
            said = f"the server answered {error.code} {error.reason}"
            self._give(_Unreachable(circle if 300 <= error.code < 400 else said))
        except TimeoutError:
            self._give(_Unreachable(f"nothing arrived for {self._patience:g} seconds"))
        except urllib.error.URLError as error:
            self._give(_Unreachable(f"no connection ({error.reason})"))
        except Exception as error:  # whatever a server can provoke ends this request, not the program
            self._give(_Unreachable(f"the connection broke ({error or type(error).__name__})"))

    def _give(self, item: int | bytes | _Unreachable) -> None:
        while not self._hung_up.is_set():
            try:
                self._arrived.put(item, timeout=LOOK)
                return
            except queue.Full:
                continue


def _request(address: str, have: int, patience: float) -> http.client.HTTPResponse:
    headers = {"User-Agent": f"dgm-studio/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        return urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=patience)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
            raise
        error.close()
        return _request(address, 0, patience)


def _start(answer: http.client.HTTPResponse, have: int, size: int) -> int:
    """Where in the file the answer begins: at `have`, or at 0 from a server that sends the whole file."""
    if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
        told = re.match(r"bytes (\d+)-\d*(?:/(\d+))?", answer.headers.get("Content-Range", ""))
        if told is None or int(told[1]) != have:
            raise _Unreachable("the server sent another part of the file than was asked for")
        whole = told[2]
    elif answer.status == http.HTTPStatus.OK:
        have, whole = 0, answer.headers.get("Content-Length")
    else:
        raise _Unreachable(f"the server answered {answer.status} {answer.reason}")
    if whole is not None and whole.isdecimal() and int(whole) != size:
        raise _Unreachable(f"the server has another file there, of {bytes_text(int(whole))} and not {bytes_text(size)}")
    return have
