"""Runs as files that need no studio."""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Generator

from dgm_studio import ROOT
from dgm_studio.config import RunConfig
from dgm_studio.exporting import onnx_nets
from dgm_studio.exporting.base import Frame, Part, Source, Tell
from dgm_studio.exporting.curves import Curves, Tables
from dgm_studio.exporting.event_files import crc32c
from dgm_studio.exporting.onnx_nets import Onnx
from dgm_studio.exporting.samples import SampleFiles
from dgm_studio.exporting.script import Script
from dgm_studio.exporting.tensorboard import TensorBoard
from dgm_studio.exporting.weights import Weights
from dgm_studio.exporting.whole import PARTS, REPORT, Cancelled, NotWritten, write
from dgm_studio.reports import Column, Table
from dgm_studio.subject import Subject
from models.capabilities import Samples
from models.catalog import FAMILIES, Recipe
from models.spec import UnsuitableData
from tests.models.contract import DATASETS, recipe

STEPS = np.array([0, 5, 10], np.int64)
CURVES = {
    "loss": (STEPS, np.array([0.1, 1 / 3, 1e-7], np.float32)),
    "valid/loss": (STEPS[1:], np.array([2.5, -1.0], np.float32)),
}
WALL = (STEPS, np.array([0.0, 2.0, 4.0], np.float32))
PICTURES = np.random.default_rng(0).integers(0, 256, (4, 1, 3, 3), dtype=np.uint8)
TABLE = Table("Likelihood", (Column("Measure"), Column("Value", "number", "nats")), (("ELBO", -1.5),))


ONNX = ["vae", "gan", "made", "gaussian-rbm", "cyclegan", "conditional-gan", "nade", "draw", "ar-vae"]


def silent(what: str) -> None:
    pass


def quiet(fraction: float, what: str) -> None:
    pass


def source(key: str) -> Source:
    """A run of a small, untrained model of this family."""
    made = recipe(key, next(family for family in FAMILIES if family.key == key).learners[0])
    dataset = next(data for data in DATASETS.values() if suits(made, data.spec))
    torch.manual_seed(0)
    learner = made.build(dataset.spec, len(dataset.train)).eval()
    config = RunConfig(
        family=key,
        learner=made.learning.key,
        model=made.model.model_dump(mode="json"),
        learning=made.learner.model_dump(mode="json"),
    )
    subject = Subject(learner, dataset, 10, Generator().manual_seed(0))
    frame = lambda step: Frame(step, PICTURES, True)  # noqa: E731
    return Source("a run", config, subject, 1e9, CURVES, WALL, (0, 10), frame, (("likelihood", 10, TABLE),), samples=6)


def suits(made: Recipe, spec: object) -> bool:
    try:
        made.check(spec)  # type: ignore[arg-type]
    except UnsuitableData:
        return False
    return True


# In a process without the studio: neither it, nor Qt, nor pydantic can be imported.
ALONE = """
import runpy, sys
from pathlib import Path

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("dgm_studio", "widgets", "PySide6", "pydantic", "scipy", "PIL", "h5py"):
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Forbidden())
for place in map(Path, sys.argv[1:]):
    for name in [name for name in sys.modules if name.partition(".")[0] == "models"]:
        del sys.modules[name]
    before = list(sys.path)
    sys.argv = ["sample.py", "--n", "5", "--seed", "3", "--out", str(place / "drawn.npy")]
    draws = not (place / "none").exists()
    script = runpy.run_path(str(place / "script" / "sample.py"), run_name="__main__" if draws else "")
    if not draws:
        script["build"]()
    assert sys.modules["models"].__file__.startswith(str(place)), "not the studio's own modules"
    sys.path[:] = before
"""


