"""Weights from files, and what is said of those that do not fit."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Generator

from dgm_studio.commands.export import export
from dgm_studio.commands.import_weights import import_weights as command
from dgm_studio.commands.projects import subject_of
from dgm_studio.config import RunConfig
from dgm_studio.datasets.sources import load
from dgm_studio.importing import BadWeights, import_weights
from dgm_studio.store import Project
from models.catalog import Recipe, family


@pytest.fixture
def project(tmp_path: Path) -> Project:
    with Project.create(tmp_path / "p.dgm") as made:
        yield made


@pytest.fixture
def config() -> RunConfig:
    chosen = family("vae")
    return RunConfig(family="vae", learner=chosen.learners[0], data={"source": "ring"}, model={"hidden": 4})


def test_weights_come_back_whole_from_every_kind_of_file(project: Project, config: RunConfig, tmp_path: Path) -> None:
    dataset = load(config.data)
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    torch.manual_seed(7)
    model = recipe.build(dataset.spec, len(dataset.train)).eval().model
    tensors = {name: one.clone() for name, one in model.state_dict().items()}
    save_file(tensors, tmp_path / "w.safetensors")
    np.savez(tmp_path / "w.npz", **{name: one.numpy() for name, one in tensors.items()})
    torch.save({"state_dict": tensors}, tmp_path / "w.pt")
    drawn = torch.get_rng_state()
    for name in ("w.safetensors", "w.npz", "w.pt"):
        run, fit = import_weights(project, config, dataset, tmp_path / name)
        assert fit.whole
        kept = run.checkpoint()["model"]
        assert all(torch.equal(kept[key], one) for key, one in tensors.items())
        assert run.provenance["weights"]["file"] == name
        assert len(run.provenance["weights"]["sha256"]) == 64
        assert run.frame_steps() == [0]
    assert torch.equal(torch.get_rng_state(), drawn), "the random numbers of whoever trains are untouched"
    project.save()


def test_what_does_not_fit_is_named_and_changes_nothing(project: Project, config: RunConfig, tmp_path: Path) -> None:
    dataset = load(config.data)
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    tensors = dict(recipe.build(dataset.spec, len(dataset.train)).model.state_dict())
    missing, reshaped, retyped, *_ = names = sorted(tensors)
    del tensors[missing]
    tensors[reshaped] = torch.zeros(99)
    tensors[retyped] = tensors[retyped].double()
    tensors["elsewhere.weight"] = torch.zeros(3)
    save_file({name: one.contiguous() for name, one in tensors.items()}, tmp_path / "odd.safetensors")
    with pytest.raises(BadWeights, match=r"does not fit this model.*Nothing was changed") as raised:
        import_weights(project, config, dataset, tmp_path / "odd.safetensors")
    said = str(raised.value)
    assert f"{len(names) - 3} fitted" in said
    assert f"1 missing in the file: {missing}" in said
    assert "1 in the file alone: elsewhere.weight" in said
    assert f"1 of another shape: {reshaped} 99, wanted" in said
    assert f"1 of another type: {retyped} float64, wanted float32" in said
    assert not project.runs
    run, fit = import_weights(project, config, dataset, tmp_path / "odd.safetensors", partly=True)
    assert fit.missing == (missing,)
    kept = run.checkpoint()["model"]
    torch.manual_seed(config.training.seed)
    fresh = recipe.build(dataset.spec, len(dataset.train)).model.state_dict()
    for name in names:
        assert torch.equal(kept[name], tensors[name] if name in fit.fitted else fresh[name])


class Code:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, (f"open({str(self.place)!r}, 'w')",)


def test_files_that_are_no_weights_are_refused_and_run_no_code(
    project: Project, config: RunConfig, tmp_path: Path
) -> None:
    dataset = load(config.data)
    for name, data in {
        "code.pt": pickle.dumps(Code(tmp_path / "ran"), 2),
        "text.safetensors": b"not weights",
        "cut.npz": b"PK\x03\x04",
        "list.pt": b"",
        "readme.md": b"# Weights",
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadWeights, match=name):
            import_weights(project, config, dataset, tmp_path / name)
    model = Recipe.read(config.family, config.learner, config.model, config.learning).build(dataset.spec, 10).model
    tensors = model.state_dict()
    tensors["encoder.0.bias"] = torch.full_like(tensors["encoder.0.bias"], float("nan"))
    save_file(tensors, tmp_path / "nan.safetensors")
    with pytest.raises(BadWeights, match=r"in 1 of its \d+ tensors: encoder\.0\.bias\. Nothing was changed"):
        import_weights(project, config, dataset, tmp_path / "nan.safetensors")
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    with pytest.raises(BadWeights, match="no state dict"):
        import_weights(project, config, dataset, tmp_path / "list.pt")
    assert not project.runs
    assert not (tmp_path / "ran").exists()


def test_an_export_is_imported_with_its_settings_and_samples_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], project: Project, config: RunConfig
) -> None:
    dataset = load(config.data)
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    save_file(recipe.build(dataset.spec, 10).model.state_dict(), tmp_path / "w.safetensors")
    import_weights(project, config, dataset, tmp_path / "w.safetensors", name="first")
    project.save()
    out = tmp_path / "out"
    assert export(project.path, to=out, json=True) == 0
    made = json.loads(capsys.readouterr().out)
    names = {Path(name).relative_to(out).as_posix() for name in made["files"]}
    assert {"weights.safetensors", "config.json", "script/sample.py", "samples/samples.png", "export.json"} < names
    assert load_file(out / "weights.safetensors").keys() == load_file(tmp_path / "w.safetensors").keys()
    other = tmp_path / "other.dgm"
    assert command(other, out / "weights.safetensors", json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["missing"] == said["surplus"] == []
    drawn = []
    for path in (project.path, other):
        with Project.open(path, read_only=True) as opened:
            run = next(iter(opened.runs.values()))
            subject = subject_of(run, "cpu", 0)
            assert run.config == config
            drawn.append(subject.model.sample(5, Generator().manual_seed(1)))
    assert torch.equal(*drawn)

    # a flipped bit leaves a number like any other: the checksum of the export tells
    weights = out / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-3] ^= 1
    weights.write_bytes(data)
    with pytest.raises(BadWeights, match=r"weights\.safetensors is not the file that was exported"):
        import_weights(project, config, dataset, weights)
    assert len(project.runs) == 1
    weights.rename(tmp_path / "edited.safetensors")
    import_weights(project, config, dataset, tmp_path / "edited.safetensors")
