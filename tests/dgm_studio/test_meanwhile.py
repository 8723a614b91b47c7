"""What one thread does to a project while another saves it: both happen, and nothing is lost."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from dgm_studio.config import RunConfig
from dgm_studio.events import Cancelled, Checkpoint, Event, Finished, Progress, Started
from dgm_studio.recording import Recorder
from dgm_studio.store import Project, ProjectError, Run, branch, check, duplicate, saving

CONFIG = RunConfig(family="vae", learner="reparameterized-elbo")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A project with a run that was trained for 10 steps."""
    path = tmp_path / "a.dgm"
    with Project.create(path) as project:
        recorder = Recorder(project, project.new_run(CONFIG))
        give(recorder, Started(0, 100, "CPU", 1), progress(0), state(10), Finished(10, False))
        recorder.close()
    return path


def progress(first: int) -> Progress:
    steps = np.arange(first, first + 10)
    return Progress(first + 10, 100, 1.0, 1.0, 1.0, "", 0, {"elbo": (steps, steps.astype(np.float32))})


def state(step: int) -> Checkpoint:
    return Checkpoint(step, {"step": step, "model": {"w": torch.full((100,), float(step))}})


def give(recorder: Recorder, *events: Event) -> None:
    for event in events:
        recorder.record(event)


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.001)


def trained_on(project: Project) -> tuple[Run, Recorder]:
    """The run, in training for 20 steps more, of which all but the closing event is in the work folder."""
    (run,) = project.runs.values()
    recorder = Recorder(project, run)
    give(recorder, Started(10, 100, "CPU", 1), progress(10), progress(20), state(30))
    wait_for(lambda: list(project.work_folder.glob("*/checkpoint-30.dgm-part")) and not recorder.unwritten)
    return run, recorder


