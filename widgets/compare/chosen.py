"""The runs that are compared: which, in which colour, remembered with their project."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal

from dgm_studio.store import Run
from widgets.theme import CATEGORICAL
from widgets.workspace import Workspace

MOST = 8  # runs side by side


class Chosen(QObject):
    """At most MOST runs. Each keeps its colour while it is one of them.

    Signals: `changed()` other runs, or other names of them; `refused(text)` why some were not added.
    """

    changed = Signal()
    refused = Signal(str)

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._slots: dict[str, int] = {}  # run -> its colour, in the order in which they were added
        self._shown: list[tuple[str, str]] = []
        workspace.project_file.replaced.connect(self._recall)
        workspace.runs_changed.connect(self._tell)
        self._recall()

    @property
    def runs(self) -> list[Run]:
        """In the order in which they were added; a run that was deleted meanwhile is not among them."""
        project = self._workspace.project
        return [project.runs[one] for one in self._slots if one in project.runs] if project is not None else []

    @property
    def others(self) -> list[Run]:
        """The other runs of the project, the newest first."""
        project = self._workspace.project
        return [run for run in reversed(project.runs.values()) if run.id not in self._slots] if project else []

    def colour(self, run: Run) -> str:
        """ "#rrggbb", the same wherever the run is drawn on this page."""
        return CATEGORICAL[self._slots[run.id]]

    def add(self, runs: Sequence[Run]) -> None:
        """Compare these too."""
        new = [run for run in runs if run.id not in self._slots]
        room = MOST - len(self.runs)
        if len(new) > room:
            left = ", ".join(run.name for run in new[room:])
            self.refused.emit(f"At most {MOST} runs stand side by side. Take one away to add {left}.")
        for run in new[:room]:
            taken = {self._slots[one.id] for one in self.runs}
            self._slots[run.id] = next(slot for slot in range(MOST) if slot not in taken)
        self._keep()

    def remove(self, run: Run) -> None:
        """Compare this one no more."""
        self._slots.pop(run.id, None)
        self._keep()

    def clear(self) -> None:
        """Compare none."""
        self._slots.clear()
        self._keep()

    def _keep(self) -> None:
        project = self._workspace.project
        if project is not None:
            self._workspace.preferences.keep_compared(project.path, [run.id for run in self.runs])
        self._tell()

    def _recall(self) -> None:
        project = self._workspace.project
        kept = self._workspace.preferences.compared(project.path) if project is not None else []
        known = [one for one in kept if project is not None and one in project.runs][:MOST]
        self._slots = {one: slot for slot, one in enumerate(known)}
        self._tell()

    def _tell(self) -> None:
        shown = [(run.id, run.name) for run in self.runs]
        if shown != self._shown:
            self._shown = shown
            self.changed.emit()
