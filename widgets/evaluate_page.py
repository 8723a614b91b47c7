"""The Evaluate page: what can be measured of a run, and everything that was."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from shiboken6 import isValid

from dgm_studio.datasets.base import Dataset
from dgm_studio.evaluation import Fraction, Result, admitted
from dgm_studio.events import Snapshot
from dgm_studio.number_texts import thousands
from dgm_studio.state import WEIGHTS, learner_tensors
from dgm_studio.store.project import Project
from dgm_studio.store.run import Run
from models.catalog import Recipe
from widgets.building import listed
from widgets.evaluation_card import EvaluationCard, Progress
from widgets.evaluation_cards import EvaluationCards
from widgets.live import Live
from widgets.measuring import How, Job, Measuring
from widgets.state_choice import LOOKED_AT, StateChoice
from widgets.theme import SPACE


class EvaluatePage(QWidget):
    """Has runs measured one evaluation after the other (`measuring`), and shows what is kept of it in their project.

    An evaluation goes on while another run of the same project is shown; it is cancelled when the project goes.
    `shut_down()` must be called before this page goes.
    """

    changed = Signal()  # the project holds a new result

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("evaluatePage")
        self._project: Project | None = None
        self._run: Run | None = None
        self._live: Live | None = None
        self.measuring = Measuring(self)
        self._named: Job | None = None  # what the strip for other runs is about

        self._heading = QLabel()
        self._heading.setObjectName("evaluate-heading")
        self._heading.setProperty("role", "muted")
        self._heading.setTextFormat(Qt.TextFormat.PlainText)
        self._heading.setWordWrap(True)
        self._all = QPushButton("Measure all")
        self._all.setObjectName("run-all")
        self._all.setProperty("primary", True)
        self._all.setToolTip("Put the weights that are chosen through every evaluation below")
        self._all.clicked.connect(self._ask_all)
        self._state = StateChoice()
        top = QHBoxLayout()
        top.addWidget(self._heading, 1)
        top.addWidget(self._state)
        top.addWidget(self._all)

        self._elsewhere = Progress("elsewhere")
        self._elsewhere.cancelled.connect(self._cancel_active)
        self._elsewhere.hide()
        self.cards = EvaluationCards(self.measuring)
        self.cards.asked.connect(self._ask)
        self.cards.asked_again.connect(self._ask_newest)
        self.cards.cancelled.connect(self._cancel)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addLayout(top)
        column.addWidget(self._elsewhere)
        column.addWidget(self.cards, 1)
        self.measuring.changed.connect(self._refresh)
        self.measuring.progressed.connect(self._progressed)
        self.measuring.reported.connect(self._reported)
        self.measuring.measured.connect(self._measured)
        self.measuring.failed.connect(self._failed)
        self.measuring.dropped.connect(self._dropped)
        self._show_cards()

    # What the window says to it.

    def show_run(self, project: Project | None, run: Run | None, live: Live | None) -> None:
        """Show what was measured of `run`, and what can be through `live`: None when its data or its model are not
        there."""
        if (project, run, live) == (self._project, self._run, self._live):
            self._refresh()
            return
        if self._live is not live:
            if self._live is not None and isValid(self._live):
                self._live.moved.disconnect(self._moved)
            if live is not None:
                live.moved.connect(self._moved)
        if project is not self._project:
            self.measuring.drop(lambda job: True)
        self._project, self._run, self._live = project, run, live
        self._state.clear()
        self._list_states()
        self._show_cards()

    def shut_down(self) -> None:
        """Cancel what is being measured and wait for the thread."""
        self.measuring.shut_down()

    def leave(self, then: Callable[[], None]) -> None:
        """Cancel what is being measured, and do `then` when its thread has ended: it may take seconds to notice."""
        self.measuring.leave(then)

    @property
    def measurable(self) -> list[str]:
        """The evaluations that the shown run can be put through."""
        live = self._live
        return [entry.key for entry in admitted(live.recipe, live.spec)] if live is not None and live.newest else []

    def measure(self, key: str) -> None:
        """Put the newest weights through an evaluation, and show its card."""
        self._ask(key)
        self.cards.bring(key)

    @property
    def busy(self) -> bool:
        """Whether something is being measured or waits for it."""
        return self.measuring.busy

    def closeEvent(self, event: QCloseEvent) -> None:
        self.shut_down()
        super().closeEvent(event)

    # What is shown.

    def _show_cards(self) -> None:
        self.cards.show_run(self._project, self._run, self._live)
        self._refresh()

    def _list_states(self) -> None:
        self._state.offer(self._run.checkpoint_steps() if self._run is not None and self._live is not None else [])

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._moved(self._newest_step())
        self._refresh()

    def _newest_step(self) -> int:
        return self._live.step if self._live is not None else -1

    def _moved(self, step: int) -> None:
        if not self.isVisible():
            return  # ten times a second, while a run trains; said when the page is shown
        self.cards.show_newest(step)
        self._refresh_heading()

    # Asking.

    def _ask_all(self) -> None:
        for key in self.cards.by_key:
            self._ask(key)

    def _ask(self, key: str) -> None:
        """Measure the state that is chosen, or all of them."""
        for step in self._state.steps:
            self._ask_of(key, step, self.cards.by_key[key].how())

    def _ask_newest(self, key: str, how: How) -> None:
        """Measure the state that is looked at, as an older one was."""
        self._ask_of(key, LOOKED_AT, how)

    def _ask_of(self, key: str, step: int, how: How) -> None:
        project, run, live = self._project, self._run, self._live
        if project is None or run is None or live is None or live.newest is None:
            return
        chosen = next((entry for entry in admitted(live.recipe, live.spec) if entry.key == key), None)
        of_step = live.newest.step if step == LOOKED_AT else step
        if chosen is None or any(job.is_of(run, key) and job.step == of_step for job in self.measuring.jobs):
            return
        recipe, dataset, newest, device = live.recipe, live.dataset, live.newest, live.device

        def prepare() -> tuple[Recipe, Dataset, Snapshot, torch.device]:
            if step == LOOKED_AT:
                return recipe, dataset, newest, device
            return recipe, dataset, Snapshot(step, learner_tensors(run.checkpoint(step, only=WEIGHTS))), device

        self.measuring.ask(Job(project, run, chosen, how, prepare, of_step))

    def _cancel(self, key: str) -> None:
        run = self._run
        self.measuring.drop(lambda job: job.is_of(run, key))

    def _cancel_active(self) -> None:
        active = self.measuring.job
        self.measuring.drop(lambda job: job is active)

    # What comes of it.

    def _card(self, job: Job) -> EvaluationCard | None:
        """The card of the job, if its run is shown."""
        return self.cards.filled(job.evaluation.key) if job.run is self._run else None

    def _progressed(self, job: Job, event: Fraction) -> None:
        card = self._card(job)
        (card.progress if card is not None else self._elsewhere).show_fraction(event)

    def _reported(self, job: Job) -> None:
        card = self._card(job)
        if card is not None:
            card.show_partial(job.reports)

    def _measured(self, job: Job, result: Result) -> None:
        if job.run.id in job.project.runs:
            self.changed.emit()
        if self._card(job) is not None:
            self.cards.show_results(result.key)

    def _failed(self, job: Job, text: str) -> None:
        self._refresh()
        card = self._card(job)
        if card is not None:
            card.show_message(text)

    def _dropped(self, job: Job) -> None:
        card = self._card(job)
        if card is not None:
            card.show_message("Cancelled. Earlier results are untouched.")

    # What is seen of it.

    def _refresh(self) -> None:
        """Cards, strip and heading say what is being measured and what waits."""
        active = self.measuring.job
        for key, card in self.cards.made.items():
            running = active is not None and active.is_of(self._run, key)
            waits = any(job.is_of(self._run, key) for job in self.measuring.waiting)
            card.set_state("Measuring …" if running else "Waiting …" if waits else "")
        elsewhere = active is not None and active.run is not self._run
        if active is not None and elsewhere and active is not self._named:
            self._named = active
            self._elsewhere.begin(f"{active.evaluation.title} of {active.run.name}")
        self._elsewhere.setVisible(elsewhere)
        self._refresh_heading()

    def _refresh_heading(self) -> None:
        run, live, step = self._run, self._live, self._newest_step()
        self._list_states()
        self._all.setVisible(live is not None and bool(self.cards.made))
        self._all.setEnabled(step >= 0 and not self.busy)
        if run is None or live is None:
            self._heading.setText(run.name if run is not None else "")
            return
        protocol = f", {live.spec.protocol}" if live.spec.protocol else ""
        examples = f"{thousands(len(live.dataset.test))} test examples"
        weights = f"step {thousands(step)}" if step >= 0 else "no weights yet"
        self._heading.setText(listed((run.name, weights, f"{live.dataset.provenance.title}{protocol}", examples)))
