"""From the words of a command line to a checked RunConfig."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from dgm_studio.commands.output import CommandError
from dgm_studio.config import DataChoice, RunConfig, TrainingSettings
from dgm_studio.presets import preset, presets
from models.catalog import Recipe, family
from models.settings import read_settings

GROUPS = ("model", "learning", "training", "data")


def configure(
    preset_key: str | None,
    family_key: str | None,
    learner: str | None,
    data: str | None,
    binarization: str | None,
    assignments: Iterable[str],
    training: dict[str, Any],
) -> RunConfig:
    """A preset (the first, where nothing is named) or a family's defaults, changed by what was said explicitly.

    `assignments` are "GROUP.FIELD=VALUE"; `training` holds training settings that have options of their own. Another
    learner or data set than the preset's starts from the defaults of its settings. Every setting is written out in
    the result, so that a run does not change when a default does. Raises CommandError, SettingsError, UnknownKey or
    UnknownPreset.
    """
    if preset_key and family_key:
        raise CommandError("Name a preset or a family, not both.")
    values = _of_family(family_key) if family_key else _of_preset(preset_key or presets()[0].key)
    if learner and learner != values["learner"]:
        values |= {"learner": learner, "learning": {}}
    if data and data != values["data"]["source"]:
        values["data"] |= {"source": data, "settings": {}}
    if binarization:
        values["data"]["binarization"] = binarization
    for assignment in assignments:
        _assign(values, assignment)
    values["training"] |= training
    recipe = Recipe.read(values["family"], values["learner"], values["model"], values["learning"])
    return read_settings(
        RunConfig,
        values | {"model": recipe.model.model_dump(mode="json"), "learning": recipe.learner.model_dump(mode="json")},
        "run",
    )


def _of_family(key: str) -> dict[str, Any]:
    chosen = family(key)
    data = DataChoice(source=chosen.data).model_dump() | {"binarization": chosen.binarization}
    return RunConfig(family=key, learner=chosen.learners[0]).model_dump() | {"data": data}


def _of_preset(key: str) -> dict[str, Any]:
    return preset(key).config.model_dump()


def _assign(values: dict[str, Any], assignment: str) -> None:
    group, field, value = parse_assignment(assignment, GROUPS)
    if group == "data" and field not in DataChoice.model_fields:
        values["data"]["settings"][field] = value
    elif group == "training" and field not in TrainingSettings.model_fields:
        known = ", ".join(TrainingSettings.model_fields)
        raise CommandError(f"training.{field}: unknown setting (there are: {known})")
    else:
        values[group][field] = value


def parse_assignment(assignment: str, groups: Sequence[str]) -> tuple[str, str, Any]:
    """ "GROUP.FIELD=VALUE" as its three parts; VALUE is JSON, or a word. Raises CommandError."""
    name, equals, text = assignment.partition("=")
    group, dot, field = name.partition(".")
    if not (equals and dot and field) or group not in groups:
        raise CommandError(f"--set {assignment}: write GROUP.FIELD=VALUE with a group of {', '.join(groups)}.")
    try:
        value = json.loads(text)
    except ValueError:
        value = text  # a word needs no quotes
    return group, field, value
