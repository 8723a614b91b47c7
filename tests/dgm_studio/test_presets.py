"""The presets: found, ordered, and each of them possible."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from dgm_studio import presets as module
from dgm_studio.commands.pictures import CARD
from dgm_studio.datasets.sources import load, source
from dgm_studio.presets import Preset, UnknownPreset, preset, presets
from models.catalog import FAMILIES, Recipe
from models.settings import SettingsError


def test_the_first_preset_is_the_default() -> None:
    assert presets()[0].key == "vae-digits"


def test_every_family_has_a_preset() -> None:
    assert {entry.config.family for entry in presets()} == {family.key for family in FAMILIES}


@pytest.mark.parametrize("entry", presets(), ids=lambda entry: entry.key)
def test_its_model_learner_and_data_fit_together(entry: Preset) -> None:
    config = entry.config
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    if not source(config.data.source).at_hand():
        pytest.skip(f"{config.data.source} would be downloaded")
    dataset = load(config.data)
    recipe.check(dataset.spec)
    assert config.training.batch_size <= len(dataset.train)


@pytest.mark.parametrize("entry", presets(), ids=lambda entry: entry.key)
def test_its_card_has_a_title_a_sentence_and_a_picture(entry: Preset) -> None:
    assert entry.title
    assert entry.group
    assert entry.summary.endswith((".", "?"))
    assert entry.picture is not None
    assert struct.unpack(">II", entry.picture.read_bytes()[16:24]) == CARD


def test_an_unknown_preset_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(UnknownPreset, match=r"no preset named 'nonsense'.*vae-digits"):
        preset("nonsense")


def test_the_order_of_the_files_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"family": "some", "learner": "rule"}
    for key, order in (("a", 3), ("b", 1), ("c", 2)):
        entry = {"title": key, "summary": "It.", "group": "g", "order": order, "config": config}
        (tmp_path / f"{key}.json").write_text(json.dumps(entry), encoding="utf-8")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    assert [entry.key for entry in presets.__wrapped__()] == ["b", "c", "a"]


def test_a_misspelt_field_of_a_preset_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"title": "t", "summary": "It.", "group": "g", "order": 1, "config": {"family": "f", "lerner": "l"}}
    (tmp_path / "odd.json").write_text(json.dumps(entry), encoding="utf-8")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    with pytest.raises(SettingsError, match=r"preset odd\.lerner: unknown setting"):
        presets.__wrapped__()
