"""One quantity of all chosen runs, overlaid."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QHBoxLayout, QSlider, QWidget

from dgm_studio.modes import QUANTITIES as OF_MODES
from dgm_studio.number_texts import thousands
from dgm_studio.store import Run
from models import catalog
from models.learning.base import Quantity
from widgets.building import label
from widgets.compare.chosen import Chosen
from widgets.compare.overlay_plot import Line, OverlayPlot
from widgets.compare.part import Part
from widgets.curves import significant
from widgets.history import Curve, History, Series
from widgets.readout import Readout
from widgets.saving import more_button
from widgets.step_axis import StepAxis
from widgets.theme import SPACE
from widgets.workspace import Workspace

HELD_OUT = "valid/"
LIVE_EVERY = 500  # ms between two drawings of what a training brings
COLUMNS = 4  # of the legend
Key = tuple[str, str, str]  # key, title and unit: what two learners call the same may not be the same


@dataclass
class _Read:
    """What was read of a stored run: which quantities it has, and the curves of one of them."""

    keys: frozenset[str] = frozenset()
    wall: Series = field(default_factory=Series)
    of: str = ""
    training: Series | None = None
    held_out: Series | None = None


class CurvesPart(Part):
    """Stored runs are read once for each quantity, so that eight long ones do not fill the memory; the run that trains
    is drawn from what the window keeps of it."""

    key, title = "curves", "Curves"

    def __init__(self, chosen: Chosen, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(chosen, workspace, parent)
        self._read: dict[str, _Read] = {}
        self._reading: set[str] = set()
        self._quantity: Key | None = None
        self.plot = OverlayPlot()
        self.plot.setAccessibleName("Curves of the compared runs")
        self.quantities = QComboBox()
        self.quantities.setObjectName("quantity")
        self.quantities.setAccessibleName("Quantity")
        self.quantities.setToolTip("What is drawn: first what most of these runs report. Never two units at once.")
        self.quantities.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.quantities.activated.connect(self._choose)
        self.parts = QComboBox()
        self.parts.setObjectName("curveData")
        self.parts.setAccessibleName("Measured on")
        self.parts.addItems(["training", "held-out", "both"])
        self.parts.setToolTip("On which examples: those that are learned from (solid), held-out ones (dashed), or both")
        self.parts.activated.connect(lambda _: self._draw())
        self._smoothing = QSlider(Qt.Orientation.Horizontal, minimum=0, maximum=100, value=20)
        self._smoothing.setObjectName("smoothing")
        self._smoothing.setAccessibleName("Smoothing")
        self._smoothing.setToolTip("How far each running mean reaches")
        self._smoothing.setMaximumWidth(10 * SPACE)
        self._log_steps = QCheckBox("log steps", toolTip="Logarithmic axis of steps: the beginning in detail")
        self._log_values = QCheckBox("log values", toolTip="Logarithmic axis of values, where all are positive")
        self._by_time = QCheckBox("against time", toolTip="Seconds of training instead of steps, where they are known")
        for box, name in ((self._log_steps, "logSteps"), (self._log_values, "logValues"), (self._by_time, "byTime")):
            box.setObjectName(name)
            box.toggled.connect(lambda _: self._draw())
        self._smoothing.valueChanged.connect(lambda _: self._draw())
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        for part in (self.quantities, self.parts):
            head.addWidget(part)
        head.addStretch(1)
        head.addWidget(more_button(self.plot, "this plot"))
        foot = QHBoxLayout()
        foot.setSpacing(SPACE)
        for part in (label("smoothing", "muted"), self._smoothing, self._log_steps, self._by_time, self._log_values):
            foot.addWidget(part)
        foot.addStretch(1)
        self._legend = QGridLayout()
        self._legend.setHorizontalSpacing(SPACE)
        self._legend.setVerticalSpacing(0)
        self._values: list[Readout] = []
        self._said = label("", "muted", "curvesSaid", wrap=True)
        self.column.addLayout(head)
        self.column.addWidget(self.plot, 1)
        self.column.addLayout(self._legend)
        self.column.addWidget(self._said)
        self.column.addLayout(foot)
        self.plot.pointed.connect(self._point)
        self._live = QTimer(self, singleShot=True, interval=LIVE_EVERY)
        self._live.timeout.connect(self._draw)
        workspace.progressed.connect(self._progressed)
        workspace.training_changed.connect(self._training_changed)
        workspace.project_file.replaced.connect(self._read.clear)

    def refresh(self) -> None:
        runs = self.chosen.runs
        self._read = {run.id: self._read[run.id] for run in runs if run.id in self._read}
        for run in runs:
            self._need(run)
        self._offer()
        self._draw()

    def rest(self) -> None:
        self._live.stop()

    # What there is to draw.

    def _history(self, run: Run) -> History | None:
        """What the window keeps of a run that trains."""
        view = self.workspace.shown.get(run.id)
        return view.history if self.workspace.trainer.trains(run.id) and view is not None else None

    def _need(self, run: Run) -> None:
        """Read what is missing of a stored run, in the thread of files."""
        wanted = self._quantity[0] if self._quantity is not None else ""
        have = self._read.get(run.id)
        if self._history(run) is not None or run.id in self._reading or (have is not None and have.of == wanted):
            return
        self._reading.add(run.id)

        def work() -> _Read:
            curves = run.metrics
            found = [_series(curves.get(key)) for key in (wanted, f"{HELD_OUT}{wanted}")]
            return _Read(frozenset(curves), _series(run.wall) or Series(), wanted, *found)

        self.workspace.files.submit(work, partial(self._came, run), lambda problem: self._came(run, _Read(of=wanted)))

    def _came(self, run: Run, read: _Read) -> None:
        self._reading.discard(run.id)
        self._read[run.id] = read
        if self.isVisible() and run in self.chosen.runs:
            self._offer()
            self._need(run)  # another quantity may have been chosen meanwhile
            self._draw()

    def _keys(self, run: Run) -> frozenset[str]:
        history = self._history(run)
        if history is not None:
            return frozenset(key for key, series in history.series.items() if series)
        return self._read[run.id].keys if run.id in self._read else frozenset()

    def _offer(self) -> None:
        """List the quantities that at least one run has, those of most runs first."""
        counts: dict[Key, int] = {}
        for run in self.chosen.runs:
            if run.config is None:
                continue
            keys = self._keys(run)
            known: tuple[Quantity, ...] = (*catalog.learning(run.config.learner).learner.quantities, *OF_MODES)
            for one in dict.fromkeys((q.key, q.title, q.unit) for q in known if {q.key, HELD_OUT + q.key} & keys):
                counts[one] = counts.get(one, 0) + 1
        order = sorted(counts, key=lambda one: -counts[one])
        runs = len(self.chosen.runs)
        self.quantities.clear()
        for key, title, unit in order:
            some = "" if counts[key, title, unit] == runs else f"  ·  {counts[key, title, unit]} of {runs} runs"
            self.quantities.addItem(f"{title} ({unit}){some}" if unit else f"{title}{some}", (key, title, unit))
        if self._quantity not in counts and not self._reading:  # all runs have said what they have
            self._quantity = order[0] if order else None
            for run in self.chosen.runs if order else ():
                self._need(run)
        if self._quantity in order:
            self.quantities.setCurrentIndex(order.index(self._quantity))
        self.quantities.setEnabled(bool(order))

    def _choose(self, index: int) -> None:
        self._quantity = tuple(self.quantities.itemData(index))
        for run in self.chosen.runs:
            self._need(run)
        self._draw()

    def _has(self, run: Run) -> bool:
        """Whether the run's learner reports the chosen quantity, and not another one of the same key."""
        if run.config is None or self._quantity is None:
            return False
        known = (*catalog.learning(run.config.learner).learner.quantities, *OF_MODES)
        return self._quantity in {(q.key, q.title, q.unit) for q in known}

    def _curves(self, run: Run) -> tuple[Series | None, Series | None, Series]:
        """Of training, of held-out data, and the seconds until each step."""
        if self._quantity is None or not self._has(run):
            return None, None, Series()
        key, history = self._quantity[0], self._history(run)
        if history is not None:
            return history.series.get(key), history.series.get(HELD_OUT + key), history.wall
        read = self._read.get(run.id)
        if read is None or read.of != key:
            return None, None, Series()
        return read.training, read.held_out, read.wall

    # Drawing.

    def _draw(self) -> None:
        if not self.isVisible():
            return
        runs, what = self.chosen.runs, self.parts.currentText()
        found = {run.id: self._curves(run) for run in runs}
        shown = [run for run in runs if found[run.id][0] or found[run.id][1]]
        timed = bool(shown) and all(len(found[run.id][2]) for run in shown)
        self._by_time.setEnabled(timed)
        by_time, logarithmic = timed and self._by_time.isChecked(), self._log_steps.isChecked()
        self._log_steps.setText("log time" if by_time else "log steps")
        lines = []
        for run in runs:
            training, held_out, wall = found[run.id]
            axis = StepAxis(logarithmic, wall if by_time and len(wall) else None)
            line = Line(run.name, self.chosen.colour(run), axis)
            line.training = training if what != "held-out" else None
            line.held_out = held_out if what != "training" else None
            lines.append(line)
        unit = self._quantity[2] if self._quantity is not None else ""
        title = self._quantity[1] if self._quantity is not None else ""
        self.plot.show_lines(lines, self._smoothing.value() / 100, self._log_values.isChecked(), unit, title)
        self._name(lines)
        self._point(None)
        lacking = [line.name for line in lines if not line.series]
        if self._quantity is None:
            self._said.setText("" if self._reading else "None of these runs has measured anything yet.")
        else:
            where = "" if what == "both" else f" on {what} data"
            said = [f"Not measured{where}: {', '.join(lacking)}."] if lacking and not self._reading else []
            if len({run.config.data.model_dump_json() for run in shown if run.config is not None}) > 1:
                said.append(
                    "These runs learned from different data, or data prepared differently: compare how the "
                    "curves bend, not how high they are."
                )
            self._said.setText(" ".join(said))
        self._said.setVisible(bool(self._said.text()))

    def _name(self, lines: list[Line]) -> None:
        if len(self._values) != len(lines):
            for old in self._values:
                self._legend.removeWidget(old)
                old.hide()
                old.deleteLater()
            self._values = [Readout(f"value-{place}") for place in range(len(lines))]
            for place, value in enumerate(self._values):
                self._legend.addWidget(value, place // COLUMNS, place % COLUMNS)

    def _point(self, place: float | None) -> None:
        """Name the values at a place of the axis, or the newest."""
        for line, readout in zip(self.plot.lines, self._values, strict=False):
            found = line.at(math.inf if place is None else place)
            text = line.name
            if found is not None:
                at = "" if place is None else f"  ·  {thousands(found[0])}"
                text = f"{significant(found[1])}  {line.name}{at}"
            room = max(readout.width() - readout.fontMetrics().horizontalAdvance("■ "), 0)
            shown = readout.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room)
            readout.set_parts([("■ ", line.colour), (shown, "")])
            readout.setToolTip(text)

    # While something trains.

    def _progressed(self, run_id: str, _: object) -> None:
        if self.isVisible() and not self._live.isActive() and any(run.id == run_id for run in self.chosen.runs):
            if not self.quantities.count():
                self._offer()
            self._live.start()

    def _training_changed(self) -> None:
        """A run that has begun to train has other curves than were read; when it ends, they are read anew."""
        active = self.workspace.trainer.active
        if active is not None:
            self._read.pop(active.run, None)
        elif self.isVisible():
            self.refresh()


def _series(curve: Curve | None) -> Series | None:
    if curve is None:
        return None
    series = Series()
    series.append(*curve)
    return series
