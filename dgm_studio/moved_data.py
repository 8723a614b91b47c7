"""Data of stored runs that lies elsewhere now: a person says where, and it is taken if it is proved to be the same.

The settings of a run say where its data is read from, and follow it. Its provenance says where the data lay when the
run was trained, with checksums, and stays as it is until the run is trained again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import BadData, Dataset
from dgm_studio.datasets.identity import same_data
from dgm_studio.datasets.sources import source
from dgm_studio.store import Project, Run


def has_place(choice: DataChoice) -> bool:
    """Whether this data is read from a file or folder that a person named."""
    try:
        return "path" in source(choice.source).settings.model_fields and bool(choice.settings.get("path"))
    except BadData:
        return False


def at(choice: DataChoice, place: Path) -> DataChoice:
    """The same choice, read from `place`. Raises BadData when it is not read from a place at all."""
    if not has_place(choice):
        raise BadData(f"The data of this run ({choice.source}) is not read from a file or folder that can be named.")
    return choice.model_copy(update={"settings": {**choice.settings, "path": str(place.expanduser().absolute())}})


def found(run: Run, choice: DataChoice, place: Path, load: Callable[[DataChoice], Dataset]) -> Dataset:
    """The data that `choice` of `run` names, read from `place`. Raises BadData, SettingsError, and BadData unless it
    is what the run was trained on; a run that was never trained takes any."""
    dataset = load(at(choice, place))
    if same_data(recorded(run), dataset):
        raise BadData(
            f"{place} does not hold the data that {run.name} was trained on: its checksum differs. It was not taken, "
            f"and the run is as it was."
        )
    return dataset


def move(project: Project, run: Run, place: Path) -> list[Run]:
    """From now on `run`, and every run of the project that was trained on the same files in the same place, reads its
    data from `place`. Returns these runs; they are in the file after the next save."""
    assert run.config is not None
    before, files = run.config.data, recorded(run).get("files")
    moved = []
    for other in project.all_runs.values():
        choice = other.config.data if other.config is not None else None
        if choice is None or not has_place(choice):
            continue
        same_place = (choice.source, choice.settings["path"]) == (before.source, before.settings["path"])
        if other is run or (same_place and files and recorded(other).get("files") == files):
            other.read_data_from(at(choice, place).settings["path"])
            moved.append(other)
    return moved


def recorded(run: Run) -> dict[str, Any]:
    """Where the run's data came from when it was trained; empty for one that was not."""
    return run.provenance.get("data") or {}
