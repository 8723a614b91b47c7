"""Files that are whole or not there, and names of files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from secrets import token_hex


class NotWritten(OSError):
    """A file that could not be made or written; the sentence says why, and what to do."""


def put(path: Path, data: bytes) -> None:
    """Write a file that is whole or not there: beside its place first, then put there. Raises OSError."""
    partial = path.with_name(f".{path.name}.{os.getpid()}-{token_hex(4)}.part")
    try:
        with open(partial, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_file(path: Path, data: bytes) -> None:
    """The same, and NotWritten with a sentence where it does not work."""
    try:
        put(path, data)
    except OSError as error:
        raise NotWritten(f"{path} was not written: {error.strerror or error}. Choose another place.") from error


def short_path(path: Path) -> str:
    """A path as a person says it: ~ for the folder that is theirs."""
    home = Path.home()
    return str("~" / path.relative_to(home)) if path.is_relative_to(home) else str(path)


def file_name(*parts: str) -> str:
    """A name for a file made of titles: "vae-1 · Samples" becomes "vae-1-samples"."""
    return re.sub(r"[^\w.]+", "-", " ".join(parts)).strip("-").lower()
