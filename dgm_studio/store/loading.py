"""Making the runs of a project of what its file holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from dgm_studio.store.errors import ProjectError
from dgm_studio.store.migrations import migrated
from dgm_studio.store.reading import Contents
from dgm_studio.store.records import ProjectRecord, RunRecord, laid_out
from dgm_studio.store.run import Run
from dgm_studio.store.runs import Runs
from dgm_studio.store.saving import Item
from dgm_studio.store.trees import document_of

ABOUT = "project"  # the project's own record in the file


@dataclass(frozen=True)
class Loaded:
    """`runs`: by id, in order, the deleted ones too; `other`: datasets that no run has, by their place in the file."""

    record: ProjectRecord
    runs: dict[str, Run]
    other: dict[str, Item]


def load(project: Runs, contents: Contents, held: bool) -> Loaded:
    """What a file of any format holds, as runs of `project`. `held`: another window has it, and may be training. Reads
    the records and no arrays. Raises ProjectError."""
    items = migrated(dict(contents.items()), contents.schema)
    if ABOUT not in items:
        raise ProjectError("damaged", contents.path, "it does not say which project it is.")
    by_run: dict[str, dict[str, Item]] = {}
    other: dict[str, Item] = {}
    for place, item in items.items():
        if place.startswith("runs/") and place.count("/") > 1:
            _, run_id, inner = place.split("/", 2)
            by_run.setdefault(run_id, {})[inner] = item
        elif place != ABOUT:
            other[place] = item
    contents.locate(p for p in contents.entries if p == ABOUT or p.endswith("/config"))
    try:
        record = ProjectRecord.model_validate(document_of(items[ABOUT], contents.path, ABOUT))
        if sorted(record.order) != sorted(by_run):
            raise ProjectError("damaged", contents.path, "its list of runs is not that of the runs it holds.")
        runs = {run_id: _run(project, run_id, by_run[run_id], contents.path, held) for run_id in record.order}
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        text = f"a record in it has a wrong entry ({where:.200}: {error.errors()[0]['msg']})."
        raise ProjectError("damaged", contents.path, text) from None
    return Loaded(record, runs, other)


def _run(project: Runs, run_id: str, items: dict[str, Item], path: Path, held: bool) -> Run:
    """`items`: its datasets by their place within the run. Raises ProjectError, and ValidationError for its record."""
    if "config" not in items or not laid_out(items):
        raise ProjectError("damaged", path, f"run {run_id} is not laid out as a run.")
    record = RunRecord.read(document_of(items.pop("config"), path, f"runs/{run_id}/config"))
    if record.status == "training" and not held:
        record = record.model_copy(update={"status": "interrupted"})
    return Run(project, run_id, record, items)
