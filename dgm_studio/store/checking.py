"""Verifying a project file and saying what is in it."""

from __future__ import annotations

from pathlib import Path

from dgm_studio.store.project import Project, resolved
from dgm_studio.store.reading import Contents, inspect


def check(path: Path) -> list[str]:
    """Verify every byte of a project and describe what is in it, a line for each run. Raises ProjectError."""
    path = resolved(path)
    contents = inspect(path)
    contents.locate(contents.entries)
    for stored in contents.items().values():
        stored.read()
    with Project(contents, None) as project:
        return _described(project, contents)


def _described(project: Project, contents: Contents) -> list[str]:
    size = project.path.stat().st_size
    versions = ", ".join(f"{name} {version}" for name, version in contents.versions.items())
    lines = [
        f"{project.path.name}: format {contents.schema}, {_bytes(size)}, {len(project.runs)} runs, "
        f"{len(contents.entries)} datasets, all as they were written",
        f"written by {versions}; saved {project.saves} times",
    ]
    for run in project.runs.values():
        for step in run.checkpoint_steps():
            run.checkpoint(step)
        nbytes = sum(e.nbytes for place, e in contents.entries.items() if place.startswith(f"runs/{run.id}/"))
        family = run.raw_config.get("family", "?")
        kept = ", ".join(str(step) for step in run.checkpoint_steps()) or "none"
        lines.append(
            f"{run.name}: {family}, {run.status}, checkpoints at {kept}, {len(run.metrics)} curves, "
            f"{len(run.frame_steps())} frames, {len(run.evaluations)} evaluations, {_bytes(nbytes)}"
            + (f" — {run.history_only}" if run.history_only else "")
        )
    deleted = list(project.deleted.values())
    if deleted:
        names, size = ", ".join(run.name for run in deleted), sum(run.nbytes for run in deleted)
        lines.append(f"deleted, and kept until they are removed for good: {names} ({_bytes(size)})")
    return lines


def _bytes(n: int) -> str:
    return f"{n / 1e6:.1f} MB" if n >= 1e5 else f"{n / 1e3:.1f} kB"
