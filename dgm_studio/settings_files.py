"""A run described in a file: TOML as people write it, JSON as `export` and the presets have it.

The file holds what a RunConfig holds, and only what differs from the defaults of its family, or of a preset:

    family = "vae"            # or preset = "KEY"; learner = "KEY" where the family has several

    [data]
    source = "numpy"
    settings = { path = "digits.npz" }    # a relative path begins where this file lies

    [data.other]              # the second domain, for what learns from two
    source = "images"
    settings = { path = "photos" }

    [model]
    hidden = 200

    [training]
    steps = 2000

Nothing in a file from elsewhere is trusted: its size is limited, and every key and value is checked.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from dgm_studio.config import DataChoice, RunConfig, default_data, of_domains
from dgm_studio.datasets.base import BadData
from dgm_studio.datasets.sources import WHERE, source
from dgm_studio.presets import UnknownPreset, preset
from models.catalog import UnknownKey, family, learning
from models.settings import Settings, SettingsError, read_settings

LIMIT = 2**16  # bytes; a file that sets everything has about 2000
T = TypeVar("T")


class _Given(Settings):
    """What a file may hold. The groups are checked when it is known which family and source they are for."""

    preset: str | None = None
    family: str | None = None
    learner: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    model: dict[str, Any] = Field(default_factory=dict)
    learning: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)


def read_config(path: Path) -> RunConfig:
    """The run that the file describes. Raises SettingsError, which names the file, the key and what is allowed."""
    return config_from(_values(path), path)


def config_from(described: Mapping[str, Any], path: Path) -> RunConfig:
    """The run that these values describe, as the file `path` holds them. Raises SettingsError."""
    name = str(path)
    given = read_settings(_Given, described, "", name)
    if (given.preset is None) == (given.family is None):
        raise SettingsError("", [("", "must name a family or a preset, and not both")], name)
    if given.preset is not None:
        values = _known(name, "preset", preset, given.preset).config.model_dump()
    else:
        values = family_defaults(_known(name, "family", family, str(given.family)).key)
    if given.learner not in (None, values["learner"]):
        values |= {"learner": given.learner, "learning": {}}
    for group in ("model", "learning", "training"):
        values[group] = values[group] | getattr(given, group)
    values["data"] = _data(values["data"], given.data)
    config = read_settings(RunConfig, values, "", name)
    chosen = family(config.family)
    if config.learner not in chosen.learners:
        text = f"{chosen.title} cannot learn by {config.learner!r}; it learns by: {', '.join(chosen.learners)}"
        raise SettingsError("", [("learner", text)], name)
    read_settings(chosen.settings, config.model, "model", name)
    read_settings(learning(config.learner).settings, config.learning, "learning", name)
    data = [_placed(domain, where, path) for domain, where in zip(config.data.domains, WHERE, strict=False)]
    return config.model_copy(update={"data": of_domains(*data)})


def _data(values: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What is given of the data over what there was; of another source nothing is kept that was set for the one
    before."""
    if given.get("source", values["source"]) != values["source"]:
        values = values | {"settings": {}}
    other, before = given.get("other"), values.get("other")
    inner = {"other": _data(before, other)} if isinstance(other, dict) and before else {}
    return values | given | inner


def _placed(choice: DataChoice, where: str, path: Path) -> DataChoice:
    """The choice with what it is set to checked, and a relative path made one from where the settings file lies."""
    kind = _known(str(path), f"{where}.source", source, choice.source)
    read_settings(kind.settings, choice.settings, f"{where}.settings", str(path))
    lies = choice.settings.get("path")
    if lies and "path" in kind.settings.model_fields:
        lies = str(path.parent.absolute() / Path(lies).expanduser())
    return choice.model_copy(update={"settings": choice.settings | ({"path": lies} if lies else {})})


def family_defaults(key: str) -> dict[str, Any]:
    """The values of a RunConfig for a family that nothing is said about. Raises UnknownKey."""
    chosen = family(key)
    return RunConfig(family=key, learner=chosen.learners[0], data=default_data(chosen)).model_dump()


def _values(path: Path) -> dict[str, Any]:
    """What the file says, unchecked."""
    text = _text(path)
    is_json = path.suffix.lower() == ".json"
    try:
        values = json.loads(text, object_pairs_hook=_once, parse_int=_int) if is_json else tomllib.loads(text)
    except RecursionError:
        raise SettingsError("", [("", "is nested too deeply for settings")], str(path)) from None
    except ValueError as error:
        kind = "JSON" if is_json else "TOML"
        problem = f"is not {kind} that can be read: {str(error).rstrip('.')}. Correct it there"
        raise SettingsError("", [("", problem)], str(path)) from None
    if not isinstance(values, dict):
        raise SettingsError("", [("", "holds no settings: an object of them is needed")], str(path))
    inner = values.get("config")  # what `export` and presets have around it describes the run, and sets nothing
    return inner if isinstance(inner, dict) else values


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise SettingsError("", [("", "is not a file")], str(path))
        with open(path, "rb") as file:
            content = file.read(LIMIT + 1)
        if len(content) > LIMIT:
            raise SettingsError("", [("", f"is larger than settings are (up to {LIMIT // 1024} kB)")], str(path))
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError("", [("", "is not text in UTF-8. Save it in UTF-8")], str(path)) from None
    except (OSError, ValueError) as error:
        if isinstance(error, SettingsError):
            raise
        text = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise SettingsError("", [("", text)], str(path)) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, whose keys stand in it once. Python's reader would silently take the last."""
    keys = [key for key, _ in pairs]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ValueError(f"the key {twice!r} stands there twice")
    return dict(pairs)


def _int(digits: str) -> int:
    if len(digits) > 30:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _known(file: str, field: str, find: Callable[[str], T], key: str) -> T:
    """What is named, or SettingsError that lists what can be."""
    try:
        return find(key)
    except (UnknownKey, UnknownPreset, BadData) as error:
        raise SettingsError("", [(field, str(error).rstrip("."))], file) from None
