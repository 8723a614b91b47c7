"""A run as it learns: its curves, and samples from fixed noise beside them."""

from __future__ import annotations

from html import escape
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSplitter, QStackedLayout, QVBoxLayout, QWidget

from dgm_studio.events import Preview
from dgm_studio.inference import Answer, Subject
from dgm_studio.modes import QUANTITIES as OF_MODES
from dgm_studio.shown import beside, heading
from dgm_studio.state import preview
from dgm_studio.store import Run
from dgm_studio.treatment import begins_anew, title_of, treated
from models import catalog
from models.learning.base import Quantity
from models.spec import DataSpec, Layout
from widgets.building import label
from widgets.curves import Curves
from widgets.empty import Empty
from widgets.live import Live
from widgets.readout import Readout
from widgets.samples_view import SamplesView
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
        self._findings = label("", "", "findings", wrap=True)
        self._findings.setTextFormat(Qt.TextFormat.PlainText)  # it may come from a file that somebody else made
        self._findings.hide()
        self._ways = QWidget()
        self._ways.setObjectName("findingWays")
        self._ways_column = QVBoxLayout(self._ways)
        self._ways_column.setContentsMargins(0, 0, 0, 0)
        self._offered: dict[str, dict[str, Any]] = {}
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
        column.addLayout(head)
        column.addWidget(self.samples, 1)
        column.addWidget(self._findings)
        column.addWidget(self._ways)
        split = QSplitter(Qt.Orientation.Horizontal, childrenCollapsible=False)
        split.addWidget(self.curves)
        split.addWidget(right)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setSizes([440, 300])
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(split)
        self._again = QTimer(self, singleShot=True, interval=ASK_EVERY)
        self._again.timeout.connect(self._ask_if_newer)
        self._answered_step = -1
        workspace.selected.connect(self._select)
        workspace.viewing.shown.connect(self._shown)
        workspace.viewing.live_changed.connect(self._follow)
        workspace.progressed.connect(self._progressed)
        workspace.training_changed.connect(self._show_findings)
        workspace.previewed.connect(self._previewed)

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
        view = self._workspace.viewing.runs.get(run_id)
        if self._run is None or self._run.id != run_id or view is None:
            return
        self.curves.show_history(view.history)
        self._show_findings()
        if view.preview is not None:
            self._show_samples(view.preview)

    def _progressed(self, run_id: str, _: object) -> None:
        if self._run is not None and self._run.id == run_id:
            self.curves.changed()
            self._show_findings()

    def _show_findings(self) -> None:
        """What was noticed in the selected run, now or when it was trained; how, on the tool tip."""
        noted = self._run.findings if self._run is not None else []
        self._findings.setText("\n".join(f"Step {thousands(f.step)}: {f.text} {f.remedy}".rstrip() for f in noted))
        self._findings.setToolTip("".join(f"<p>{escape(f.measured)}</p>" for f in noted))
        self._findings.setVisible(bool(noted))
        config = self._run.config if self._run is not None else None
        ways = {way: changes for f in noted for way, changes in f.changes.items()}
        self._offer({w: c for w, c in ways.items() if config is not None and treated(config, c) is not None})

    def _offer(self, ways: dict[str, dict[str, Any]]) -> None:
        """A button for each way to go on from what was noticed."""
        if not self._workspace.can_train:
            ways = {}
        self._ways.setVisible(bool(ways))
        if ways == self._offered:
            return
        self._offered = ways
        while self._ways_column.count():
            part = self._ways_column.takeAt(0).widget()
            if part is not None:
                part.deleteLater()
        for way, changes in ways.items():
            button = QPushButton(title_of(way, changes))
            begin = "begins anew" if begins_anew(changes) else "goes on from the newest kept state of this one"
            button.setToolTip(f"Train a run that {begin}, with this changed.")
            button.clicked.connect(lambda _=False, changes=changes: self._choose(changes))
            self._ways_column.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)

    def _choose(self, changes: dict[str, Any]) -> None:
        if self._run is not None:
            self.way_chosen.emit(self._run, changes)

    def _previewed(self, run_id: str, event: Preview) -> None:
        if self._run is not None and self._run.id == run_id:
            self._show_samples(event)

    def _show_samples(self, event: Preview) -> None:
        if event.step < self._answered_step:
            return
        self._answered_step = event.step
        self.samples.show_samples(event.samples)
        kind = "means " if event.means else ""
        self._caption.set_text(f"step {thousands(event.step)}  ·  {kind}{self._where}")

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
        if self._live is not None and self.isVisible() and self._live.step > self._answered_step:
            self._ask()

    def _ask(self) -> None:
        if self._live is not None:
            self._waiting = True
            self._live.ask(CHANNEL, _fixed_samples)

    def _answered(self, answer: Answer) -> None:
        if answer.channel != CHANNEL:
            return
        self._waiting = False
        self._again.start()
        if answer.error:
            self._caption.set_text(f"no samples: {answer.error}")
        else:
            self._show_samples(answer.value)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
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
