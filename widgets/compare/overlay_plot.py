"""One quantity of several runs on the same axes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QWidget

from dgm_studio import reports
from dgm_studio.report_values import table_of_series
from dgm_studio.reports import Table
from widgets.history import Series
from widgets.plots import Plot, pen
from widgets.step_axis import StepAxis
from widgets.theme import look


@dataclass
class Line:
    """The curve of one run while training and on held-out data, as far as they are shown."""

    name: str
    colour: str
    axis: StepAxis = field(default_factory=StepAxis)
    training: Series | None = None
    held_out: Series | None = None

    @property
    def series(self) -> list[Series]:
        return [one for one in (self.training, self.held_out) if one is not None and one]

    def at(self, place: float) -> tuple[int, float] | None:
        """The step measured nearest to a place on the axis, and its value; of held-out data, where they are shown."""
        if not self.series:
            return None
        step = self.axis.step(place)
        last = max(int(one.steps[-1]) for one in self.series)
        return self.series[-1].at(last if math.isinf(step) else step)


class OverlayPlot(Plot):
    """Solid curves are of training, dashed ones of held-out data. `pointed(place on the axis | None)` where a person's
    mouse is."""

    pointed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("overlay")
        self.lines: list[Line] = []
        self._curves: list[tuple[pg.PlotCurveItem, Series, Line, bool]] = []
        self.values = self._table
        self._log_values = False
        self._smoothing = 0.0
        self._zoomed = False
        self._cross = pg.InfiniteLine(angle=90, movable=False)
        self._cross.hide()
        self.addItem(self._cross, ignoreBounds=True)
        self.box.disableAutoRange()
        self.box.sigRangeChangedManually.connect(self._zoom)
        self.getAxis("left").setWidth(60)
        self.scene().sigMouseMoved.connect(self._hover)
        look.changed.connect(self._colour)
        self._colour()

    def show_lines(self, lines: list[Line], smoothing: float, log_values: bool, left: str, what: str) -> None:
        """Draw these curves of `what`, in the unit `left`. `log_values` holds where all values are positive."""
        self.lines = lines
        spare = {(line.colour, held): curve for curve, _, line, held in self._curves}
        self._curves = []
        for line in lines:
            for series, held in ((line.training, False), (line.held_out, True)):
                if series:
                    curve = spare.pop((line.colour, held), None)
                    if curve is None:
                        curve = pg.PlotCurveItem(pen=pen(line.colour, 1.8, dashed=held))
                        self.addItem(curve, ignoreBounds=True)
                    self._curves.append((curve, series, line, held))
        for curve in spare.values():
            self.removeItem(curve)
        positive = bool(self._curves) and all(float(series.values.min()) > 0 for _, series, _, _ in self._curves)
        self._log_values, self._smoothing = log_values and positive, smoothing
        first = lines[0].axis if lines else StepAxis()
        self.setLogMode(first.logarithmic, self._log_values)
        self.set_titles(first.title, left)
        self.title = f"{what} over {first.title} (dashed: held-out)"
        self.legend = [(line.colour, line.name) for line in lines if line.series]
        self.draw()

    def _table(self) -> Table:
        kinds = {True: "held-out", False: "training"}
        shown = [(f"{line.name}, {kinds[held]}", series) for _, series, line, held in self._curves]
        columns = [reports.Series(name, series.steps, series.values) for name, series in shown]
        return table_of_series(self.title, "step", "value", columns)

    def show_all(self) -> None:
        """Take back the zoom."""
        self._zoomed = False
        self.draw()

    def draw(self) -> None:
        """Draw what is in sight anew, with as many points as there is room for."""
        buckets = max(64, self.width() // 2)
        low, high = self.box.viewRange()[0]
        ys, xs = [], []
        for curve, series, line, _ in self._curves:
            span = (line.axis.step(low), line.axis.step(high)) if self._zoomed else (0.0, math.inf)
            first = max(span[0], 1) if line.axis.logarithmic else span[0]
            drawn = series.drawn(first, span[1], buckets, self._smoothing, line.axis.logarithmic)
            x = line.axis.places(drawn.mean_x)
            y = np.log10(drawn.mean_y) if self._log_values else drawn.mean_y
            finite = np.isfinite(y)
            curve.setData(x[finite], y[finite])
            xs.append(x[finite])
            ys.append(y[finite])
        if self._zoomed or not sum(map(len, xs)):
            return
        x, y = np.concatenate(xs), np.concatenate(ys)
        room = max(float(np.ptp(y)), 1e-6 * float(np.abs(y).max()), 1e-12)
        self.box.setXRange(float(x.min()), max(float(x.max()), float(x.min()) + 1e-9), padding=0.02)
        self.box.setYRange(float(y.min()) - 0.06 * room, float(y.max()) + 0.06 * room, padding=0)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.show_all()

    def leaveEvent(self, event: object) -> None:
        super().leaveEvent(event)
        self._cross.hide()
        self.pointed.emit(None)

    def _zoom(self, _: object) -> None:
        self._zoomed = True
        self.draw()

    def _hover(self, place: QPointF) -> None:
        x = float(self.box.mapSceneToView(place).x())
        self._cross.setPos(x)
        self._cross.setVisible(bool(self._curves))
        self.pointed.emit(x)

    def _colour(self) -> None:
        self._cross.setPen(pen(look.theme.muted, 1, dashed=True))