def saved_while(
    project: Project, act: Callable[[], object], begun: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Save. When the new file is written, and has not taken the old one's place yet, another thread begins to `act`;
    the save goes on once it has `begun`, and has had a while to go as far as it can without waiting for the save."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            act()
        except BaseException as error:
            failures.append(error)

    other = threading.Thread(target=work)
    inspect = saving.inspect

    def interrupted(*arguments: str) -> object:
        if other.ident is None:
            other.start()
            wait_for(begun)
            other.join(0.3)
        return inspect(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(saving, "inspect", interrupted)
        project.save()
        other.join()
    assert not failures


def test_a_training_that_is_discarded_during_a_save_leaves_the_run_as_that_save_found_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    with Project.open(path) as project:
        run, recorder = trained_on(project)
        journal = next(project.work_folder.glob("*/journal"))

        def discard() -> None:
            recorder.record(Cancelled(30))
            recorder.close()

        saved_while(project, discard, lambda: b"discarded" in journal.read_bytes(), monkeypatch)
        assert (run.status, run.checkpoint_steps()) == ("stopped", [10, 30])
        assert len(run.metrics["elbo"][0]) == 30
        assert run.checkpoint()["step"] == 30
        project.notes = "it can be saved"
        project.save()
    check(path)


def test_what_is_recovered_during_a_save_is_all_there(path: Path, monkeypatch: pytest.MonkeyPatch):
    with Project.open(path) as project:
        _, recorder = trained_on(project)
        shutil.copytree(project.work_folder, path.with_name("left"))
        recorder.record(Cancelled(30))
        recorder.close()
    path.with_name("left").rename(project.work_folder)
    with Project.open(path) as project:
        (recovery,) = project.recoveries
        saved_while(project, lambda: project.recover(recovery), lambda: True, monkeypatch)
        (run,) = project.runs.values()
        assert run.checkpoint()["step"] == 30
        project.save()
        assert not project.work_folder.exists()
    check(path)
    with Project.open(path) as project:
        (run,) = project.runs.values()
        assert (run.checkpoint_steps(), len(run.metrics["elbo"][0])) == ([10, 30], 30)


def test_a_training_that_ends_during_a_save_stays_in_the_work_folder_until_its_own(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    project = Project.open(path)
    _, recorder = trained_on(project)
    journal = next(project.work_folder.glob("*/journal"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def finish() -> None:
        with monkeypatch.context() as patch:  # for the save that follows
            patch.setattr(saving, "_reserve", full)
            give(recorder, progress(30), Finished(40, False))
            with pytest.raises(ProjectError, match="no room"):
                recorder.close()

    saved_while(project, finish, lambda: b"closing" in journal.read_bytes(), monkeypatch)
    project.close()
    with Project.open(path) as again:  # the window went away without another save
        (recovery,) = again.recoveries
        run = again.recover(recovery)
        assert (run.status, len(run.metrics["elbo"][0])) == ("finished", 40)


def test_a_training_that_begins_during_a_save_and_is_discarded_leaves_the_run_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    with Project.open(path) as project:
        (run,) = project.runs.values()
        recorder = Recorder(project, run)
        give(recorder, Started(10, 100, "CPU", 1), progress(10), Finished(20, True))  # no state of step 20 is kept
        recorder.close()
        recorders: list[Recorder] = []

        def begin() -> None:
            recorders.append(Recorder(project, run))
            give(recorders[0], Started(10, 100, "CPU", 1))  # from the newest state: later values go

        project.notes = "to be saved"
        saved_while(project, begin, lambda: recorders, monkeypatch)
        give(recorders[0], progress(10), Cancelled(20))
        recorders[0].close()
        assert (run.status, run.checkpoint_steps(), len(run.metrics["elbo"][0])) == ("stopped", [10], 20)
    check(path)


def test_discarding_returns_to_what_was_saved_and_not_to_what_came_while_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    with Project.open(path) as project:
        run, recorder = trained_on(project)
        saved_while(project, lambda: recorder.record(progress(30)), lambda: True, monkeypatch)
        assert len(run.metrics["elbo"][0]) == 40
        recorder.record(Cancelled(40))
        recorder.close()
        assert (run.checkpoint_steps(), len(run.metrics["elbo"][0])) == ([10, 30], 30)
    check(path)


def test_a_run_that_was_removed_is_not_copied(path: Path):
    with Project.open(path) as project:
        (run,) = project.runs.values()
        project.remove_run(run.id)
        project.save()
        for copy in (duplicate, lambda project, run: branch(project, run, 10)):
            with pytest.raises(ProjectError, match="no longer part") as caught:
                copy(project, run)
            assert caught.value.code == "missing"
        assert not project.runs


class Crowd:
    """Threads that do what they like to one project, each by its own seed, until those that train are through."""

    TRAININGS = 12  # of each of two threads

    def __init__(self, project: Project) -> None:
        self.project = project
        self.failures: list[BaseException] = []
        self._over = threading.Event()

    def act(self) -> None:
        doing = (self._save, self._copy, self._read)
        others = [threading.Thread(target=self._again_and_again, args=(what, n)) for n, what in enumerate(doing)]
        trainers = [threading.Thread(target=self._guarded, args=(self._train, random.Random(n))) for n in (10, 11)]
        for thread in (*others, *trainers):
            thread.start()
        for thread in trainers:
            thread.join()
        self._over.set()
        for thread in others:
            thread.join()

    def _again_and_again(self, what: Callable[[random.Random], None], seed: int) -> None:
        chance = random.Random(seed)
        while not self._over.is_set():
            self._guarded(what, chance)
            time.sleep(0.01 * chance.random())

    def _guarded(self, what: Callable[[random.Random], None], chance: random.Random) -> None:
        try:
            what(chance)
        except BaseException as error:
            self.failures.append(error)
            self._over.set()

    def _train(self, chance: random.Random) -> None:
        mine: list[Run] = []
        for _ in range(self.TRAININGS):
            mine = [run for run in mine if run.id in self.project.all_runs]  # one that was discarded may be gone
            if not mine or chance.random() < 0.3:
                mine.append(self.project.new_run(CONFIG))
            run = chance.choice(mine)
            step = max(run.checkpoint_steps(), default=0)
            recorder = Recorder(self.project, run)
            give(recorder, Started(step, 10_000, "CPU", 1), *([] if run.checkpoint_steps() else [state(0)]))
            for _ in range(chance.randrange(5)):
                give(recorder, progress(step), state(step + 10))
                step += 10
                time.sleep(0.02 * chance.random())
            give(recorder, Cancelled(step) if chance.random() < 0.5 else Finished(step, True))
            recorder.close()

    def _save(self, chance: random.Random) -> None:
        self.project.notes = str(chance.random())
        self.project.save()

    def _copy(self, chance: random.Random) -> None:
        runs = [run for run in self.project.runs.values() if run.checkpoint_steps()]
        if not runs or len(self.project.runs) > 20:
            return
        run = chance.choice(runs)
        try:
            if chance.random() < 0.5:
                duplicate(self.project, run)
            else:
                branch(self.project, run, (run.checkpoint_steps() or [0])[-1])
        except ProjectError as error:
            if error.code != "missing":  # its state, or all of it, was discarded
                raise

    def _read(self, chance: random.Random) -> None:
        runs = list(self.project.runs.values())
        if not runs:
            return
        run = chance.choice(runs)
        try:
            require_whole(run)
        except ProjectError as error:
            if error.code != "missing" and run.id in self.project.all_runs:
                raise


def require_whole(run: Run) -> None:
    for step in run.checkpoint_steps():
        kept = run.checkpoint(step)
        assert kept["step"] == step
        assert torch.equal(kept["model"]["w"], torch.full((100,), float(step)))
    for steps, values in run.metrics.values():
        assert np.array_equal(steps.astype(np.float32), values)


def test_trainings_saves_copies_and_readers_at_once_lose_nothing(path: Path):
    with Project.open(path) as project:
        crowd = Crowd(project)
        crowd.act()
        assert not crowd.failures, crowd.failures
        project.save()
        kept = {run.id: run.checkpoint_steps() for run in project.runs.values()}
        for run in project.runs.values():
            require_whole(run)
        assert not project.work_folder.exists()
    check(path)
    with Project.open(path) as again:
        assert {run.id: run.checkpoint_steps() for run in again.runs.values()} == kept
        assert again.recoveries == []