def run_alone(tmp_path: Path, keys: list[str]) -> None:
    """Export each of these families, sample each with its script, and compare with the studio's samples."""
    expected = {}
    for key in keys:
        place, made = tmp_path / key, source(key)
        place.mkdir()
        Script().write(made, place, silent)
        model = made.subject.model
        if isinstance(model, Samples):
            with torch.no_grad():
                expected[key] = model.sample(5, Generator().manual_seed(3)).numpy()
        else:
            (place / "none").touch()
    alone = tmp_path / "alone.py"
    alone.write_text(ALONE)
    command = [sys.executable, "-I", str(alone), *(str(tmp_path / key) for key in keys)]
    done = subprocess.run(command, cwd=tmp_path.root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for key, samples in expected.items():
        assert np.array_equal(np.load(tmp_path / key / "drawn.npy"), samples), key


def test_a_script_draws_the_same_samples_bit_for_bit_without_the_studio(tmp_path: Path) -> None:
    run_alone(tmp_path, ["vae", "made", "char-rnn"])


@pytest.mark.slow
def test_every_family_has_a_script_that_samples_without_the_studio(tmp_path: Path) -> None:
    run_alone(tmp_path, [family.key for family in FAMILIES])


def test_a_checksum_is_that_of_castagnoli() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, appendix B.4 lists its kin


def test_tensorboard_reads_what_was_measured_and_shown(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    TensorBoard().write(source("vae"), tmp_path, silent)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == set(CURVES)
    for key, (steps, values) in CURVES.items():
        found = events.Scalars(key)
        assert [event.step for event in found] == steps.tolist()
        assert np.array_equal(np.array([event.value for event in found], np.float32), values)
    assert [event.wall_time - 1e9 for event in events.Scalars("loss")] == [0, 2, 4]
    images = events.Images("means")
    assert [event.step for event in images] == [0, 10]
    (tmp_path / "one.png").write_bytes(images[0].encoded_image_string)
    with Image.open(tmp_path / "one.png") as picture:
        assert (picture.width, picture.height) == (images[0].width, images[0].height)
    text = events.Tensors(
        "settings/text_summary" if "settings/text_summary" in events.Tags()["tensors"] else "settings"
    )
    assert b"| model.latent |" in text[0].tensor_proto.string_val[0]


def test_curves_are_read_back_as_they_were_measured(tmp_path: Path) -> None:
    Curves().write(source("vae"), tmp_path, silent)
    rows = list(csv.DictReader((tmp_path / "curves.csv").open()))
    assert [row["step"] for row in rows] == ["0", "5", "10"]
    assert np.array_equal(np.array([row["loss"] for row in rows], np.float32), CURVES["loss"][1])
    assert [row["valid/loss"] for row in rows] == ["", "2.5", "-1.0"]
    assert [row["seconds"] for row in rows] == ["0.0", "2.0", "4.0"]


def test_samples_of_images_are_a_picture_and_numbers(tmp_path: Path) -> None:
    made = source("conditional-gan")
    notes = SampleFiles().write(made, tmp_path, silent)
    drawn = np.load(tmp_path / "samples" / "samples.npy")
    assert drawn.shape == (6, *made.spec.event_shape)
    with Image.open(tmp_path / "samples" / "classes.png") as grid, Image.open(tmp_path / "samples" / "samples.png"):
        pixel = max(1, 640 // (10 * 4))
        assert grid.size == (pixel * (10 * 4 - 1), pixel * (3 * 4 - 1))
    assert "classes.png has 10 samples of each class in a row." in notes


def test_without_the_data_what_needs_none_is_there_and_the_rest_says_why(tmp_path: Path) -> None:
    whole = source("vae")
    tensors = whole.there.model.state_dict()
    made = replace(whole, subject=None, tensors=tensors, kept_at=10, missing="digits.csv is gone.")
    exported = write(made, [*PARTS], tmp_path / "out", quiet)
    notes = dict(exported.notes)
    for key in ("script", "samples", *(("onnx",) if find_spec("onnxscript") else ())):
        assert notes[key] == "Left out: it needs the run's data. digits.csv is gone."
    assert {"weights.safetensors", "config.json", "curves.csv", "tables/likelihood-likelihood-step-10.tex"} < set(
        exported.files
    )
    back = load_file(tmp_path / "out" / "weights.safetensors")
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[key], one) for key, one in tensors.items())
    assert json.loads((tmp_path / "out" / "config.json").read_text())["step"] == 10
    assert any("Pictures are left out" in text for key, text in exported.notes if key == "tensorboard")
    with pytest.raises(NotWritten, match=r"digits\.csv is gone"):
        write(made, [SampleFiles()], tmp_path / "none", quiet)
    assert not (tmp_path / "none").exists()


def test_drawing_samples_is_called_off_on_the_way(tmp_path: Path) -> None:
    asked = []
    made = replace(source("nade"), called_off=lambda: bool(asked.append(1)) or len(asked) > 2)
    with pytest.raises(Cancelled):
        write(made, [SampleFiles()], tmp_path / "out", quiet)
    assert len(asked) == 3
    assert list(tmp_path.iterdir()) == []


def test_writing_a_network_is_called_off_on_the_way(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    asked = []
    made = replace(source("made"), called_off=lambda: bool(asked.append(1)) or len(asked) > 2)
    with pytest.raises(Cancelled):
        write(made, [Onnx()], tmp_path / "out", quiet)
    assert list(tmp_path.iterdir()) == []


def test_what_decodes_in_turn_is_written_as_one_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(onnx_nets, "_written", lambda net, path, inputs: (path.touch(), (0.0, True))[1])
    made = source("ar-vae")
    notes = Onnx().write(made, tmp_path, silent)
    assert {path.name for path in (tmp_path / "onnx").glob("*.onnx")} == {"encoder.onnx", "conditionals.onnx"}
    assert notes[0].startswith("decoder.onnx is not there: a code is decoded coordinate after coordinate")
    net = next(net for net in onnx_nets.nets(made.there.model, made.there.learner, made.spec) if "z" in net.inputs)
    x, z = onnx_nets._inputs(net, made, 8)
    torch.testing.assert_close(net.function(x, z).flatten(1).sum(1), made.there.model.log_likelihood(x, z))


def test_what_a_killed_export_left_is_removed_and_what_another_writes_is_not(tmp_path: Path) -> None:
    made = source("vae")
    kill = """
import os, sys, torch
from pathlib import Path
from dgm_studio.exporting.weights import Weights
from dgm_studio.exporting.whole import write
from tests.dgm_studio.test_exporting import source
def tell(fraction, what):
    if fraction >= at:
        os.kill(os.getpid(), 9)
at = float(sys.argv[2])
write(source("vae"), [Weights()], Path(sys.argv[1]), tell)
"""
    for at in ("0", "1"):  # the second removes what the first has left
        subprocess.run([sys.executable, "-c", kill, str(tmp_path / "out"), at], check=False, cwd=ROOT)
        assert len([*tmp_path.iterdir()]) == 1
    (tmp_path / ".out.mine.part").mkdir()
    (tmp_path / ".outer.1.0a.part").mkdir()

    class Second(Part):
        key, title, help = "second", "Second", "Second."

        def write(self, source: Source, folder: Path, tell: Tell) -> list[str]:
            write(made, [Tables()], tmp_path / "out", quiet)
            assert folder.is_dir(), "it was taken for one that is left"
            return []

    write(made, [Second(), Weights()], tmp_path / "out", quiet)
    assert {path.name for path in tmp_path.iterdir()} == {"out", ".out.mine.part", ".outer.1.0a.part"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"weights.safetensors", "config.json", REPORT}


@pytest.mark.parametrize("part", [Weights(), Script(), Curves()])
def test_a_disk_that_takes_no_more_is_named_whoever_writes(part: Part, tmp_path: Path) -> None:
    made = source("vae")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))  # no file may grow beyond these bytes
    try:
        with pytest.raises(NotWritten, match=r"out was not written: File too large\. Nothing was left behind"):
            write(made, [part], tmp_path / "out", quiet)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_had_gone_aside_comes_back(tmp_path: Path) -> None:
    made = source("vae")
    write(made, [Weights()], tmp_path / "out", quiet)
    (tmp_path / "out").rename(tmp_path / ".out.123.old")
    with pytest.raises(Cancelled):
        write(replace(made, called_off=lambda: True), [SampleFiles()], tmp_path / "out", quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "weights.safetensors").is_file()


