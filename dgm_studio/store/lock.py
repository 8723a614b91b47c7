"""One writer per project: NAME.dgm.lock holds the process and computer of the window that may save.

The system releases a lock when its holder dies, so a dead holder's lock is simply taken. Where the file system knows no
locks, the process named in the file is looked for instead, and `notice` says that this protects less.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from dgm_studio.store.errors import ProjectError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


@dataclass
class Lock:
    """`mine` while this process may save. Otherwise `holder` names who may, or `notice` says why nobody can here."""

    path: Path
    holder: str = ""
    notice: str = ""
    _file: int | None = None

    @property
    def mine(self) -> bool:
        return self._file is not None

    def release(self) -> None:
        """Let others save. The file goes while the lock is still held, so that nobody can take one that is gone."""
        if self._file is None:
            return
        self.path.unlink(missing_ok=True)
        os.close(self._file)
        self._file = None


def take(path: Path) -> Lock:
    """Take the lock at `path`, or tell who has it."""
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except OSError as error:
            return Lock(path, notice=f"Changes cannot be saved here: {path.parent} is not writable ({error.strerror}).")
        taken, notice = _locked(file)
        if not taken:
            holder = _holder(file)
            os.close(file)
            return Lock(path, holder=holder, notice=notice)
        if _is_still(path, file):
            break
        os.close(file)  # its holder removed it between our opening and locking it
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode()
    os.ftruncate(file, 0)
    os.pwrite(file, text, 0)
    return Lock(path, notice=notice, _file=file)


def lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def held(path: Path) -> Lock:
    """The lock of the project at `path`, or ProjectError that says why it cannot be had."""
    lock = take(lock_path(path))
    if lock.mine:
        return lock
    if lock.holder:
        raise ProjectError("conflict", path, f"{lock.holder} has a project of that name open.")
    raise ProjectError("read-only", path, lock.notice)


def if_writable(path: Path) -> Lock:
    """The lock of the project at `path`; not ours where saving would be against a write protection."""
    if not path.stat().st_mode & 0o222 or not os.access(path, os.W_OK):
        return Lock(lock_path(path), notice="The file is write-protected. Changes can be saved under another name.")
    return take(lock_path(path))


def _locked(file: int) -> tuple[bool, str]:
    """Whether the lock is ours now, and what is to be said about it."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True, ""
        except BlockingIOError:
            return False, ""
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
    pid, host = _owner(file)
    if host and host != socket.gethostname():
        return False, f"If the window on {host} is gone, delete the .lock file. This file system has no locks to tell."
    if pid and _alive(pid):
        return False, ""
    return True, "This file system has no locks: a window on another computer could save the same project."


def _owner(file: int) -> tuple[int, str]:
    try:
        value = json.loads(os.pread(file, 4096, 0))
        return int(value["pid"]), str(value["host"])
    except (ValueError, KeyError, TypeError):  # just created, or not ours
        return 0, ""


def _holder(file: int) -> str:
    pid, host = _owner(file)
    return f"pid {pid} on {host}" if pid else "another window"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_still(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False
