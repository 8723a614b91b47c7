"""The Evaluate page: what can be measured of a run, and everything that was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget
from shiboken6 import isValid

from dgm_studio.datasets.base import Dataset
from dgm_studio.evaluation import EVALUATIONS, Fraction, Result, admitted
from dgm_studio.events import Snapshot
from dgm_studio.reports import Points, Series
from dgm_studio.state import WEIGHTS, learner_tensors
from dgm_studio.store.project import Project
from dgm_studio.store.run import Run
from models.catalog import Recipe
from widgets.empty import Empty
from widgets.evaluation_card import EvaluationCard, Progress
from widgets.kept_results import Stored, on_the_plane_of, results_of
from widgets.live import Live
from widgets.measuring import How, Job, Measuring
from widgets.report_views import text_label
from widgets.state_choice import LOOKED_AT, StateChoice
from widgets.status import thousands
from widgets.theme import SPACE


class EvaluatePage(QWidget):
    """Has runs measured one evaluation after the other (`measuring`), and shows what is kept of it in their project.

    An evaluation goes on while another run of the same project is shown; it is cancelled when the project goes.
    `shut_down()` must be called before this page goes.
    """

    changed = Signal()  # the project holds a new result

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("evaluate-page")
        self._project: Project | None = None
        self._run: Run | None = None
        self._live: Live | None = None
        self._cards: dict[str, EvaluationCard] = {}
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
        self._scroll = QScrollArea()
        self._scroll.setObjectName("evaluate-scroll")
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addLayout(top)
        column.addWidget(self._elsewhere)
        column.addWidget(self._scroll, 1)
        self.measuring.changed.connect(self._refresh)
        self.measuring.progressed.connect(self._progressed)
        self.measuring.reported.connect(self._reported)
        self.measuring.measured.connect(self._measured)
        self.measuring.failed.connect(self._failed)
        self.measuring.dropped.connect(self._dropped)
        self._brought = "", 0  # the card that was asked for by name, and where the page was scrolled to
        self._rebuild()

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
        self._rebuild()

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
        """Put the newest weights through an evaluation, and show its card; once more when the results have made it
        higher, unless a person has looked elsewhere meanwhile."""
        self._ask(key)
        self._bring(key)

    def _bring(self, key: str) -> None:
        if key in self._cards:
            bar = self._scroll.verticalScrollBar()
            bar.setValue(self._cards[key].y())
            self._brought = key, bar.value()

    @property
    def busy(self) -> bool:
        """Whether something is being measured or waits for it."""
        return self.measuring.busy

    def closeEvent(self, event: QCloseEvent) -> None:
        self.shut_down()
        super().closeEvent(event)

    # The cards.

    def _rebuild(self) -> None:
        content = _Cards()
        content.setProperty("plain", True)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, SPACE, 0)
        column.setSpacing(SPACE)
        self._cards = {}
        stored, trouble = results_of(self._run)
        if trouble:
            column.addWidget(text_label(trouble, "error"))
        for card in self._make_cards(stored):
            self._cards[card.key] = card
            column.addWidget(card)
        if not self._cards:
            column.addWidget(self._empty(), 1)
        column.addStretch()
        self._scroll.setWidget(content)
        for key, card in self._cards.items():
            card.set_newest(self._newest_step())
            card.set_results(stored.get(key, []))
        self._refresh()

    def _make_cards(self, stored: Mapping[str, Sequence[Stored]]) -> list[EvaluationCard]:
        if self._run is None:
            return []
        live, name, others = self._live, self._run.name, self._others
        cards = []
        if live is not None:
            for entry in admitted(live.recipe, live.spec):
                hidden = entry.without_effect(live.model_class)
                cards.append(EvaluationCard(entry.key, entry.title, name, others, self.measuring, entry, hidden))
        titles = {entry.key: entry.title for entry in EVALUATIONS}
        rest = [key for key in stored if key not in {card.key for card in cards}]
        cards += [EvaluationCard(key, titles.get(key, key), name, others, self.measuring) for key in rest]
        for card in cards:
            card.asked.connect(self._ask)
            card.asked_again.connect(self._ask_newest)
            card.cancelled.connect(self._cancel)
        return cards

    def _empty(self) -> Empty:
        if self._run is None:
            title = "Nothing to measure yet"
            text = (
                "Train a run or select a trained one. Its likelihood, samples and codes are measured here, each figure "
                "with its kind and interval."
            )
        elif self._live is None:
            title = "Nothing was measured of this run"
            text = "It can be measured when its data and its model are there."
        else:
            title, text = "Nothing to measure here", "No evaluation applies to this model and these data."
        return Empty(title, text, "evaluate")

    def _others(self, report: Points) -> list[Series]:
        return on_the_plane_of(report, self._project)

    def _list_states(self) -> None:
        self._state.offer(self._run.checkpoint_steps() if self._run is not None and self._live is not None else [])

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._moved(self._newest_step())

    def _newest_step(self) -> int:
        newest = self._live.newest if self._live is not None else None
        return newest.step if newest is not None else -1

    def _moved(self, step: int) -> None:
        if not self.isVisible():
            return  # ten times a second, while a run trains; said when the page is shown
        for card in self._cards.values():
            card.set_newest(step)
        self._refresh_heading()

    # Asking.

    def _ask_all(self) -> None:
        for key in self._cards:
            self._ask(key)

    def _ask(self, key: str) -> None:
        """Measure the state that is chosen, or all of them."""
        for step in self._state.steps:
            self._ask_of(key, step, self._cards[key].how())

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
        return self._cards.get(job.evaluation.key) if job.run is self._run else None

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
        card = self._card(job)
        if card is not None:
            card.set_results(results_of(self._run)[0].get(result.key, []))
            if self._brought == (result.key, self._scroll.verticalScrollBar().value()):
                QTimer.singleShot(0, self, lambda: self._bring(result.key))  # once it has its height

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
        for key, card in self._cards.items():
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
        self._all.setVisible(live is not None and bool(self._cards))
        self._all.setEnabled(step >= 0 and not self.busy)
        if run is None or live is None:
            self._heading.setText(run.name if run is not None else "")
            return
        protocol = f", {live.spec.protocol}" if live.spec.protocol else ""
        examples = f"{thousands(len(live.dataset.test))} test examples"
        weights = f"step {thousands(step)}" if step >= 0 else "no weights yet"
        self._heading.setText(f"{run.name}  ·  {weights}  ·  {live.dataset.provenance.title}{protocol}  ·  {examples}")


class _Cards(QWidget):
    # As high as its cards are at its width: what they need at their narrowest would leave an empty end.
    def minimumSizeHint(self) -> QSize:
        return QSize(super().minimumSizeHint().width(), 0)