def test_an_export_is_whole_or_not_there(tmp_path: Path) -> None:
    class Breaks(Part):
        key, title, help = "breaks", "Breaks", "Breaks."

        def __init__(self, error: Exception) -> None:
            self.error = error

        def write(self, source: Source, folder: Path, tell: Tell) -> list[str]:
            (folder / "half.txt").write_text("half")
            raise self.error

    made, place = source("vae"), tmp_path / "out"
    first = write(made, [Weights(), Tables()], place, quiet)
    assert {"weights.safetensors", "config.json", REPORT} < set(first.files)
    assert "tables/likelihood-likelihood-step-10.tex" in first.files
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    described = json.loads((place / REPORT).read_text())
    assert set(described["files"]) | {REPORT} == set(first.files)
    for error, raised in ((OSError(28, "No space left on device"), NotWritten), (Cancelled(), Cancelled)):
        with pytest.raises(raised):
            write(made, [Weights(), Breaks(error)], place, quiet)
        with pytest.raises(raised):
            write(made, [Breaks(error)], tmp_path / "new", quiet)
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    write(made, [Curves()], place, quiet)
    assert {path.name for path in place.iterdir()} == {"curves.csv", REPORT}, "the earlier export was replaced"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(NotWritten, match="holds other files"):
        write(made, [Weights()], tmp_path / "mine", quiet)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"


