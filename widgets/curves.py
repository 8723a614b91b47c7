"""Live curves: one plot for each quantity, with its unit."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPointF, QSize, Qt, QTimer
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QScrollArea, QSlider, QVBoxLayout, QWidget

from dgm_studio.modes import PROTOCOL
from dgm_studio.number_texts import duration, power, thousands
from widgets.building import frameless, label
from widgets.curve_plot import HELD_OUT, LEAST, TRAINING, CurvePlot
from widgets.history import History
from widgets.plots import END, HALF_FIGURE
from widgets.readout import Readout
from widgets.saving import more_button
from widgets.step_axis import StepAxis
from widgets.theme import SPACE, look, px

if TYPE_CHECKING:
    from models.learning.base import Quantity

DRAW_EVERY = (200, 1000)  # ms, at least and at most
SHARE = 0.02  # of the window's time that drawing may take: it is time that Python's lock keeps from the training
LEGEND = (
    f'<span style="color:{TRAINING}">■</span> training &nbsp;'
    f'<span style="color:{HELD_OUT}">■</span> held-out &nbsp;<span style="color:{HELD_OUT}">●</span> best'
)
WIDEST = 240  # px that the values beside a name take at most
FEW = 4  # plots for which the window keeps room, and as many before there is anything to plot; more may scroll


class QuantityView(QWidget):
    """A plot below its name, unit and newest values; the values at the crosshair while there is one."""

    def __init__(self, quantity: Quantity, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = CurvePlot(quantity)
        self._values = Readout(f"values-{quantity.key}", right=True)
        head = QHBoxLayout()
        head.setSpacing(SPACE // 2)
        title = label(quantity.title, "strong", elided=True)
        unit = label(f"({quantity.unit})" if quantity.unit else "", "muted", elided=True)
        for part, least in ((title, 80), (unit, 0)):
            part.setMinimumWidth(min(least, part.sizeHint().width()))  # names are cut off before the values are
            part.setToolTip(f"{quantity.title} ({quantity.unit})" if quantity.unit else quantity.title)
            head.addWidget(part)
        head.addWidget(self._values, 1)
        head.addWidget(more_button(self.plot, f"the curve of {quantity.title}"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self.plot, 1)

    def forget(self) -> None:
        """Be as it was made: another run is to be shown."""
        self._values.setMinimumWidth(0)
        self.plot.setToolTip("")
        self.plot.forget()

    def show_values(self, step: float | None) -> None:
        """Name the values at `step`, or the newest and the best."""
        plot = self.plot
        parts: list[tuple[str, str]] = []
        for series, colour in ((plot.training, TRAINING), (plot.held_out, HELD_OUT)):
            found = series.at(math.inf if step is None else step)
            if found is not None:
                parts += [("   ■ ", colour), (significant(found[1]), "")]
        best = plot.held_out.best(plot.quantity.goal)
        if step is None and best is not None:
            parts += [("   ● ", HELD_OUT), (significant(best[1]), "")]
        self._values.set_parts(parts)
        wanted = min(self._values.fontMetrics().horizontalAdvance(self._values.text()) + 2, px(WIDEST))
        if wanted > self._values.minimumWidth():  # the room only grows: a figure less is no reason for a layout
            self._values.setMinimumWidth(wanted)
        if plot.perfect is not None:
            self.plot.setToolTip(f"Dashed: a perfect sampler, {significant(plot.perfect)}; {PROTOCOL}")


class _Column(QScrollArea):
    """Plots one below the other: all where there is room, a few to scroll through where there is not."""

    def __init__(self) -> None:
        super().__init__(widgetResizable=True, objectName="curvesScroll")
        frameless(self)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the plots have it, and come into sight with it
        content = QWidget()
        content.setProperty("plain", True)
        self.plots = QVBoxLayout(content)
        self.plots.setContentsMargins(0, 0, 0, 0)
        self.plots.setSpacing(SPACE)
        self.setWidget(content)
        content.installEventFilter(self)

    def minimumSizeHint(self) -> QSize:
        least, count = self.widget().minimumSizeHint(), self.plots.count()
        if count <= FEW:
            return least
        return QSize(least.width() + self.verticalScrollBar().sizeHint().width(), least.height() * FEW // count)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


class Curves(QWidget):
    """All quantities of a learner, on one axis of steps or of time. However often values come, drawing takes SHARE of
    the window's time."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("curves")
        self.views: list[QuantityView] = []
        self._quantities: tuple[Quantity, ...] = ()
        self._history: History | None = None
        self._zoomed = False
        self._axis = StepAxis()
        self._end = 0.0  # of the axis, in steps or seconds
        self._seconds = self._spent = 0.0  # on drawing: in this object so far; and in all when it was last planned
        self._smoothing = QSlider(Qt.Orientation.Horizontal)
        self._smoothing.setObjectName("smoothing")
        self._smoothing.setAccessibleName("Smoothing")
        self._smoothing.setToolTip("How far each running mean of the training curves reaches")
        self._smoothing.setRange(0, 100)
        self._smoothing.setValue(20)
        self._smoothing.setMinimumWidth(4 * SPACE)
        self._smoothing.setMaximumWidth(12 * SPACE)
        self._log_steps = QCheckBox("log steps", toolTip="Logarithmic axis of steps: the beginning in detail")
        self._log_steps.setObjectName("logSteps")
        self._against_time = QCheckBox(
            "against time", toolTip="Seconds of training instead of steps, where they are known"
        )
        self._against_time.setObjectName("againstTime")
        self._log_values = QCheckBox("log values", toolTip="Logarithmic axis of values, where all are positive")
        self._log_values.setObjectName("logValues")
        self._moment: int | None = None  # of the training that is looked at
        self._step = Readout("crosshairStep", "muted", right=True)
        self._bar = bar = QHBoxLayout()
        bar.setSpacing(SPACE)
        bar.addWidget(label("smoothing", "muted"))
        bar.addWidget(self._smoothing)
        bar.addWidget(self._log_steps)
        bar.addWidget(self._against_time)
        bar.addWidget(self._log_values)
        bar.addStretch(1)
        self._head = head = QHBoxLayout()
        head.addWidget(label(LEGEND, "muted"))
        head.addWidget(self._step, 1)
        area = _Column()
        self._plots = area.plots
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addLayout(head)
        column.addWidget(area, 1)
        column.addLayout(bar)
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self.draw)
        self._smoothing.valueChanged.connect(self.draw)
        self._log_steps.toggled.connect(self.draw)
        self._against_time.toggled.connect(self.draw)
        self._log_values.toggled.connect(self.draw)
        look.changed.connect(self.draw)

    def show_quantities(self, quantities: Sequence[Quantity]) -> None:
        """From the next history on, one plot for each, in this order, on one axis; of those that the run reports, once
        it has reported any."""
        self._quantities = tuple(quantities)

    def _build(self, quantities: Sequence[Quantity]) -> None:
        for view in self.views:
            self._plots.removeWidget(view)
            view.hide()
            view.deleteLater()
        self.views = [QuantityView(quantity) for quantity in quantities]
        for view in self.views:
            self._plots.addWidget(view, 1)
            if view is not self.views[0]:
                view.plot.setXLink(self.views[0].plot)
            view.plot.scene().sigMouseMoved.connect(lambda place, view=view: self._hover(view, place))
            view.plot.installEventFilter(self)
            view.plot.zoomed.connect(self._zoom)
        if self.views:
            self.views[-1].plot.set_titles(self._axis.title)
        many = len(self.views) > FEW
        if many:  # the one with an axis below it keeps as much for its curve as the others, where all are low
            last = self.views[-1].plot
            last.setMinimumHeight(LEAST + round(last.getAxis("bottom").minimumHeight()))
        for view in self.views[:-1]:  # where there are many, the room is the curves'
            view.plot.getAxis("bottom").setStyle(showValues=not many)
            view.plot.getPlotItem().layout.setContentsMargins(0, HALF_FIGURE, END, HALF_FIGURE if many else 0)

    def resizeEvent(self, event: object) -> None:
        self._share_height()

    def _share_height(self) -> None:
        """All curves are equally high, whatever stands below each of them."""
        below = [view.plot.getAxis("bottom").minimumHeight() for view in self.views]
        # not what the plots have now, which may be from before this widget was resized
        around = self._head.sizeHint().height() + self._bar.sizeHint().height() + SPACE * (len(below) + 1)
        room = max(0, self.height() - around - sum(below))
        for place, height in enumerate(below):
            self._plots.setStretch(place, max(1, round(room / len(below) + height)))

    def show_history(self, history: History | None) -> None:
        """Draw the curves of a run, None while they are read; `changed` after something was added to them."""
        self._history, self._zoomed, self._end = history, False, 0.0
        for view in self.views:
            view.forget()
        self.draw()
        self._spent = self._in_all()  # the first values do not wait for what it cost to show the run

    def _in_all(self) -> float:
        """Seconds that drawing took so far."""
        return self._seconds + sum(view.plot.seconds for view in self.views)

    def mark(self, step: int | None) -> None:
        """Draw a line at a moment of the training, and show the values there instead of the newest."""
        self._moment = step
        for view in self.views:
            view.plot.mark(step)
            view.show_values(step)

    def changed(self) -> None:
        """There are new values. Drawn soon."""
        if not self._timer.isActive() and self.isVisible():
            spent = self._in_all()
            last, self._spent = self._spent, spent
            self._timer.start(min(max(DRAW_EVERY[0], round(1000 * (spent - last) / SHARE)), DRAW_EVERY[1]))

    def draw(self) -> None:
        begin = time.thread_time()
        history = self._history or History()
        reported = self._reported(history)
        if [view.plot.quantity for view in self.views] != reported:
            self._build(reported)
        self._choose_axis(history)
        span = self._span(history)
        log_values = self._log_values.isChecked()
        for view in self.views:
            view.plot.show_history(history, span, self._smoothing.value() / 100, self._axis, log_values)
            view.plot.mark(self._moment)
            view.show_values(self._moment)
        self._share_height()
        self._seconds += time.thread_time() - begin

    def _reported(self, history: History) -> list[Quantity]:
        """The quantities with values; the first few while there are none. A learner may know one and the same objective
        by several names, of which a run reports one. While a run is read, the plots stay that there are of its learner:
        making them takes longest of all, and as a rule it reports the same."""
        if self._history is None:
            there = [view.plot.quantity for view in self.views]
            return there if set(there) <= set(self._quantities) else []
        filled = {key.removeprefix("valid/") for key, series in history.series.items() if series}
        return [q for q in self._quantities if q.key in filled] or list(self._quantities[:FEW])

    def _choose_axis(self, history: History) -> None:
        """The axis that was asked for, or that of steps where the history knows no times."""
        timed = bool(history.wall)
        by_time = timed and self._against_time.isChecked()
        self._against_time.setEnabled(timed)
        self._log_steps.setEnabled(not by_time)
        axis = StepAxis(wall=history.wall) if by_time else StepAxis(self._log_steps.isChecked())
        if axis == self._axis:
            return
        self._axis, self._zoomed, self._end = axis, False, 0.0
        if self.views:
            self.views[-1].plot.set_titles(axis.title)

    def _span(self, history: History) -> tuple[float, float]:
        """The steps that are shown: what a person zoomed to, or all, with room for those to come."""
        if not self.views:
            return 0.0, 1.0
        box = self.views[0].plot.box
        if not self._zoomed:
            newest = max((int(series.steps[-1]) for series in history.series.values() if series), default=1)
            last = float(self._axis.amounts([newest])[0])
            if last > self._end:
                self._end = last * 1.2 if self._end else last
            ends = self._axis.ends(max(self._end, self._axis.least))
            if ends != tuple(box.viewRange()[0]):
                box.setXRange(*ends, padding=0)
            return 0.0, math.inf
        low, high = box.viewRange()[0]
        return self._axis.step(low), self._axis.step(high)

    def _zoom(self, zoomed: bool) -> None:
        self._zoomed = zoomed
        self.draw()

    def showEvent(self, event: object) -> None:
        self.draw()

    def eventFilter(self, watched: object, event: object) -> bool:
        if event.type() == event.Type.Leave:  # type: ignore[attr-defined]
            self._step.set_text("")
            for view in self.views:
                view.plot.hide_cross()
                view.show_values(self._moment)
        return False

    def _hover(self, view: QuantityView, place: QPointF) -> None:
        found = view.plot.training.at(self._axis.step(float(view.plot.box.mapSceneToView(place).x())))
        if found is None:
            return
        seconds = "" if self._axis.wall is None else f"  ·  {duration(float(self._axis.amounts([found[0]])[0]))}"
        self._step.set_text(f"step {thousands(found[0])}{seconds}")
        for other in self.views:
            other.plot.point_at(found[0])
            other.show_values(found[0])


def significant(value: float) -> str:
    """A measured value with figures that matter and a real minus sign."""
    if not math.isfinite(value):
        text = str(value)
    elif value == round(value) and abs(value) < 1e4:  # a count, or nothing
        text = f"{value:.0f}"
    elif 1 <= abs(value) < 1e4:
        text = f"{value:.2f}"
    elif 1e-4 <= abs(value) < 1:
        text = f"{value:#.3g}"
    elif 1e4 <= abs(value) < 1e7:
        text = thousands(value)
    else:
        text = power(value, 3)
    return text.replace("-", "−")
