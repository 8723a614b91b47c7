"""Edits of runs that can be undone: names, tags, notes, and deleting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QUndoCommand

from dgm_studio.store import Run

if TYPE_CHECKING:
    from widgets.workspace import Workspace

MERGED = {"name": 1, "tags": 2, "notes": 3}


class RunEdit(QUndoCommand):
    """One field of a run: its name, tags or notes. What is typed into one field is one step."""

    def __init__(self, workspace: Workspace, run: Run, field: str, value: Any) -> None:
        super().__init__(f"{field} of {run.name}")
        self._workspace, self._run_id, self._field = workspace, run.id, field
        self._before, self._after = getattr(run, field), value

    def redo(self) -> None:
        self._set(self._after)

    def undo(self) -> None:
        self._set(self._before)

    def id(self) -> int:
        return MERGED[self._field]

    def mergeWith(self, other: QUndoCommand) -> bool:
        assert isinstance(other, RunEdit)
        if self._field == "name" or other._run_id != self._run_id:
            return False
        self._after = other._after
        self.setObsolete(self._after == self._before)
        return True

    def _set(self, value: Any) -> None:
        project = self._workspace.project
        run = project.runs.get(self._run_id) if project is not None else None
        if run is not None:  # it may have been deleted meanwhile
            setattr(run, self._field, value)
            self._workspace.changed()


class Deletion(QUndoCommand):
    """A run that was deleted already."""

    def __init__(self, run: Run, delete: Callable[[], None], restore: Callable[[], None]) -> None:
        super().__init__(f"deleting {run.name}")
        self._delete, self._restore = delete, restore
        self._begun = False

    def redo(self) -> None:
        if self._begun:
            self._delete()
        self._begun = True

    def undo(self) -> None:
        self._restore()
