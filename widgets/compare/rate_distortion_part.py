"""Rate against distortion: every run, and every kept state of it that was measured."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QMouseEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QWidget

from dgm_studio.comparison.rates import RatePoint, as_table, iso_values, planes, points_of
from dgm_studio.evaluation import evaluation
from dgm_studio.evaluations.rate_distortion import EVALUATION
from dgm_studio.number_texts import thousands
from dgm_studio.reports import Table
from dgm_studio.store import Run
from dgm_studio.table_texts import number
from models import catalog
from models.estimation.likelihood import has_bound
from widgets.background import Problem
from widgets.building import label
from widgets.compare.chosen import Chosen
from widgets.compare.part import Part
from widgets.compare.progress_strip import Strip, trouble
from widgets.empty import Empty
from widgets.how_form import HowForm
from widgets.measuring import Job, Measuring
from widgets.measuring_jobs import job
from widgets.plots import Plot, framed, pen
from widgets.readout import Readout
from widgets.saving import more_button
from widgets.theme import SPACE, look
from widgets.workspace import Workspace

BOUND = "a bound on log p(x) in terms of rate and distortion"
NEAR = 14  # px from a point that still means it
LINES = 10  # of constant ELBO, about


class RateDistortionPlot(Plot):
    """Points of each run, joined in the order of steps; the newest is large. Between dashed lines the ELBO changes by a
    round amount. A person's mouse near a point names it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("plane")
        self.setAccessibleName("Rate and distortion of the compared runs")
        self.set_titles("rate KL(q‖p) (nats)", "distortion −E[log p(x|z)] (nats)")
        self._items: list[object] = []
        self._iso: list[tuple[pg.PlotCurveItem, pg.TextItem]] = []
        self._points: list[RatePoint] = []
        self._colours: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._said = pg.TextItem(anchor=(0, 1))
        self._said.setZValue(10)
        self.addItem(self._said, ignoreBounds=True)
        self._said.hide()
        self.box.disableAutoRange()
        self.box.sigRangeChanged.connect(self._place)
        self.scene().sigMouseMoved.connect(self._hover)
        look.changed.connect(self._place)
        look.changed.connect(self._said.hide)

    def show_points(self, points: list[RatePoint], colours: dict[str, str], names: dict[str, str]) -> None:
        """`points` in order of steps; colours and names of runs by id."""
        fit = not self._points or {p.run for p in points} != {p.run for p in self._points} or not self._inside(points)
        for item in self._items:
            self.removeItem(item)
        self._items, self._points, self._colours, self._names = [], points, colours, names
        self.title = "Rate and distortion"
        self.legend = [(colour, names[run]) for run, colour in colours.items() if run in {p.run for p in points}]
        for run, colour in colours.items():
            mine = [point for point in points if point.run == run]
            if not mine:
                continue
            x, y = np.array([p.rate for p in mine]), np.array([p.distortion for p in mine])
            line = pg.PlotCurveItem(x, y, pen=pen(colour, 1.5, 0.6))
            dots = pg.ScatterPlotItem(x=x[:-1], y=y[:-1], size=7, pen=None, brush=colour)
            newest = pg.ScatterPlotItem(x=x[-1:], y=y[-1:], size=15, symbol="star", pen=None, brush=colour)
            for item in (line, dots, newest):
                self.addItem(item, ignoreBounds=True)
                self._items.append(item)
        if fit:
            self.show_all()

    def show_all(self) -> None:
        """Have all points in sight."""
        if not self._points:
            return
        for values, set_range in (
            (np.array([p.rate for p in self._points]), self.box.setXRange),
            (np.array([p.distortion for p in self._points]), self.box.setYRange),
        ):
            set_range(*framed(values, 0.1, 0.08), padding=0)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.show_all()

    def leaveEvent(self, event: object) -> None:
        super().leaveEvent(event)
        self._said.hide()

    def named(self) -> str:
        """What stands at the point that is pointed at."""
        return self._said.toPlainText() if self._said.isVisible() else ""

    def _inside(self, points: list[RatePoint]) -> bool:
        (left, right), (bottom, top) = self.box.viewRange()
        return all(left <= p.rate <= right and bottom <= p.distortion <= top for p in points)

    def _hover(self, place: QPointF) -> None:
        near: tuple[float, RatePoint] | None = None
        for point in self._points:
            at = self.box.mapViewToScene(QPointF(point.rate, point.distortion))
            distance = float(np.hypot(at.x() - place.x(), at.y() - place.y()))
            if distance < NEAR and (near is None or distance < near[0]):
                near = (distance, point)
        self._said.setVisible(near is not None)
        if near is None:
            return
        point = near[1]
        self._said.setText(
            f"{self._names[point.run]}, step {thousands(point.step)}\n"
            f"rate {number(point.rate, 2)}   distortion {number(point.distortion, 2)}   ELBO {number(point.elbo, 2)}"
        )
        self._said.setColor(QColor(look.theme.text))
        self._said.fill = pg.mkBrush(QColor(look.theme.raised))
        (left, right), (bottom, top) = self.box.viewRange()
        self._said.setAnchor((float(point.rate > (left + right) / 2), float(point.distortion < (bottom + top) / 2)))
        self._said.setPos(point.rate, point.distortion)

    def _place(self) -> None:
        """Lines of constant ELBO over what is in sight."""
        (left, right), (bottom, top) = self.box.viewRange()
        values = iso_values(left + bottom, right + top, LINES) if self._points else []
        while len(self._iso) < len(values):
            line, text = pg.PlotCurveItem(), pg.TextItem(anchor=(1, 1))
            for item in (line, text):
                item.setZValue(-10)
                self.addItem(item, ignoreBounds=True)
            self._iso.append((line, text))
        margin = 0.01 * (right - left)
        decimals = 0 if all(value == round(value) for value in values) else 2
        for place, (line, text) in enumerate(self._iso):
            there = place < len(values)
            line.setVisible(there)
            text.setVisible(False)
            if there:
                value = values[place]
                line.setData([left, right], [value - left, value - right])
                line.setPen(pen(look.theme.muted, 1, 0.45, dashed=True))
                x = right - margin
                if not bottom + 0.02 * (top - bottom) < value - x < top - 0.06 * (top - bottom):
                    x = value - bottom - 0.02 * (top - bottom)  # it leaves at the lower edge
                text.setText(number(-value, decimals))
                text.setColor(QColor(look.theme.muted))
                text.setVisible(left + 8 * margin < x <= right)
                text.setPos(x, value - x)


