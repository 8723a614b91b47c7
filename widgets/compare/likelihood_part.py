"""All likelihoods of the chosen runs, in groups within which they may be compared."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from dgm_studio.comparison.likelihoods import Entry, Group, as_table, entries_of, grouped, newest_step, tables
from dgm_studio.evaluation import evaluation
from dgm_studio.evaluations.likelihood import EVALUATION, has_likelihood
from dgm_studio.number_texts import thousands
from dgm_studio.reports import Table
from dgm_studio.store import Run
from models import catalog
from widgets.background import Problem
from widgets.building import label, scrolled
from widgets.compare.chips import Swatch
from widgets.compare.chosen import Chosen
from widgets.compare.part import Part
from widgets.compare.progress_strip import Strip, trouble
from widgets.how_form import HowForm
from widgets.measuring import Job, Measuring
from widgets.measuring_jobs import effective, job
from widgets.measuring_jobs import newest_step as step_measured_so
from widgets.report_views import TableView, text_label
from widgets.saving import Offer, more_button, table_offers
from widgets.theme import SPACE
from widgets.workspace import Workspace


class _Whole(QWidget):
    # What is shown, for the menu that saves it: one table in which every row says all of what it is.
    def __init__(self) -> None:
        super().__init__()
        self.hide()
        self.whole = as_table([], {})

    def offers(self) -> list[Offer]:
        return table_offers(self, lambda: self.whole, "Likelihoods") if self.whole.rows else []


class LikelihoodPart(Part):
    """Results are read in the thread of files. What was not measured, or not of the newest kept state, can be: with
    what is set for this evaluation here or on Evaluate. What rests on other settings stands in other tables."""

    key, title = "likelihood", "Likelihood"

    def __init__(
        self, chosen: Chosen, workspace: Workspace, measuring: Measuring, parent: QWidget | None = None
    ) -> None:
        super().__init__(chosen, workspace, parent)
        self._measuring = measuring
        self._entries: dict[str, list[Entry]] = {}
        self._so: dict[str, int] = {}  # run -> the latest step that was measured as is set now
        self._asked = 0  # how often results were read, so that only the newest answer is shown
        self.groups: list[Group] = []
        self._buttons: dict[str, QPushButton] = {}
        self._every = QCheckBox("every step", toolTip="Also what was measured before the latest step of each run")
        self._every.setObjectName("everyStep")
        self._every.toggled.connect(lambda _: self._rebuild())
        self._whole = _Whole()
        text = (
            "Only figures of one kind, unit, protocol and test set stand in one table. The best is marked where its "
            "95 % interval overlaps no other."
        )
        head = QHBoxLayout()
        head.addWidget(label(text, "muted", wrap=True), 1)
        self._all = QPushButton("Measure all")
        self._all.setObjectName("measureAll")
        self._all.setToolTip("Measure the newest kept state of every run below, one after the other")
        self._all.clicked.connect(self._measure_all)
        self._all.hide()
        head.addWidget(self._all)
        head.addWidget(self._every)
        head.addWidget(more_button(self._whole, "all of these tables as one"))
        self._form = HowForm(EVALUATION, measuring, "compare-likelihood")
        head.insertWidget(1, self._form.toggle)
        self.strip = Strip("compare-likelihood", measuring)
        self._trouble = trouble()
        self.strip.failed.connect(self._say)
        self._area = scrolled(QWidget(), "likelihoodArea")
        self.column.addLayout(head)
        self.column.addWidget(self._form)
        self.column.addWidget(self._whole)
        self.column.addWidget(self.strip)
        self.column.addWidget(self._trouble)
        self.column.addWidget(self._area, 1)
        measuring.measured.connect(self._measured)
        measuring.changed.connect(self._mark)
        measuring.how_changed.connect(self._set_otherwise)

    def refresh(self) -> None:
        self._asked += 1
        runs, number = self.chosen.runs, self._asked
        what, how = evaluation(EVALUATION.key), self._form.how

        def work() -> tuple[dict[str, list[Entry]], dict[str, int]]:
            entries = {run.id: entries_of(run.id, run.evaluations) for run in runs}
            return entries, {run.id: step_measured_so(run, what, how) for run in runs}

        def done(found: tuple[dict[str, list[Entry]], dict[str, int]]) -> None:
            if number == self._asked:
                self._entries, self._so = found
                self._rebuild()

        def failed(problem: Problem) -> None:
            self._say(f"Kept results cannot be read. {problem.text}")

        self.workspace.files.submit(work, done, failed if runs else None)

    def rest(self) -> None:
        self._asked += 1  # what is still being read is not shown

    @property
    def whole(self) -> Table:
        """All groups in one table."""
        return self._whole.whole

    # What is shown.

    def _rebuild(self) -> None:
        runs = self.chosen.runs
        names = {run.id: run.name for run in runs}
        entries = [entry for run in runs for entry in self._entries.get(run.id, [])]
        self.groups = grouped(entries, self._every.isChecked())
        self._whole.whole = as_table(self.groups, names)
        content = QWidget()
        content.setProperty("plain", True)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, SPACE, 0)
        column.setSpacing(SPACE // 2)
        self._buttons = {}
        for run in runs:
            self._offer(run, column)
        self._all.setVisible(len(self._buttons) > 1)
        for group, table in zip(self.groups, tables(self.groups, names), strict=True):
            column.addSpacing(SPACE)
            column.addWidget(text_label(group.title, "strong"))
            if group.protocol:
                column.addWidget(text_label(group.protocol, "small"))
            view = TableView(table)
            view.setAccessibleName(table.title)
            column.addWidget(view)
            if table.note:
                column.addWidget(text_label(table.note, "small"))
        column.addStretch(1)
        self._area.setWidget(content)
        self._mark()

    def _offer(self, run: Run, column: QVBoxLayout) -> None:
        """A line for a run whose newest kept state was not measured, or not as is set now."""
        steps, measured = run.checkpoint_steps(), newest_step(self._entries.get(run.id, []))
        if run.config is None or not steps or self._so.get(run.id, -1) >= steps[-1]:
            return
        may = has_likelihood(catalog.family(run.config.family).model)
        if measured >= steps[-1] and not may:
            return
        row = QHBoxLayout()
        row.setSpacing(SPACE // 2)
        row.addWidget(Swatch(self.chosen.colour(run)))
        if not may:
            text = "has no likelihood that can be measured. Evaluate has figures of its samples."
            row.addWidget(text_label(f"{run.name} {text}", "muted"), 1)
            column.addLayout(row)
            return
        newest = f"its newest kept state is of step {thousands(steps[-1])}"
        at = f"was measured at step {thousands(measured)}" if measured >= 0 else "has not been measured"
        so = effective(run, EVALUATION, self._form.how)
        said = f"{at}; {newest}." if measured < steps[-1] else f"{at}, but not with {so.said}."
        row.addWidget(text_label(f"{run.name} {said}", "muted"), 1)
        button = QPushButton("Measure" if measured < 0 else "Measure again")
        button.setObjectName(f"measure-{run.id}")
        button.setAccessibleName(f"Measure the likelihood of {run.name}")
        button.setToolTip(f"{EVALUATION.summary} In the background, with {so.said}.")
        button.clicked.connect(partial(self._measure, run))
        self._buttons[run.id] = button
        row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(row)

    def _measure(self, *runs: Run) -> None:
        project = self.workspace.project
        if project is not None:
            self._trouble.hide()
            what, how, data = evaluation(EVALUATION.key), self._form.how, self.workspace.data
            self.strip.ask([job(project, run, what, how, data) for run in runs])

    def _measure_all(self) -> None:
        self._measure(*(run for run in self.chosen.runs if run.id in self._buttons and not self._waits(run.id)))

    def _waits(self, run_id: str) -> bool:
        return any(one.run.id == run_id and one.evaluation.key == EVALUATION.key for one in self._measuring.jobs)

    def _mark(self) -> None:
        """Buttons of what is being measured wait."""
        for run_id, button in self._buttons.items():
            button.setEnabled(not self._waits(run_id))
        self._all.setEnabled(not all(self._waits(run_id) for run_id in self._buttons))

    def _measured(self, one: Job, _: object) -> None:
        if self.isVisible() and one.run in self.chosen.runs:
            self.refresh()

    def _set_otherwise(self, key: str) -> None:
        if self.isVisible() and key == EVALUATION.key:
            self.refresh()

    def _say(self, text: str) -> None:
        self._trouble.setText(text)
        self._trouble.show()
