"""Saving and opening a run of 60 MB against plainly writing and reading the same bytes. Ratios of medians; all are
measured in turn, within one run, so that whatever else the machine does falls on each of them alike."""

from __future__ import annotations

import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from dgm_studio.config import RunConfig
from dgm_studio.store import Project
from dgm_studio.store.trees import flatten

ROUNDS = 9
MEGABYTES = 60
RUNS = 200


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


def _new_runs(folder: Path) -> Path:
    """A project of many small runs."""
    path = folder / "many.dgm"
    with Project.create(path) as project:
        for n in range(RUNS):
            run = project.new_run(RunConfig(family="vae", learner="reparameterized-elbo"))
            run.keep_checkpoint(1, flatten({"model": {str(k): torch.full((50,), float(n)) for k in range(40)}}))
        project.save()
    return path


def main() -> None:
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain, path = folder / "plain", folder / "a.dgm"
        with Project.create(path) as project:
            run = project.new_run(RunConfig(family="vae", learner="reparameterized-elbo"))
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
        many = _new_runs(folder)
        times[f"open {RUNS} runs"] = [_timed(lambda: Project.open(many).close()) for _ in range(ROUNDS)]
    median = {key: statistics.median(values) for key, values in times.items()}
    print(f"project file: one run of {MEGABYTES} MB, medians of {ROUNDS} turns")
    for key, value in median.items():
        print(f"  {key:<22}{1000 * value:8.1f} ms")
    print(f"  save against write + fsync               {median['save'] / median['write + fsync']:6.2f}")
    floor = median["write + fsync"] + 2 * median["sha256"]
    print(
        f"  save against write + fsync + 2 × sha256  {median['save'] / floor:6.2f}   (before writing, and reading back)"
    )
    print(f"  save unchanged against write + fsync     {median['save, run unchanged'] / median['write + fsync']:6.2f}")
    print(f"  open + load against read                 {median['open + load'] / median['read']:6.2f}")
    print(
        f"  open + load against read + sha256        {median['open + load'] / (median['read'] + median['sha256']):6.2f}"
    )


if __name__ == "__main__":
    main()
