"""The plot of one quantity over the steps or the time of a training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Signal
from PySide6.QtGui import QMouseEvent, QPaintEvent
from PySide6.QtWidgets import QWidget

from dgm_studio import reports
from dgm_studio.modes import PERFECT
from dgm_studio.report_values import table_of_series
from dgm_studio.reports import Table
from widgets.history import History, Series
from widgets.plots import Plot, pen
from widgets.step_axis import StepAxis
from widgets.theme import CATEGORICAL, look

if TYPE_CHECKING:
    from models.learning.base import Quantity

TRAINING, HELD_OUT = CATEGORICAL[0], CATEGORICAL[1]
BEST = 6  # px, half of what the mark of the best value takes
NOTHING_FITS = (0, 1e-9)  # a range of values, in place of which another is taken with the first of them
LEAST = 44  # px, the height of a plot: six of them, and a notice above, fit a window of 800


class CurvePlot(Plot):
    """The curve of one quantity while training and on held-out data, over the same steps.

    A range that is shown stays while values fit into it, because a new range costs more than new curves.
    """

    zoomed = Signal(bool)  # by a person; False when they go back to all steps

    def __init__(self, quantity: Quantity, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.quantity = quantity
        self.legend = ((TRAINING, "training"), (HELD_OUT, "held-out"))
        self.values = self._table
        self.setObjectName(f"curve-{quantity.key}")
        self.setMinimumHeight(LEAST)
        self.seconds = 0.0  # spent on painting so far
        self._history = History()
        self._axis = StepAxis()
        self._log_values = False
        self._name()
        self._range = pg.PlotCurveItem(antialias=False)  # between the lowest and highest value of each bucket
        self._mean, self._held = pg.PlotCurveItem(), pg.PlotCurveItem()
        self._alone = pg.ScatterPlotItem(size=6, symbol="o", pen=None)  # a curve of one point is no line
        self._best = pg.ScatterPlotItem(size=2 * BEST - 3, symbol="o")
        self._perfect = pg.InfiniteLine(angle=0, movable=False)  # what a perfect sampler scores, where that is known
        self._perfect.hide()
        self._cross = pg.InfiniteLine(angle=90, movable=False)
        self._cross.hide()
        self._moment = pg.InfiniteLine(angle=90, movable=False)  # of the training that is looked at
        self._moment.hide()
        self._marked: float | None = None
        for item in (
            self._range,
            self._perfect,
            self._mean,
            self._held,
            self._alone,
            self._best,
            self._moment,
            self._cross,
        ):
            self.addItem(item, ignoreBounds=True)
        self.box.disableAutoRange()
        self.box.setYRange(*NOTHING_FITS)
        self.box.setMouseEnabled(x=True, y=False)
        self.box.sigRangeChangedManually.connect(lambda _: self.zoomed.emit(True))
        self.getAxis("left").setWidth(52)
        self._colour()
        look.changed.connect(self._colour)

    def show_history(
        self, history: History, span: tuple[float, float], smoothing: float, axis: StepAxis, log_values: bool
    ) -> None:
        """Draw what lies in `span` (steps). Values that are not all positive stay on a linear axis."""
        self._history = history
        everything = [series.values for series in (self.training, self.held_out) if series]
        positive = bool(everything) and all(float(values.min()) > 0 for values in everything)
        if (axis, log_values and positive) != (self._axis, self._log_values):
            self._axis, self._log_values = axis, log_values and positive
            self._name()
            self.setLogMode(axis.logarithmic, self._log_values)
            self.box.setYRange(*NOTHING_FITS)
            self.mark(self._marked)
        buckets = max(64, self.width() // 2)
        first = max(span[0], 1) if axis.logarithmic else span[0]
        drawn = self.training.drawn(first, span[1], buckets, smoothing, axis.logarithmic)
        # few, and as they were measured: the best of them lies on their curve
        held = self.held_out.drawn(first, span[1], buckets, 0, axis.logarithmic)
        # one point per bucket is the curve itself: a band would only hide it
        many = len(self.training) > buckets or smoothing > 0
        self._put(self._range, drawn.x if many else drawn.x[:0], drawn.y if many else drawn.y[:0])
        self._put(self._mean, drawn.mean_x, drawn.mean_y)
        self._put(self._held, held.mean_x, held.mean_y)
        single = [(c, one) for c, one in ((TRAINING, drawn), (HELD_OUT, held)) if len(one.mean_y) == 1]
        places = [self._mapped(one.mean_x, one.mean_y) for _, one in single]
        self._alone.setData(
            [float(x[0]) for x, _ in places],
            [float(y[0]) for _, y in places],
            brush=[pg.mkBrush(c) for c, _ in single],
        )
        best = self.held_out.best(self.quantity.goal)
        inside = best is not None and first <= best[0] <= span[1]
        self._best.setData(*(self._mapped(*([value] for value in best)) if best is not None and inside else ([], [])))
        perfect = self.perfect
        self._perfect.setVisible(perfect is not None)
        if perfect is not None:
            self._perfect.setPos(float(self._mapped([], [perfect])[1][0]))
        marked = [best[1]] if best is not None and inside else []
        marked += [perfect] if perfect is not None and len(drawn.y) else []
        self._fit(np.concatenate([drawn.y, held.mean_y, marked]))

    def forget(self) -> None:
        """Be as it was made, with the range of one that shows nothing."""
        self.hide_cross()
        self.box.setYRange(*NOTHING_FITS)

    @property
    def training(self) -> Series:
        return self._history.series.get(self.quantity.key, Series())

    @property
    def held_out(self) -> Series:
        return self._history.series.get(f"valid/{self.quantity.key}", Series())

    @property
    def perfect(self) -> float | None:
        """What a perfect sampler scores; None where nobody knows."""
        series = self._history.series.get(PERFECT + self.quantity.key)
        return float(series.values[-1]) if series else None

    def point_at(self, step: float) -> None:
        """Put the crosshair at `step`."""
        self._cross.setPos(float(self._axis.places([step])[0]))
        self._cross.show()

    def mark(self, step: float | None) -> None:
        """Draw a line at a moment of the training, or none."""
        self._marked = step
        self._moment.setVisible(step is not None)
        if step is not None:
            self._moment.setPos(float(self._axis.places([step])[0]))

    def hide_cross(self) -> None:
        self._cross.hide()

    def paintEvent(self, event: QPaintEvent) -> None:
        begin = time.thread_time()
        super().paintEvent(event)
        self.seconds += time.thread_time() - begin

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.zoomed.emit(False)

    def _name(self) -> None:
        self.setAccessibleName(f"{self.quantity.title} over {self._axis.title}")
        unit = f" ({self.quantity.unit})" if self.quantity.unit else ""
        self.title = f"{self.quantity.title}{unit} over {self._axis.title}"

    def _table(self) -> Table:
        known = (("training", self.training), ("held-out", self.held_out))
        series = [reports.Series(name, one.steps, one.values) for name, one in known if one]
        return table_of_series(self.title, "step", self.quantity.title, series)

    def _mapped(self, steps: Sequence[float], values: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        y = np.asarray(values, np.float64)
        return self._axis.places(steps), np.log10(y) if self._log_values else y

    def _put(self, curve: pg.PlotCurveItem, steps: np.ndarray, values: np.ndarray) -> None:
        curve.setData(*self._mapped(steps, values))

    def _fit(self, values: np.ndarray) -> None:
        """Show all of `values`, and not much more."""
        if not len(values):
            return
        low, high = (float(v) for v in self._mapped([], [values.min(), values.max()])[1])
        bottom, top = self.box.viewRange()[1]
        size = max(abs(low), abs(high))
        room = max(high - low, (1e-6 if high > low else 0.5) * size, 1e-12)  # one value alone needs no microscope
        if low < bottom or high > top or room < 0.6 * (top - bottom):
            # beyond the values as much as the mark of the best needs, in a low plot too
            edge = min(BEST / max(self.box.height() - 2 * BEST, 1), 0.3)
            self.box.setYRange(low - max(edge, 0.08) * room, high + max(edge, 0.12) * room, padding=0)

    def _colour(self) -> None:
        self._range.setPen(pen(TRAINING, 1, 0.3))
        self._mean.setPen(pen(TRAINING, 1.5))
        self._held.setPen(pen(HELD_OUT, 1.5))
        self._best.setPen(pen(look.theme.panel, 1.5))
        self._best.setBrush(HELD_OUT)
        self._perfect.setPen(pen(look.theme.good, 1.2, dashed=True))
        self._cross.setPen(pen(look.theme.muted, 1, dashed=True))
        self._moment.setPen(pen(look.theme.accent, 1.5))
