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
from models.settings import SettingsError


def places(choice: DataChoice) -> dict[int, str]:
    """The file or folder, which a person named, that each domain of this data is read from; 0 is the first domain.
    Domains that are read from nowhere are left out."""
    return {number: choice.settings["path"] for number, choice in enumerate(choice.domains) if _has_place(choice)}


def _has_place(choice: DataChoice) -> bool:
    try:
        return "path" in source(choice.source).settings.model_fields and bool(choice.settings.get("path"))
    except BadData:
        return False


def at(choice: DataChoice, place: Path) -> DataChoice:
    """The same choice of one domain, read from `place`."""
    return choice.model_copy(update={"settings": {**choice.settings, "path": str(place.expanduser().absolute())}})


def found(run: Run, choice: DataChoice, place: Path, load: Callable[[DataChoice], Dataset]) -> tuple[int, Dataset]:
    """Which domain of the data that `choice` of `run` names lies at `place`, and what was read from there: of two, the
    first that is proved to. Raises BadData or SettingsError when it cannot be read, and BadData when the run was not
    trained on it; a run that was never trained takes any."""
    candidates = places(choice)
    if not candidates:
        raise BadData(f"The data of this run ({choice.source}) is not read from a file or folder that can be named.")
    problem: Exception | None = None
    for number in candidates:
        try:
            dataset = load(at(choice.domains[number], place))
        except (BadData, SettingsError) as error:
            problem = problem or error
            continue
        if not same_data(_records(run)[number], dataset):
            return number, dataset
        problem = BadData(
            f"{place} does not hold the data that {run.name} was trained on: its checksum differs. It was not taken, "
            f"and the run is as it was."
        )
    assert problem is not None
    raise problem


def move(project: Project, run: Run, place: Path, number: int = 0) -> list[Run]:
    """From now on the domain `number` of `run`, and whatever runs of the project were trained on the same files in the
    same place, are read from `place`. Returns these runs; they are in the file after the next save."""
    assert run.config is not None
    before, files = run.config.data.domains[number], _records(run)[number].get("files")
    moved = []
    for other in project.all_runs.values():
        choice = other.config.data if other.config is not None else None
        for domain in places(choice) if choice is not None else ():
            assert choice is not None
            now = choice.domains[domain]
            same_place = (now.source, now.settings["path"]) == (before.source, before.settings["path"])
            same_files = bool(files) and _records(other)[domain].get("files") == files
            if (other is run and domain == number) or (same_place and same_files):
                other.read_data_from(at(now, place).settings["path"], domain)
                moved += [other] if other not in moved else []
    return moved


def recorded(run: Run) -> dict[str, Any]:
    """Where the run's data came from when it was trained; empty for one that was not."""
    return run.provenance.get("data") or {}


def _records(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same of each domain; empty for one that is not known."""
    first = recorded(run)
    other = first.get("other")
    return first, other if isinstance(other, dict) else {}
