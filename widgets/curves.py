"""Live curves: one plot for each quantity, with its unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, QTimer
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from widgets.building import label
from widgets.history import History, Series
from widgets.plots import Plot, pen
from widgets.status import thousands
from widgets.theme import CATEGORICAL, SPACE, look

if TYPE_CHECKING:
    from models.learning.base import Quantity

DRAW_EVERY = 100  # ms
TRAINING, HELD_OUT = CATEGORICAL[0], CATEGORICAL[1]
LEGEND = (
    f'<span style="color:{TRAINING}">■</span> training &nbsp;'
    f'<span style="color:{HELD_OUT}">■</span> held-out &nbsp;<span style="color:{HELD_OUT}">●</span> best'
)


class CurvePlot(Plot):
    """The curve of one quantity while training and on held-out data, over the same steps."""

    def __init__(self, quantity: Quantity, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.quantity = quantity
        self.setObjectName(f"curve-{quantity.key}")
        self.setAccessibleName(f"{quantity.title} over steps")
        self.setMinimumHeight(110)
        self._history = History()
        self._log_steps = self._log_values = False
        self._smoothing = 0.0
        self._range = pg.PlotDataItem()  # the band between the lowest and highest value of each bucket
        self._mean = pg.PlotDataItem()
        self._held = pg.PlotDataItem()
        self._best = pg.ScatterPlotItem(size=9, symbol="o")
        self._cross = pg.InfiniteLine(angle=90, movable=False)
        self._cross.hide()
        for item in (self._range, self._mean, self._held, self._best, self._cross):
            self.addItem(item, ignoreBounds=item is self._cross)
        self.box.setMouseEnabled(x=True, y=False)
        self.box.enableAutoRange()
        self.box.setAutoVisible(y=True)
        self.getAxis("left").setWidth(52)
        self.box.sigXRangeChanged.connect(self._zoomed)
        self._colour()
        look.changed.connect(self._colour)

    def show_history(self, history: History, smoothing: float, log_steps: bool, log_values: bool) -> None:
        """Draw these curves. Values that are not all positive stay on a linear axis."""
        self._history, self._smoothing = history, smoothing
        everything = [s.values for s in (self.training, self.held_out) if s]
        positive = bool(everything) and all(float(values.min()) > 0 for values in everything)
        modes = (log_steps, log_values and positive)
        if modes != (self._log_steps, self._log_values):
            self._log_steps, self._log_values = modes
            self.setLogMode(*modes)
            self.box.enableAutoRange()
        self._draw()

    @property
    def training(self) -> Series:
        return self._history.series.get(self.quantity.key, Series())

    @property
    def held_out(self) -> Series:
        return self._history.series.get(f"valid/{self.quantity.key}", Series())

    def point_at(self, step: float) -> None:
        """Put the crosshair at `step`."""
        self._cross.setPos(math.log10(max(step, 1)) if self._log_steps else step)
        self._cross.show()

    def hide_cross(self) -> None:
        self._cross.hide()

    def mouseDoubleClickEvent(self, event: object) -> None:
        self.box.enableAutoRange()  # back to all steps
        self._draw()

    def _draw(self) -> None:
        first, last = -math.inf, math.inf
        if not self.box.autoRangeEnabled()[0]:
            low, high = self.box.viewRange()[0]
            first, last = (10**low, 10**high) if self._log_steps else (low, high)
        buckets = max(64, self.width() // 2)
        lowest = 1 if self._log_steps else 0
        drawn = self.training.drawn(max(first, lowest), last, buckets, self._smoothing)
        # one point per bucket is the curve itself: a band would only hide it
        many = len(self.training) > buckets or self._smoothing > 0
        self._range.setData(drawn.x, drawn.y) if many else self._range.setData([], [])
        self._mean.setData(drawn.mean_x, drawn.mean_y)
        held = self.held_out.drawn(max(first, lowest), last, buckets, self._smoothing)
        self._held.setData(held.mean_x, held.mean_y)
        best = self.held_out.best(self.quantity.goal)
        if best is None or best[0] < lowest:
            self._best.setData([], [])
        else:
            x = math.log10(best[0]) if self._log_steps else best[0]
            self._best.setData([x], [math.log10(best[1]) if self._log_values else best[1]])

    def _zoomed(self) -> None:
        if not self.box.autoRangeEnabled()[0]:
            self._draw()

    def _colour(self) -> None:
        self._range.setPen(pen(TRAINING, 1, 0.3))
        self._mean.setPen(pen(TRAINING, 1.5))
        self._held.setPen(pen(HELD_OUT, 1.5))
        self._best.setPen(pen(look.theme.panel, 1.5))
        self._best.setBrush(HELD_OUT)
        self._cross.setPen(pen(look.theme.muted, 1, dashed=True))


class QuantityView(QWidget):
    """A plot below its name, unit and newest values; the values at the crosshair while there is one."""

    def __init__(self, quantity: Quantity, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = CurvePlot(quantity)
        self._values = label("", "", f"values-{quantity.key}")
        self._values.setTextFormat(Qt.TextFormat.RichText)
        head = QHBoxLayout()
        head.setSpacing(SPACE // 2)
        title = label(quantity.title, "strong")
        title.setMinimumWidth(min(80, title.sizeHint().width()))  # what is too long is cut off before the values are
        title.setToolTip(quantity.title)
        head.addWidget(title)
        head.addWidget(label(f"({quantity.unit})" if quantity.unit else "", "muted"))
        head.addStretch(1)
        head.addWidget(self._values)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self.plot, 1)

    def show_values(self, step: float | None) -> None:
        """Name the values at `step`, or the newest and the best."""
        plot = self.plot
        parts = []
        for series, colour in ((plot.training, TRAINING), (plot.held_out, HELD_OUT)):
            found = series.at(math.inf if step is None else step)
            if found is not None:
                parts.append(f'<span style="color:{colour}">■</span> {number(found[1])}')
        best = plot.held_out.best(plot.quantity.goal)
        if step is None and best is not None:
            parts.append(f'<span style="color:{HELD_OUT}">●</span> {number(best[1])}')
            self._values.setToolTip(f"best on held-out data: {number(best[1])} at step {thousands(best[0])}")
        self._values.setText(" &nbsp; ".join(parts))


class Curves(QWidget):
    """All quantities of a learner. Draws at most every DRAW_EVERY ms, however often values come."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("curves")
        self.views: list[QuantityView] = []
        self._history: History | None = None
        self._smoothing = QSlider(Qt.Orientation.Horizontal)
        self._smoothing.setObjectName("smoothing")
        self._smoothing.setAccessibleName("Smoothing")
        self._smoothing.setToolTip("How far each running mean of the training curves reaches")
        self._smoothing.setRange(0, 100)
        self._smoothing.setValue(20)
        self._smoothing.setFixedWidth(12 * SPACE)
        self._log_steps = QCheckBox("log steps", toolTip="Logarithmic axis of steps: the beginning in detail")
        self._log_steps.setObjectName("logSteps")
        self._log_values = QCheckBox("log values", toolTip="Logarithmic axis of values, where all are positive")
        self._log_values.setObjectName("logValues")
        self._step = label("", "muted", "crosshairStep")
        bar = QHBoxLayout()
        bar.setSpacing(SPACE * 3 // 2)
        bar.addWidget(label("smoothing", "muted"))
        bar.addWidget(self._smoothing)
        bar.addWidget(self._log_steps)
        bar.addWidget(self._log_values)
        bar.addStretch(1)
        head = QHBoxLayout()
        head.addWidget(label(LEGEND, "muted"))
        head.addStretch(1)
        head.addWidget(self._step)
        self._plots = QVBoxLayout()
        self._plots.setSpacing(SPACE)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addLayout(head)
        column.addLayout(self._plots, 1)
        column.addLayout(bar)
        self._timer = QTimer(self, singleShot=True, interval=DRAW_EVERY)
        self._timer.timeout.connect(self.draw)
        self._smoothing.valueChanged.connect(self.draw)
        self._log_steps.toggled.connect(self.draw)
        self._log_values.toggled.connect(self.draw)
        look.changed.connect(self.draw)

    def show_quantities(self, quantities: Sequence[Quantity]) -> None:
        """One plot for each, in this order, on one axis of steps."""
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
        if self.views:
            self.views[-1].plot.set_titles("steps")

    def show_history(self, history: History | None) -> None:
        """Draw the curves of a run; `changed` after something was added to them."""
        self._history = history
        self.draw()

    def changed(self) -> None:
        """There are new values. Drawn soon."""
        if not self._timer.isActive() and self.isVisible():
            self._timer.start()

    def draw(self) -> None:
        history = self._history or History()
        for view in self.views:
            view.plot.show_history(
                history, self._smoothing.value() / 100, self._log_steps.isChecked(), self._log_values.isChecked()
            )
            view.show_values(None)

    def showEvent(self, event: object) -> None:
        self.draw()

    def eventFilter(self, watched: object, event: object) -> bool:
        if event.type() == event.Type.Leave:  # type: ignore[attr-defined]
            self._step.setText("")
            for view in self.views:
                view.plot.hide_cross()
                view.show_values(None)
        return False

    def _hover(self, view: QuantityView, place: QPointF) -> None:
        x = view.plot.box.mapSceneToView(place).x()
        step = float(10**x) if self._log_steps.isChecked() else float(x)
        found = view.plot.training.at(step)
        if found is None:
            return
        self._step.setText(f"step {thousands(found[0])}")
        for other in self.views:
            other.plot.point_at(found[0])
            other.show_values(found[0])


def number(value: float) -> str:
    """A measured value with figures that matter and a real minus sign."""
    text = f"{value:.2f}" if 0.1 <= abs(value) < 1e4 else f"{value:.3g}"
    return text.replace("-", "−")
