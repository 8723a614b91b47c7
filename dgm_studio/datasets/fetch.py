"""Downloads that can be watched, cancelled and continued, and that keep only what has the published checksum."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dgm_studio import __version__
from dgm_studio.datasets.base import BadData, Report
from dgm_studio.datasets.files import bytes_text, reading

BLOCK = 2**16
PATIENCE = 15.0  # seconds without a byte


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
    Raises BadData when no address gives the file, and when what they gave has a wrong checksum (it is removed).
    """
    target, partial = folder / file.name, folder / f"{file.name}.part"
    if _matches(target, file):
        return target
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    problems = []
    for address in file.addresses:
        try:
            _download(file, address, partial, report, patience)
        except _Unreachable as problem:
            problems.append(f"{urlsplit(address).netloc}: {problem}")
            continue
        if _matches(partial, file):
            with _writing(target):
                os.replace(partial, target)
            return target
        with _writing(partial):
            partial.unlink()
        problems.append(f"{urlsplit(address).netloc}: the checksum is not the published one, so the file was removed")
    arrived = partial.stat().st_size if partial.exists() else 0
    kept = f" The first {bytes_text(arrived)} are kept, and the next try goes on from there." if arrived else ""
    raise BadData(
        f"{file.name} could not be downloaded ({'; '.join(problems)}).{kept} Without a network, put the file into "
        f"{folder}, or choose data that is on this machine."
    )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What can go wrong with the disk, as a sentence; apart from what can go wrong with the network."""
    try:
        yield
    except OSError as error:
        raise BadData(f"{path} cannot be written: {error.strerror or error}. What had arrived is kept.") from None


def _matches(path: Path, file: RemoteFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with reading(path), open(path, "rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == file.md5


def _download(file: RemoteFile, address: str, partial: Path, report: Report, patience: float) -> None:
    """Append to `partial` until it has the file's size. Raises _Unreachable, and whatever `report` raises."""
    have = partial.stat().st_size if partial.exists() else 0
    if have >= file.size:
        if have == file.size:
            return
        with _writing(partial):
            partial.unlink()
        have = 0
    report(have / file.size, f"Connecting to {urlsplit(address).netloc}")
    try:
        with ExitStack() as stack:
            answer = stack.enter_context(_request(address, have, patience))
            have = _start(answer, have)
            with _writing(partial):
                output = stack.enter_context(open(partial, "ab" if have else "wb", buffering=0))
            while have < file.size:
                # read1 returns what is there, so that a slow line is reported, and can be cancelled, often
                block = answer.read1(min(BLOCK, file.size - have))
                if not block:
                    raise _Unreachable(f"the connection ended after {bytes_text(have)} of {bytes_text(file.size)}")
                with _writing(partial):
                    output.write(block)
                have += len(block)
                report(have / file.size, f"Downloading {file.name}: {bytes_text(have)} of {bytes_text(file.size)}")
    except urllib.error.HTTPError as error:
        raise _Unreachable(f"the server answered {error.code} {error.reason}") from None
    except TimeoutError:
        raise _Unreachable(f"nothing arrived for {patience:g} seconds") from None
    except urllib.error.URLError as error:
        raise _Unreachable(f"no connection ({error.reason})") from None
    except (http.client.HTTPException, ConnectionError) as error:
        raise _Unreachable(f"the connection broke ({error or type(error).__name__})") from None


def _request(address: str, have: int, patience: float) -> http.client.HTTPResponse:
    headers = {"User-Agent": f"dgm-studio/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        return urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=patience)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        return _request(address, 0, patience)


def _start(answer: http.client.HTTPResponse, have: int) -> int:
    """Where in the file the answer begins: at `have`, or at 0 from a server that sends the whole file."""
    if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0
    begins = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if begins is None or int(begins[1]) != have:
        raise _Unreachable("the server sent another part of the file than was asked for")
    return have
