"""Disks that fill up at every point of a save, a checkpoint, a journal and a training: nothing may be lost.

Three kinds of full disk. "limit": no file may grow beyond some size. "call": one system call fails, each in its turn.
"mount": a real file system with some bytes left, which needs the right to mount one. Each trial begins with something
that is safe on the disk, does its work while the disk is full, and then looks: what was safe is whole and identical (or
replaced by all of the new), nothing half-made lies about, memory has the new state, a person was told, and the same
work succeeds once there is room.
"""

from __future__ import annotations

import argparse
import errno
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

STORE_TESTS = Path(__file__).parents[1] / "dgm_studio" / "store"
sys.path.insert(0, str(STORE_TESTS))

from stored_project import CONFIG, everything, fill, plain  # noqa: E402

from dgm_studio.events import Checkpoint, Finished, Preview, Progress, Started  # noqa: E402
from dgm_studio.recording import Recorder  # noqa: E402
from dgm_studio.store import Project, ProjectError  # noqa: E402
from dgm_studio.store import format as fmt  # noqa: E402
from dgm_studio.store.reading import inspect  # noqa: E402
from dgm_studio.store.saving import TEMPORARY  # noqa: E402
from dgm_studio.store.trees import flatten, restore  # noqa: E402
from dgm_studio.store.work import JOURNAL, Session, read_journal  # noqa: E402

SIZES = 120  # different sizes of every full disk
CALLS = (
    "pwrite",
    "fsync",
    "posix_fallocate",
    "copy_file_range",
    "truncate",
    "ftruncate",
    "replace",
    "chmod",
    "mkdir",
    "unlink",
    "rmdir",
)
FULL = (errno.ENOSPC, errno.EFBIG)
FILE_SYSTEMS = ("tmpfs", "ext4")
ROOM = 16 * 2**20  # bytes of each
VALUES = 20_000  # of a state: 80 kB
LINES, LINE = 100, 1000  # of a journal, and the characters of each
HEADER = {"project": "disk", "run": "r", "saves": 0, "record": {"name": "r"}}

Disk = Callable[[Path], AbstractContextManager[None]]  # full for as long as it is entered; of the folder
Work = Callable[[Path, Disk], "Outcome"]  # in an empty folder


# Full disks.


@contextmanager
def limit(size: int, _: Path) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Calls:
    """Counts system calls, and lets call number `failing` fail."""

    def __init__(self, failing: int = -1) -> None:
        self.failing, self.made = failing, 0

    @contextmanager
    def __call__(self, _: Path) -> Iterator[None]:
        with mock.patch.multiple(os, **{name: partial(self._call, getattr(os, name)) for name in CALLS}):
            yield

    def _call(self, function: Callable[..., Any], *given: Any, **named: Any) -> Any:
        self.made += 1
        if self.made == self.failing + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return function(*given, **named)


@contextmanager
def ballast(free: int, folder: Path) -> Iterator[None]:
    """Fill a file system until about `free` bytes are left."""
    file = folder / "ballast"
    with open(file, "wb", buffering=0) as stream:
        left = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
        with suppress(OSError):
            os.posix_fallocate(stream.fileno(), 0, max(1, left - free))
        os.fsync(stream.fileno())
    try:
        yield
    finally:
        file.unlink()


@contextmanager
def mounted(kind: str, folder: Path) -> Iterator[Path | None]:
    """A small file system of its own; None where none can be mounted."""
    place, image = folder / kind, folder / f"{kind}.image"
    place.mkdir()
    if kind == "tmpfs":
        commands = [["mount", "-t", kind, "-o", f"size={ROOM}", "none", str(place)]]
    else:
        image.write_bytes(bytes(ROOM))
        commands = [["mkfs.ext4", "-q", "-m", "0", str(image)], ["mount", "-o", "loop", str(image), str(place)]]
    try:
        for command in commands:
            subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{kind}: left out, it cannot be mounted here ({error})")
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


# Work.


