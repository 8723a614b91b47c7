"""Export and import of weights in the window."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PySide6.QtWidgets import QCheckBox, QFileDialog, QLabel, QLineEdit, QProgressBar, QPushButton
from safetensors.torch import load_file, save_file

from dgm_studio.config import RunConfig, default_data
from dgm_studio.datasets.sources import load
from dgm_studio.exporting.onnx_nets import Onnx
from dgm_studio.exporting.weights import Weights
from dgm_studio.importing import import_weights
from dgm_studio.store import Project
from models.catalog import FAMILIES, Recipe
from tests.widgets.person import Person
from widgets.export_dialog import ExportDialog
from widgets.export_thread import exporting
from widgets.notices import NoticeBar
from widgets.trainer import Phase

FAMILY = next(family for family in FAMILIES if family.data == "digits")


def project_with_a_run(folder: Path) -> Path:
    """A project with a run that was never trained but has weights."""
    config = RunConfig(family=FAMILY.key, learner=FAMILY.learners[0], data=default_data(FAMILY))
    dataset = load(config.data)
    recipe = Recipe.read(config.family, config.learner, {}, {})
    save_file(recipe.build(dataset.spec, 10).model.state_dict(), folder / "first.safetensors")
    with Project.create(folder / "p.dgm") as project:
        import_weights(project, config, dataset, folder / "first.safetensors", name="first run")
        project.save()
    return folder / "p.dgm"


def part(dialog: ExportDialog, kind: type, name: str) -> QLabel:
    found = dialog.findChild(kind, name)
    assert found is not None, name
    return found


def test_a_run_is_exported_and_its_weights_come_back(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Onnx, "refusal", lambda self, model, learner: "It is not installed.")
    path = project_with_a_run(tmp_path)
    person.window.open(path)
    person.until(lambda: person.desk.workspace.run is not None)
    person.do("export")
    dialog = person.window.findChild(ExportDialog)
    assert not part(dialog, QCheckBox, "export-onnx").isEnabled()
    assert part(dialog, QLabel, "about-onnx").text() == "It is not installed."
    name, start = part(dialog, QLineEdit, "exportName"), part(dialog, QPushButton, "startExport")
    for wrong in ("", "../elsewhere", "a/b"):
        name.setText(wrong)
        assert not start.isEnabled()
    name.setText("out")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    part(dialog, QPushButton, "chooseExportFolder").click()

    # called off before anything is written, and closed on the way
    start.click()
    part(dialog, QPushButton, "cancelExport").click()
    report = part(dialog, QLabel, "exportReport")
    person.until(lambda: "Nothing was written" in report.text())
    assert not (tmp_path / "out").exists()

    # called off within a part that takes long: it is over at once, and another export can begin
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()
    weights = Weights.write

    def slowly(*given: object) -> list[str]:
        begun.set()
        go.wait(240)
        try:
            return weights(*given)  # type: ignore[arg-type]
        finally:
            ended.set()

    monkeypatch.setattr(Weights, "write", slowly)
    start.click()
    person.until(begun.is_set)
    part(dialog, QPushButton, "cancelExport").click()
    assert report.text() == "Cancelled. Nothing was written."
    assert start.isEnabled()
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(Weights, "write", weights)

    start.click()
    assert part(dialog, QProgressBar, "exportProgress").isVisible()
    person.until(lambda: "files are in" in report.text())
    assert part(dialog, QPushButton, "openExport").isVisible()
    written = {one.name for one in (tmp_path / "out").iterdir()}
    assert {"weights.safetensors", "config.json", "script", "samples", "tensorboard", "export.json"} <= written
    assert "Nothing was measured yet" in part(dialog, QLabel, "note-curves").text()
    go.set()
    person.until(ended.is_set)
    person.until(lambda: not exporting())
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".out")] == []
    start.click()  # back to the choices
    assert start.text() == "Export"
    assert not report.isVisible()
    dialog.close()

    exports, runs = person.desk.exports, person.desk.workspace.project.runs
    exports.take(tmp_path / "out" / "weights.safetensors")
    person.bar("begins with the weights of weights.safetensors, by the settings beside it")
    assert len(runs) + 1 == len(person.desk.workspace.project.runs)
    tensors = load_file(tmp_path / "out" / "weights.safetensors")
    kept = person.desk.workspace.run.checkpoint()["model"]
    assert all(torch.equal(kept[key], one) for key, one in tensors.items())

    tensors.pop(next(iter(tensors)))
    save_file(tensors, tmp_path / "partly.safetensors")
    exports.take(tmp_path / "partly.safetensors")
    bar = person.bar("partly.safetensors does not fit the model of the form: ")
    assert "1 missing in the file. Nothing was changed. Set the form as" in bar.notice.text
    assert "1 missing in the file" in bar.notice.details
    assert len(person.desk.workspace.project.runs) == len(runs) + 1
    bar.findChild(QPushButton, "remedy").click()
    person.bar("begins with the weights of partly.safetensors, by the settings of the form")
    (tmp_path / "text.npz").write_text("no weights")
    exports.take(tmp_path / "text.npz")
    refused = person.bar("text.npz cannot be read as weights")
    assert refused.notice.details == ""  # its sentence says all


class Held:
    """An export that goes on when a test says so."""

    def __init__(self, person: Person, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        begun, write = threading.Event(), Weights.write

        def when_told(*given: object) -> list[str]:
            begun.set()
            self.go.wait(240)
            return write(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(Weights, "write", when_told)
        person.window.open(project_with_a_run(folder))
        person.until(lambda: person.desk.workspace.run is not None)
        self.dialog = person.desk.exports.show_export()
        assert self.dialog is not None
        for box in self.dialog.findChildren(QCheckBox):
            box.setChecked(box.objectName() == "export-weights")
        part(self.dialog, QLineEdit, "exportName").setText("out")
        part(self.dialog, QPushButton, "startExport").click()
        person.until(begun.is_set)

    def asked(self) -> dict[str, QPushButton]:
        """What can be answered to the question in the dialog."""
        assert self.dialog is not None
        bars = [bar for bar in self.dialog.findChildren(NoticeBar) if not bar.leaving]
        return {button.text(): button for bar in bars for button in bar.findChildren(QPushButton, "remedy")}


@pytest.fixture
def held(person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held(person, tmp_path, monkeypatch)
    yield held
    held.go.set()


def test_quitting_while_an_export_is_written_asks_and_may_wait_for_it(person: Person, held: Held) -> None:
    window = person.window
    window.close()
    assert list(held.asked()) == ["Wait, then: Quit", "Cancel it, then: Quit", "Stay"]
    held.asked()["Stay"].click()
    assert held.asked() == {}
    assert held.dialog.writes
    assert window.isEnabled()

    person.do("quit")
    held.asked()["Wait, then: Quit"].click()
    assert list(held.asked()) == ["Stay"]
    assert window.isEnabled()  # one can work on meanwhile
    target = held.dialog.target
    held.go.set()
    person.until(lambda: window.has_ended)
    assert (target / "export.json").is_file()


def test_quitting_may_call_an_export_off(person: Person, held: Held) -> None:
    target = held.dialog.target
    person.window.close()
    held.asked()["Cancel it, then: Quit"].click()
    assert not person.window.isEnabled()
    held.go.set()
    person.until(lambda: person.window.has_ended)
    assert not target.exists()


def test_an_export_that_fails_while_quitting_waits_for_it_is_seen(person: Person, held: Held) -> None:
    person.window.close()
    held.asked()["Wait, then: Quit"].click()
    held.dialog.target.write_text("somebody's file")
    held.go.set()
    person.until(lambda: not held.dialog.writes)
    assert held.dialog.isVisible()
    assert held.asked() == {}
    assert "no folder" in part(held.dialog, QLabel, "exportReport").text()
    assert held.dialog.target.read_text() == "somebody's file"
    assert person.window.isEnabled()


def test_a_request_to_terminate_calls_an_export_off_without_a_question(person: Person, held: Held) -> None:
    person.window.close()
    held.asked()["Wait, then: Quit"].click()
    target = held.dialog.target
    person.window.close_unasked()
    assert not person.window.isEnabled()
    held.go.set()
    person.until(lambda: person.window.has_ended)
    assert not target.exists()


def test_leaving_a_project_while_an_export_is_written_asks_too(person: Person, held: Held) -> None:
    person.do("start")
    held.asked()["Wait, then: Close the project"].click()
    target = held.dialog.target
    assert person.desk.workspace.project is not None
    held.go.set()
    person.until(lambda: person.desk.workspace.project is None)
    assert (target / "export.json").is_file()


def test_an_import_does_not_draw_between_the_steps_of_a_training_that_began_meanwhile(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project_with_a_run(tmp_path)
    person.window.open(path)
    person.until(lambda: person.desk.workspace.run is not None)
    workspace, go = person.desk.workspace, threading.Event()
    load = workspace.data.load
    monkeypatch.setattr(workspace.data, "load", lambda *given: load(*given) if go.wait(240) else None)
    runs = len(workspace.project.runs)
    person.desk.exports.take(tmp_path / "first.safetensors")
    person.desk.control.train_draft()  # files are not kept waiting either: it is added
    person.until(lambda: person.phase is Phase.TRAINING)
    go.set()
    person.bar("was not imported: a training has begun meanwhile")
    assert len(workspace.project.runs) == runs + 1
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
