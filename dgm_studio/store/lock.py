"""One writer per project: NAME.dgm.lock holds the process and computer of the window that may save.

The system releases a lock when its holder dies, so a dead holder's lock is simply taken. Where the file system knows no
locks, the process named in the file is looked for instead, and `notice` says that this protects less. A person may
delete the file; its holder notices at its next save (`Lock.keep`).
"""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dgm_studio.store.errors import ProjectError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK_SUFFIX = ".lock"
_BESIDE = 40  # bytes: more than any ending of a name beside the project (.lock, .work, .format-2.bak, .PID-RANDOM.tmp)
_BELOW = 120  # bytes: more than any path within the work folder
_NAME_MAX, _PATH_MAX = 255, 4096  # bytes, where the system does not say

_TRIES = (
    20  # of taking a lock whose file others make and remove, or of which the file system tells something else each time
)
_NOBODY = (0, "")

_PROTECTS_LESS = "This file system has no locks: a window on another computer could save the same project."


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

    def keep(self) -> bool:
        """Whether the lock is still ours. One that somebody deleted is taken again, unless another window was quicker:
        `holder` and `notice` tell."""
        if self._file is not None and _is_still(self.path, self._file) and _owner(self._file) in (_us(), _NOBODY):
            return True
        self._let_go()
        again = take(self.path)
        self.holder, self.notice, self._file = again.holder, again.notice, again._file
        return self.mine

    def release(self) -> None:
        """Let others save. The file goes while the lock is still held, so that nobody can take one that is gone."""
        if self._file is not None and _is_still(self.path, self._file):
            with suppress(OSError):  # what stays behind is taken over
                self.path.unlink()
        self._let_go()

    def _let_go(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def take(path: Path) -> Lock:
    """Take the lock at `path`, or tell who has it. Never raises for what the file system refuses."""
    for attempt in range(_TRIES):
        try:
            file, writable = _opened(path)
        except OSError as error:
            return Lock(path, notice=_refused(path, error))
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            return Lock(path, notice=_refused(path, OSError(errno.EISDIR, "not a file")))
        taken, notice = _locked(file)
        if not taken:
            holder = _holder(file)
            os.close(file)
            return Lock(path, holder=holder, notice=notice)
        if _is_still(path, file) or attempt == _TRIES - 1:
            if writable:
                break
            try:
                path.unlink()  # its holder is gone, and it was somebody else's file: one of our own can take its place
            except OSError as error:
                os.close(file)
                return Lock(path, notice=_refused(path, error))
        os.close(file)  # also when its holder removed it between our opening and locking it
    with suppress(OSError):  # a full disk: the lock holds all the same, but others are not told by whom
        os.ftruncate(file, 0)
        pid, host = _us()
        os.pwrite(file, json.dumps({"pid": pid, "host": host}).encode(), 0)
    return Lock(path, notice=notice, _file=file)


def lock_path(path: Path) -> Path:
    return path.with_name(path.name + LOCK_SUFFIX)


def held(path: Path) -> Lock:
    """The lock of the project at `path`, or ProjectError that says why it cannot be had."""
    lock = take(lock_path(path))
    if lock.mine:
        return lock
    if lock.holder:
        raise ProjectError("conflict", path, f"{lock.holder} has a project of that name open.")
    raise ProjectError("read-only", path, lock.notice)


def if_writable(path: Path) -> Lock:
    """The lock of the project at `path`; not ours where saving would be against a write protection or impossible."""
    try:
        protected = not path.stat().st_mode & 0o222 or not os.access(path, os.W_OK)
    except OSError as error:  # it went meanwhile, or its disk did
        return Lock(lock_path(path), notice=f"Changes cannot be saved here: {error.strerror}.")
    if protected:
        return Lock(lock_path(path), notice="The file is write-protected. Changes can be saved under another name.")
    try:
        require_room(path)
    except ProjectError as error:
        return Lock(lock_path(path), notice=f"Changes cannot be saved here: {error.text}")
    return take(lock_path(path))


def is_open(path: Path) -> bool:
    """Whether a window has the project at `path` open for saving; the project itself need not be there any more."""
    if not os.path.lexists(lock_path(path)):
        return False
    lock = take(lock_path(path))
    free = lock.mine
    lock.release()
    return not free


def require_room(path: Path) -> None:
    """Raise ProjectError when the name is so long that what stands beside a project could not be written."""
    name, whole = len(os.fsencode(path.name)), len(os.fsencode(path))
    longest = _limit(path.parent, "PC_NAME_MAX", _NAME_MAX) - _BESIDE
    if name > longest:
        text = f"the name is too long ({name} bytes; up to {longest} are possible here). Choose a shorter one."
        raise ProjectError("unwritable", path, text)
    if whole > _limit(path.parent, "PC_PATH_MAX", _PATH_MAX) - _BESIDE - _BELOW:
        text = f"the folders above it have {whole - name} bytes of names, which is too long. Choose another place."
        raise ProjectError("unwritable", path, text)


def _limit(folder: Path, name: str, otherwise: int) -> int:
    try:
        found = os.pathconf(folder, name)
    except (OSError, ValueError, AttributeError):
        return otherwise
    return found if found > 0 else otherwise


def _opened(path: Path) -> tuple[int, bool]:
    """The lock file, made if need be, and whether it can be written to. Raises OSError."""
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        return os.open(path, flags | os.O_RDWR | os.O_CREAT, 0o666), True
    except PermissionError as error:  # nobody may write here, or it is the file of somebody else
        try:
            return os.open(path, flags | os.O_RDONLY), False
        except OSError:
            raise error from None


def _locked(file: int) -> tuple[bool, str]:
    """Whether the lock is ours now, and what is to be said about it."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True, ""
        except (BlockingIOError, PermissionError):  # network file systems answer either when another has it
            return False, ""
        except OSError:
            pass  # ENOLCK, EOPNOTSUPP, …: no locks here
    pid, host = _owner(file)
    if pid and (host != socket.gethostname() or _alive(pid)):
        where = f"on {host} is gone" if host != socket.gethostname() else "is gone"
        return False, f"If that window {where}, delete the .lock file. This file system has no locks to tell."
    return True, _PROTECTS_LESS


def _refused(path: Path, error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
        return f"Changes cannot be saved here: something else stands in the place of {path.name}. Remove it first."
    return f"Changes cannot be saved here: {path.parent} is not writable ({error.strerror})."


def _us() -> tuple[int, str]:
    return os.getpid(), socket.gethostname()


def _owner(file: int) -> tuple[int, str]:
    try:
        value = json.loads(os.pread(file, 4096, 0))
        return max(int(value["pid"]), 0), str(value["host"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):  # just created, or not ours
        return _NOBODY


def _holder(file: int) -> str:
    pid, host = _owner(file)
    return f"pid {pid} on {host}" if pid else "another window"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _is_still(path: Path, file: int) -> bool:
    """Whether the open file is the one that has the name."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(file))
    except OSError:  # gone, or the network drive is
        return False
