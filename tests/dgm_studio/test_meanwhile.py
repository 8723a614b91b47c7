"""What one thread does to a project while another saves it: both happen, and nothing is lost."""

from __future__ import annotations

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
from dgm_studio.store import Project, ProjectError, Run, check, saving

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
