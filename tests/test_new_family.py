"""Adding a family is one file and one line of the catalogue: everything else of the studio follows from them.

The studio is copied to a temporary folder, a small family is added to the copy, and nothing else is edited.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent

FILE = '''
"""Probabilistic principal component analysis of values in 0…1, the smallest model with a latent space."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor, nn

from models.capabilities import Elbo
from models.distributions import Normal, bernoulli, bernoulli_log_prob, standard_normal
from models.family import Family
from models.settings import Settings, setting
from models.spec import DataSpec, Support, require


class PlainSettings(Settings):
    latent: int = setting(2, title="Latent size", help="Dimensions of z.", ge=1, le=16)
    offset: bool = setting(True, title="Offset", help="Whether the decoder may shift.")
    start: Literal["small", "zero"] = setting("small", title="Start", help="Where the decoder starts.")


class Plain(nn.Module):
    def __init__(self, settings: PlainSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.latent, self.is_bits = spec.event_shape, settings.latent, spec.support is Support.BITS
        self.encoder = nn.Linear(spec.dimensions, 2 * settings.latent)
        self.decoder = nn.Linear(settings.latent, spec.dimensions, bias=settings.offset)
        if settings.start == "zero":
            nn.init.zeros_(self.decoder.weight)

    @staticmethod
    def check(settings: PlainSettings, spec: DataSpec) -> None:
        require(spec, Support.BITS, Support.UNIT, model="Plain")

    def prior(self) -> Normal:
        return standard_normal(self.latent, like=self.encoder.weight)

    def encode(self, x: Tensor) -> Normal:
        return Normal(*self.encoder(x.flatten(1)).chunk(2, -1))

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z).sigmoid().reshape(-1, *self.event_shape)

    def elbo(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        posterior = self.encode(x)
        kl = posterior.kl_from_standard()
        logits = self.decoder(posterior.sample(1, generator)[0])
        return Elbo(bernoulli_log_prob(x.flatten(1), logits).sum(-1), kl.sum(-1), kl)

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.decode(self.prior().sample(n, generator))

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        mean = self.sample_mean(n, generator)
        return bernoulli(mean, generator) if self.is_bits else mean


FAMILY = Family(
    key="plain",
    title="Plain components",
    group="variational",
    lecture="Linear factor models",
    summary="The smallest model with a latent space.",
    look_for="The first components.",
    model=Plain,
    settings=PlainSettings,
    learners=("reparameterized-elbo",),
    data="digits",
)
'''

# What a user does, in the copy: prints one JSON document per command, then what the window's parts said.
DRIVE = """
import contextlib, io, json, sys
from pathlib import Path

from dgm_studio.cli import run

def command(*words):
    said, complained = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        code = run(words, lambda album: [])
    return {"code": code, "out": said.getvalue(), "err": complained.getvalue()}

found = {
    "list": command("list", "families", "--json"),
    "train": command("train", "--family", "plain", "--steps", "40", "--set", "model.latent=3",
                     "--project", "p.dgm", "--json"),
    "resume": command("resume", "p.dgm", "--steps", "10", "--json"),
    "refused": command("train", "--family", "plain", "--data", "ring", "--project", "q.dgm"),
    "unknown": command("train", "--family", "plain", "--set", "model.no_such=1", "--project", "q.dgm"),
    "sample": command("sample", "p.dgm", "--out", "s.png", "--json"),
    "evaluate": command("evaluate", "p.dgm", "--json"),
    "check": command("check", "p.dgm"),
}
found["picture"] = Path("s.png").is_file()

import torch
from dgm_studio.datasets.sources import load
from dgm_studio.evaluation import admitted, subject_from
from dgm_studio.events import Snapshot
from dgm_studio.state import learner_tensors
from dgm_studio.store import Project
from models.catalog import Recipe

with Project.open(Path("p.dgm")) as project:
    (kept,) = project.runs.values()
    config, state = kept.config, kept.checkpoint()
    found["run"] = {
        "status": kept.status, "step": state["step"], "family": config.family, "latent": config.model["latent"],
        "curves": sorted(kept.metrics), "evaluations": [e.key for e in kept.evaluations],
    }
recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
dataset = load(config.data)
found["admitted"] = [entry.key for entry in admitted(recipe, dataset.spec)]
subject = subject_from(recipe, dataset, state, torch.device("cpu"), 0)
found["subject"] = [subject.step, list(subject.model.sample(2, subject.generator).shape)]

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication
from widgets.explorers.catalog import EXPLORERS
from widgets.live import Live
from widgets.settings_form import SettingsForm

app = QApplication(sys.argv[:1])
form = SettingsForm("model-settings")
form.show_settings(recipe.family.settings, config.model)
found["form"] = {field: form.editor(field).metaObject().className() for field in recipe.family.settings.model_fields}

live = Live(config, recipe, dataset, torch.device("cpu"))
live.publish(Snapshot(state["step"], learner_tensors(state)))
found["explorers"], loop, patience = {}, QEventLoop(), QTimer(singleShot=True)
answers = []
live.answered.connect(lambda answer: (answers.append(answer), loop.quit()))
patience.timeout.connect(loop.quit)
for kind in EXPLORERS:
    if not kind.admits(live.model_class, live.learner_class, live.spec):
        continue
    answers.clear()
    view = kind(live)
    view.resize(900, 700)
    view.show()
    patience.start(20_000)
    while not answers and patience.isActive():
        loop.exec()
    found["explorers"][kind.key] = {"answers": len(answers), "errors": [a.details for a in answers if a.error]}
    view.hide()
    view.deleteLater()
live.close()
print(json.dumps(found))
"""


def run_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(folder), "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the studio with one file and one line more."""
    folder = tmp_path_factory.mktemp("studio")
    for room in ("models", "dgm_studio", "widgets", "resources", "tests"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "models" / "plain.py").write_text(FILE.lstrip(), encoding="utf-8")
    catalogue = folder / "models" / "catalog.py"
    text = catalogue.read_text(encoding="utf-8")
    for line, before in (("    plain,\n", "    rbm,\n"), ("    plain.FAMILY,\n", "    rbm.FAMILY,\n")):
        assert text.count(before) == 1
        text = text.replace(before, line + before)
    catalogue.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def found(studio: Path) -> dict[str, Any]:
    """What the studio said when the new family was used in every way."""
    (studio / "drive.py").write_text(DRIVE, encoding="utf-8")
    done = run_in(studio, "drive.py")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def document(said: dict[str, Any]) -> Any:
    assert said["code"] == 0, said["err"]
    return json.loads(said["out"])


def test_the_command_line_lists_trains_resumes_samples_and_checks_it(found: dict[str, Any]) -> None:
    assert "plain" in json.dumps(document(found["list"]))
    for command in ("train", "resume", "sample", "evaluate"):
        document(found[command])
    assert found["picture"]
    assert found["check"]["code"] == 0


def test_the_command_line_refuses_unfit_data_and_unknown_settings_in_its_name(found: dict[str, Any]) -> None:
    assert found["refused"]["code"] == 2
    assert "Plain cannot model reals" in found["refused"]["err"]
    assert found["unknown"]["code"] == 2
    assert "no_such: unknown setting (there are: latent, offset, start)" in found["unknown"]["err"]


def test_its_run_is_saved_reopened_and_resumed(found: dict[str, Any]) -> None:
    run = found["run"]
    assert (run["status"], run["step"], run["family"], run["latent"]) == ("finished", 50, "plain", 3)
    assert {"elbo", "kl", "valid/elbo"} <= set(run["curves"])
    assert found["subject"] == [50, [2, 1, 8, 8]]


def test_it_is_put_through_the_evaluations_that_its_capabilities_admit(found: dict[str, Any]) -> None:
    assert found["admitted"]
    assert sorted(set(found["run"]["evaluations"])) == sorted(found["admitted"])


def test_its_settings_have_a_form(found: dict[str, Any]) -> None:
    assert list(found["form"]) == ["latent", "offset", "start"]
    assert len(set(found["form"].values())) == 3


def test_the_explorers_that_its_capabilities_admit_answer(found: dict[str, Any]) -> None:
    assert {"latent-map", "draw-it"} <= set(found["explorers"])
    for said in found["explorers"].values():
        assert said["answers"]
        assert not said["errors"]


def test_the_contract_is_tested_for_it(studio: Path) -> None:
    contract = [str(path.relative_to(studio)) for path in (studio / "tests" / "models").glob("test_contract*.py")]
    done = run_in(studio, "-m", "pytest", *contract, "-k", "plain", "-p", "no:randomly")
    assert done.returncode == 0, done.stdout
    passed = int(done.stdout.rsplit(" passed", 1)[0].split()[-1])
    assert passed >= 20
