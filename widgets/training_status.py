"""What the status line says of the training: data that is read, steps, where it computes."""

from __future__ import annotations

from PySide6.QtCore import QObject

from dgm_studio.events import Progress
from widgets.status import StatusLine
from widgets.trainer import Phase
from widgets.workspace import Workspace

SAID = {Phase.LOADING: "Reading data …", Phase.ENDING: "Saving …"}


class TrainingStatus(QObject):
    """Follows the run in training."""

    def __init__(self, workspace: Workspace, status: StatusLine, parent: QObject) -> None:
        super().__init__(parent)
        self._workspace, self._status = workspace, status
        workspace.training_changed.connect(self._show_phase)
        workspace.trainer.loading.connect(self._show_reading)
        workspace.progressed.connect(self._show_progress)

    def _show_phase(self) -> None:
        phase = self._workspace.trainer.phase
        if phase in SAID:
            self._status.show_text(SAID[phase], None)
        elif phase is Phase.IDLE:
            self._status.show_nothing()

    def _show_reading(self, run_id: str, fraction: float, text: str) -> None:
        self._status.show_text(text, fraction)

    def _show_progress(self, run_id: str, event: Progress) -> None:
        self._status.show_progress(event, len(self._workspace.trainer.queued))
        self._status.show_place(self._workspace.shown.of(run_id).device, event.memory)
