"""A run whose data lies elsewhere now: the window says so, is told the place, and takes nothing else for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from person import Person
from PySide6.QtWidgets import QFileDialog, QWidget

from dgm_studio.cli import run
from dgm_studio.store import Project, Run
from models.catalog import FAMILIES
from widgets.trainer import Phase


def bits(seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random((60, 4)) > 0.5).astype(np.float32)


@pytest.fixture
def moved(person: Person, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    """A project of two runs is open whose data file was moved. Returns where it lies now."""
    old, project = tmp_path / "old.npy", tmp_path / "p.dgm"
    np.save(old, bits(0))
    for name in ("first", "second"):
        words = ["train", "--family", FAMILIES[0].key, "--data", "numpy", "--set", f"data.path={old}", "--steps", "3"]
        words += ["--binarization", "threshold", "--set", "training.batch_size=10", "--project", str(project)]
        assert run([*words, "--run", name], lambda album: []) == 0
    (tmp_path / "elsewhere").mkdir()
    np.save(tmp_path / "elsewhere" / "other.npy", bits(1))
    person.window.open(project)
    person.until(lambda: person.window.desk is not None and person.desk.workspace.viewing.live is not None)
    person.desk.workspace.select(None)
    person.desk.workspace.data._sets.clear()  # as if it had been opened afterwards
    return old.rename(tmp_path / "elsewhere" / "new.npy")


def runs(person: Person) -> list[Run]:
    project = person.desk.workspace.project
    assert project is not None
    return list(project.runs.values())


def place(run: Run) -> Path:
    return Path(run.raw_config["data"]["settings"]["path"])


def choose(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Let the dialog that comes choose this file."""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))


def test_the_place_is_asked_for_checked_and_remembered(
    person: Person, moved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = runs(person)
    desk = person.desk
    desk.workspace.select(second)
    before = second.provenance
    choose(monkeypatch, moved.with_name("other.npy"))
    person.choose(person.bar("old.npy does not exist"), "Find it")
    refused = person.bar("does not hold the data that second was trained on")
    assert desk.workspace.viewing.live is None
    assert place(second).name == "old.npy"

    choose(monkeypatch, moved)
    person.choose(refused, "Find it")
    person.until(lambda: desk.workspace.viewing.live)
    assert place(first) == place(second) == moved
    assert second.provenance == before
    assert desk.draft.config == second.config  # the form shows it too
    person.until(lambda: desk.data.findChild(QWidget, "dataSummary").text())  # type: ignore[attr-defined]
    desk.workspace.continue_run(second, 2)
    person.until(lambda: second.checkpoint_steps()[-1] == 5 and person.phase is Phase.IDLE)
    assert second.provenance["data"]["files"][0][0] == str(moved)
    person.close()
    with Project.open(moved.parents[1] / "p.dgm", read_only=True) as kept:
        assert [place(run) for run in kept.runs.values()] == [moved, moved]


def test_the_file_can_be_dropped_and_another_one_still_becomes_the_data_of_a_new_run(
    person: Person, moved: Path
) -> None:
    desk, (_, second) = person.desk, runs(person)
    desk.workspace.select(second)
    person.bar("old.npy does not exist")
    other = moved.with_name("other.npy")
    desk.take_data(other)
    refused = person.bar("does not hold the data")
    assert desk.draft.config.data.settings["path"] != str(other)
    person.choose(refused, "Train a new run on it")
    assert desk.draft.config.data.settings["path"] == str(other)
    desk.take_data(moved)
    person.until(lambda: desk.workspace.viewing.live)
    assert place(second) == moved
    person.until(lambda: not person.bars())  # it is found, so nothing says that it is not
    assert desk.draft.config.data.settings["path"] == str(other)  # what somebody has chosen stays


def test_going_on_without_the_data_changes_nothing_and_offers_to_find_it(
    person: Person, moved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, (first, second) = person.desk, runs(person)
    desk.workspace.select(first)
    person.bar("not explored")
    before = second.record
    desk.workspace.continue_run(second, 2)
    old = f"{moved.parents[1] / 'old.npy'} does not exist"
    person.until(lambda: any(bar.notice.text.startswith(old) for bar in person.bars()))
    bar = next(bar for bar in person.bars() if bar.notice.text.startswith(old))
    person.until(lambda: person.phase is Phase.IDLE)
    assert second.record == before
    choose(monkeypatch, moved)
    person.choose(bar, "Find it")
    person.until(lambda: desk.workspace.viewing.live)
    assert place(first) == place(second) == moved


def test_other_data_in_its_place_is_said_and_the_right_one_found(person: Person, moved: Path) -> None:
    desk, (_, second) = person.desk, runs(person)
    np.save(moved.parents[1] / "old.npy", bits(2))
    desk.workspace.select(second)
    person.bar("old.npy changed since this run was made")
    desk.take_data(moved)
    person.until(lambda: place(second) == moved and not person.bars())


def test_a_folder_can_be_chosen_where_there_may_have_been_one(
    person: Person, moved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, (_, second) = person.desk, runs(person)
    second.read_data_from(str(moved.parents[1] / "pictures"))
    asked: list[str] = []
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: asked.append("folder") or "")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (asked.append("file") or "", ""))
    for remedy in ("Find the file", "… the folder"):
        desk.workspace.select(None)
        desk.workspace.select(second)
        person.choose(person.bar("pictures"), remedy)
        person.until(lambda: not person.bars())
    assert asked == ["file", "folder"]
