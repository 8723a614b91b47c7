"""One evaluation of a run: what it is, its settings, its progress, and everything it found so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from dgm_studio.evaluation import Evaluation, Fraction, Result
from dgm_studio.reports import Note, Points, Report, Series
from models.settings import Settings
from widgets.evaluation_form import EvaluationForm
from widgets.export import Format, NotWritten, file_name, formats
from widgets.icons import dress
from widgets.report_views import content_view, is_plot, text_label
from widgets.theme import SPACE, tabular

Others = Callable[[Points], Sequence[Series]]


@dataclass(frozen=True)
class Stored:
    """A result that the project keeps, and when it was made (ISO time, UTC)."""

    result: Result
    made: str

    @property
    def title(self) -> str:
        when = datetime.fromisoformat(self.made).astimezone()
        return f"step {grouped(self.result.step)}  ·  {when:%d %b %Y, %H:%M}"


def grouped(n: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{n:,}".replace(",", "\u2009")


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class Progress(QWidget):
    """A bar, what is left, and the way out."""

    cancelled = Signal()

    def __init__(self, key: str) -> None:
        super().__init__()
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

    def say(self, text: str) -> None:
        self._bar.setValue(0)
        self._text.setText(text)

    def show_fraction(self, event: Fraction) -> None:
        self._bar.setValue(round(1000 * event.fraction))
        left = f"  ·  {duration(event.remaining)} left" if event.remaining != float("inf") else ""
        self._text.setText(f"{event.fraction:.0%}{left}")


class EvaluationCard(QFrame):
    """Asks for its evaluation to be run, and shows what comes of it. `evaluation` is None for stored results of one
    that this studio does not know, or that the run does not admit any more."""

    asked = Signal(str)  # key
    cancelled = Signal(str)  # key

    def __init__(self, key: str, title: str, run_name: str, evaluation: Evaluation | None, others: Others) -> None:
        super().__init__()
        self.setProperty("card", True)
        self.setObjectName(f"evaluation-{key}")
        self.key, self._title, self._run_name, self._others = key, title, run_name, others
        self._stored: list[Stored] = []
        self._newest = -1
        self._state = ""
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(2 * SPACE, 2 * SPACE - 4, 2 * SPACE, 2 * SPACE - 4)
        self._column.setSpacing(SPACE)
        self._column.addLayout(self._header(evaluation))
        self._form = self._settings_form(evaluation)
        self.progress = Progress(key)
        self.progress.cancelled.connect(self._cancel)
        self._message = text_label("", "error")
        self._message.setObjectName(f"message-{key}")
        self._choice = QComboBox()
        self._choice.setObjectName(f"results-{key}")
        self._choice.setToolTip("Every result of this evaluation that the project keeps, the newest first.")
        self._choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._choice.currentIndexChanged.connect(self._choose)
        self._age = QLabel()
        self._age.setProperty("role", "muted")
        self._results = QWidget()
        results = QHBoxLayout(self._results)
        results.setContentsMargins(0, 0, 0, 0)
        results.addWidget(self._choice)
        results.addWidget(self._age, 1)
        self._body = QWidget()
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
        self._results.setVisible(bool(stored))
        self._choose(0)

    def set_state(self, state: str) -> None:
        """What the evaluation is doing, in a word; empty when it is doing nothing."""
        if state == self._state:
            return
        self._state = state
        self.progress.setVisible(bool(state))
        self.progress.say("")
        if state:
            self._message.hide()
        self._refresh_age()

    def show_partial(self, reports: Sequence[Report]) -> None:
        """Reports of an evaluation that still goes on."""
        self._show(reports, "")

    def show_message(self, text: str) -> None:
        """Why there is no result."""
        self._message.setText(text)
        self._message.setVisible(bool(text))
        self._choose(self._choice.currentIndex())

    def settings(self) -> dict[str, Any]:
        """The settings as they stand in the form."""
        return self._form.values() if self._form is not None else {}

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
        self._toggle = QPushButton("Settings")
        self._toggle.setObjectName(f"settings-{self.key}")
        self._toggle.setCheckable(True)
        self._toggle.setProperty("flat", True)
        self._toggle.setVisible(evaluation is not None and bool(evaluation.settings.model_fields))
        self._run = QPushButton("Measure")
        self._run.setObjectName(f"run-{self.key}")
        self._run.setToolTip("Measure the newest weights. Training goes on meanwhile.")
        self._run.setVisible(evaluation is not None)
        self._run.clicked.connect(self._ask)
        for button in (self._toggle, self._run):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        return row

    def _settings_form(self, evaluation: Evaluation | None) -> EvaluationForm | None:
        if evaluation is None or not evaluation.settings.model_fields:
            return None
        settings: type[Settings] = evaluation.settings
        form = EvaluationForm(settings)
        form.setObjectName(f"form-{self.key}")
        form.hide()
        self._toggle.toggled.connect(form.setVisible)
        self._column.addWidget(form)
        return form

    def _ask(self) -> None:
        self.asked.emit(self.key)

    def _cancel(self) -> None:
        self.cancelled.emit(self.key)

    # Results.

    def _choose(self, index: int) -> None:
        self._refresh_age()
        if 0 <= index < len(self._stored):
            result = self._stored[index].result
            self._show(result.reports, _made_how(result))
        else:
            self._show((), "")

    def _refresh_age(self) -> None:
        index = self._choice.currentIndex()
        old = 0 <= index < len(self._stored) and self._stored[index].result.step < self._newest
        self._age.setText(f"The run has moved on to step {grouped(self._newest)}." if old else "")
        self._run.setText(self._state or ("Measure again" if self._stored else "Measure"))
        self._run.setEnabled(self._newest >= 0 and not self._state)

    def _show(self, reports: Sequence[Report], how: str) -> None:
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, SPACE // 2, 0, 0)
        column.setSpacing(2 * SPACE)
        waiting: list[QWidget] = []
        for report in reports:
            section = self._section(report)
            if not is_plot(report):
                _add_pairs(column, waiting)
                column.addWidget(section)
            else:
                waiting.append(section)
        _add_pairs(column, waiting)
        if how:
            column.addWidget(text_label(how, "small"))
        self._column.replaceWidget(self._body, body)
        self._body.hide()
        self._body.deleteLater()
        self._body = body
        body.setVisible(bool(reports))

    def _section(self, report: Report) -> QWidget:
        view = content_view(report, self._others(report) if isinstance(report, Points) else ())
        if isinstance(report, Note):
            return view
        view.setAccessibleName(report.title)
        section = QWidget()
        column = QVBoxLayout(section)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        head = QHBoxLayout()
        head.addWidget(text_label(report.title, "strong"), 1)
        head.addWidget(self._export_button(report, view))
        column.addLayout(head)
        column.addWidget(view)
        if report.note:
            column.addWidget(text_label(report.note, "small"))
        column.addStretch()
        return section

    def _export_button(self, report: Report, view: QWidget) -> QToolButton:
        button = QToolButton()
        button.setText("Export")
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        dress(button, "save", "muted")
        button.setObjectName(f"export-{file_name(report.title)}")
        button.setToolTip(f"Write “{report.title}” to a file")
        menu = QMenu(button)
        for form in formats(report, view):
            action = menu.addAction(f"{form.title} …")
            action.setObjectName(f"export{form.suffix}")
            action.triggered.connect(lambda checked=False, form=form: self._export(report, form))
        button.clicked.connect(lambda: menu.popup(button.mapToGlobal(button.rect().bottomLeft())))
        return button

    def _export(self, report: Report, form: Format) -> None:
        name = file_name(self._run_name, report.title) + form.suffix
        chosen, _ = QFileDialog.getSaveFileName(self, f"Export {report.title}", name, f"{form.title} (*{form.suffix})")
        if not chosen:
            return
        path = Path(chosen)
        try:
            form.write(path if path.suffix else path.with_suffix(form.suffix))
        except NotWritten as error:
            self._message.setText(str(error))
            self._message.show()


def _add_pairs(column: QVBoxLayout, waiting: list[QWidget]) -> None:
    """Put what waits side by side, two in a row."""
    while waiting:
        row = QHBoxLayout()
        row.setSpacing(3 * SPACE)
        for section in waiting[:2]:
            row.addWidget(section, 1, Qt.AlignmentFlag.AlignTop)
        del waiting[:2]
        column.addLayout(row)


def _made_how(result: Result) -> str:
    settings = "".join(f"{key.replace('_', ' ')} {value}, " for key, value in result.settings.items())
    return f"{settings}seed {result.seed}  ·  measured in {duration(result.seconds)} on {result.made_with}"
