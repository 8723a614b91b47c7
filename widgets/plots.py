"""A plot in the window's look."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QFont, QPaintEngine, QPainter, QRegion, QTextDocument
from PySide6.QtWidgets import QWidget

from dgm_studio.number_texts import thousands
from dgm_studio.reports import Table
from widgets.saving import Offer, Sketch, open_menu, picture_offers, table_offers
from widgets.theme import look, px

pg.setConfigOptions(antialias=True)


APART = 14  # px at least from one figure of a vertical axis to the next
MOST_FIGURES = 10  # on a vertical axis, however high it is
HALF_FIGURE = 6  # px: what stands above the highest tick of a vertical axis
END = 14  # px: what a figure at the end of a horizontal axis takes beyond it; longer ones are left out
FULLEST = [(0, 0.8), (2, 0.5), (4, 0.4), (6, 0.2)]  # (figures, share of a horizontal axis): more is no longer apart
START = 2  # px that letters of a title beside the plot reach out of its place
BELOW_ZERO = 0.03  # of an axis that has nothing negative on it
DESCENT = 3  # px that letters of the title below reach out of its place


class _Axis(pg.AxisItem):
    # numbers as the rest of the window writes them, and no more of them than there is room for; a title beside a low
    # plot stands in as many lines as it takes
    def resizeEvent(self, event: object = None) -> None:
        if self.orientation == "left" and self.label.isVisible() and self.size().height() > 0:
            before = self.label.boundingRect().height()
            self.label.setTextWidth(-1)  # as wide as it is
            if self.label.boundingRect().width() > self.size().height():
                self.label.setTextWidth(self.size().height())
            if self.label.boundingRect().height() != before:
                self._updateWidth()
        super().resizeEvent(event)

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
        levels = super().tickSpacing(low, high, size)
        if self.orientation != "left" or not high > low:
            return levels
        least = max(APART / max(size, 1), 1 / MOST_FIGURES) * (high - low)  # between two figures
        wide = [level for level in levels if level[0] >= least]
        factors = (2, 5, 10, 20, 50)
        return wide or [(levels[0][0] * next((f for f in factors if levels[0][0] * f >= least), 100), levels[0][1])]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        return [written(text) for text in super().tickStrings(values, scale, spacing)]

    def generateDrawSpecs(self, painter: QPainter) -> Any:
        found = super().generateDrawSpecs(painter)
        if found is None or self.logMode:
            return found
        axis, ticks, texts = found
        figures = even([text for _, _, text in texts])
        return axis, ticks, [(*spec[:2], figure) for spec, figure in zip(texts, figures, strict=True)]


def even(figures: Sequence[str]) -> list[str]:
    """Figures of one axis with as many decimals each; a plain 0 stays one."""
    plain = [re.fullmatch(r"−?\d+(?:\.(\d+))?", figure) for figure in figures]
    most = max((len(found[1] or "") for found in plain if found), default=0)
    padded = []
    for figure, found in zip(figures, plain, strict=True):
        if found is None or figure == "0" or len(found[1] or "") == most:
            padded.append(figure)
        else:
            padded.append(f"{figure}{'' if found[1] else '.'}{'0' * (most - len(found[1] or ''))}")
    return padded


def written(figure: str) -> str:
    """A figure with a real minus sign, and thin spaces in whole numbers of more than four figures."""
    sign, digits = ("−", figure[1:]) if figure.startswith("-") else ("", figure)
    return sign + (thousands(int(digits)) if digits.isdecimal() and len(digits) > 4 else digits)


class Plot(pg.PlotWidget):
    """pyqtgraph's plot with the theme's colours and, instead of its menus, the one of widgets/saving.py. `restyle` runs
    again when the theme changes. `title` and `legend`, (colour, name) pairs, stand above the plot in a file, where
    nothing else says them; `values` gives the numbers that are drawn, where they make a table."""

    def __init__(self, parent: QWidget | None = None, axes: bool = True) -> None:
        # its menus would take a quarter of the time that making a plot takes
        super().__init__(parent, axisItems={side: _Axis(side) for side in ("left", "bottom")}, enableMenu=False)
        self.setFrameShape(self.Shape.NoFrame)
        self.hideButtons()
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # axes are not mirrored, whatever the window is
        self.getPlotItem().setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.title = ""
        self.legend: Sequence[tuple[str, str]] = ()
        self.values: Callable[[], Table] | None = None
        self.scene().sigMouseClicked.connect(self._clicked)
        self.box: pg.ViewBox = self.getViewBox()
        self._sides = [self.getAxis("left"), self.getAxis("bottom")]
        for axis in self._sides:
            # the room for figures never shrinks: where both directions have one scale, another width is another range
            # with other figures, which want the first width again, and so on without end
            axis.setStyle(tickLength=-4, tickTextOffset=4, autoReduceTextSpace=False)
            axis.enableAutoSIPrefix(False)  # numbers as they are, not "z₁ (x0.001)"
            axis.setVisible(axes)
        if axes:
            self.plotItem.layout.setContentsMargins(START, HALF_FIGURE, END, DESCENT)
            self._sides[1].setStyle(hideOverlappingLabels=END, textFillLimits=FULLEST)
        look.changed.connect(self.restyle)
        self.restyle()

    def restyle(self) -> None:
        """Take the theme's colours."""
        theme = look.theme
        self.setBackground(QColor(theme.panel))
        font = QFont(self.font())
        font.setPixelSize(px(12))
        for axis in self._sides:
            axis.setTickFont(font)
            axis.setPen(pg.mkPen(theme.border))
            axis.setTextPen(pg.mkPen(theme.muted))
            axis.setTickPen(pg.mkPen(theme.border))

    def set_titles(self, bottom: str, left: str = "") -> None:
        """What the axes show, with units; empty hides a title."""
        for axis, text in zip(self._sides, (left, bottom), strict=True):
            axis.setLabel(text) if text else axis.showLabel(False)
            axis.resizeEvent()  # another title may need other lines

    def offers(self) -> list[Offer]:
        """What can be done with the plot as it is now."""
        name = self.title or self.accessibleName() or "plot"
        values = table_offers(self, self.values, name, "values")[:2] if self.values is not None else []  # only as CSV
        return [*picture_offers(self, name, self.sketch), *values]

    def sketch(self) -> Sketch:
        """The plot as it is now, below its title and legend."""
        size = self.viewport().size()
        head = QTextDocument()
        head.setDefaultFont(self.font())
        head.setDocumentMargin(6)
        head.setTextWidth(size.width())
        head.setHtml(f'<div style="color: {look.theme.text}">{self._head()}</div>')
        top = round(head.size().height()) if self._head() else 0

        def paint(painter: QPainter) -> None:
            if top:
                head.drawContents(painter)
            place = QRectF(0, top, size.width(), size.height())
            with self._symbols_drawn():
                self.render(painter, place, self.viewport().rect())
                if painter.paintEngine().type() is QPaintEngine.Type.SVG:
                    self._cut(painter, place)

        return Sketch(QSize(size.width(), size.height() + top), paint)

    @contextmanager
    def _symbols_drawn(self) -> Iterator[None]:
        """Symbols are drawn one by one meanwhile. On the screen they are parts of one picture that holds them all, in
        the screen's pixels; Qt's drawings (SVG) would put that whole picture in the place of each."""
        items = [item for item in self.items() if isinstance(item, pg.ScatterPlotItem)]
        for item in items:
            item.setExportMode(True, {"antialias": True, "resolutionScale": 1.0})
        try:
            yield
        finally:
            for item in items:
                item.setExportMode(False)

    def _cut(self, painter: QPainter, place: QRectF) -> None:
        """Qt's drawings (SVG) clip nothing: what lies beyond the axes is covered, and the axes are drawn again."""
        inner = QRectF(self.mapFromScene(self.box.sceneBoundingRect()).boundingRect()).translated(place.topLeft())
        around = QRegion(place.toRect()) - QRegion(inner.toRect())
        for strip in around:
            painter.fillRect(strip, QColor(look.theme.panel))
        opacity, ground = self.box.opacity(), self.backgroundBrush()
        self.box.setOpacity(0)
        self.setBackgroundBrush(Qt.BrushStyle.NoBrush)
        self.render(painter, place, self.viewport().rect())
        self.setBackgroundBrush(ground)
        self.box.setOpacity(opacity)

    def _head(self) -> str:
        names = "&nbsp;&nbsp; ".join(f'<span style="color: {c}">■</span> {escape(name)}' for c, name in self.legend)
        return "<br>".join(part for part in (f"<b>{escape(self.title)}</b>" if self.title else "", names) if part)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Only for the keyboard's key: a press of the right button may be the beginning of a drag."""
        if event.reason() is not QContextMenuEvent.Reason.Mouse:
            open_menu(self, event.globalPos())
        event.accept()

    def _clicked(self, event: object) -> None:
        if event.button() is Qt.MouseButton.RightButton:  # type: ignore[attr-defined]
            open_menu(self, event.screenPos().toPoint())  # type: ignore[attr-defined]