class RateDistortionPart(Part):
    """Kept states that were not measured yet are, on demand, in the background; what is done meanwhile is kept."""

    key, title = "plane", "Rate–distortion"

    def __init__(
        self, chosen: Chosen, workspace: Workspace, measuring: Measuring, parent: QWidget | None = None
    ) -> None:
        super().__init__(chosen, workspace, parent)
        self._asked = 0
        self._points: dict[str, list[RatePoint]] = {}
        self.plot = RateDistortionPlot()
        self.plot.title, self.plot.values = "Rate and distortion", self.table
        self._compute = QPushButton("Measure")
        self._compute.setObjectName("measureStates")
        self._compute.clicked.connect(self._measure)
        self._planes = QComboBox()
        self._planes.setObjectName("planes")
        self._planes.setAccessibleName("Test examples")
        self._planes.setToolTip("Points that were measured on other test examples stand on another plane.")
        self._planes.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._planes.activated.connect(lambda _: self._draw())
        self._said = label("", "muted", "planeSaid", wrap=True)
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        head.addWidget(self._said, 1)
        self._form = HowForm(EVALUATION, measuring, "compare-plane")
        head.addWidget(self._form.toggle)
        head.addWidget(self._compute)
        head.addWidget(more_button(self.plot, "this plot"))
        self.strip = Strip("compare-plane", measuring)
        self._trouble = trouble()
        self.strip.failed.connect(self._say)
        self._note = Readout("planeNote", "small")
        self._note.set_text(
            "On a dashed line the ELBO is constant; towards the lower left it is higher. A star is the newest state."
        )
        self.column.addLayout(head)
        self.column.addWidget(self._planes, 0, Qt.AlignmentFlag.AlignLeft)
        self.column.addWidget(self._form)
        self.column.addWidget(self.strip)
        self.column.addWidget(self._trouble)
        self._empty = Empty(
            "Nothing on this plane yet",
            "Measure the kept states of runs with an evidence lower bound: each is then a point, and training a path.",
            "evaluate",
        )
        self.column.addWidget(self._empty, 1)
        self.column.addWidget(self.plot, 1)
        self.column.addWidget(self._note)
        measuring.measured.connect(self._measured)
        measuring.changed.connect(self._offer)

    def refresh(self) -> None:
        self._asked += 1
        runs, number_ = self.chosen.runs, self._asked

        def work() -> dict[str, list[RatePoint]]:
            return {run.id: points_of(run.id, run.evaluations) for run in runs}

        def done(found: dict[str, list[RatePoint]]) -> None:
            if number_ == self._asked:
                self._points = found
                self._list_planes()
                self._draw()

        def failed(problem: Problem) -> None:
            self._say(f"Kept results cannot be read. {problem.text}")

        self.workspace.files.submit(work, done, failed)

    def rest(self) -> None:
        self._asked += 1

    def table(self) -> Table:
        """The points that are shown, as a report."""
        names = {run.id: run.name for run in self.chosen.runs}
        return as_table(self._shown(), names)

    def _all(self) -> list[RatePoint]:
        return [point for run in self.chosen.runs for point in self._points.get(run.id, [])]

    def _shown(self) -> list[RatePoint]:
        return [point for point in self._all() if point.plane == self._planes.currentData()]

    def _list_planes(self) -> None:
        before, known = self._planes.currentData(), planes(self._all())
        self._planes.clear()
        for plane in known:
            runs = [run.name for run in self.chosen.runs if any(p.plane == plane for p in self._points.get(run.id, []))]
            self._planes.addItem(f"test examples of {', '.join(runs)}", plane)
        self._planes.setMaximumWidth(80 * SPACE)
        self._planes.setVisible(len(known) > 1)
        if before in known:
            self._planes.setCurrentIndex(known.index(before))

    def _bounded(self) -> list[Run]:
        """The chosen runs that have a bound with these two terms."""
        return [
            run
            for run in self.chosen.runs
            if run.config is not None and has_bound(catalog.family(run.config.family).model)
        ]

    def _missing(self) -> list[tuple[Run, int]]:
        """Kept states that were not measured, the newest of each run first."""
        left = []
        for run in self._bounded():
            measured = {point.step for point in self._points.get(run.id, [])}
            left.append([(run, step) for step in reversed(run.checkpoint_steps()) if step not in measured])
        most = max(map(len, left), default=0)
        return [states[place] for place in range(most) for states in left if place < len(states)]

    def _draw(self) -> None:
        runs = self.chosen.runs
        colours = {run.id: self.chosen.colour(run) for run in runs}
        there = bool(self._shown())
        self._empty.setVisible(not there)
        self.plot.setVisible(there)
        self._note.setVisible(there)
        self.plot.show_points(self._shown(), colours, {run.id: run.name for run in runs})
        self._offer()

    def _offer(self) -> None:
        if not self.isVisible():
            return
        bounded, missing = self._bounded(), self._missing()
        others = [run.name for run in self.chosen.runs if run not in bounded]
        self._compute.setText(f"Measure {len(missing)} kept state{'s' if len(missing) != 1 else ''}")
        self._compute.setVisible(bool(missing))
        self._compute.setEnabled(not self.strip.open)
        points = self._shown()
        states, of = len(points), len({p.run for p in points})
        said = f"{states} state{'s' if states > 1 else ''} of {of} run{'s' if of > 1 else ''}."
        if not bounded:
            said = f"None of these runs has {BOUND}."
        elif not points:
            said = "Nothing was measured yet."
        if others and bounded:
            said += f" {', '.join(others)}: without {BOUND}."
        self._said.setText(said)

    def _measure(self) -> None:
        project = self.workspace.project
        if project is not None:
            self._trouble.hide()
            what, data = evaluation(EVALUATION.key), self.workspace.data
            missing, how = self._missing(), self._form.how
            self.strip.ask([job(project, run, what, how, data, step) for run, step in missing])

    def _measured(self, one: Job, _: object) -> None:
        if self.isVisible() and one.evaluation.key == EVALUATION.key and one.run in self.chosen.runs:
            self.refresh()

    def _say(self, text: str) -> None:
        self._trouble.setText(text)
        self._trouble.show()
