"""A plot in the window's look."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont
from PySide6.QtWidgets import QWidget

from widgets.theme import look

pg.setConfigOptions(antialias=True)


class Plot(pg.PlotWidget):
    """pyqtgraph's plot with the theme's colours and without its menus. `restyle` runs again when the theme changes."""

    def __init__(self, parent: QWidget | None = None, axes: bool = True) -> None:
        super().__init__(parent)
        self.setFrameShape(self.Shape.NoFrame)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.box: pg.ViewBox = self.getViewBox()
        self._sides = [self.getAxis("left"), self.getAxis("bottom")]
        font = QFont(self.font())
        font.setPixelSize(12)
        for axis in self._sides:
            axis.setTickFont(font)
            axis.setStyle(tickLength=-4, tickTextOffset=4)
            axis.enableAutoSIPrefix(False)  # numbers as they are, not "z₁ (x0.001)"
            axis.setVisible(axes)
        look.changed.connect(self.restyle)
        self.restyle()

    def restyle(self) -> None:
        """Take the theme's colours."""
        theme = look.theme
        self.setBackground(QColor(theme.panel))
        for axis in self._sides:
            axis.setPen(pg.mkPen(theme.border))
            axis.setTextPen(pg.mkPen(theme.muted))
            axis.setTickPen(pg.mkPen(theme.border))

    def set_titles(self, bottom: str, left: str = "") -> None:
        """What the axes show, with units; empty hides a title."""
        for axis, text in zip(self._sides, (left, bottom), strict=True):
            axis.setLabel(text) if text else axis.showLabel(False)


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