def framed(values: np.ndarray, least: float, margin: float) -> tuple[float, float]:
    """The ends of an axis that has all `values` in sight: they span at least `least` of the largest, with `margin` of
    their span beyond them. Where none is negative, the axis ends a little below 0, for no figure but for the sign of
    what lies there."""
    span = max(float(np.ptp(values)), least * float(np.abs(values).max()), 1e-3)
    middle, half = float(values.max() + values.min()) / 2, (0.5 + margin) * span
    low, high = middle - half, middle + half
    return (max(low, -BELOW_ZERO * high) if values.min() >= 0 else low), high


def colour(role: str, opacity: float = 1.0) -> QColor:
    """A colour with an opacity of 0…1."""
    result = QColor(role)
    result.setAlphaF(opacity)
    return result


def pen(role: str, width: float = 1.5, opacity: float = 1.0, dashed: bool = False) -> pg.mkPen:
    """A cosmetic pen for curves and outlines."""
    style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
    return pg.mkPen(colour(role, opacity), width=width, style=style)


def rectangle(bounds: tuple[float, float, float, float]) -> QRectF:
    """(left, bottom, right, top) in plot coordinates, y upwards, as pyqtgraph's images take it."""
    left, bottom, right, top = bounds
    return QRectF(left, bottom, right - left, top - bottom)