@dataclass
class Outcome:
    """Whether the disk `refused` anything, and what was `lost`, in words."""

    refused: bool = False
    lost: list[str] = field(default_factory=list)

    def require(self, good: bool, what: str) -> None:
        if not good:
            self.lost.append(what)

    def attempt(self, disk: AbstractContextManager[None], action: Callable[[], object], bare: bool = False) -> None:
        """Do it while the disk is full; an error must say so, in a sentence unless it may be a `bare` OSError."""
        try:
            with disk:
                action()
        except ProjectError as error:
            self.refused = True
            self.require(error.code == "full" and str(error).endswith("."), f"the reason: {error.code}, {error}")
        except OSError as error:
            self.refused = True
            self.require(bare and error.errno in FULL, f"the reason: {error!r}")


def save(folder: Path, disk: Disk) -> Outcome:
    """Save changes to a project."""
    path, outcome = folder / "a.dgm", Outcome()
    with Project.create(path) as project:
        fill(project.new_run(CONFIG))
        project.save()
        safe = path.read_bytes()
        run = project.new_run(CONFIG, "second")
        fill(run)
        run.keep_checkpoint(30, flatten({"w": torch.arange(float(VALUES))}))
        project.notes = "changed"
        new = everything(project)
        outcome.attempt(disk(folder), project.save)
        outcome.require(everything(project) == new, "what is in memory")
        if path.read_bytes() == safe:
            outcome.require(outcome.refused, "a save that was said to have succeeded")
            outcome.require(project.modified, "that there is something to save")
        else:
            outcome.require(_read(path) == new, "the old file")
        left = {name for name in os.listdir(folder) if name.endswith(TEMPORARY)}
        outcome.require(not left, f"room for {left}")
        project.save()
    outcome.require(_read(path) == new, "the later save")
    return outcome


def checkpoint(folder: Path, disk: Disk) -> Outcome:
    """Write a state to a work folder that holds one already."""
    outcome, session = Outcome(), Session(folder / "work", HEADER)
    states = {step: {"w": torch.full((VALUES,), float(step)), "step": step} for step in (10, 20)}

    def kept() -> list[int]:
        """The steps of all states there; each must be what it was."""
        parts = [inspect(path, fmt.WORK) for path in session.folder.glob("checkpoint-*")]
        found = {restored["step"]: restored for part in parts for restored in [restore(part.items(), part.path)]}
        for step, state in found.items():
            outcome.require(plain(state) == plain(states[step]), f"the state of step {step}")
        return sorted(found)

    session.checkpoint(10, flatten(states[10]))
    outcome.attempt(disk(folder), lambda: session.checkpoint(20, flatten(states[20])), bare=True)
    outcome.require(kept() in ([[10], [10, 20]] if outcome.refused else [[10, 20]]), "a state")
    session.checkpoint(20, flatten(states[20]))
    outcome.require(kept() == [10, 20], "the later state")
    session.close()
    return outcome


def journal(folder: Path, disk: Disk) -> Outcome:
    """Append to a journal, line by line."""
    outcome, session = Outcome(), Session(folder / "work", HEADER)
    lines = [{"n": n, "text": "x" * LINE} for n in range(LINES)]
    done = 0

    def stored() -> list[int]:
        return [line["n"] for line in read_journal(session.folder / JOURNAL)[1:]]

    with disk(folder):
        try:
            for line in lines:
                session.append([line])
                session.sync()
                done += 1
        except OSError as error:
            outcome.refused = True
            outcome.require(error.errno in FULL, f"the reason: {error}")
    outcome.require(stored()[:done] == list(range(done)), "lines")
    session.append(lines[done:])
    outcome.require(stored() == list(range(LINES)), "later lines")
    session.close()
    return outcome


