"""Data of stored runs that lies elsewhere now is found again, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dgm_studio import moved_data
from dgm_studio.cli import run
from dgm_studio.config import DataChoice, RunConfig
from dgm_studio.datasets.base import BadData
from dgm_studio.datasets.sources import load
from dgm_studio.store import Project
from models.catalog import FAMILIES

Capture = pytest.CaptureFixture[str]


def bits(seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random((60, 4)) > 0.5).astype(np.float32)


def command(*words: str) -> int:
    return run(words, lambda album: [])


@pytest.fixture
def project(tmp_path: Path, capfd: Capture) -> Path:
    """A run that was trained on a file which then was moved, with its copy, and two others on other files."""
    (tmp_path / "old").mkdir()
    for name, seed in (("bits", 0), ("other", 1)):
        np.save(tmp_path / "old" / f"{name}.npy", bits(seed))
    for number, data in enumerate(("bits", "bits", "other")):
        words = ["train", "--family", FAMILIES[0].key, "--data", "numpy", "--set", f"data.path=old/{data}.npy"]
        words += ["--binarization", "threshold", "--set", "training.batch_size=10", "--steps", "2"]
        assert command(*words, "--project", str(tmp_path / "p.dgm"), "--run", f"run {number}") == 0
    (tmp_path / "new").mkdir()
    for name in ("bits", "other"):
        (tmp_path / "old" / f"{name}.npy").rename(tmp_path / "new" / f"{name} too.npy")
    capfd.readouterr()
    return tmp_path / "p.dgm"


@pytest.fixture(autouse=True)
def _in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def places(project: Path) -> list[str]:
    with Project.open(project, read_only=True) as opened:
        return [run.raw_config["data"]["settings"]["path"] for run in opened.runs.values()]


COMMANDS = {
    "resume": ["--steps", "1"],
    "evaluate": ["--what", "likelihood"],
    "sample": ["--out", "x.npz"],
    "export": ["--to", "out", "--what", "samples"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_needs_the_data_can_be_told_where_it_lies(project: Path, capfd: Capture, name: str) -> None:
    words = [name, str(project), "--run", "run 0", *COMMANDS[name]]
    assert command(*words) == (1 if name == "export" else 2)
    said = capfd.readouterr().err
    assert "old/bits.npy does not exist" in said
    assert "--data-path PATH says where it lies now" in said
    before = project.read_bytes()
    assert command(*words, "--data-path", "new/other too.npy") == 2
    assert "does not hold the data that run 0 was trained on" in capfd.readouterr().err
    assert project.read_bytes() == before
    assert command(*words, "--data-path", "new/bits too.npy") == 0
    if name in ("sample", "export"):
        assert project.read_bytes() == before


def test_what_needs_no_data_is_exported_without_them(project: Path, tmp_path: Path, capfd: Capture) -> None:
    assert command("export", str(project), "--run", "run 0", "--to", "out") == 0
    assert "old/bits.npy does not exist" in capfd.readouterr().out
    assert {"weights.safetensors", "config.json", "curves.csv"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_the_project_remembers_the_place_for_all_runs_of_the_same_file(project: Path, tmp_path: Path) -> None:
    new = tmp_path / "new" / "bits too.npy"
    assert command("evaluate", str(project), "--run", "run 0", "--what", "likelihood", "--data-path", str(new)) == 0
    assert places(project) == [str(new), str(new), "old/other.npy"]
    assert command("resume", str(project), "--run", "run 1", "--steps", "1") == 0


def test_the_provenance_says_where_the_data_lay_when_the_run_was_trained(project: Path, tmp_path: Path) -> None:
    new = tmp_path / "new" / "bits too.npy"
    with Project.open(project) as opened:
        first, second = list(opened.runs.values())[:2]
        before = moved_data.recorded(first)
        assert before["files"][0][0] == "old/bits.npy"
        assert moved_data.move(opened, first, new) == [first, second]
        assert moved_data.recorded(first) == moved_data.recorded(second) == before
        opened.save()
    assert command("resume", str(project), "--run", "run 0", "--steps", "1") == 0
    with Project.open(project, read_only=True) as opened:
        first, second = list(opened.runs.values())[:2]
        now = moved_data.recorded(first)
        assert (now["files"][0][0], now["files"][0][1]) == (str(new), before["files"][0][1])
        assert (now["fingerprint"], moved_data.recorded(second)) == (before["fingerprint"], before)


def test_other_data_in_the_old_place_is_said_and_the_right_place_can_be_named(project: Path, capfd: Capture) -> None:
    np.save("old/bits.npy", bits(2))
    assert command("sample", str(project), "--run", "run 0", "--out", "x.npz") == 0
    said = capfd.readouterr().err
    assert "bits.npy changed since this run was made" in said
    assert "--data-path" in said
    assert command("resume", str(project), "--run", "run 0", "--steps", "1") == 2
    assert command("resume", str(project), "--run", "run 0", "--steps", "1", "--data-path", "new/bits too.npy") == 0


def test_a_deleted_run_is_found_too(project: Path, tmp_path: Path) -> None:
    with Project.open(project) as opened:
        first, second = list(opened.runs.values())[:2]
        opened.delete_run(second.id)
        moved_data.move(opened, first, tmp_path / "new" / "bits too.npy")
        assert opened.restore_run(second.id).config == first.config


def test_data_without_a_place_cannot_be_told_one(project: Path) -> None:
    digits = DataChoice(source="digits")
    assert moved_data.places(digits) == {}
    assert moved_data.places(DataChoice(source="from a newer studio", settings={"path": "x"})) == {}
    with Project.open(project) as opened:
        new = opened.new_run(RunConfig(family=FAMILIES[0].key, learner=FAMILIES[0].learners[0], data=digits))
        with pytest.raises(BadData, match="not read from a file or folder"):
            moved_data.found(new, digits, Path("x"), load)


def test_a_run_that_was_never_trained_takes_any_data(project: Path, tmp_path: Path) -> None:
    with Project.open(project) as opened:
        config = next(iter(opened.runs.values())).config
        assert isinstance(config, RunConfig)
        new = opened.new_run(config)
        place = tmp_path / "new" / "other too.npy"
        assert len(moved_data.found(new, config.data, place, load)[1].train) == 48
        assert moved_data.move(opened, new, place) == [new]
