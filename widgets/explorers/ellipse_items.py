"""Gaussians as ellipses on a map, and their weights as bars."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QWidget

from dgm_studio.number_texts import indexed
from widgets.plots import colour, pen
from widgets.theme import CATEGORICAL, look, px, tabular

SIGMAS = 2.0
FAINT = 0.002  # components of less weight are not drawn
DRAWN = 200  # ellipses at most


def shade(component: int) -> str:
    """The colour of a component, the same wherever it is shown."""
    return CATEGORICAL[component % len(CATEGORICAL)]


def ellipses(means: np.ndarray, covariances: np.ndarray, sigmas: float = SIGMAS) -> np.ndarray:
    """Points on the contours `sigmas` standard deviations from the means: (K, 2), (K, 2, 2) -> (K, 73, 2)."""
    values, vectors = np.linalg.eigh(covariances)
    angle = np.linspace(0, 2 * np.pi, 73)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    axes = np.swapaxes(vectors * np.sqrt(np.maximum(values, 0))[:, None, :], 1, 2)  # rows: half axes
    return means[:, None] + sigmas * circle @ axes


class EllipsesItem(pg.GraphicsObject):
    """Ellipses in data coordinates, as visible as their weights say, the lightest first; and where means have been."""

    def __init__(self) -> None:
        super().__init__()
        self._weights = np.zeros(0)
        self._means = np.zeros((0, 2))
        self._curves = np.zeros((0, 73, 2))
        self._inner: np.ndarray | None = None
        self._trails: np.ndarray | None = None

    def set_components(
        self,
        weights: np.ndarray,
        means: np.ndarray,
        covariances: np.ndarray,
        mean_covariances: np.ndarray | None = None,
        trails: np.ndarray | None = None,
    ) -> None:
        """(K,), (K, 2), (K, 2, 2) and, where they are to be shown, the same of the means and their way (F, K, 2)."""
        self._weights, self._means, self._curves = weights, means, ellipses(means, covariances)
        self._inner = None if mean_covariances is None else ellipses(means, mean_covariances)
        self._trails = trails
        self.update()

    def clear(self) -> None:
        self._weights = np.zeros(0)
        self.update()

    def boundingRect(self) -> QRectF:
        return self.viewRect()

    def viewTransformChanged(self) -> None:
        self.prepareGeometryChange()

    def dataBounds(self, axis: int, frac: float = 1.0, orthoRange: object = None) -> tuple[None, None]:
        return (None, None)  # the map chooses its own range

    def paint(self, painter: QPainter, option: object, widget: QWidget | None = None) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        order = [k for k in np.argsort(self._weights) if self._weights[k] >= FAINT][-DRAWN:]
        if not order:
            return
        heaviest = self._weights[order[-1]]
        for k in order:
            strength = float(np.sqrt(self._weights[k] / heaviest))
            role = shade(k)
            if self._trails is not None and len(self._trails) > 1:
                painter.setPen(pen(role, 1, opacity=0.6 * strength))
                painter.drawPolyline(_polygon(self._trails[:, k]))
            painter.setPen(pen(role, 2, opacity=0.15 + 0.85 * strength))
            painter.setBrush(colour(role, 0.22 * strength))
            painter.drawPolygon(_polygon(self._curves[k]))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            if self._inner is not None:
                painter.setPen(pen(look.theme.text, 1.5, opacity=0.15 + 0.85 * strength))
                painter.drawPolygon(_polygon(self._inner[k]))


def _polygon(points: np.ndarray) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in points.tolist()])


class WeightBars(QWidget):
    """The weights of the heaviest components, the heaviest first."""

    ROW = 20

    def __init__(self, rows: int = 12) -> None:
        super().__init__()
        self._rows = rows
        self._weights = np.zeros(0)
        self.setMinimumHeight(rows * self.ROW)
        self.setAccessibleName("Weights of the components")
        look.changed.connect(self.update)

    def set_weights(self, weights: np.ndarray) -> None:
        self._weights = weights
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # signs stand before their numbers
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = tabular(self.font())
        font.setPixelSize(px(12))
        painter.setFont(font)
        order = np.argsort(-self._weights, kind="stable")[: self.height() // self.ROW]
        name, number = 34, 44
        longest = max(float(self._weights.max()), 1e-9) if len(self._weights) else 1.0
        for row, k in enumerate(order):
            y, weight = row * self.ROW, float(self._weights[k])
            painter.setPen(QColor(look.theme.text if weight >= FAINT else look.theme.muted))
            left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(0, y, name, self.ROW), left, indexed("π", k))
            painter.drawText(QRectF(self.width() - number, y, number, self.ROW), right, f"{weight:.3f}")
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(shade(k)))
            width = (self.width() - name - number - 8) * weight / longest
            painter.drawRoundedRect(QRectF(name, y + 5, max(width, 1.0), self.ROW - 10), 2, 2)
