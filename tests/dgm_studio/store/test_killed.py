"""kill -9 at any moment: the project is whole, and training is lost back to the last write at most."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from stored_project import CONFIG

from dgm_studio.store import Project, check
from dgm_studio.store.trees import flatten

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


# Saves for ever; every picture tells which save it belongs to.
SAVER = """
project = Project.open(Path({path!r}))
(run,) = project.runs.values()
print("saving", flush=True)
while True:
    n = project.saves
    project.notes = str(n)
    for k in range(8):
        run.keep_frame(k, np.full((64, 16, 16), n % 251, np.uint8), True)
    project.save()
"""


def test_ten_kills_while_saving_never_mix_old_and_new(forker: subprocess.Popen[str], tmp_path: Path):
    path = tmp_path / "a.dgm"
    with Project.create(path) as project:
        run = project.new_run(CONFIG)
        run.keep_checkpoint(1, flatten({"w": np.arange(20_000.0)}))
        project.notes = "0"
        for k in range(8):
            run.keep_frame(k, np.zeros((64, 16, 16), np.uint8), True)
        project.save()
    rng = np.random.default_rng(0)
    saves = []
    for _ in range(10):
        victim = Victim(forker, SAVER.format(path=str(path)))
        assert victim.says() == "saving"
        time.sleep(rng.uniform(0.0, 0.15))
        victim.kill()
        check(path)
        with Project.open(path) as project:
            assert not project.read_only
            (run,) = project.runs.values()
            values = {int(value) for k in range(8) for value in np.unique(run.frame(k)[0])}
            assert values == {int(project.notes) % 251}
            saves.append(project.saves)
    assert saves == sorted(saves)
    assert saves[-1] > saves[0]
    with Project.open(path) as project:
        project.save()
    assert os.listdir(tmp_path) == ["a.dgm"]


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
