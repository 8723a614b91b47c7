"""What is done to the runs of a project: copied, branched, brought in from elsewhere, recovered, deleted and brought
back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

from dgm_studio.config import RunConfig
from dgm_studio.number_texts import bytes_text, thousands
from dgm_studio.store import Project, Recovery, Run, branch, duplicate, import_runs, look_at_unfamiliar
from widgets.background import Problem
from widgets.notices import Notice, Remedy
from widgets.run_edits import Deletion
from widgets.workspace import Workspace

T = TypeVar("T")


@dataclass(frozen=True)
class Listed:
    """A run of another project, as a person chooses among them."""

    id: str
    name: str
    family: str
    status: str
    tags: tuple[str, ...]
    nbytes: int


class RunChanges(QObject):
    """Changes are made in the thread of files and told in a notice. `listed(path, runs)`: what another project has;
    `recovered()`: what a crash left of a run is part of it."""

    listed = Signal(object, object)
    recovered = Signal()

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._deleted: dict[str, Notice] = {}  # what was said of runs that are gone, by their ids

    def duplicate(self, run: Run) -> None:
        """Add a full copy of the run."""
        project = self._project()

        def done(copy: Run) -> None:
            self.added([copy])
            self._say(f"{copy.name} is a copy of {run.name}.")

        self._work(lambda: duplicate(project, run), done, f"{run.name} was not copied.")

    def branch(self, run: Run, step: int, config: RunConfig | None = None, train: bool = False) -> None:
        """Add a run that goes on from a kept state, by other settings if given, and with `train` does so at once: for
        as many steps as were asked for last, when it is its turn."""
        project = self._project()

        def done(new: Run) -> None:
            self.added([new])
            text = f"{new.name} goes on from step {thousands(step)} of {run.name}."
            more = new.planned_last
            if train:
                self._say(text)
                self._continue(project, new, more)
                return
            text += " Continue it to train it."
            remedy = Remedy(f"{thousands(more)} more steps", lambda: self._continue(project, new, more))
            self._workspace.log.say(Notice("good", text, remedies=(remedy,)))

        self._work(lambda: branch(project, run, step, config), done, f"{run.name} was not branched.")

    def delete(self, run: Run, again: bool = False) -> None:
        """Take a run that does not train out of the project. It can be brought back. `again`: after that was undone."""
        project = self._project()
        self._workspace.trainer.remove(run.id)

        def done(_: None) -> None:
            self._workspace.forget(run.id)
            self._workspace.changed()
            if not again:
                delete = partial(self._delete_again, run.id, project)
                self._workspace.edits.push(Deletion(run, delete, partial(self.restore, run.id, project)))
            remedy = Remedy("Undo", lambda: self.restore(run.id, project))
            text = f"{run.name} was deleted. It is kept until you remove deleted runs for good."
            self._deleted[run.id] = Notice("info", text, remedies=(remedy,))
            self._workspace.log.say(self._deleted[run.id])

        self._work(lambda: project.delete_run(run.id), done, f"{run.name} was not deleted.")

    def restore(self, run_id: str, project: Project) -> None:
        """Bring a deleted run of a project back to its place, if the project is still open."""
        if project is not self._workspace.project or run_id not in project.deleted:
            self._say("That run is no longer among the deleted ones of this project.")
            return

        def done(run: Run) -> None:
            self.added([run])
            if run_id in self._deleted:
                self._workspace.log.take_back(self._deleted.pop(run_id))
            self._say(f"{run.name} is back.")

        self._work(lambda: project.restore_run(run_id), done, "The run was not brought back.")

    def offer_cleaning(self) -> None:
        """Ask whether the deleted runs are to be removed for good."""
        project = self._project()
        runs = list(project.deleted.values())
        if not runs:
            return
        ids, nbytes = [run.id for run in runs], sum(run.nbytes for run in runs)
        text = f"Remove {_counted(len(runs), 'deleted run')} ({bytes_text(nbytes)}) for good? This cannot be undone."
        remedy = Remedy("Remove for good", lambda: self._clean_up(project, ids, nbytes))
        self._workspace.log.say(Notice("warn", text, ", ".join(run.name for run in runs), (remedy,)))

    def list_runs(self, path: Path) -> None:
        """Look what another project has, and tell by `listed`."""

        familiar = self._workspace.preferences.familiar

        def work() -> list[Listed]:
            look_at_unfamiliar(path, familiar)
            with Project.open(path, read_only=True) as other:
                return [
                    Listed(
                        run.id, run.name, str(run.raw_config.get("family", "")), run.status, tuple(run.tags), run.nbytes
                    )
                    for run in other.runs.values()
                ]

        self._work(work, lambda runs: self.listed.emit(path, runs), "Nothing was imported.")

    def import_runs(self, path: Path, run_ids: list[str]) -> None:
        """Add copies of runs of another project."""
        project = self._project()

        def done(runs: list[Run]) -> None:
            self.added(runs)
            self._workspace.project_file.save()  # until then they are in memory alone
            self._say(f"{_counted(len(runs), 'run')} came from {path.name}.")

        self._work(lambda: import_runs(project, path, run_ids), done, "Nothing was imported.")

    def recover(self, recovery: Recovery, step: int | None = None) -> None:
        """Merge what a crash left into its run, up to the state of `step` if given."""
        project = self._project()

        def done(run: Run) -> None:
            self.added([run])
            self._workspace.log.say(Notice("good", f"{run.name} was recovered.", lasting=False))
            self.recovered.emit()

        self._work(lambda: project.recover(recovery, step), done, "Nothing was recovered.")

    def _delete_again(self, run_id: str, project: Project) -> None:
        run = project.runs.get(run_id)
        if project is self._workspace.project and run is not None and not self._workspace.trainer.trains(run.id):
            self.delete(run, again=True)

    def _clean_up(self, project: Project, run_ids: list[str], nbytes: int) -> None:
        if project is not self._workspace.project:
            return

        def done(_: None) -> None:
            self._workspace.changed()
            self._say(f"The deleted runs were removed for good; saving the project frees {bytes_text(nbytes)}.")

        self._work(lambda: project.clean_up(run_ids), done, "The deleted runs are still there.")

    def _continue(self, project: Project, run: Run, more: int) -> None:
        if project is self._workspace.project and run.id in project.runs and self._workspace.project_file.writable:
            self._workspace.continue_run(run, more)

    def added(self, runs: list[Run]) -> None:
        """Show runs that are new in the project, and select the last."""
        self._workspace.changed()
        for run in runs:
            self._workspace.show_again(run)
        if runs:
            self._workspace.select(runs[-1])

    def _work(self, work: Callable[[], T], done: Callable[[T], None], failure: str) -> None:
        project = self._workspace.project

        def told(result: T) -> None:
            if self._workspace.project is project:  # it may have been closed meanwhile
                done(result)

        self._workspace.files.submit(work, told, partial(self._failed, failure))

    def _failed(self, what: str, problem: Problem) -> None:
        self._workspace.log.say_problem(what, problem)

    def _project(self) -> Project:
        project = self._workspace.project
        assert project is not None
        return project

    def _say(self, text: str) -> None:
        self._workspace.log.say(Notice("info", text, lasting=False))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{thousands(number)} {what}s"
