"""A run as it learns: its curves, and samples from fixed noise beside them."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSplitter, QStackedLayout, QVBoxLayout, QWidget

from dgm_studio.doctor import watched
from dgm_studio.modes import QUANTITIES as OF_MODES
from dgm_studio.store import Run
from models import catalog
from models.learning.base import Quantity
from widgets.curves import Curves
from widgets.empty import Empty
from widgets.findings_view import FindingsView
from widgets.live_samples import LiveSamples
from widgets.theme import SPACE
from widgets.workspace import Workspace

CHANNEL = "train/samples"
ASK_EVERY = 250  # ms from an answer to the next question


class TrainPage(QWidget):
    """Shows the selected run. `way_chosen(run, changes)`: a run is wanted with these changes (see
    `models.learning.base.Ways`)."""

    way_chosen = Signal(object, object)

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("trainPage")
        self._workspace = workspace
        self._run: Run | None = None
        self.curves = Curves()
        self.samples = LiveSamples(workspace)
        self.findings = FindingsView()
        self.findings.way_chosen.connect(self._choose)
        self._empty = Empty(
            "Nothing has been trained yet",
            "Choose a family, data and settings on the right, then press Train (F5). Curves and samples appear here.",
        )
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(SPACE, 0, 0, 0)
        column.addWidget(self.samples, 1)
        column.addWidget(self.findings)
        split = QSplitter(Qt.Orientation.Horizontal, childrenCollapsible=False)
        split.addWidget(self.curves)
        split.addWidget(right)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setSizes([440, 300])
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(split)
        untrained = "Continue (F6) trains it. Train (F5) makes a new run of the settings on the right."
        self._stack.addWidget(Empty("This run has not been trained", untrained))
        workspace.selected.connect(self._select)
        workspace.shown.ready.connect(self._shown)
        workspace.progressed.connect(self._progressed)
        workspace.training_changed.connect(self._show_findings)
        workspace.viewing.moments.moved.connect(self.curves.mark)

    def _select(self, run: Run | None) -> None:
        self._run = run
        self.samples.show_run(run)
        if run is None:
            self._stack.setCurrentIndex(0)
            return
        self.curves.show_quantities(_quantities(run))
        self._stack.setCurrentIndex(1)
        self._shown(run.id)

    def _shown(self, run_id: str) -> None:
        if self._run is None or self._run.id != run_id:
            return
        view = self._workspace.shown.of(run_id)
        self.curves.show_history(view.history)
        begun = view.history is None or bool(view.history.series)  # None while it is read
        begun = begun or view.preview is not None or self._workspace.trainer.trains(run_id)
        self._stack.setCurrentIndex(1 if begun else 2)
        self._show_findings()
        self.samples.show_kept()

    def _progressed(self, run_id: str, _: object) -> None:
        if self._run is not None and self._run.id == run_id:
            self._stack.setCurrentIndex(1)
            self.curves.changed()
            self._show_findings()

    def _show_findings(self) -> None:
        """What was noticed in the selected run, now or when it was trained."""
        run = self._run
        if run is None:
            self.findings.show_findings([], None, False)
        else:
            self.findings.show_findings(
                run.findings, run.config, self._workspace.project_file.writable, watched(run.config)
            )

    def _choose(self, changes: dict[str, Any]) -> None:
        if self._run is not None:
            self.way_chosen.emit(self._run, changes)


def _quantities(run: Run) -> tuple[Quantity, ...]:
    """What the run's learner reports, and what is counted of its samples where modes are known; nothing where this
    studio does not know the learner."""
    if run.config is None:
        return ()
    return (*catalog.learning(run.config.learner).learner.quantities, *OF_MODES)
