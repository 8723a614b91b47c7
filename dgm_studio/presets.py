"""Runs that are ready to start: the cards of the start page and `train PRESET`. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dgm_studio import ROOT
from dgm_studio.config import RunConfig
from models.settings import read_settings

FOLDER = ROOT / "resources" / "presets"


@dataclass(frozen=True)
class Preset:
    """A run with a name, as resources/presets/KEY.json holds it: what differs from the defaults, and why to look."""

    key: str
    title: str
    summary: str
    group: str
    config: RunConfig
    picture: Path | None  # made by `python main.py preset-pictures` from the trained preset


class UnknownPreset(KeyError):
    """A name that is no preset; the sentence lists those there are."""

    def __str__(self) -> str:
        return str(self.args[0])


@cache
def presets() -> tuple[Preset, ...]:
    """All presets in their order; the first is the studio's default."""
    entries = [(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in FOLDER.glob("*.json")]
    entries.sort(key=lambda entry: entry[1]["order"])
    return tuple(_preset(key, entry) for key, entry in entries)


def preset(key: str) -> Preset:
    """The preset named `key`. Raises UnknownPreset."""
    for entry in presets():
        if entry.key == key:
            return entry
    raise UnknownPreset(f"There is no preset named {key!r}. There are: {', '.join(p.key for p in presets())}.")


def _preset(key: str, entry: dict[str, object]) -> Preset:
    picture = FOLDER / f"{key}.png"
    config = entry["config"]
    assert isinstance(config, dict), f"resources/presets/{key}.json: config is an object"
    return Preset(
        key=key,
        title=str(entry["title"]),
        summary=str(entry["summary"]),
        group=str(entry["group"]),
        config=read_settings(RunConfig, config, f"preset {key}"),
        picture=picture if picture.is_file() else None,
    )