def training(folder: Path, disk: Disk) -> Outcome:
    """Record a training that begins, goes on and ends on a full disk."""
    path, outcome, said = folder / "a.dgm", Outcome(), list[str]()
    steps = np.arange(100)
    curve = {"elbo": (steps, steps.astype(np.float32))}
    state = {"step": 100, "model": {"w": torch.arange(float(VALUES))}}
    events = (
        Started(0, 100, "CPU", 1),
        Progress(100, 100, 1.0, 1.0, 1.0, "", 0, curve),
        Preview(100, np.full((16, 1, 16, 16), 7, np.uint8), True),
        Checkpoint(100, state),
        Finished(100, False),
    )
    with Project.create(path) as project:
        run = project.new_run(CONFIG)
        project.save()
        safe = path.read_bytes()

        def record() -> None:
            recorder = Recorder(project, run, report=said.append)
            for event in events:
                recorder.record(event)
            recorder.close()

        outcome.attempt(disk(folder), record)
        outcome.require(bool(said) or not outcome.refused, "the message")
        outcome.refused |= bool(said)
        new = everything(project)
        ended = run.status, run.frame_steps(), plain(run.checkpoint()), plain(run.metrics["elbo"])
        outcome.require(ended == ("finished", [100], plain(state), plain(curve["elbo"])), "what is in memory")
        outcome.require(path.read_bytes() == safe or _read(path) == new, "the old file")
        project.save()
    with Project.open(path) as again:
        outcome.require(everything(again) == new, "the later save")
        outcome.require(not again.recoveries, "that the session is part of its run")
    return outcome


WORKS: dict[str, Work] = {"save": save, "checkpoint": checkpoint, "journal": journal, "training": training}


def _read(path: Path) -> dict[str, Any]:
    with Project.open(path, read_only=True) as project:
        return everything(project)


# Trials.


def sizes(largest: int, count: int) -> list[int]:
    """From nothing to more than is needed, which is a third more than is used in the end."""
    return [int(size) for size in np.linspace(0, 1.5 * largest, count)]


def trials(kind: str, work: Work, count: int | None, folder: Path) -> Iterator[Disk]:
    """The full disks of one kind that `work` is to meet: `count` of them, or every call."""
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        calls = Calls()
        work(Path(empty), calls)
        used = sum(file.stat().st_size for file in Path(empty).rglob("*") if file.is_file())
    if kind == "call":
        for number in range(0, calls.made, max(1, calls.made // count) if count else 1):
            yield Calls(number)
    else:
        for size in sizes(used, count or SIZES):
            yield partial(limit if kind == "limit" else ballast, size)


def run(kind: str, name: str, count: int | None, folder: Path) -> Counter[str]:
    """How many trials there were, in how many the disk refused something, and in how many something was lost."""
    counts: Counter[str] = Counter()
    for number, disk in enumerate(trials(kind, WORKS[name], count, folder)):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            try:
                outcome = WORKS[name](Path(place), disk)
            except (ProjectError, OSError) as error:
                outcome = Outcome(True, [f"what comes afterwards: {error!r}"])
        counts += Counter(trials=1, refused=outcome.refused, lost=bool(outcome.lost))
        for what in outcome.lost:
            print(f"{name}, {kind} {number}: lost {what}", flush=True)
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, default=SIZES, help="of every full disk")
    parser.add_argument("--work", choices=tuple(WORKS), action="append")
    asked = parser.parse_args(arguments)
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("limit", "call", *FILE_SYSTEMS):
            with mounted(kind, folder) if kind in FILE_SYSTEMS else nullcontext(folder) as place:
                for work in (asked.work or WORKS) if place is not None else ():
                    counts = run(kind, work, None if kind == "call" else asked.sizes, place)
                    print(
                        f"{work:<12}{kind:<7} refused in {counts['refused']:>3}, lost {counts['lost']} of "
                        f"{counts['trials']}",
                        flush=True,
                    )
                    total += counts
    print(f"a full disk: refused in {total['refused']}, lost {total['lost']} of {total['trials']}")
    return 1 if total["lost"] or not total["refused"] else 0


if __name__ == "__main__":
    sys.exit(main())
