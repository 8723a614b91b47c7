"""From the words of a command line to a checked RunConfig."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dgm_studio.commands.output import CommandError
from dgm_studio.config import DataChoice, RunConfig, TrainingSettings, takes_back
from dgm_studio.presets import preset, presets
from dgm_studio.settings_files import family_defaults, read_config
from models.catalog import Recipe
from models.settings import read_settings

GROUPS = ("model", "learning", "training", "data", "other")


def configure(
    preset_key: str | None,
    family_key: str | None,
    learner: str | None,
    data: str | None,
    binarization: str | None,
    assignments: Iterable[str],
    training: dict[str, Any],
    file: Path | None = None,
    other: str | None = None,
) -> RunConfig:
    """A preset (the first, where nothing is named), a family's defaults or a settings file, changed by what was said
    explicitly. `other`: the second data set; "none" takes it away.

    `assignments` are "GROUP.FIELD=VALUE"; `training` holds training settings that have options of their own. Another
    learner or data set than the preset's starts from the defaults of its settings. Every setting is written out in
    the result, so that a run does not change when a default does. Raises CommandError, SettingsError, UnknownKey or
    UnknownPreset.
    """
    if sum(map(bool, (preset_key, family_key, file))) > 1:
        raise CommandError("Name a preset, a family or a settings file, not both.")
    if file:
        values = read_config(file).model_dump()
    else:
        values = family_defaults(family_key) if family_key else _of_preset(preset_key or presets()[0].key)
    if learner and learner != values["learner"]:
        values |= {"learner": learner, "learning": {}}
    if data and data != values["data"]["source"]:
        values["data"] |= {"source": data, "settings": {}}
    if other == "none":
        values["data"].pop("other", None)
    elif other and other != (values["data"].get("other") or {}).get("source"):
        values["data"]["other"] = DataChoice(source=other).model_dump()
    chosen: dict[str, dict[str, Any]] = {"data": {"binarization": binarization} if binarization else {}, "other": {}}
    for assignment in assignments:
        group, field, value = parse_assignment(assignment, GROUPS)
        if group == "other" and not values["data"].get("other"):
            raise CommandError(f"--set {assignment}: there is no second data set. Choose one by --other KEY.")
        if group in chosen and field in ("binarization", "levels"):
            chosen[group][field] = value
        else:
            _assign(values, group, field, value)
    for group, fields in chosen.items():
        for field, value in fields.items():  # bits or levels; who asks for both is told that they exclude each other
            _domain(values, group).update({**takes_back(field, value), **fields})
    values["training"] |= training
    recipe = Recipe.read(values["family"], values["learner"], values["model"], values["learning"])
    return read_settings(
        RunConfig,
        values | {"model": recipe.model.model_dump(mode="json"), "learning": recipe.learner.model_dump(mode="json")},
        "run",
    )


def _of_preset(key: str) -> dict[str, Any]:
    return preset(key).config.model_dump()


def _assign(values: dict[str, Any], group: str, field: str, value: Any) -> None:
    if group in ("data", "other") and field not in DataChoice.model_fields:
        _domain(values, group)["settings"][field] = value
    elif group == "training" and field not in TrainingSettings.model_fields:
        known = ", ".join(TrainingSettings.model_fields)
        raise CommandError(f"training.{field}: unknown setting (there are: {known})")
    else:
        _domain(values, group)[field] = value


def _domain(values: dict[str, Any], group: str) -> dict[str, Any]:
    """The values of a group; "other" is the second domain."""
    found: dict[str, Any] = values["data"]["other"] if group == "other" else values[group]
    return found


def parse_assignment(assignment: str, groups: Sequence[str]) -> tuple[str, str, Any]:
    """ "GROUP.FIELD=VALUE" as its three parts; VALUE is JSON, or a word. Raises CommandError."""
    name, equals, text = assignment.partition("=")
    group, dot, field = name.partition(".")
    if not (equals and dot and field) or group not in groups:
        raise CommandError(f"--set {assignment}: write GROUP.FIELD=VALUE with a group of {', '.join(groups)}.")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text  # a word needs no quotes
    return group, field, value
