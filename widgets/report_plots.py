"""Plots of a report: curves, bars, points in a plane, and numbers as colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QWheelEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from dgm_studio.report_values import values_of
from dgm_studio.reports import Bars, Curves, HeatMap, Points, Series, StackedBars
from dgm_studio.table_texts import number
from widgets.colormaps import rgba, viridis
from widgets.plots import BELOW_ZERO, Plot, framed, pen
from widgets.saving import Offer, open_menu
from widgets.theme import CATEGORICAL, look, px

HEIGHT = 230  # px
CLOUD_HEIGHT = 340  # px
AXIS = 56  # px that an axis takes with its figures and its title
LABELLED_BARS = 16  # more labels would overlap
LINES_APART = 20  # px, at least, from one line of equal sums to the next
FEW = 50  # points that are still told apart one by one
MOST_POINTS = 5000  # drawn of a series: a cloud looks the same beyond it


class ReportPlot(QWidget):
    """A plot with a legend above it. It stays where it is: a wheel turned over it scrolls the page."""

    def __init__(self, report: Curves | Bars | StackedBars | Points | HeatMap, x_title: str, y_title: str) -> None:
        super().__init__()
        self.setObjectName("report-plot")
        self.plot = _StillPlot()
        self.plot.values = lambda: values_of(report)
        self.show_title(report.title)
        self.plot.set_titles(x_title, y_title)
        self.plot.setFixedHeight(HEIGHT)
        for side in ("left", "bottom"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)
        self._legend = QLabel()
        self._legend.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self._legend)
        column.addWidget(self.plot)

    def name(self, entries: Sequence[tuple[str, str]]) -> None:
        """Show (colour, name) pairs as the legend."""
        self.plot.legend = entries
        self._legend.setText(
            "&nbsp;&nbsp; ".join(f'<span style="color: {c}">■</span>&nbsp;{_unbroken(n)}' for c, n in entries)
        )
        self._legend.setVisible(bool(entries))

    def show_title(self, title: str) -> None:
        """What it is called: for files and screen readers."""
        self.plot.title = title
        self.plot.setAccessibleName(title)

    def offers(self) -> list[Offer]:
        return self.plot.offers()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        open_menu(self, event.globalPos())


def _unbroken(name: str) -> str:
    return escape(name).replace(" ", "&nbsp;").replace("-", "\N{NON-BREAKING HYPHEN}")


class _StillPlot(Plot):
    def __init__(self) -> None:
        super().__init__()
        self.setMouseEnabled(False, False)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class CurvesPlot(ReportPlot):
    def __init__(self, report: Curves) -> None:
        super().__init__(report, report.x_title, report.y_title)
        self.drawn = report.series
        colours = _cycle(len(report.series))
        self._lines = [
            self.plot.plot(series.x, series.y, pen=pen(colour))
            for colour, series in zip(colours, report.series, strict=True)
        ]
        self.name([(c, s.name) for c, s in zip(_cycle(len(report.series)), report.series, strict=True)])

    def lengthen(self, report: Curves) -> None:
        """Draw a report of the same curves, which have become longer."""
        self.drawn = report.series
        self.plot.values = lambda: values_of(report)
        for line, series in zip(self._lines, report.series, strict=True):
            line.setData(series.x, series.y)


class BarsPlot(ReportPlot):
    def __init__(self, report: Bars) -> None:
        super().__init__(report, report.x_title, report.y_title)
        self._report = report
        self._bars: pg.BarGraphItem | None = None
        if len(report.labels) <= LABELLED_BARS:
            self.plot.getAxis("bottom").setTicks([list(enumerate(report.labels))])
        look.changed.connect(self._draw)
        self._draw()

    def _draw(self) -> None:
        theme, report = look.theme, self._report
        if self._bars is not None:
            self.plot.removeItem(self._bars)
        colours = [QColor(theme.accent if marked else theme.muted) for marked in report.marked]
        places = np.arange(len(report.values))
        self._bars = pg.BarGraphItem(x=places, height=report.values, width=0.7, brushes=colours, pen=None)
        self.plot.addItem(self._bars)
        self.plot.setYRange(min(0.0, float(report.values.min())), max(1e-3, float(report.values.max())))
        if not report.mark_title:
            self.name([])
            return
        marks = [(theme.accent, report.mark_title)] if report.marked.any() else []
        self.name(marks + ([(theme.muted, f"not {report.mark_title}")] if not report.marked.all() else []))


class StackedBarsPlot(ReportPlot):
    def __init__(self, report: StackedBars) -> None:
        super().__init__(report, report.x_title, report.y_title)
        self._report = report
        self._items: list[pg.GraphicsObject] = []
        if len(report.labels) <= LABELLED_BARS:
            self.plot.getAxis("bottom").setTicks([list(enumerate(report.labels))])
        look.changed.connect(self._draw)
        self._draw()

    def _draw(self) -> None:
        report = self._report
        for item in self._items:
            self.plot.removeItem(item)
        self._items = []
        places, below = np.arange(len(report.labels)), np.zeros(len(report.labels))
        colours = _cycle(len(report.parts))
        for colour, part in zip(colours, report.parts, strict=True):
            bars = pg.BarGraphItem(x=places, y0=below, height=part.values, width=0.6, brush=QColor(colour), pen=None)
            self._items.append(bars)
            below = below + part.values
        if len(report.marks):
            x = np.stack([places - 0.4, places + 0.4], 1).ravel()
            self._items.append(
                pg.PlotCurveItem(x, report.marks.repeat(2), connect="pairs", pen=pen(look.theme.text, 2))
            )
        for item in self._items:
            self.plot.addItem(item)
        highest = max(below.max(), report.marks.max() if len(report.marks) else 0.0)
        self.plot.setYRange(0.0, max(1e-3, float(highest)))
        marks = [(look.theme.text, report.mark_title)] if len(report.marks) else []
        self.name([(c, part.name) for c, part in zip(colours, report.parts, strict=True)] + marks)


class PointsPlot(ReportPlot):
    """`others` are points measured elsewhere on the same plane."""

    def __init__(self, report: Points, others: Sequence[Series] = ()) -> None:
        super().__init__(report, report.x_title, report.y_title)
        self._report = report
        series = [*report.series, *others]
        self._names: list[tuple[str, str]] = []
        cloud = any(len(s.x) > FEW for s in series)
        for i, (colour, one) in enumerate(zip(_cycle(len(series)), series, strict=True)):
            mine = i < len(report.series) and not cloud
            size, symbol = (16, "star") if mine else (3 if cloud else 9, "o")
            x, y = one.x[:MOST_POINTS], one.y[:MOST_POINTS]
            # the cache paints clouds fast, but as pixels also in a drawing
            item = pg.ScatterPlotItem(x=x, y=y, size=size, symbol=symbol, pen=None, brush=colour, useCache=cloud)
            self.plot.addItem(item)
            self._names.append((colour, one.name))
        if cloud:
            self.plot.setFixedHeight(CLOUD_HEIGHT)
        every = [np.concatenate(values) for values in ([s.x for s in series], [s.y for s in series])]
        self._ends = [framed(values, 0.2, 0.15) if len(values) else (0.0, 1.0) for values in every]
        self._positive = [len(values) > 0 and values.min() >= 0 for values in every]
        self.plot.setXRange(*self._ends[0], padding=0)
        self.plot.setYRange(*self._ends[1], padding=0)
        if report.square:
            self._square()
        self._iso: list[tuple[float, pg.PlotCurveItem, pg.TextItem]] = []
        decimals = 0 if all(value == round(value) for value in report.iso) else 2
        for value in report.iso:
            line, text = pg.PlotCurveItem(), pg.TextItem(number(value, decimals), anchor=(1, 1))
            self.plot.addItem(line, ignoreBounds=True)
            self.plot.addItem(text, ignoreBounds=True)
            self._iso.append((value, line, text))
        self.plot.box.sigRangeChanged.connect(self._place)
        look.changed.connect(self._restyle)
        self._restyle()

    def _square(self) -> None:
        """One scale for both axes, in a plot that is no wider than what it shows, nor narrower than it is high."""
        (left, right), (bottom, top) = self._ends
        inside = (self.plot.maximumHeight() - px(AXIS)) * max(1.0, (right - left) / (top - bottom))
        self.plot.setMaximumWidth(round(inside) + px(AXIS))
        self.layout().setAlignment(self.plot, Qt.AlignmentFlag.AlignLeft)
        self.plot.box.sigResized.connect(self._scale_alike)

    def _scale_alike(self) -> None:
        """One of the axes shows more than its values span: around them, or above where they are never negative. A
        lock of the aspect (pyqtgraph) would take it from both sides."""
        pixels = self.plot.box.width(), self.plot.box.height()
        if min(pixels) <= 0:
            return
        unit = max((high - low) / count for (low, high), count in zip(self._ends, pixels, strict=True))
        shown = []
        for (low, high), positive, count in zip(self._ends, self._positive, pixels, strict=True):
            span = unit * count
            start = (low + high - span) / 2
            start = max(start, -BELOW_ZERO * span) if positive else start
            shown.append((start, start + span))
        self.plot.box.setRange(xRange=shown[0], yRange=shown[1], padding=0)

    def _restyle(self) -> None:
        lines = [(look.theme.muted, f"constant {self._report.iso_title}")] if self._iso else []
        self.name(self._names + lines)
        self._place()

    def _place(self) -> None:
        """Lines and their labels follow the visible range and the theme."""
        (left, right), (bottom, top) = self.plot.box.viewRange()
        margin = 0.01 * (right - left)
        step = self._report.iso[1] - self._report.iso[0] if len(self._iso) > 1 else 1.0
        apart = self.plot.box.height() * step / (top - bottom)  # px
        every = next((n for n in (1, 2, 5, 10) if n * apart >= LINES_APART), 20)
        for value, line, text in self._iso:
            seen = round(value / step) % every == 0
            line.setVisible(seen)
            line.setData([left, right], [value - left, value - right])
            line.setPen(pen(look.theme.muted, 1, 0.5, dashed=True))
            text.setColor(QColor(look.theme.muted))
            x = right - margin
            text.setVisible(seen and bottom < value - x < top - 0.06 * (top - bottom))
            text.setPos(x, value - x)


class HeatMapPlot(ReportPlot):
    """A picture of numbers, or a table of them with names, and the scale of its colours beside it."""

    def __init__(self, report: HeatMap) -> None:
        super().__init__(report, "", "")
        low, high = report.ends
        height, width = report.values.shape
        is_table = bool(report.rows and report.columns)
        self.plot.setAspectLocked(not is_table)
        self.plot.invertY(True)
        for side, names in (("left", report.rows), ("bottom", report.columns)):
            if is_table:
                every = -(-len(names) // LABELLED_BARS)
                self.plot.getAxis(side).setTicks([[(i + 0.5, names[i]) for i in range(0, len(names), every)]])
            else:
                self.plot.hideAxis(side)
        unit = width / 3 if is_table else height  # the scale's width follows what is beside it
        gap, bar = 0.06 * unit, 0.05 * unit
        ramp = np.linspace(1, 0, 256)[:, None]
        for values, place in (
            ((report.values - low) / (high - low), QRectF(0, 0, width, height)),
            (ramp, QRectF(width + gap, 0, bar, height)),
        ):
            item = pg.ImageItem(rgba(viridis(values)), axisOrder="row-major")
            item.setRect(place)
            self.plot.addItem(item)
        texts = (number(high, 2), 0.0, 0.0), (number(low, 2), float(height), 1.0)
        self._texts = []
        for text, y, anchor in texts:
            label = pg.TextItem(text, anchor=(0, anchor))
            label.setPos(width + gap + bar, y)
            self.plot.addItem(label)
            self._texts.append(label)
        self.plot.setXRange(0, width + gap + bar + 0.3 * unit, padding=0.01)  # with room for the numbers
        self.plot.setYRange(0, height, padding=0.01)
        self._legend.setText(report.unit)
        look.changed.connect(self._restyle)
        self._restyle()

    def _restyle(self) -> None:
        for label in self._texts:
            label.setColor(QColor(look.theme.muted))


def _cycle(n: int) -> list[str]:
    return [CATEGORICAL[i % len(CATEGORICAL)] for i in range(n)]
