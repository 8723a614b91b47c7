"""`runs`: what a project holds, and what can be done with it run by run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from dgm_studio.commands.output import CommandError, Output
from dgm_studio.commands.projects import reading, run_of, writing
from dgm_studio.store import Project, Run, branch, duplicate, import_runs


def runs(
    file: Path,
    *,
    import_: Annotated[Path | None, Parameter(name="--import")] = None,
    only: list[str] | None = None,
    restore: list[str] | None = None,
    delete: list[str] | None = None,
    duplicate_: Annotated[str | None, Parameter(name="--duplicate")] = None,
    branch_: Annotated[str | None, Parameter(name="--branch")] = None,
    step: int | None = None,
    clean_up: bool = False,
    json: bool = False,
) -> int:
    """List the runs of a project; first import, restore, delete, copy, branch or clean up, in this order.

    Parameters
    ----------
    file
        The project.
    import_
        Copy the runs of this other project into it.
    only
        With --import: a run of the other project, by name or id. May be given again.
    restore
        Bring back a deleted run, by name or id. May be given again.
    delete
        Take out a run, by name or id; it is kept until --clean-up. May be given again.
    duplicate_
        Add a full copy of this run.
    branch_
        Add a run that goes on from a kept state of this run; `resume` trains it.
    step
        With --branch: the step of the kept state; the newest if not given.
    clean_up
        Remove the deleted runs for good.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    if only and import_ is None:
        raise CommandError("--only says which runs of --import FILE are wanted.")
    if step is not None and branch_ is None:
        raise CommandError("--step says which state of --branch RUN is wanted.")
    if not (import_ or restore or delete or duplicate_ or branch_ or clean_up):
        return _show(reading(file), output)
    with writing(file) as project:
        if import_ is not None:
            new = import_runs(project, import_, _chosen(import_, only))
            output.say(f"Imported {', '.join(run.name for run in new) or 'no run'} from {import_}.")
        for name in restore or ():
            output.say(f"{project.restore_run(_deleted(project, name).id).name} is back.")
        for name in delete or ():
            run = run_of(project, name)
            project.delete_run(run.id)
            output.say(f"Deleted {run.name}; --restore {run.id} brings it back.")
        if duplicate_ is not None:
            output.say(f"Added {duplicate(project, run_of(project, duplicate_)).name}.")
        if branch_ is not None:
            output.say(f"Added {_branched(project, run_of(project, branch_), step).name}.")
        if clean_up:
            names = ", ".join(run.name for run in project.deleted.values())
            output.say(f"Removed for good: {names or 'no run was deleted'}.")
            project.clean_up()
        project.save()
        return _show(project, output)


def _chosen(file: Path, names: list[str] | None) -> list[str]:
    """The ids of these runs of another project; of all without names."""
    with reading(file) as other:
        return list(other.runs) if not names else [run_of(other, name).id for name in names]


def _deleted(project: Project, name: str) -> Run:
    found = [run for run in project.deleted.values() if name in (run.id, run.name)]
    if not found:
        names = ", ".join(run.name for run in project.deleted.values()) or "none"
        raise CommandError(f"{project.path} holds no deleted run {name!r}. Deleted: {names}.")
    return found[-1]


def _branched(project: Project, run: Run, step: int | None) -> Run:
    steps = run.checkpoint_steps()
    if not steps:
        raise CommandError(f"{run.name!r} keeps no state to branch from.")
    if step is not None and step not in steps:
        raise CommandError(f"{run.name!r} keeps the states of {', '.join(map(str, steps))}, not of {step}.")
    return branch(project, run, steps[-1] if step is None else step)


def _show(project: Project, output: Output) -> int:
    columns = ("run", "family", "status", "states of steps", "tags", "MB")
    for title, group in (("", project.runs), ("deleted", project.deleted)):
        if group:
            output.table(columns, [_row(run) for run in group.values()], title)
    if not project.runs:
        output.say(f"{project.path} holds no run.")
    output.document(
        {
            "project": str(project.path),
            "runs": [_described(run) for run in project.runs.values()],
            "deleted": [_described(run) for run in project.deleted.values()],
        }
    )
    return 0


def _row(run: Run) -> tuple[object, ...]:
    kept = ", ".join(map(str, run.checkpoint_steps()))
    return run.name, run.raw_config.get("family", "?"), run.status, kept, ", ".join(run.tags), run.nbytes / 1e6


def _described(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "name": run.name,
        "family": run.raw_config.get("family"),
        "status": run.status,
        "states": run.checkpoint_steps(),
        "tags": run.tags,
        "notes": run.notes,
        "parent": run.parent,
        "origin": run.origin.model_dump() if run.origin is not None else None,
        "created": run.created,
        "deleted": run.deleted,
        "bytes": run.nbytes,
    }
