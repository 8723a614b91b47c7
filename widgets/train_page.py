"""A run as it learns: its curves, and samples from fixed noise beside them."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedLayout, QVBoxLayout, QWidget

from dgm_studio.doctor import watched
from dgm_studio.events import Preview
from dgm_studio.inference import Answer, Subject
from dgm_studio.modes import QUANTITIES as OF_MODES
from dgm_studio.shown import beside, heading
from dgm_studio.state import preview
from dgm_studio.store import Run
from models import catalog
from models.learning.base import Quantity
from models.spec import DataSpec, Layout
from widgets.building import label
from widgets.curves import Curves
from widgets.empty import Empty
from widgets.findings_view import FindingsView
from widgets.live import Live
from widgets.pacing import Pace
from widgets.readout import Readout
from widgets.samples_view import SamplesView
from widgets.saving import more_button
from widgets.status import thousands
from widgets.theme import SPACE
from widgets.workspace import Workspace

CHANNEL = "train/samples"
ASK_EVERY = 250  # ms from an answer to the next question


class TrainPage(QWidget):
    """Shows the selected run. Asks for samples only while it is visible. `way_chosen(run, changes)`: a run is wanted
    with these changes (see `models.learning.base.Ways`)."""

    way_chosen = Signal(object, object)

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("trainPage")
        self._workspace = workspace
        self._live: Live | None = None
        self._run: Run | None = None
        self._waiting = False
        self.curves = Curves()
        self.samples = SamplesView()
        self.samples.setObjectName("samples")
        self._caption = Readout("samplesCaption", "muted")
        self._where = ""  # what is shown comes from
        self.findings = FindingsView()
        self.findings.way_chosen.connect(self._choose)
        self._empty = Empty(
            "Nothing has been trained yet",
            "Choose a family, data and settings on the right, then press Train (F5). Curves and samples appear here.",
        )
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(SPACE, 0, 0, 0)
        head = QHBoxLayout()
        self._heading = label("Samples", "strong", "samplesHeading")
        head.addWidget(self._heading)
        head.addWidget(self._caption, 1)
        head.addWidget(more_button(self.samples, "the samples"))
        column.addLayout(head)
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
        self._again = Pace(CHANNEL, self, ASK_EVERY)
        self._again.due.connect(self._ask_if_newer)
        self._answered_step = -1
        workspace.selected.connect(self._select)
        workspace.shown.ready.connect(self._shown)
        workspace.viewing.live_changed.connect(self._follow)
        workspace.progressed.connect(self._progressed)
        workspace.training_changed.connect(self._show_findings)
        workspace.previewed.connect(self._previewed)
        self._moments = workspace.viewing.moments
        self._moments.moved.connect(self._look_at)
        self._moments.pictured.connect(self._show_samples)

    def _select(self, run: Run | None) -> None:
        self._run = run
        self._answered_step = -1
        self.samples.set_reference(None)
        self.samples.show_samples(None)
        self.samples.set_spec(None)
        self._caption.set_text("")
        self._head(None)
        if run is None:
            self._stack.setCurrentIndex(0)
            return
        self.curves.show_quantities(_quantities(run))
        self._stack.setCurrentIndex(1)
        self._shown(run.id)

    def _shown(self, run_id: str) -> None:
        view = self._workspace.shown.get(run_id)
        if self._run is None or self._run.id != run_id or view is None:
            return
        self.curves.show_history(view.history)
        active = self._workspace.trainer.active
        begun = view.history is None or bool(view.history.series)  # None while it is read
        begun = begun or view.preview is not None or (active is not None and active.run == run_id)
        self._stack.setCurrentIndex(1 if begun else 2)
        self._show_findings()
        if view.preview is not None:
            self._show_samples(view.preview)

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

    def _previewed(self, run_id: str, event: Preview) -> None:
        if self._run is not None and self._run.id == run_id and self._moments.step is None and self.isVisible():
            self._show_samples(event)

    def _look_at(self, step: int | None) -> None:
        """Another moment: its picture comes from what is kept, and now from the run itself."""
        self.curves.mark(step)
        self._answered_step = -1
        view = self._workspace.shown.get(self._run.id) if self._run is not None else None
        if step is None and view is not None and view.preview is not None:
            self._show_samples(view.preview)
            self._ask_if_newer()

    def _show_samples(self, event: Preview) -> None:
        if event.step < self._answered_step and self._moments.step is None:
            return
        self._answered_step = event.step
        self.samples.show_samples(event.samples)
        step, where = f"step {thousands(event.step)}", f" {self._where}"
        # in pairs, which are left out whole where there is no room
        what = [("  ·  means", ""), ("", ""), (where, "")] if event.means else [("", ""), ("  · ", ""), (where, "")]
        self._caption.set_parts([(step, ""), *what])

    def _head(self, spec: DataSpec | None) -> None:
        """Say what is shown of the selected run."""
        if self._run is not None and self._run.config is not None:
            said = heading(catalog.family(self._run.config.family).model, spec)
            self._heading.setText(said.title)
            self._heading.setToolTip(said.explained)
            self._where = said.where

    # The inference line.

    def _follow(self, live: Live | None) -> None:
        self._live, self._waiting = live, False
        if live is None:
            return
        live.answered.connect(self._answered)
        live.moved.connect(self._moved)
        self._head(live.spec)
        like = beside(live.recipe.family.model, live.dataset)
        self.samples.set_spec(like.spec)
        if like.spec.layout is Layout.POINTS:
            self.samples.set_reference(like.train.x.numpy())
        if self.isVisible():
            self._ask()

    def _moved(self, _: object) -> None:
        if self.isVisible() and not self._waiting and not self._again.isActive():
            self._ask_if_newer()

    def _ask_if_newer(self) -> None:
        now = self._moments.step is None
        if now and self._live is not None and self.isVisible() and self._live.step > self._answered_step:
            self._ask()

    def _ask(self) -> None:
        if self._live is not None:
            self._waiting = True
            self._again.ask()
            self._live.ask(CHANNEL, _fixed_samples)

    def _answered(self, answer: Answer) -> None:
        if answer.channel != CHANNEL:
            return
        self._waiting = False
        self._again.rest(answer.seconds)
        if self._moments.step is not None:
            return  # asked before somebody looked back
        if answer.error:
            self._caption.set_text(f"no samples: {answer.error}")
        else:
            self._show_samples(answer.value)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        view = self._workspace.shown.get(self._run.id) if self._run is not None else None
        if view is not None and view.preview is not None and self._moments.step is None:
            self._show_samples(view.preview)  # it may have come while the page was hidden
        self._ask_if_newer()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._waiting = False
        if self._live is not None:
            self._live.forget(CHANNEL)


def _fixed_samples(subject: Subject) -> Preview:
    return preview(subject.learner, subject.dataset, subject.step)


def _quantities(run: Run) -> tuple[Quantity, ...]:
    """What the run's learner reports, and what is counted of its samples where modes are known; nothing where this
    studio does not know the learner."""
    if run.config is None:
        return ()
    return (*catalog.learning(run.config.learner).learner.quantities, *OF_MODES)
