"""The example of CONTRIBUTING.md is a model that works, and adding it needs no edit elsewhere."""

from __future__ import annotations

import itertools
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from dgm_studio.cli import run
from models import catalog
from models.catalog import Family
from models.spec import DataSpec, Layout, Support

CODE = re.findall(r"```python\n(.*?)```", (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(), re.DOTALL)


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> Family:
    module = ModuleType("models.bernoulli_mixture")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(CODE[0], "models/bernoulli_mixture.py", "exec"), module.__dict__)
    family = module.__dict__["FAMILY"]
    monkeypatch.setattr(catalog, "FAMILIES", (*catalog.FAMILIES, family))
    return family


def test_the_example_is_a_distribution(added: Family) -> None:
    spec = DataSpec((1, 2, 4), Support.BITS, Layout.IMAGE)
    model: Any = added.model(added.settings(), spec)
    states = torch.tensor(list(itertools.product([0.0, 1.0], repeat=8))).reshape(-1, 1, 2, 4)
    assert model.log_prob(states).exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_the_example_can_be_trained_measured_sampled_resumed(
    added: Family, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = str(tmp_path / "mixture.dgm")

    def command(*words: str) -> Any:
        code = run([*words, "--json"], lambda album: [])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        return json.loads(out)

    listed = {entry["key"]: entry for entry in command("list", "families")}
    assert listed[added.key]["settings"]["components"]["default"] == 20
    trained = command(
        "train", "--family", added.key, "--set", "model.components=5", "--steps", "30", "--project", project
    )
    assert trained["status"] == "finished"
    assert command("resume", project, "--steps", "10")["step"] == 40
    kinds = [
        row
        for evaluation in command("evaluate", project)["evaluations"]
        for report in evaluation["reports"]
        if report["type"].startswith("table")
        for row in report["rows"]
    ]
    assert any("exact" in row for row in kinds)
    command("sample", project, "--out", str(tmp_path / "samples.png"))
    command("export", project, "--to", str(tmp_path / "exported"))
    assert (tmp_path / "exported" / "weights.safetensors").stat().st_size > 0
