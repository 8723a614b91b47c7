"""What kills.py kills, and what a process that comes afterwards finds. Each runs in a process of its own.

Everything that is written shows which version it belongs to: all values of version n are n. `say(begin=…)` comes right
before the moment that matters, `say(done=…)` as soon as the studio has said that it is over: what was done must be
found again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stored_project import CONFIG, everything

from dgm_studio import recording
from dgm_studio.backlog import Backlog
from dgm_studio.events import Checkpoint, Finished, Preview, Progress, Started
from dgm_studio.recording import Recorder
from dgm_studio.store import Project, ProjectError, Run, check
from dgm_studio.store import format as fmt
from dgm_studio.store.reading import inspect
from dgm_studio.store.trees import flatten
from dgm_studio.store.work import JOURNAL, Session, read_journal

FIXTURES = Path(__file__).parents[1] / "dgm_studio" / "store" / "fixtures"
FILE = "a.dgm"
FRAMES, WEIGHTS = 8, 200_000
STEPS = 200_000  # in one line of the journal: large, so that many kills fall into the writing of one
DEMANDED = 7  # every seventh state of a history that is thinned is demanded
LAST = 200  # step of the trainings that come to their end

Fault = tuple[str, str]  # kind and details
Said = list[dict[str, Any]]


def say(**what: Any) -> None:
    """A line to whoever started this process; whole, whichever thread says it."""
    os.write(1, json.dumps(what | {"at": time.monotonic()}).encode() + b"\n")


def newest(said: Said) -> int:
    """The last that was done; -1 before anything was."""
    return max((what["done"] for what in said if "done" in what), default=-1)


def announced(function: Callable[..., Any], number: Callable[..., int]) -> Callable[..., Any]:
    """`function`, which says when it begins and when it is done with what `number` makes of its arguments."""

    def call(*arguments: Any) -> Any:
        which = number(*arguments)
        say(begin=which)
        result = function(*arguments)
        say(done=which)
        return result

    return call


def tensors(value: float) -> dict[str, Any]:
    weight = torch.full((WEIGHTS,), value)
    return {"step": int(value), "model": {"a": weight, "b": weight[:999]}, "optimizers": {"m": weight}}


def values_of(tree: dict[str, Any]) -> set[float]:
    parts = [tree["model"]["a"], tree["model"]["b"], tree["optimizers"]["m"]]
    return {float(tree["step"])} | {value for part in parts for value in part.unique().tolist()}


def a_project(folder: Path) -> None:
    """One that a save takes a while for."""
    with Project.create(folder / FILE) as project:
        put_version(project, project.new_run(CONFIG, name="first"), 0)
        project.save()


def put_version(project: Project, run: Run, n: int) -> None:
    project.notes = run.notes = str(n)
    run.keep_metrics({"elbo": (np.arange(1000), np.full(1000, n, np.float32))})
    run.keep_checkpoint(1, flatten(tensors(n)))
    for k in range(FRAMES):
        run.keep_frame(k, np.full((64, 16, 16), n % 251, np.uint8), True)


def same_version(project: Project) -> Iterator[Fault]:
    run = next(iter(project.runs.values()))
    n = int(project.notes)
    pictures = {int(value) for k in range(FRAMES) for value in np.unique(run.frame(k)[0])}
    found = (run.notes, set(run.metrics["elbo"][1].tolist()), values_of(run.checkpoint(1)), pictures)
    if found != (str(n), {float(n)}, {float(n)}, {n % 251}):
        yield "mixed", f"version {n} holds {found}"


class Saving:
    """Save after save."""

    endless = True
    prepare = staticmethod(a_project)

    @staticmethod
    def work(folder: Path) -> None:
        project = Project.open(folder / FILE)
        run = next(iter(project.runs.values()))
        save = announced(lambda n: project.save(), lambda n: n)
        while True:
            n = int(project.notes) + 1
            put_version(project, run, n)
            save(n)

    @staticmethod
    def judge(folder: Path, said: Said) -> Iterator[Fault]:
        check(folder / FILE)
        with Project.open(folder / FILE) as project:
            yield from same_version(project)
            saved = newest(said) if newest(said) >= 0 else said[-1]["begin"] - 1
            if project.read_only or not saved <= int(project.notes) <= saved + 1:
                yield "missing", f"version {saved} was saved, {project.notes} is there ({project.notice})"
            project.save()
        if os.listdir(folder) != [FILE]:
            yield "mixed", f"the next save left {os.listdir(folder)}"


def recorded(project: Project, room: int = 0, **patched: float) -> Recorder:
    for name, value in patched.items():
        setattr(recording, name, value)
    recorder = Recorder(project, project.new_run(CONFIG, name="killed"), room=room)
    recorder.record(Started(0, LAST, "CPU", 1))
    return recorder


def progress(first: int, count: int) -> Progress:
    steps = np.arange(first, first + count)
    metrics = {"elbo": (steps, steps.astype(np.float32)), "kl": (steps, -steps.astype(np.float32))}
    return Progress(first + count, LAST, 1.0, 1.0, 1.0, "", 0, metrics)


def curves(run: Run, at_least: int) -> Iterator[Fault]:
    """The first `at_least` steps, or more, and nothing else."""
    lengths = set()
    for key, sign in (("elbo", 1), ("kl", -1)):
        steps, values = run.metrics.get(key, (np.zeros(0), np.zeros(0)))
        lengths.add(len(steps))
        whole = np.array_equal(steps, np.arange(len(steps)))
        if not whole or not np.array_equal(values, sign * steps.astype(np.float32)):
            yield "mixed", f"{key} is not what was measured"
    if len(lengths) > 1:
        yield "mixed", f"the curves have {lengths} values"
    if min(lengths) < at_least:
        yield "missing", f"{at_least} steps were in the journal, {min(lengths)} are there"


def recovered(folder: Path, judge: Callable[[Run], Iterator[Fault]], expected: bool) -> Iterator[Fault]:
    """Recover what is offered and judge it, before and after it is saved."""
    check(folder / FILE)
    with Project.open(folder / FILE) as project:
        if len(project.recoveries) != 1:
            if project.recoveries or expected:
                yield "missing" if expected else "twice", f"{len(project.recoveries)} recoveries are offered"
            return
        try:
            (recovery,) = project.recoveries
            if recovery.problems:
                yield "unrecovered", str(recovery.problems)
            run = project.recover(recovery)
            yield from judge(run)
            project.save()
        except ProjectError as error:
            yield "unrecovered", str(error)
            return
    with Project.open(folder / FILE) as project:
        if project.recoveries:
            yield "twice", "it is offered again after it was recovered and saved"
        yield from judge(project.runs[run.id])
        yield from same_version(project)
    if os.listdir(folder) != [FILE]:
        yield "mixed", f"the save after it left {os.listdir(folder)}"


class Journal:
    """Metrics of a training."""

    endless = True
    prepare = staticmethod(a_project)

    @staticmethod
    def work(folder: Path) -> None:
        Session.append = announced(Session.append, lambda session, lines: counted(lines))  # type: ignore[method-assign]
        written = 0

        def counted(lines: list[dict[str, Any]]) -> int:
            nonlocal written
            written += sum("metrics" in line for line in lines) * STEPS
            return written

        recorder = recorded(Project.open(folder / FILE), WRITE_EVERY=0.0)
        for first in range(0, 10**9, STEPS):
            recorder.record(progress(first, STEPS))
            while recorder._lines:
                time.sleep(1e-4)

    @staticmethod
    def judge(folder: Path, said: Said) -> Iterator[Fault]:
        # the first line is written when the session is begun: without it there is nothing yet
        begun = newest(said) >= 0
        yield from recovered(folder, lambda run: curves(run, newest(said)), expected=begun)


class Checkpoints:
    """States of a training, one after the other."""

    endless = True
    prepare = staticmethod(a_project)

    @staticmethod
    def work(folder: Path) -> None:
        Session.checkpoint = announced(Session.checkpoint, lambda session, step, datasets: step)  # type: ignore[method-assign]
        recorder = recorded(Project.open(folder / FILE), WRITE_EVERY=0.0)
        for step in range(10**9):
            recorder.record(Checkpoint(step, tensors(step)))
            while recorder._states:
                time.sleep(1e-4)

    @staticmethod
    def judge(folder: Path, said: Said) -> Iterator[Fault]:
        def judge(run: Run) -> Iterator[Fault]:
            steps = run.checkpoint_steps()
            if max(steps, default=-1) < newest(said):
                yield "missing", f"the state of step {newest(said)} was kept, {steps} are there"
            for step in steps:
                if values_of(run.checkpoint(step)) != {float(step)}:
                    yield "mixed", f"the state of step {step} holds {values_of(run.checkpoint(step))}"

        yield from recovered(folder, judge, expected=True)


class Thinning:
    """States of a training's history are let go of, each time a newer one was written; every seventh is demanded."""

    endless = True
    prepare = staticmethod(a_project)

    @staticmethod
    def work(folder: Path) -> None:
        def newest_of(log: Backlog) -> int:
            return log._run.checkpoint_steps()[-1]

        Backlog._prune = announced(Backlog._prune, newest_of)  # type: ignore[method-assign]
        size = sum(item.nbytes for item in flatten(tensors(0), packed=True).values())  # type: ignore[union-attr]
        recorder = recorded(Project.open(folder / FILE), room=4 * size, WRITE_EVERY=0.0)
        for step in range(10**9):
            recorder.record(Checkpoint(step, tensors(step), demanded=step % DEMANDED == DEMANDED - 1))
            while recorder._states or recorder._backlog.states:
                time.sleep(1e-4)

    @staticmethod
    def judge(folder: Path, said: Said) -> Iterator[Fault]:
        def judge(run: Run) -> Iterator[Fault]:
            last = max(newest(said), 0)
            # the first, the newest two, and what was demanded
            wanted = {0, max(last - 1, 0), last, *range(DEMANDED - 1, last, DEMANDED)}
            steps = run.checkpoint_steps()
            if not wanted <= set(steps):
                yield "missing", f"the states {sorted(wanted - set(steps))} were kept, {steps} are there"
            for step in steps:
                if values_of(run.checkpoint(step)) != {float(step)}:
                    yield "mixed", f"the state of step {step} holds {values_of(run.checkpoint(step))}"

        yield from recovered(folder, judge, expected=True)


