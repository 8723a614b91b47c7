"""`dgm train` on a disk that is full when the training ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from full_disk import FullDisk

from dgm_studio import backlog
from dgm_studio.cli import run
from dgm_studio.commands import keeping
from dgm_studio.store import Project
from dgm_studio.store.work import Session

STEPS = 12


class Disk(FullDisk):
    """Takes nothing from the state of step `full_from` on; counts the attempts to save the project since."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, full_from: int) -> None:
        super().__init__(monkeypatch)
        self.full = full_from < 0
        self.attempts = 0
        checkpoint, save = Session.checkpoint, Project.save

        def kept(session: Session, step: int, datasets: Any) -> Any:
            self.full |= step >= full_from
            return checkpoint(session, step, datasets)

        def saved(project: Project) -> None:
            self.attempts += self.full
            save(project)

        monkeypatch.setattr(Session, "checkpoint", kept)
        monkeypatch.setattr(Project, "save", saved)


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What happens while the command waits, one nap after the other; nothing when there is no more."""
    planned: list[Callable[[], None]] = []
    monkeypatch.setattr(keeping, "TRY_EVERY", 0.0)
    monkeypatch.setattr("dgm_studio.commands.train.ROOM", 0)  # how many states a history has depends on the time
    monkeypatch.setattr(keeping.time, "sleep", lambda seconds: planned.pop(0)() if planned else None)
    monkeypatch.setattr(backlog, "RETRY_EVERY", 0.01)
    return planned


def train(file: Path) -> int:
    return run(["train", "--steps", str(STEPS), "--project", str(file), "--run", "one"], lambda album: [])


def recovered(file: Path, *words: str) -> Any:
    assert run(["recover", str(file), *words], lambda album: []) == 0
    with Project.open(file, read_only=True) as project:
        (left,) = project.runs.values()
        return left.status, left.checkpoint_steps()


def test_a_project_is_saved_as_soon_as_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], naps: list[Callable[[], None]]
) -> None:
    disk = Disk(monkeypatch, STEPS)
    naps += [lambda: None, lambda: None, lambda: setattr(disk, "full", False)]
    assert train(tmp_path / "p.dgm") == 0
    out, err = capsys.readouterr()
    assert disk.attempts == 3  # at the end, and after two of the naps
    assert "All of one is still in memory. Free some space" in err
    assert err.endswith("There is room again, and all of one was saved.\n")
    assert "Kept as 'one'" in out
    with Project.open(tmp_path / "p.dgm") as project:
        assert not project.recoveries
        (kept,) = project.runs.values()
        assert (kept.status, kept.checkpoint_steps()[-1]) == ("finished", STEPS)
    assert not project.work_folder.exists()


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("patience", ["ctrl+c", "time"])
def test_what_was_kept_is_said_when_there_is_no_room_to_the_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    naps: list[Callable[[], None]],
    patience: str,
) -> None:
    if patience == "ctrl+c":
        naps += [lambda: None, interrupt]
    else:
        monkeypatch.setattr(keeping, "TRY_FOR", 0.05)
    file = tmp_path / "p.dgm"
    disk = Disk(monkeypatch, STEPS)
    assert train(file) == 1
    out, err = capsys.readouterr()
    (folder,) = (tmp_path / "p.dgm.work").iterdir()
    said = err.splitlines()[-1]
    assert said.startswith(f"one was not saved: there is no room on the disk. {file} is as it was saved last. ")
    assert f"Of this training, {folder} holds the state of step 0 and what was measured up to step" in said
    assert f". The state of step {STEPS} is lost. When there is room, `dgm recover {file}` brings it back." in said
    assert "Kept" not in out
    disk.full = False
    assert recovered(file) == ("interrupted", [0])


def test_a_state_that_is_on_the_disk_is_not_said_to_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], naps: list[Callable[[], None]]
) -> None:
    naps += [interrupt]
    file = tmp_path / "p.dgm"
    disk = Disk(monkeypatch, STEPS + 1)
    merge = Project.merge

    def full_from_now_on(*given: Any) -> None:
        disk.full = True
        merge(*given)

    monkeypatch.setattr(Project, "merge", full_from_now_on)
    assert train(file) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"holds the state of step {STEPS} and what was measured up to step {STEPS}." in said
    assert "lost" not in said
    disk.full = False
    monkeypatch.setattr(Project, "merge", merge)
    assert recovered(file) == ("finished", [0, STEPS])


def test_a_disk_that_never_took_anything_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], naps: list[Callable[[], None]]
) -> None:
    naps += [interrupt]
    file = tmp_path / "p.dgm"
    Project.create(file).close()
    Disk(monkeypatch, -1)
    assert train(file) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith(f"{file} is as it was saved last. Nothing of this training was kept.")
