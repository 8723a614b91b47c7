"""Runs described in a file. What is wrong with such files is in tests/faults/_crafted_settings.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dgm_studio.commands.configure import configure
from dgm_studio.commands.output import CommandError
from dgm_studio.presets import FOLDER, presets
from dgm_studio.settings_files import family_defaults, read_config
from models.catalog import FAMILIES
from models.settings import SettingsError

FAMILY = FAMILIES[0].key


def file(folder: Path, text: str, name: str = "run.toml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_family_alone_is_its_defaults(tmp_path: Path) -> None:
    made = read_config(file(tmp_path, f'family = "{FAMILY}"'))
    assert made.model_dump() == family_defaults(FAMILY)


def test_a_preset_is_changed_by_what_the_file_says(tmp_path: Path) -> None:
    entry = presets()[0]
    made = read_config(file(tmp_path, f'preset = "{entry.key}"\n[training]\nsteps = 7\n[data]\nsplit_seed = 3\n'))
    assert (made.training.steps, made.data.split_seed) == (7, 3)
    assert made.model == entry.config.model
    assert made.data.source == entry.config.data.source


@pytest.mark.parametrize("entry", presets(), ids=lambda entry: entry.key)
def test_the_file_of_a_preset_is_a_settings_file(entry: object) -> None:
    key = entry.key  # type: ignore[attr-defined]
    made, wanted = read_config(FOLDER / f"{key}.json"), entry.config  # type: ignore[attr-defined]
    assert (made.family, made.learner, made.model, made.training) == (
        wanted.family,
        wanted.learner,
        wanted.model,
        wanted.training,
    )


def test_what_a_run_is_made_of_can_be_written_and_read(tmp_path: Path) -> None:
    for family in FAMILIES:
        config = configure(None, family.key, None, None, None, ["training.steps=9"], {})
        text = json.dumps({"name": "n", "config": config.model_dump(mode="json")})
        assert read_config(file(tmp_path, text, "config.json")) == config


def test_a_relative_path_of_data_begins_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set").mkdir()
    data = f'family = "{FAMILY}"\n[data]\nsource = "csv"\n[data.settings]\npath = '
    monkeypatch.chdir(tmp_path)
    made = read_config(file(tmp_path / "set", data + '"table.csv"'))
    assert made.data.settings == {"path": str(tmp_path / "set" / "table.csv")}
    made = read_config(file(tmp_path / "set", data + '"/elsewhere/table.csv"'))
    assert made.data.settings == {"path": "/elsewhere/table.csv"}


def test_options_change_what_the_file_says(tmp_path: Path) -> None:
    given = file(tmp_path, f'family = "{FAMILY}"\n[training]\nsteps = 7\nseed = 5\n')
    made = configure(None, None, None, None, "fixed", ["training.batch_size=8"], {"steps": 3}, given)
    assert made.training.model_dump() | {"device": ""} == {"steps": 3, "batch_size": 8, "seed": 5, "device": ""}
    assert made.data.binarization == "fixed"
    with pytest.raises(CommandError, match="a preset, a family or a settings file"):
        configure(None, FAMILY, None, None, None, [], {}, given)


def test_every_problem_of_a_group_is_named_with_file_and_key(tmp_path: Path) -> None:
    given = file(tmp_path, f'family = "{FAMILY}"\n[training]\nsteps = 0\nsede = 5\n')
    with pytest.raises(SettingsError) as caught:
        read_config(given)
    text = str(caught.value)
    assert text.startswith(f"{given}: training.steps: ")
    assert "training.sede: unknown setting (there are: steps, batch_size, seed, device). Did you mean seed?" in text
