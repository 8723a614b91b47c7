"""The submenus that list what a run has kept and what was deleted."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QMenu, QWidget

from dgm_studio.number_texts import bytes_text, thousands
from dgm_studio.store import Run
from widgets.actions import Actions
from widgets.run_changes import RunChanges
from widgets.workspace import Workspace


class RunMenus:
    """Fills "Branch from" and "Deleted runs" when they open. `branch(step)` is done for a chosen state."""

    def __init__(
        self,
        workspace: Workspace,
        changes: RunChanges,
        actions: Actions,
        branch: Callable[[int], None],
        parent: QWidget,
    ) -> None:
        self._workspace, self._changes, self._branch = workspace, changes, branch
        self.states = _menu("branchFromMenu", parent)
        self.deleted = _menu("deletedMenu", parent)
        self.states.aboutToShow.connect(self._fill_states)
        self.deleted.aboutToShow.connect(self._fill_deleted)
        actions["branchFrom"].setMenu(self.states)
        actions["deleted"].setMenu(self.deleted)

    def _fill_states(self) -> None:
        self.states.clear()
        run = self._workspace.run
        for step, what in states_of(run) if run is not None else ():
            action = self.states.addAction(f"Step {thousands(step)}{what}", lambda step=step: self._branch(step))
            action.setObjectName(f"branchFrom-{step}")

    def _fill_deleted(self) -> None:
        self.deleted.clear()
        project = self._workspace.project
        runs = list(project.deleted.values()) if project is not None else []
        if project is None or not runs:
            self.deleted.addAction("No run was deleted").setEnabled(False)
            return
        for run in reversed(runs):
            steps = run.checkpoint_steps()
            at = f" · step {thousands(steps[-1])}" if steps else ""
            text = f"Restore {run.name}{at} · {bytes_text(run.nbytes)}"
            action = self.deleted.addAction(text, lambda run=run: self._changes.restore(run.id, project))
            action.setObjectName(f"restore-{run.id}")
        self.deleted.addSeparator()
        self.deleted.addAction("Remove deleted runs for good …", self._changes.offer_cleaning).setObjectName("cleanUp")


def states_of(run: Run) -> list[tuple[int, str]]:
    """The steps whose states the run keeps, the newest first, and what is special about each."""
    steps = run.checkpoint_steps()
    best = run.best.step if run.best is not None else None
    marks = {step: [] for step in steps}  # type: dict[int, list[str]]
    if steps:
        marks[steps[-1]].append("newest")
    if best in marks:
        marks[best].append("best")
    return [(step, f" · {' and '.join(marks[step])}" if marks[step] else "") for step in reversed(steps)]


def _menu(name: str, parent: QWidget) -> QMenu:
    menu = QMenu(parent)
    menu.setObjectName(name)
    return menu
