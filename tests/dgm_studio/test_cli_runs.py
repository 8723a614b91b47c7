"""`runs`: what can be done with the runs of a project without a window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dgm_studio.cli import BAD_INPUT, run
from dgm_studio.config import RunConfig
from dgm_studio.store import Project
from dgm_studio.store.trees import flatten

CONFIG = RunConfig(family="vae", learner="reparameterized-elbo")


def project(path: Path, *names: str) -> Path:
    with Project.create(path) as made:
        for name in names:
            one = made.new_run(CONFIG, name)
            one.tags = ["seminar"]
            one.keep_metrics({"elbo": (np.arange(20), np.zeros(20, np.float32))})
            for step in (10, 20):
                one.keep_checkpoint(step, flatten({"step": step, "w": torch.zeros(3)}))
        made.save()
    return path


def runs(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    code = run(["runs", *map(str, arguments), "--json"], lambda folder, path: [])
    said = capsys.readouterr()
    return code, json.loads(said.out) if code == 0 else said.err


def names(document: Any, group: str = "runs") -> list[str]:
    return [entry["name"] for entry in document[group]]


def test_runs_are_listed_and_the_file_stays_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = project(tmp_path / "a.dgm", "one", "two")
    before = file.read_bytes()
    code, document = runs(capsys, file)
    assert code == 0
    assert [(entry["name"], entry["states"], entry["tags"]) for entry in document["runs"]] == [
        ("one", [10, 20], ["seminar"]),
        ("two", [10, 20], ["seminar"]),
    ]
    assert file.read_bytes() == before


def test_runs_are_deleted_brought_back_and_removed_for_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = project(tmp_path / "a.dgm", "one", "two", "three")
    _, document = runs(capsys, file, "--delete", "one", "--delete", "two")
    assert (names(document), sorted(names(document, "deleted"))) == (["three"], ["one", "two"])
    _, document = runs(capsys, file, "--restore", "two")
    assert (names(document), names(document, "deleted")) == (["two", "three"], ["one"])
    _, document = runs(capsys, file, "--clean-up")
    assert document["deleted"] == []
    code, said = runs(capsys, file, "--restore", "one")
    assert (code, "no deleted run 'one'" in said) == (BAD_INPUT, True)


def test_runs_are_imported_copied_and_branched(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file, other = project(tmp_path / "a.dgm", "one"), project(tmp_path / "b.dgm", "one", "four")
    _, document = runs(capsys, file, "--import", other, "--only", "four", "--branch", "one", "--step", 10)
    assert names(document) == ["one", "four", "one-2"]
    assert document["runs"][1]["origin"]["file"] == "b.dgm"
    assert document["runs"][2]["parent"] == [document["runs"][0]["id"], 10]
    assert document["runs"][2]["states"] == [10]
    _, document = runs(capsys, file, "--import", other, "--duplicate", "one-2")
    assert names(document) == ["one", "four", "one-2", "one-3", "four-2", "one-2-2"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--step", 10), "--step says which state"),
        (("--only", "one"), "--only says which runs"),
        (("--branch", "one", "--step", 15), "keeps the states of 10, 20, not of 15"),
        (("--delete", "nobody"), "holds no run 'nobody'"),
        (("--import", "nowhere.dgm"), "nowhere.dgm"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[object, ...], sentence: str
):
    file = project(tmp_path / "a.dgm", "one")
    before = file.read_bytes()
    code, said = runs(capsys, file, *arguments)
    assert (code, sentence in said) == (BAD_INPUT, True)
    assert file.read_bytes() == before
