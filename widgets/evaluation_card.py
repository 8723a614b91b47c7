"""One evaluation of a run: what it is, its settings, its progress, and everything it found so far."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from dgm_studio.evaluation import Evaluation, Fraction, Result
from dgm_studio.number_texts import duration, percent, thousands, typeset
from dgm_studio.reports import Report
from dgm_studio.result_changes import changes
from models.settings import name_of
from widgets.how_form import HowForm
from widgets.kept_results import Stored
from widgets.measuring import How, Measuring
from widgets.report_column import Others, ReportColumn
from widgets.report_views import text_label
from widgets.theme import SPACE, tabular


class Progress(QWidget):
    """A bar, what is left, and the way out."""

    cancelled = Signal()

    def __init__(self, key: str) -> None:
        super().__init__()
        self._what = ""
        self._bar, self._text = QProgressBar(), QLabel()
        self._bar.setRange(0, 1000)
        self._bar.setObjectName(f"progress-{key}")
        self._text.setProperty("role", "muted")
        self._text.setFont(tabular(self._text.font()))
        cancel = QPushButton("Cancel")
        cancel.setObjectName(f"cancel-{key}")
        cancel.setProperty("flat", True)
        cancel.setToolTip("Stop measuring. What was not finished is not kept.")
        cancel.clicked.connect(self.cancelled)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._bar, 1)
        row.addWidget(self._text)
        row.addWidget(cancel)

    def begin(self, what: str = "") -> None:
        """Nothing is done yet; `what` is named before the numbers."""
        self._what = what
        self._bar.setValue(0)
        self._text.setText(what)

    def show_fraction(self, event: Fraction) -> None:
        self._bar.setValue(round(1000 * event.fraction))
        left = f"  ·  {duration(event.remaining)} left" if event.remaining != float("inf") else ""
        what = f"{self._what}  ·  " if self._what else ""
        self._text.setText(f"{what}{percent(event.fraction)}{left}")


class EvaluationCard(QFrame):
    """Asks for its evaluation to be run, and shows what comes of it. `evaluation` is None for stored results of one
    that this studio does not know, or that the run does not admit any more."""

    asked = Signal(str)  # key
    asked_again = Signal(str, object)  # key, How: of the newest weights, as a kept result was measured
    cancelled = Signal(str)  # key

    def __init__(
        self,
        key: str,
        title: str,
        run_name: str,
        others: Others,
        measuring: Measuring,
        evaluation: Evaluation | None = None,
        hidden: Sequence[str] = (),
    ) -> None:
        """`others` gives what is drawn beside points on their plane; `hidden` are settings that have no effect."""
        super().__init__()
        self.setProperty("card", True)
        self.setObjectName(f"evaluation-{key}")
        self.setProperty("helpPage", f"evaluation:{key}")
        self.key, self._title, self._run_name, self._others = key, title, run_name, others
        self._evaluation = evaluation
        self._stored: list[Stored] = []
        self._newest = -1
        self._state = ""
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(2 * SPACE, 2 * SPACE - 4, 2 * SPACE, 2 * SPACE - 4)
        self._column.setSpacing(SPACE)
        self._hidden = tuple(hidden)
        self._form = HowForm(evaluation, measuring, key, hidden) if evaluation is not None else None
        self._column.addLayout(self._header(evaluation))
        if self._form is not None:
            self._column.addWidget(self._form)
        self.progress = Progress(key)
        self.progress.cancelled.connect(self._cancel)
        self._message = text_label("", "error")
        self._message.setObjectName(f"message-{key}")
        self._choice = QComboBox()
        self._choice.setObjectName(f"results-{key}")
        self._choice.setAccessibleName(f"Results of {title}")
        self._choice.setToolTip("Every result of this evaluation that the project keeps, the newest first.")
        self._choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._choice.currentIndexChanged.connect(self._choose)
        self._beside = QComboBox()
        self._beside.setObjectName(f"beside-{key}")
        self._beside.setAccessibleName(f"Result of {title} to compare with")
        self._beside.setToolTip("Another result, with which the chosen one is compared.")
        self._beside.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._beside.currentIndexChanged.connect(lambda _: self._choose(self._choice.currentIndex()))
        self._age = text_label("", "muted", selectable=False)
        self._again = QPushButton()
        self._again.setObjectName(f"again-{key}")
        self._again.setToolTip("With the settings and the seed of this result, which is kept for comparison.")
        self._again.clicked.connect(self._ask_again)
        self._results = QWidget()
        rows = QVBoxLayout(self._results)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(SPACE // 2)
        results, older = QHBoxLayout(), QHBoxLayout()
        results.addWidget(self._choice)
        results.addWidget(self._beside)
        results.addStretch(1)
        older.addWidget(self._age, 1)
        older.addWidget(self._again)
        rows.addLayout(results)
        rows.addLayout(older)
        self._body = ReportColumn(run_name, others)
        for widget in (self.progress, self._message, self._results, self._body):
            self._column.addWidget(widget)
            widget.hide()

    # What the page says to it.

    def set_newest(self, step: int) -> None:
        """The newest weights of the run are those of `step`; -1: there are none to measure."""
        self._newest = step
        self._refresh_age()

    def set_results(self, stored: Sequence[Stored]) -> None:
        """All results of this evaluation, oldest first; the newest is shown."""
        self._stored = list(reversed(stored))
        self._choice.blockSignals(True)
        self._choice.clear()
        self._choice.addItems([one.title for one in self._stored])
        self._choice.blockSignals(False)
        self._beside.blockSignals(True)
        self._beside.clear()
        self._beside.addItems(["compared with nothing", *(f"compared with {one.title}" for one in self._stored)])
        self._beside.blockSignals(False)
        self._beside.setVisible(len(stored) > 1)
        self._results.setVisible(bool(stored))
        self._choose(0)

    def set_state(self, state: str) -> None:
        """What the evaluation is doing, in a word; empty when it is doing nothing."""
        if state == self._state:
            return
        self._state = state
        self.progress.setVisible(bool(state))
        self.progress.begin()
        if state:
            self._message.hide()
        self._refresh_age()

    def show_partial(self, reports: Sequence[Report]) -> None:
        """Reports, so far, of an evaluation that still goes on."""
        if len(reports) == 1:
            self._show(reports, "")
        else:
            self._body.add(reports[-1])

    def show_message(self, text: str) -> None:
        """Why there is no result."""
        self._say(text)
        self._choose(self._choice.currentIndex())

    def how(self) -> How:
        """How to measure, as the form says."""
        return self._form.how.without(self._hidden) if self._form is not None else How()

    # Parts.

    def _header(self, evaluation: Evaluation | None) -> QHBoxLayout:
        heading = QLabel(self._title)
        heading.setProperty("role", "heading")
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(heading)
        summary = evaluation.summary if evaluation else "Kept results; this run cannot be measured this way any more."
        words.addWidget(text_label(summary, "muted", selectable=False))
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addLayout(words, 1)
        self._run = QPushButton("Measure")
        self._run.setObjectName(f"run-{self.key}")
        self._run.setToolTip("Measure the weights that are chosen above. Training goes on meanwhile.")
        if evaluation is None:
            self._run.hide()
        self._run.clicked.connect(self._ask)
        if evaluation is None:
            self._run.hide()
        for button in (self._form.toggle if self._form is not None else None, self._run):
            if button is not None:
                row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        return row

    def _ask(self) -> None:
        self.asked.emit(self.key)

    def _ask_again(self) -> None:
        index = self._choice.currentIndex()
        if 0 <= index < len(self._stored):
            result = self._stored[index].result
            self.asked_again.emit(self.key, How(dict(result.settings), result.seed))

    def _cancel(self) -> None:
        self.cancelled.emit(self.key)

    # Results.

    def _choose(self, index: int) -> None:
        self._refresh_age()
        if 0 <= index < len(self._stored):
            result, other = self._stored[index].result, self._beside.currentIndex() - 1
            compared: tuple[Report, ...] = ()
            if other >= 0 and other != index:
                older, newer = sorted((other, index), reverse=True)  # the newest stands first
                pair = sorted((self._stored[older].result, self._stored[newer].result), key=lambda one: one.step)
                compared = changes(*pair)
            self._show((*compared, *result.reports), _made_how(result, self._evaluation, self._hidden))
        else:
            self._show((), "")

    def _refresh_age(self) -> None:
        index = self._choice.currentIndex()
        shown = self._stored[index].result if 0 <= index < len(self._stored) else None
        old = shown is not None and shown.step < self._newest
        done = any(one.result.step == self._newest for one in self._stored)
        if shown is not None and old:
            measured = ", which was measured too" if done else ""
            self._age.setText(
                f"Older: of step {thousands(shown.step)}. The run is at step {thousands(self._newest)}{measured}."
            )
        self._age.setVisible(old)
        self._again.setText(f"Measure step {thousands(self._newest)}")
        self._again.setVisible(old and not done and self._evaluation is not None)
        self._again.setEnabled(not self._state)
        self._run.setText(self._state or ("Measure again" if self._stored else "Measure"))
        self._run.setEnabled(self._newest >= 0 and not self._state)

    def _show(self, reports: Sequence[Report], how: str) -> None:
        body = ReportColumn(self._run_name, self._others)
        for report in reports:
            body.add(report)
        if how:
            body.add_small_print(how)
        self._column.replaceWidget(self._body, body)
        self._body.hide()
        self._body.deleteLater()
        self._body = body
        body.setVisible(bool(reports))

    def _say(self, text: str) -> None:
        self._message.setText(typeset(text))
        self._message.setVisible(bool(text))


def _made_how(result: Result, evaluation: Evaluation | None, hidden: Sequence[str]) -> str:
    fields = evaluation.settings.model_fields if evaluation is not None else {}
    settings = ""
    for key, value in result.settings.items():
        if key not in hidden:
            info = fields.get(key)
            title = (info.title if info is not None else None) or key.replace("_", " ")
            said = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
            said = (name_of(info, value) if info is not None else None) or said
            settings += f"{title[:1].lower()}{title[1:]} {said}, "
    on = f"on {result.data}, " if result.data else ""
    return f"{on}{settings}seed {result.seed}  ·  measured in {duration(result.seconds)} on {result.made_with}"
