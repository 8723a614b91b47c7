"""Samples of the selected run from fixed noise, as it learns."""

from __future__ import annotations

from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from dgm_studio.events import Preview
from dgm_studio.inference import Answer
from dgm_studio.number_texts import thousands
from dgm_studio.shown import beside, heading
from dgm_studio.state import preview
from dgm_studio.store import Run
from dgm_studio.subject import Subject
from models import catalog
from models.spec import DataSpec, Layout
from widgets.building import label
from widgets.live import Live
from widgets.pacing import Pace
from widgets.readout import Readout
from widgets.samples_view import SamplesView
from widgets.saving import more_button
from widgets.workspace import Workspace

CHANNEL = "train/samples"
ASK_EVERY = 250  # ms from an answer to the next question


class LiveSamples(QWidget):
    """Shows the newest pictures that a training has kept, and asks for newer ones while it is visible; where somebody
    looks back, the pictures of that moment."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown, self._moments = workspace.shown, workspace.viewing.moments
        self._run: Run | None = None
        self._live: Live | None = None
        self._waiting = False  # for an answer
        self.step = -1  # of what is shown
        self._where = ""  # it comes from
        self.view = SamplesView()
        self.view.setObjectName("samples")
        self._heading = label("Samples", "strong", "samplesHeading")
        self._caption = Readout("samplesCaption", "muted")
        head = QHBoxLayout()
        head.addWidget(self._heading)
        head.addWidget(self._caption, 1)
        head.addWidget(more_button(self.view, "the samples"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(head)
        column.addWidget(self.view, 1)
        self._again = Pace(CHANNEL, self, ASK_EVERY)
        self._again.due.connect(self._ask_if_newer)
        workspace.viewing.live_changed.connect(self._follow)
        workspace.previewed.connect(self._previewed)
        self._moments.moved.connect(self._look_at)
        self._moments.pictured.connect(self._show)

    def show_run(self, run: Run | None) -> None:
        """Another run is selected."""
        self._run, self.step = run, -1
        self.view.set_reference(None)
        self.view.show_samples(None)
        self.view.set_spec(None)
        self._caption.set_text("")
        self._head(None)

    def show_kept(self) -> None:
        """Show what is kept of the run."""
        view = self._shown.get(self._run.id) if self._run is not None else None
        if view is not None and view.preview is not None:
            self._show(view.preview)

    def _previewed(self, run_id: str, event: Preview) -> None:
        if self._run is not None and self._run.id == run_id and self._moments.step is None and self.isVisible():
            self._show(event)

    def _look_at(self, step: int | None) -> None:
        """Another moment: its picture comes from what is kept, and now from the run itself."""
        self.step = -1
        if step is None:
            self.show_kept()
            self._ask_if_newer()

    def _show(self, event: Preview) -> None:
        if event.step < self.step and self._moments.step is None:
            return
        self.step = event.step
        self.view.show_samples(event.samples)
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

    # The line that answers.

    def _follow(self, live: Live | None) -> None:
        self._live, self._waiting = live, False
        if live is None:
            return
        live.answered.connect(self._answered)
        live.moved.connect(self._moved)
        self._head(live.spec)
        like = beside(live.recipe.family.model, live.dataset)
        self.view.set_spec(like.spec)
        if like.spec.layout is Layout.POINTS:
            self.view.set_reference(like.train.x.numpy())
        if self.isVisible():
            self._ask()

    def _moved(self, _: object) -> None:
        if self.isVisible() and not self._waiting and not self._again.isActive():
            self._ask_if_newer()

    def _ask_if_newer(self) -> None:
        now = self._moments.step is None
        if now and self._live is not None and self.isVisible() and self._live.step > self.step:
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
            self._show(answer.value)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._moments.step is None:
            self.show_kept()  # it may have come while this was hidden
        self._ask_if_newer()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._waiting = False
        if self._live is not None:
            self._live.forget(CHANNEL)


def _fixed_samples(subject: Subject) -> Preview:
    return preview(subject.learner, subject.dataset, subject.step)
