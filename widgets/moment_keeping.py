"""States of a run that are kept because a person wants them, whatever else is let go of."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtGui import QUndoCommand

from dgm_studio.number_texts import thousands
from dgm_studio.store import Run
from widgets.notices import Notice
from widgets.workspace import Workspace


class MomentKeeping(QObject):
    """Keeps the moment of the selected run that is looked at, and releases it again. Both can be undone."""

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace, self._moments = workspace, workspace.viewing.moments
        workspace.trainer.demanded.connect(self._demanded)

    @property
    def releasable(self) -> bool:
        """Whether what is looked at is a state that a person has kept."""
        run, moments = self._workspace.run, self._moments
        demanded = run is not None and moments.step is not None and moments.state in run.demanded
        return demanded and self._workspace.project_file.writable

    def keep(self) -> None:
        """Keep the state that is looked at, or the run as it is now, whatever else is let go of."""
        run, moments = self._workspace.run, self._moments
        if run is None or not self._workspace.project_file.writable:
            return
        if moments.step is None and self._workspace.trainer.trains(run.id):
            self._workspace.trainer.want_state()
        elif moments.state is not None and moments.state not in run.demanded:
            self._push(run, moments.state, keep=True)

    def release(self) -> None:
        """The state that is looked at, and was to be kept, may be let go of like any other."""
        run, state = self._workspace.run, self._moments.state
        if run is not None and self._workspace.project_file.writable and state is not None and state in run.demanded:
            self._push(run, state, keep=False)

    def mark(self, run_id: str, step: int, keep: bool) -> None:
        """A kept state of a run is to stay whatever else is let go of, or may go like any other."""
        workspace = self._workspace
        run = workspace.project.runs.get(run_id) if workspace.project is not None else None
        if run is None:  # it may have been deleted meanwhile
            return
        text = f"The state of step {thousands(step)} of {run.name} "
        if step not in run.checkpoint_steps():
            workspace.log.say(Notice("warn", f"{text}is gone: it was let go of while the run trained.", lasting=False))
            return
        thread = workspace.trainer.thread_in_use if workspace.trainer.trains(run_id) else None
        if thread is None or not thread.mark(step, keep):
            (run.demand if keep else run.release)(step)
        workspace.changed()
        text += "is kept." if keep else "may be let go of when the run trains on."
        workspace.log.say(Notice("good" if keep else "info", text, lasting=False))
        workspace.runs_changed.emit()

    def _demanded(self, run_id: str, step: int) -> None:
        """A state that was asked for is part of the run."""
        project = self._workspace.project
        run = project.runs.get(run_id) if project is not None else None
        if run is not None:
            self._push(run, step, keep=True)

    def _push(self, run: Run, step: int, keep: bool) -> None:
        self._workspace.edits.push(_Keeping(self, run, step, keep))


class _Keeping(QUndoCommand):
    """A kept state that is to stay whatever else is let go of, or (`keep` false) no longer."""

    def __init__(self, keeping: MomentKeeping, run: Run, step: int, keep: bool) -> None:
        super().__init__(f"{'keeping' if keep else 'releasing'} step {thousands(step)} of {run.name}")
        self._keeping, self._run_id, self._step, self._keep = keeping, run.id, step, keep

    def redo(self) -> None:
        self._keeping.mark(self._run_id, self._step, self._keep)

    def undo(self) -> None:
        self._keeping.mark(self._run_id, self._step, not self._keep)
