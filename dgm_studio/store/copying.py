"""Runs made of runs: a full copy, a branch from a kept state, and copies from another project."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dgm_studio.config import RunConfig
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.project import Project
from dgm_studio.store.reading import Stored, locate_together
from dgm_studio.store.records import Origin, RunRecord, new_id
from dgm_studio.store.run import Run
from dgm_studio.store.saving import Item
from dgm_studio.store.trees import array_of
from models.catalog import Recipe
from models.settings import SettingsError


def duplicate(project: Project, run: Run) -> Run:
    """A full copy of what `run` has kept so far. Raises ProjectError: "missing" for a run that was removed, "damaged"
    where it cannot be read; only what a training session has not saved yet is."""
    with project.saving:
        record, items = _whole(project, run)
        return project.add_run(Run(project, new_id(), record, project.lasting(items)))


def branch(project: Project, run: Run, step: int, config: RunConfig | None = None) -> Run:
    """A run that goes on from the state that `run` keeps of `step`. It holds a copy of that state, and of the curves
    and pictures up to it. With `config` it goes on by other settings of the learner and the training.

    Raises ProjectError("missing") where no such state is kept, or the run was removed, and SettingsError when `config`
    asks for another model, learner or data, which the state would not fit.
    """
    if config is not None:
        _require_fitting(run, config)
    with project.saving:
        record, items = _whole(project, run)
        states = [step] if record.best is None else [step, record.best.step]
        begins = ("metrics/", "frames/", *(f"checkpoints/{kept}/" for kept in states))
        items = project.lasting({place: item for place, item in items.items() if place.startswith(begins)})
        changes: dict[str, Any] = {"status": "stopped", "message": "", "notes": "", "parent": (run.id, step)}
        changes["demanded"] = []  # in the other run
        if config is not None:
            changes["config"] = config.model_dump(mode="json")
        new = Run(project, new_id(), record.model_copy(update=changes), items)
        if step not in new.checkpoint_steps():
            raise ProjectError("missing", project.path, f"{run.name} keeps no state of step {step}.")
        new.rewind(step)
        return project.add_run(new)


def import_runs(project: Project, path: Path, run_ids: Iterable[str]) -> list[Run]:
    """Copies of runs of the project in another file, which is only read. They are held in memory until the next save,
    so that they depend on that file no more. Raises ProjectError, and nothing has changed."""
    with Project.open(path, read_only=True) as other:
        wanted = list(dict.fromkeys(run_ids))
        for run_id in wanted:
            if run_id not in other.runs:
                raise ProjectError("missing", other.path, f"there is no run {run_id} in it.")
        ids = {run_id: new_id() for run_id in wanted}
        copies = [_copy(project, other, other.runs[run_id], ids) for run_id in wanted]
    with project.lock:
        return [project.add_run(copy) for copy in copies]


def _whole(project: Project, run: Run) -> tuple[RunRecord, dict[str, Item]]:
    """All of a run at one moment, as that of a new run that nobody trains. Raises ProjectError("missing") for one that
    was removed, and so is in no file that is saved."""
    with project.lock:
        if project.all_runs.get(run.id) is not run:
            raise ProjectError("missing", project.path, f"{run.name} is no longer part of the project.")
        record, items, trained = run.record, run.items(), bool(run.checkpoint_steps())
    changes: dict[str, Any] = {"merged": None}  # sessions belong to the run that they trained
    if record.status == "training":
        changes["status"] = "stopped" if trained else "new"
    return record.model_copy(update=changes), items


def _require_fitting(run: Run, config: RunConfig) -> None:
    before = run.config
    if before is None:
        raise SettingsError("run", [("", run.history_only)])
    old, new = (Recipe.read(c.family, c.learner, c.model, c.learning) for c in (before, config))
    same = {
        "family": old.family is new.family,
        "model": old.model == new.model,
        "learner": old.learning is new.learning,
        "data": before.data == config.data,
    }
    changed = [(part, f"must be that of {run.name}: its state fits no other") for part in same if not same[part]]
    if changed:
        raise SettingsError("run", changed)


def _copy(project: Project, other: Project, run: Run, ids: dict[str, str]) -> Run:
    """A run of another project, read and checked. `ids`: what is imported with it, and the ids these get."""
    record, items = _whole(other, run)
    locate_together(item for item in items.values() if isinstance(item, Stored))
    origin = Origin(project=other.id, file=other.path.name, run=run.id, name=run.name)
    parent = record.parent
    if parent is not None and parent[0] in ids:
        parent = ids[parent[0]], parent[1]
    record = record.model_copy(update={"origin": origin, "parent": parent})
    return Run(project, ids[run.id], record, {place: array_of(item) for place, item in items.items()})