def train(folder: Path) -> Recorder:
    """A training of LAST steps, all of it in the work folder, that has yet to end."""
    a_project(folder)
    recorder = recorded(Project.open(folder / FILE), WRITE_EVERY=0.0)
    session = folder / f"{FILE}{fmt.WORK_SUFFIX}"
    for step in range(0, LAST, LAST // 2):
        recorder.record(progress(step, LAST // 2))
        recorder.record(Preview(step, np.zeros((64, 16, 16), np.uint8), True))
        recorder.record(Checkpoint(step + LAST // 2, tensors(step + LAST // 2)))
        while recorder._states or recorder._frames:
            time.sleep(1e-3)
    wanted = {f"checkpoint-{LAST}{fmt.PART}", f"frame-{LAST // 2}{fmt.PART}"}
    while not (
        wanted <= {path.name for path in session.glob("*/*")}
        and sum("metrics" in line for path in session.glob(f"*/{JOURNAL}") for line in read_journal(path)) == 2
    ):
        time.sleep(1e-3)
    return recorder


def trained(run: Run) -> Iterator[Fault]:
    yield from curves(run, LAST)
    if run.checkpoint_steps() != [LAST // 2, LAST]:
        yield "missing", f"the states of steps {run.checkpoint_steps()} are there"
    for step in run.checkpoint_steps():
        if values_of(run.checkpoint(step)) != {float(step)}:
            yield "mixed", f"the state of step {step} holds {values_of(run.checkpoint(step))}"
    if run.frame_steps() != [0, LAST // 2]:
        yield "missing", f"the pictures of steps {run.frame_steps()} are there"


def in_or_offered(folder: Path, said: Said) -> Iterator[Fault]:
    """The training is part of the project, or is offered; never neither, never both."""
    check(folder / FILE)
    with Project.open(folder / FILE) as project:
        offered = len(project.recoveries)
        there = [run for run in project.runs.values() if run.name.startswith("killed") and run.checkpoint_steps()]
        yield from same_version(project)
        for run in there:
            yield from trained(run)
    if len(there) + offered > 1:
        yield "twice", f"{len(there)} are in the project, {offered} are offered"
    elif newest(said) > 0 and not there:
        yield "missing", "it was in the project, and is not"
    elif len(there) + offered < 1:
        yield "missing", "it is neither in the project nor offered"
    elif offered:
        yield from recovered(folder, trained, expected=True)


class Closing:
    """The last event of a training: all it has brought is merged into the project and saved."""

    endless = False

    @staticmethod
    def prepare(folder: Path) -> None:
        pass

    @staticmethod
    def work(folder: Path) -> None:
        recorder = train(folder)

        def close(_: int) -> None:
            recorder.record(Finished(LAST, False))
            recorder.close()

        announced(close, lambda n: n)(1)

    judge = staticmethod(in_or_offered)


class Recovering:
    """What was cut off is recovered, and the project saved."""

    endless = False

    @staticmethod
    def prepare(folder: Path) -> None:
        train(folder)
        os._exit(0)  # the recorder's thread would wait for ever

    @staticmethod
    def work(folder: Path) -> None:
        def recover(_: int) -> None:
            project = Project.open(folder / FILE)
            for recovery in list(project.recoveries):
                project.recover(recovery)
            project.save()

        announced(recover, lambda n: n)(1)

    judge = staticmethod(in_or_offered)


class Migrating:
    """The first save of a file in an older format."""

    endless = False
    old = FIXTURES / "format-1.dgm"

    @classmethod
    def prepare(cls, folder: Path) -> None:
        shutil.copy(cls.old, folder / FILE)

    @staticmethod
    def work(folder: Path) -> None:
        project = Project.open(folder / FILE)
        project.notes = "migrated"
        announced(lambda n: project.save(), lambda n: n)(1)

    @classmethod
    def judge(cls, folder: Path, said: Said) -> Iterator[Fault]:
        path, old = folder / FILE, cls.old.read_bytes()
        check(path)
        backups = list(folder.glob("*.bak"))
        if any(backup.read_bytes() != old for backup in backups):
            yield "mixed", "the copy of the old file is another"
        schema = inspect(path).schema
        if schema == 1:
            if path.read_bytes() != old or newest(said) > 0:
                yield "missing", "the old file is another, or was to be new"
            return
        if not backups:
            yield "missing", "the old file was replaced and not kept"
        with Project.open(path) as new, Project.open(cls.old, read_only=True) as before:
            if schema != fmt.SCHEMA or everything(new) != everything(before) | {"notes": "migrated"}:
                yield "mixed", "the new file does not hold what the old one did"


KINDS = {
    "save": Saving,
    "journal": Journal,
    "checkpoint": Checkpoints,
    "thinning": Thinning,
    "closing": Closing,
    "recovery": Recovering,
    "migration": Migrating,
}


def judged(kind: str, folder: Path, said: Said) -> list[Fault]:
    """All faults; what cannot be read at all is one."""
    faults: list[Fault] = []
    try:
        faults.extend(KINDS[kind].judge(folder, said))
    except Exception:
        faults.append(("unreadable", traceback.format_exc()))
    return faults


def serve() -> None:
    """Do what each line of the input asks for, in a child that starts at once, because everything is imported."""
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            say(pid=os.getpid())
            folder = Path(asked["folder"])
            try:
                if asked["part"] == "judge":
                    say(faults=judged(asked["kind"], folder, asked["said"]))
                else:
                    getattr(KINDS[asked["kind"]], asked["part"])(folder)
                    if asked["part"] == "work":
                        signal.pause()  # whoever started this kills it
            except Exception:
                say(broken=traceback.format_exc())
            os._exit(0)
        os.waitpid(pid, 0)
        say(gone=True)


if __name__ == "__main__":
    serve()
