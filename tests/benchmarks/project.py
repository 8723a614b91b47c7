"""Saving and opening projects against plainly writing and reading the same bytes, measured side by side.

One run of 60 MB, medians of several turns; then a project that grows to 200 runs and 2 GB: how the cost of a save grows
with the project and with what changed in it, how long opening and listing takes, and how much memory all of it needs
beyond that of an empty project, each measured in a fresh process.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from dgm_studio.config import RunConfig
from dgm_studio.store import Project
from dgm_studio.store.trees import flatten

CONFIG = RunConfig(family="vae", learner="reparameterized-elbo")
ROUNDS = 5
MEGABYTES = 60
SIZES = (25, 50, 100, 200)  # runs of 10 MB
TENSORS = 36  # of a state: 12 parameters with both moments of Adam
FRAMES = 30
OPEN, LIST = 1.0, 1.0  # seconds
MEMORY = 300.0  # MB more than an empty project takes
GROWTH = 1.3  # at most: what a save costs against plain writing may grow by this when the project doubles


# One run of 60 MB.


def _state(seed: int) -> dict[str, dict[str, torch.Tensor]]:
    """Twenty layers of weights with both moments of Adam, 60 MB together."""
    generator = torch.Generator().manual_seed(seed)
    numbers = MEGABYTES * 1_000_000 // 4 // 60
    return {
        part: {str(layer): torch.randn(numbers, generator=generator) for layer in range(20)}
        for part in ("model", "first moment", "second moment")
    }


def _bytes(state: dict[str, dict[str, torch.Tensor]]) -> list[memoryview]:
    return [memoryview(t.numpy()).cast("B") for part in state.values() for t in part.values()]


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _write_plainly(path: Path, parts: list[memoryview]) -> None:
    with open(path, "wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def _hash(parts: list[memoryview]) -> None:
    for part in parts:
        hashlib.sha256(part).digest()


def _open_and_load(path: Path) -> None:
    with Project.open(path) as project:
        (run,) = project.runs.values()
        run.checkpoint()


def one_run(folder: Path) -> None:
    """Print what saving and opening one run costs."""
    times: dict[str, list[float]] = {}
    plain, path = folder / "plain", folder / "one.dgm"
    with Project.create(path) as project:
        run = project.new_run(CONFIG)
        for n in range(ROUNDS + 1):
            state = _state(n)
            parts = _bytes(state)
            run.keep_checkpoint(1, flatten(state))
            turn = {
                "write + fsync": _timed(lambda parts=parts: _write_plainly(plain, parts)),  # type: ignore[misc]
                "sha256": _timed(lambda parts=parts: _hash(parts)),  # type: ignore[misc]
                "save": _timed(project.save),
                "save, run unchanged": _timed(project.save),
                "read": _timed(plain.read_bytes),
            }
            project.close()
            turn["open"] = _timed(lambda: Project.open(path).close())
            turn["open + load"] = _timed(lambda: _open_and_load(path))
            project = Project.open(path)
            (run,) = project.runs.values()
            if n > 0:  # the first turn warms up
                for key, seconds in turn.items():
                    times.setdefault(key, []).append(seconds)
        project.close()
    median = {key: statistics.median(values) for key, values in times.items()}
    print(f"project file: one run of {MEGABYTES} MB, medians of {ROUNDS} turns")
    for key, value in median.items():
        print(f"  {key:<22}{1000 * value:8.1f} ms")
    floor = median["write + fsync"] + 2 * median["sha256"]
    for what, ratio, note in (
        ("save against write + fsync", median["save"] / median["write + fsync"], ""),
        ("save against write + fsync + 2 × sha256", median["save"] / floor, "before writing, and reading back"),
        ("save unchanged against write + fsync", median["save, run unchanged"] / median["write + fsync"], ""),
        ("open + load against read", median["open + load"] / median["read"], ""),
        ("open + load against read + sha256", median["open + load"] / (median["read"] + median["sha256"]), ""),
    ):
        print(f"  {what:<40} {ratio:6.2f}" + (f"   ({note})" if note else ""))


# 200 runs and 2 GB.


def _add_runs(project: Project, count: int, rng: np.random.Generator) -> None:
    """Runs such as a training of some minutes leaves: two states of 5 MB, curves, pictures, two evaluations."""
    numbers = 5_000_000 // 4 // TENSORS
    steps = np.arange(2000)
    for _ in range(count):
        run = project.new_run(CONFIG)
        for step in (1000, 2000):
            weights = {str(k): rng.random(numbers, dtype=np.float32) for k in range(TENSORS)}
            run.keep_checkpoint(step, flatten({"model": weights}))
        run.keep_metrics({f"quantity {k}": (steps, steps.astype(np.float32)) for k in range(6)})
        for step in range(FRAMES):
            run.keep_frame(step, rng.integers(0, 255, (16, 1, 16, 16), dtype=np.uint8), True)
        for key in ("likelihood", "coverage"):
            run.add_evaluation(key, 2000, {"title": key, "values": np.arange(60.0).reshape(20, 3)})
        run.conclude("finished")


def _measured(what: str, path: Path) -> dict[str, float]:
    """In this process: seconds of each part of `what`, and the most memory it took (MB)."""
    gc.disable()  # as in the window, which collects when it has time
    times: dict[str, float] = {}
    project: Project

    def opened() -> None:
        nonlocal project
        project = Project.open(path)

    def listed() -> None:
        for run in project.runs.values():
            _ = run.name, run.status, run.checkpoint_steps(), run.frame_steps(), run.config

    def renamed() -> None:
        next(iter(project.runs.values())).name = f"renamed-{time.monotonic_ns()}"
        project.save()

    def grown() -> None:
        _add_runs(project, 1, np.random.default_rng(1))
        project.save()

    cpu = time.process_time()
    times["open"] = _timed(opened)
    times["open, CPU"] = time.process_time() - cpu
    times["list"] = _timed(listed)
    times["pictures, results"] = _timed(lambda: [(run.thumbnail, run.evaluations) for run in project.runs.values()])
    if what == "save":
        times |= {"nothing": _timed(project.save), "a name": _timed(renamed), "a run": _timed(grown)}
    project.close()
    status = Path("/proc/self/status")  # rusage would count what the parent had when it started us
    if status.exists():
        times["memory"] = int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    return times


def _elsewhere(what: str, path: Path) -> dict[str, float]:
    """`_measured`, in a fresh process."""
    command = [sys.executable, __file__, "--measure", what, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _forgotten(path: Path) -> None:
    """Ask the system to drop the file from memory, so that it is read from the disk again."""
    if hasattr(os, "posix_fadvise"):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _plainly(path: Path, size: int) -> float:
    block = memoryview(np.random.default_rng(0).bytes(2**24))
    seconds = _timed(lambda: _write_plainly(path, [block] * (size // len(block)) + [block[: size % len(block)]]))
    path.unlink()
    return seconds


def _goal(met: bool) -> str:
    return "" if met else "  MISSED"


def many_runs(folder: Path) -> bool:
    """Print what a large project costs. Returns whether every goal was met."""
    path, empty, plain = folder / "many.dgm", folder / "empty.dgm", folder / "plain"
    Project.create(empty).close()
    rng, figures = np.random.default_rng(0), list[tuple[float, float, float]]()
    print("how a save grows with the project: nothing but one name has changed")
    with Project.create(path) as project:
        for runs in SIZES:
            _add_runs(project, runs - len(project.runs), rng)
            project.save()
            next(iter(project.runs.values())).name = f"renamed at {runs}"
            seconds, size = _timed(project.save), path.stat().st_size
            figures.append((size / 1e9, seconds, _plainly(plain, size)))
            print(
                f"  {runs:>4} runs, {figures[-1][0]:.2f} GB: {seconds:6.2f} s, "
                f"{seconds / figures[-1][2]:.2f} × write + fsync of as many bytes",
                flush=True,
            )
    (_, half, half_plain), (_, whole, whole_plain) = figures[-2:]
    growth = (whole / whole_plain) / (half / half_plain)
    print(f"  this ratio of the whole to that of the half: {growth:.2f} (goal ≤ {GROWTH}){_goal(growth <= GROWTH)}")

    _forgotten(path)
    cold, warm, none = _elsewhere("open", path), _elsewhere("open", path), _elsewhere("open", empty)
    met = [growth <= GROWTH]
    print(f"opening {SIZES[-1]} runs, {figures[-1][0]:.2f} GB")
    for what, value in (("from the disk", cold), ("from memory", warm)):
        met += [value["open"] < OPEN, value["list"] < LIST]
        print(f"  {what:<14} open {value['open']:.2f} s (goal < {OPEN:.0f} s){_goal(met[-2])}, ", end="")
        print(f"{value['open, CPU']:.2f} s of it computing, ", end="")
        print(f"list {value['list']:.2f} s (goal < {LIST:.0f} s){_goal(met[-1])}, ", end="")
        print(f"all small pictures and results {value['pictures, results']:.2f} s")

    saved, size = _elsewhere("save", path), path.stat().st_size
    written = _plainly(plain, size)
    print("what a save of it costs, by what changed, and against write + fsync of as many bytes")
    for what, note in (
        ("nothing", "and for the first time since it was opened"),
        ("a name", ""),
        ("a run", "of 10 MB"),
    ):
        print(f"  {what:<8} {saved[what]:6.2f} s  {saved[what] / written:5.2f} ×  {note}".rstrip())
    if "memory" in none:
        for what, value in (("opened and listed", warm), ("saved", saved)):
            more = value["memory"] - none["memory"]
            met.append(more < MEMORY)
            print(f"memory, {what}: {more:.0f} MB more than an empty project (goal < {MEMORY:.0f}){_goal(met[-1])}")
    return all(met)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "PATH"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(_measured(asked.measure[0], Path(asked.measure[1]))))
        return 0
    with tempfile.TemporaryDirectory() as name:
        one_run(Path(name))
        return 0 if many_runs(Path(name)) else 1


if __name__ == "__main__":
    sys.exit(main())
