"""kill -9 at any moment: the project is whole, and training is lost back to the last write at most."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from dgm_studio.store import Project

HELPERS = Path(__file__).parent

# Imports everything once, and runs each program that it is sent in a child of its own: two seconds saved for each.
FORKER = """
import json, os, sys
import numpy as np
from pathlib import Path
from stored_project import CONFIG, state
from dgm_studio.events import Checkpoint, Preview, Progress, Started
from dgm_studio.recording import Recorder
from dgm_studio.store import Project

for line in sys.stdin:
    program = json.loads(line)
    pid = os.fork()
    if pid == 0:
        print(os.getpid(), flush=True)
        exec(program)
    os.waitpid(pid, 0)
    print("gone", flush=True)
"""


class Victim:
    """A program in another process, to be killed."""

    def __init__(self, forker: subprocess.Popen[str], program: str) -> None:
        self._forker = forker
        assert forker.stdin is not None
        forker.stdin.write(json.dumps(program) + "\n")
        forker.stdin.flush()
        self._pid = int(self.says())

    def says(self) -> str:
        assert self._forker.stdout is not None
        return self._forker.stdout.readline().strip()

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        assert self.says() == "gone"


@pytest.fixture(scope="module")
def forker() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", FORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HELPERS), *sys.path])},
    )
    yield process
    process.communicate()


@pytest.fixture(scope="module")
def kills() -> ModuleType:
    """tests/faults/kills.py, which has the full counts."""
    path = HELPERS.parents[1] / "faults" / "kills.py"
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_kills_in_the_middle_of_each_kind_of_work_lose_nothing(kills: ModuleType, tmp_path: Path):
    found = kills.run(kills.KINDS, kills=2, seed=1, place=tmp_path, undisturbed=3)
    assert {kind: counts.faults.total() for kind, counts in found.items()} == dict.fromkeys(kills.KINDS, 0)
    assert all(counts.inside == 2 for counts in found.values())


TRAINER = """
project = Project.open(Path({path!r}))
recorder = Recorder(project, project.new_run(CONFIG, name="killed"))
recorder.record(Started(0, 100, "CPU", 1))
for step in range(0, 40, 10):
    steps = np.arange(step, step + 10)
    curves = dict(elbo=(steps, steps.astype(np.float32)))
    recorder.record(Progress(step, 100, 1.0, 1.0, 1.0, "", 0, curves))
    recorder.record(Checkpoint(step + 10, state(step + 10)))
    recorder.record(Preview(step + 10, np.zeros((4, 1, 8, 8), np.uint8), True))
    while len(list(project.work_folder.glob(f"*/*-{{step + 10}}.dgm-part"))) < 2:
        pass
print("kept", flush=True)
while True:
    pass
"""


def test_a_killed_training_is_recovered_when_the_project_is_opened_again(
    forker: subprocess.Popen[str], project_path: Path
):
    victim = Victim(forker, TRAINER.format(path=str(project_path)))
    assert victim.says() == "kept"
    with Project.open(project_path) as second:
        assert second.read_only
        assert second.recoveries == []
    victim.kill()
    with Project.open(project_path) as project:
        (recovery,) = project.recoveries
        assert (recovery.name, recovery.step, recovery.rows) == ("killed", 40, 40)
        run = project.recover(recovery)
        assert run.checkpoint_steps() == [30, 40]
        assert run.frame_steps() == [10, 20, 30, 40]
        project.save()
    with Project.open(project_path) as project:
        assert project.recoveries == []
        assert [run.name for run in project.runs.values()] == ["vae-1", "killed"]
