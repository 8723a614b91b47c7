"""A first look at a file from elsewhere, in a process of its own.

A file can be made, or be damaged, so that HDF5 crashes, never returns or takes all memory; in our process that would
end the window and the training in it. `preflight` has another process do what opening does, and read every header,
before ours does. It costs about 0.4 s, so it is for files that are not familiar: whoever opens projects can remember
what those can be known by that this studio has opened or saved. A file is no longer familiar when anything of it was
changed, even if its size and times were set back. What a disk changes by itself, HDF5's own checksums notice.

The process may take a time that grows with the number of datasets that could be in the file, a stack no larger than any
thread's and, where the system knows such a limit (Linux does), 512 MiB of memory.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import get_args

from dgm_studio.store import format as fmt
from dgm_studio.store.errors import Code, ProjectError
from dgm_studio.store.reading import Recognition, inspect, recognition, require_hdf5

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

MEMORY = 512 * 2**20  # bytes beyond those of an interpreter that has imported HDF5; the largest manifest takes 200 MB
STACK = 512 * 2**10  # bytes, what macOS gives a thread: HDF5 calls itself for types within types
SECONDS = 10.0  # for any file
SECONDS_PER_DATASET = 1e-3  # several times what is measured
BYTES_PER_DATASET = 512  # its header and its line in the manifest take more
MOST_SECONDS = 120.0

ARRAYS = "arrays"  # files of data; the other forms are those of format.py

_COMMAND = [sys.executable, "-P", "-m", "dgm_studio.store.preflight"]


def preflight(path: Path) -> Recognition:
    """Look at a project and at what lies in its work folder. Returns what this very file can be known by later. Raises
    ProjectError for a file that cannot, or should not, be opened."""
    path = path.expanduser()
    require_hdf5(path)
    path = path.resolve()  # what a training has left lies beside the file itself, not beside a link to it
    found = recognition(path)
    _look(path, [path], fmt.PROJECT)
    for folder in fmt.work_folders(path):
        parts = sorted(folder.glob(f"*/*{fmt.PART}"))
        if parts:
            _look(folder, parts, fmt.WORK)
    return found


def look_at_unfamiliar(path: Path, familiar: Collection[tuple[int, ...]]) -> None:
    """`preflight`, unless this very file is among those known. Raises ProjectError."""
    require_hdf5(path)
    if recognition(path) not in familiar:
        preflight(path)


def look_at_arrays(path: Path) -> None:
    """Look at an HDF5 file of data (see arrays.py). Raises ProjectError for one that should not be opened."""
    _look(path.absolute(), [path.absolute()], ARRAYS)


def allowed_seconds(size: int) -> float:
    """How long looking at `size` bytes may take."""
    return min(SECONDS + size / BYTES_PER_DATASET * SECONDS_PER_DATASET, MOST_SECONDS)


def _look(place: Path, files: Sequence[Path], form: str) -> None:
    """Have another process look at `files`; `place` is what an error names."""
    try:
        seconds = allowed_seconds(sum(file.stat().st_size for file in files))
        task = {"files": [str(file) for file in files], "form": form, "seconds": seconds}
        done = subprocess.run(
            _COMMAND,
            input=json.dumps(task).encode(),
            env=_environment(),
            capture_output=True,
            timeout=seconds,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise _stopped(place, f"took more than {seconds:.0f} s, far longer than a project of its size takes") from None
    except OSError as error:
        raise _not_started(place, str(error)) from None
    if done.returncode == -getattr(signal, "SIGXCPU", 0):
        raise _stopped(place, f"took more than {seconds:.0f} s, far longer than a project of its size takes")
    if done.returncode < 0:
        raise _stopped(place, f"crashed ({signal.Signals(-done.returncode).name})")
    if done.returncode > 0:
        last_line = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise _not_started(place, last_line or f"exit status {done.returncode}")
    if done.stdout:
        code, text = json.loads(done.stdout)
        assert code in get_args(Code)
        raise ProjectError(code, place, text)


def _stopped(place: Path, what: str) -> ProjectError:
    text = f"looking at it in a process of its own {what}. It was not opened, and is as it was."
    if place.suffix == fmt.WORK_SUFFIX:
        text += " To open the project without what a training has left there, move this folder elsewhere."
    return ProjectError("unsafe", place, text)


def _not_started(place: Path, reason: str) -> ProjectError:
    text = f"it could not be looked at in a process of its own ({reason}), so it was not opened. It is as it was."
    return ProjectError("unreadable", place, text)


def _environment() -> dict[str, str]:
    """Ours, with the studio within reach, and one thread for numbers: each would count as memory."""
    root = str(Path(__file__).parents[2])
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([root, *others]),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


# In the other process.


def _main() -> None:
    task = json.load(sys.stdin)
    _limit(task["seconds"])
    threading.stack_size(STACK)
    thread = threading.Thread(target=_inspect, args=([Path(file) for file in task["files"]], task["form"]))
    thread.start()
    thread.join()


def _inspect(files: Sequence[Path], form: str) -> None:
    """Do to HDF5 what opening and reading these files would, and print what is wrong with a project or with data."""
    for file in files:
        try:
            if form == ARRAYS:
                _walk(file)
            else:
                contents = inspect(file, form)
                contents.locate(contents.entries)
        except ProjectError as error:
            if form != fmt.WORK:  # a bad part of a work folder is left out when its project is opened
                print(json.dumps([error.code, error.text]))
        except MemoryError:
            text = f"looking at it took more than {MEMORY // 2**20} MiB of memory. It was not opened, and is as it was."
            print(json.dumps(["unsafe", text]))
            return  # one sentence is enough, and is all that is read


def _walk(file: Path) -> None:
    """Go through a file of data. Raises ProjectError("foreign") with what is wrong."""
    from dgm_studio.store import arrays  # which imports this module

    try:
        arrays.walk(file)
    except arrays.UnreadableArrays as error:
        raise ProjectError("foreign", file, str(error)) from None


def _limit(seconds: float) -> None:
    if resource is not None:
        lower(resource.RLIMIT_CORE, 0)
        lower(resource.RLIMIT_CPU, int(seconds) + 1)  # even if nobody waits for us any more
        used = _address_space()
        if used:
            lower(resource.RLIMIT_AS, used + MEMORY)


def lower(kind: int, limit: int) -> None:
    """Set a limit of this process, unless it has a stricter one."""
    soft, hard = resource.getrlimit(kind)
    if soft == resource.RLIM_INFINITY or limit < soft:
        resource.setrlimit(kind, (limit, hard))


def _address_space() -> int:
    """Bytes of address space in use; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


if __name__ == "__main__":
    _main()
