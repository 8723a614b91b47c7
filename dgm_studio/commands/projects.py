"""What commands need of project files, and `check`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dgm_studio import device as devices
from dgm_studio.commands.output import CommandError, Output
from dgm_studio.config import RunConfig
from dgm_studio.datasets.sources import load
from dgm_studio.evaluation import subject_from
from dgm_studio.inference import Subject
from dgm_studio.store import Project, Run
from dgm_studio.store import check as check_file
from models.catalog import Recipe


def check(file: Path, *, json: bool = False) -> int:
    """Verify every byte of a project file and print what is in it.

    Parameters
    ----------
    file
        The project.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    lines = check_file(file)
    for line in lines:
        output.say(line)
    output.document({"file": str(file), "sound": True, "contents": lines})
    return 0


@contextmanager
def reading(file: Path) -> Iterator[Project]:
    """The project, not to be changed."""
    project = Project.open(file, read_only=True)
    try:
        yield project
    finally:
        project.close()


@contextmanager
def writing(file: Path, create: bool = False) -> Iterator[Project]:
    """The project, to be changed; with `create` a new one where there is none. Raises CommandError when another
    process holds it."""
    project = Project.create(file) if create and not file.exists() else Project.open(file)
    try:
        if project.read_only:
            raise CommandError(
                f"{file} is open elsewhere ({project.holder}). Close it there first; nothing was changed."
            )
        yield project
    finally:
        project.close()


def run_of(project: Project, name: str | None) -> Run:
    """The run with this id or name; the newest without one. Raises CommandError that lists those there are."""
    runs = list(project.runs.values())
    if not runs:
        raise CommandError(f"{project.path} holds no run.")
    if name is None:
        return runs[-1]
    for run in reversed(runs):
        if name in (run.id, run.name):
            return run
    raise CommandError(f"{project.path} holds no run {name!r}. It holds: {', '.join(run.name for run in runs)}.")


def config_of(run: Run) -> RunConfig:
    """The run's configuration. Raises CommandError when this studio does not know the family."""
    if run.config is None:
        raise CommandError(f"This studio cannot read how run {run.name!r} was made; only its history can be shown.")
    return run.config


def recipe_of(config: RunConfig) -> Recipe:
    """The catalogue's entries and checked settings. Raises UnknownKey or SettingsError."""
    return Recipe.read(config.family, config.learner, config.model, config.learning)


def subject_of(run: Run, device: str, seed: int) -> Subject:
    """The run's newest weights, ready to be asked, with randomness from `seed`."""
    config = config_of(run)
    dataset = load(config.data)
    return subject_from(recipe_of(config), dataset, run.checkpoint(), devices.resolve(device), seed)
