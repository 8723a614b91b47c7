"""The file of a project as it was opened or last saved, seen again later.

Another program may have changed it, another window may have taken its lock, another file its name: each is noticed
before anything is written, and what was opened stays readable.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dgm_studio.store import format as fmt
from dgm_studio.store.errors import Code, ProjectError
from dgm_studio.store.lock import Lock
from dgm_studio.store.reading import Contents, Fingerprint, Recognition, fingerprint, known_by
from dgm_studio.store.saving import TEMPORARY


class OpenedFile:
    """`contents`: what is in it. It is held open from `hold` to `close`."""

    def __init__(self, contents: Contents, lock: Lock | None) -> None:
        """`lock`: None when the file is only to be read."""
        self.path = contents.path
        self.contents = contents
        self._lock = lock
        self._held: int | None = None  # its descriptor
        self.recognition: Recognition | None = None  # what it can be known by later, unless it has changed already

    def hold(self) -> None:
        """Keep it open, so that it can be read when another takes its name."""
        self._let_go()
        self.recognition = None
        with suppress(OSError):
            self._held = os.open(self.contents.path, os.O_RDONLY)
            found = known_by(os.fstat(self._held))
            self.recognition = found if found[:4] == self.contents.fingerprint else None

    def saved(self, contents: Contents) -> None:
        """It has been replaced by a file that holds `contents`."""
        self.contents = contents
        self.hold()

    def moved(self, path: Path, lock: Lock) -> None:
        """What was just saved lies under another name, and this is the lock there."""
        self._release()
        self.path, self._lock = path, lock

    def close(self) -> None:
        """Let another window save it."""
        self._release()
        self._let_go()

    def changed(self) -> Code | None:
        """What `require_unchanged` has to say, as a code; None when the file is as it was."""
        try:
            self.require_unchanged()
        except ProjectError as error:
            return error.code
        return None

    def require_unchanged(self) -> None:
        """Raise ProjectError unless the file is still the one that was opened."""
        if fingerprint(self.path) != self.contents.fingerprint:
            raise ProjectError(
                "conflict",
                self.path,
                "another program has changed the file since it was opened. Save under another name to keep both.",
            )

    def require_lock(self) -> None:
        """Raise ProjectError unless the lock is still ours."""
        lock = self._lock
        if lock is None or lock.keep():
            return
        if lock.holder:
            text = f"{lock.holder} has taken the project over. Save under another name to keep what is here."
            raise ProjectError("conflict", self.path, text)
        raise ProjectError("read-only", self.path, lock.notice)

    def keep_backup(self) -> None:
        """Where it is of an older format, keep it beside the new one. Raises OSError."""
        if self.contents.schema < fmt.SCHEMA:
            backup = self.path.with_name(f"{self.path.name}.format-{self.contents.schema}.bak")
            if not backup.exists():
                try:
                    os.link(self.path, backup)
                except OSError:  # a file system without links
                    _copy(self.path, backup)

    @contextmanager
    def readable(self, beside: Path) -> Iterator[None]:
        """Where another file has taken the name of the one that was opened, that one can be read again meanwhile: from
        a copy beside `beside`, because HDF5 does not read files without a name. Raises ProjectError."""
        contents = self.contents
        path, known = contents.path, contents.fingerprint
        copy = beside.with_name(f"{beside.name}.{os.getpid()}-held{TEMPORARY}")
        try:
            if self._held is not None and not _is(path, known) and _is(Path(f"/dev/fd/{self._held}"), known):
                with open(self._held, "rb", closefd=False) as held, open(copy, "xb") as file:
                    held.seek(0)
                    shutil.copyfileobj(held, file)
                contents.path, contents.fingerprint = copy, fingerprint(copy)
            yield
        except OSError as error:
            text = f"it could not be saved ({error.strerror}). What was saved before is untouched."
            raise ProjectError("unwritable", beside, text) from error
        finally:
            contents.path, contents.fingerprint = path, known
            copy.unlink(missing_ok=True)

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None


def _is(path: Path, known: Fingerprint) -> bool:
    try:
        return fingerprint(path) == known
    except ProjectError:
        return False


def _copy(path: Path, target: Path) -> None:
    """Copy `path`, so that `target` is whole or not there. Raises OSError."""
    partial = path.with_name(f"{path.name}.{os.getpid()}-copy{TEMPORARY}")
    try:
        shutil.copy2(path, partial)
        with open(partial, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