def test_what_does_not_apply_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = source("domain-adversarial")
    kinds = type(made.subject.model), type(made.subject.learner)
    assert "draws no samples" in SampleFiles().refusal(*kinds)
    assert write(made, [SampleFiles()], tmp_path / "out", quiet).notes == (("samples", SampleFiles().refusal(*kinds)),)
    summed = source("discrete-vae").there  # log p(x) of 10^6 codes
    assert "sum over many states" in Onnx().refusal(type(summed.model), type(summed.learner))
    assert not onnx_nets.nets(summed.model, summed.learner, summed.spec)
    monkeypatch.setattr(onnx_nets, "find_spec", lambda name: None)
    assert Onnx().refusal(*kinds) == "onnx and onnxscript are not installed: pip install dgm-studio[onnx]."


@pytest.mark.parametrize("difference", [0.5, float("nan")])
def test_a_graph_that_says_something_else_than_torch_is_not_kept(
    difference: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_nets, "_export", lambda net, path, inputs, any_number: path.write_bytes(b"graph"))
    monkeypatch.setattr(onnx_nets, "largest_difference", lambda net, path, inputs: difference)
    notes = Onnx().write(source("vae"), tmp_path, silent)
    assert notes
    assert all(
        "is not there" in note and f"says something else than torch, by {difference:.1g}" in note for note in notes
    )
    assert [path.name for path in (tmp_path / "onnx").iterdir()] == ["nets.json"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("aten.rand_like is not there", "it draws random numbers"),
        (
            "Could not extract specialized integer from data-dependent expression u0",
            "what it computes depends on values",
        ),
        ("No ONNX function found for <OpOverload(op='aten.__rshift__', overload='Tensor')>.", "ONNX has no rshift"),
    ],
)
def test_why_a_network_is_not_written_is_a_sentence(
    said: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*given: object) -> None:
        raise RuntimeError("outside") from ValueError(said)

    monkeypatch.setattr(onnx_nets, "_written", refused)
    notes = Onnx().write(source("fvbn"), tmp_path, silent)
    assert f"conditionals.onnx is not there: torch cannot write this as a fixed graph ({reason}" in notes[0]


def test_nobody_is_told_of_an_export(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    lines = "import dgm_studio.exporting.onnx_nets, onnxruntime; print(onnxruntime.__version__)"
    home = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_"))}
    done = subprocess.run(
        [sys.executable, "-c", lines], env={**home, "HOME": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip()
    assert not list(tmp_path.iterdir()), "the number of this device, and what is to be told"


@pytest.mark.slow
@pytest.mark.parametrize("key", ONNX)
def test_networks_are_the_same_in_onnx(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)
    made = source(key)
    notes = Onnx().write(made, tmp_path, silent)
    written = json.loads((tmp_path / "onnx" / "nets.json").read_text())
    nets = onnx_nets.nets(made.subject.model, made.subject.learner, made.spec)
    refused = {note.partition(".")[0] for note in notes if "is not there" in note}
    assert {Path(name).stem for name in written} == {net.name for net in nets} - refused, notes
    assert [note for note in notes if "is not there" in note] in (
        [],
        [onnx_nets.IN_TURN],
        ["discriminator.onnx is not there: torch cannot write this as a fixed graph (it draws random numbers)."],
    )
    assert key not in ("nade", "draw", "ar-vae") or all(one["any_number"] for one in written.values())
    assert all(one["difference"] < 1e-4 for one in written.values())
    # a net that says something else is found out
    net = nets[0]
    wrong = replace(net, function=shifted(net.function))
    inputs = onnx_nets._inputs(net, made, onnx_nets.CHECKED)
    if written[f"{net.name}.onnx"]["any_number"]:
        difference = onnx_nets.largest_difference(wrong, tmp_path / "onnx" / f"{net.name}.onnx", inputs)
        assert difference is not None
        assert difference > 0.01
    real = find_spec
    monkeypatch.setattr(onnx_nets, "find_spec", lambda name: None if name == "onnxruntime" else real(name))
    assert onnx_nets.largest_difference(net, tmp_path / "onnx" / f"{net.name}.onnx", inputs) is None


@pytest.mark.slow
def test_a_network_that_is_sure_is_the_same_in_onnx(tmp_path: Path) -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)
    made = source("fvbn")
    with torch.no_grad():
        for parameter in made.there.model.parameters():
            parameter.normal_(std=300, generator=Generator().manual_seed(0))
    notes = Onnx().write(made, tmp_path, silent)
    assert ["any number of examples: checked" in note for note in notes] == [True], notes


def shifted(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def other(*inputs: torch.Tensor) -> torch.Tensor:
        made = function(*inputs)
        return (made[0] if isinstance(made, tuple) else made) + 0.1

    return other
