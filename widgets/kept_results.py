"""What a project keeps of the evaluations of its runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dgm_studio.evaluation import Result
from dgm_studio.number_texts import thousands
from dgm_studio.reports import Points, Series
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.project import Project
from dgm_studio.store.run import Run, StoredEvaluation


@dataclass(frozen=True)
class Stored:
    """A result that the project keeps, and when it was made (ISO time, UTC)."""

    result: Result
    made: str

    @property
    def title(self) -> str:
        when = datetime.fromisoformat(self.made).astimezone()
        seed = f"  ·  seed {self.result.seed}" if self.result.seed else ""
        return f"step {thousands(self.result.step)}  ·  {when:%d %b %Y, %H:%M}{seed}"


def results_of(run: Run | None) -> tuple[dict[str, list[Stored]], str]:
    """The run's results by key, oldest first; and why they could not be read."""
    found: dict[str, list[Stored]] = {}
    try:
        for one in run.evaluations if run is not None else ():
            found.setdefault(one.key, []).append(_read(one))
    except ProjectError as error:
        return {}, f"Kept results cannot be shown. {error}"
    return found, ""


def on_the_plane_of(report: Points, project: Project | None) -> list[Series]:
    """Points that were measured on the same plane: earlier results, and other runs of the project."""
    if not report.plane or project is None:
        return []
    found: list[Series] = []
    for run in project.runs.values():
        try:
            kept = run.evaluations
        except ProjectError:
            continue  # said when that run is shown
        for one in kept:
            for other in _read(one).result.reports:
                if isinstance(other, Points) and other.plane == report.plane and not _same(other, report):
                    found += [Series(f"{run.name}, {s.name}", s.x, s.y) for s in other.series]
    return found


def _read(one: StoredEvaluation) -> Stored:
    return Stored(Result.read(one.key, one.step, one.tree), one.made)


def _same(a: Points, b: Points) -> bool:
    """Whether two reports show the very same points."""
    first, second = ([(s.x.tobytes(), s.y.tobytes()) for s in report.series] for report in (a, b))
    return first == second
