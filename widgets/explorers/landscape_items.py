"""What lies over the plane in Landscape: the warped latent grid, arrows, and the maps that hold them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QVBoxLayout, QWidget

from dgm_studio.questions.arrays import Bounds
from dgm_studio.questions.landscapes import Warped
from widgets.building import label
from widgets.colormaps import rgba
from widgets.explorers.drawn_item import DrawnItem
from widgets.explorers.map_points import PointGroup, PointsItem
from widgets.explorers.map_view import MapView, still_map
from widgets.plots import colour, pen
from widgets.theme import CATEGORICAL, look, mixed

SAMPLES, WARP = CATEGORICAL[1], CATEGORICAL[2]
LEVELS = 8  # of opacity: each is one path, which is much faster than one polygon for each cell
STRONGEST = 0.8


class WarpItem(DrawnItem):
    """The cells of a latent grid where they have gone, as opaque as they are dense. Cells that lie over each other
    add, as their densities do."""

    def __init__(self) -> None:
        super().__init__()
        self._warp: Warped | None = None
        look.changed.connect(self.renew)

    def show_warp(self, warp: Warped | None) -> None:
        self._warp = warp
        self.renew()

    @property
    def has_content(self) -> bool:
        return self._warp is not None

    def draw(self, painter: QPainter) -> None:
        warp = self._warp
        assert warp is not None
        quads, level = quadrilaterals(warp.corners), opacity_levels(warp)
        painter.setPen(Qt.PenStyle.NoPen)
        for k in np.unique(level[level > 0]).tolist():
            painter.setBrush(colour(WARP, STRONGEST * k / LEVELS))
            painter.drawPath(cells_path(quads[level == k]))
        if warp.folded.any():
            hatch = QBrush(colour(look.theme.bad, 0.9), Qt.BrushStyle.BDiagPattern)
            hatch.setTransform(painter.transform().inverted()[0])  # its lines are of the screen, not of the plane
            painter.setBrush(hatch)
            painter.drawPath(cells_path(quads[warp.folded]))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(pen(look.theme.text, 1, 0.45)))
        painter.drawPath(lines_path(warp.corners))


def full_density(warp: Warped) -> float:
    """The density that is drawn in full: 9 of 10 cells lie below it. A collapsed cell has none that is finite."""
    finite = warp.density[np.isfinite(warp.density)]
    return float(np.quantile(finite, 0.9)) if finite.size else 1.0


def opacity_levels(warp: Warped) -> np.ndarray:
    """0…LEVELS for each cell (n, n): the square root of its density, so that sparse cells can be seen as well."""
    share = np.sqrt(np.clip(warp.density / max(full_density(warp), 1e-30), 0, 1))
    return np.ceil(LEVELS * share).astype(np.int64)


def quadrilaterals(corners: np.ndarray) -> np.ndarray:
    """The cells of a grid of corners (n + 1, n + 1, 2), each a closed line: (n, n, 5, 2)."""
    return np.stack([corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1], corners[:-1, :-1]], 2)


def cells_path(quads: np.ndarray) -> QPainterPath:
    """Quadrilaterals (k, 5, 2). Each is filled, whichever way it turns."""
    places = quads.reshape(-1, 2).astype(np.float64)
    joined = np.ones((len(quads), 5), np.int32)
    joined[:, -1] = 0
    path = pg.arrayToQPath(places[:, 0], places[:, 1], connect=joined.ravel(), finiteCheck=False)
    path.setFillRule(Qt.FillRule.WindingFill)
    return path


def lines_path(corners: np.ndarray, every: int = 2) -> QPainterPath:
    """Columns and rows of a grid of corners, every second one of each."""
    n = len(corners)
    lines = np.concatenate([corners[::every], corners.transpose(1, 0, 2)[::every]]).reshape(-1, 2).astype(np.float64)
    joined = np.ones((len(lines) // n, n), np.int32)
    joined[:, -1] = 0
    return pg.arrayToQPath(lines[:, 0], lines[:, 1], connect=joined.ravel(), finiteCheck=False)


def arrow_lines(tails: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Arrows as separate lines, two points each: (k, 2), (k, 2) -> (6k, 2)."""
    heads = tails + vectors
    turned = np.stack([-vectors[:, 1], vectors[:, 0]], axis=1)
    left, right = heads - 0.3 * vectors + 0.2 * turned, heads - 0.3 * vectors - 0.2 * turned
    return np.stack([tails, heads, heads, left, heads, right], axis=1).reshape(-1, 2)


class PlaneMap(QWidget):
    """A map of the plane below a line that says what its colours are."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.map = still_map(name, f"Map of the plane: {name}", dots=3.0)
        self.map.setMinimumSize(120, 120)
        self.warp = WarpItem()
        self.warp.setZValue(2)
        self.samples = PointsItem(size=4.0)
        self.samples.setZValue(3)
        self.arrows = pg.PlotCurveItem(antialias=True, connect="pairs")
        self.arrows.setZValue(4)
        for item in (self.warp, self.samples, self.arrows):
            self.map.addItem(item, ignoreBounds=True)
        self.caption = label("", "small", f"{name}Caption", elided=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.caption)
        column.addWidget(self.map, 1)

    def show_points(self, data: np.ndarray | None, samples: np.ndarray | None, ink: str) -> None:
        self.map.points.set_groups([] if data is None else [PointGroup(data, ink)])
        self.samples.set_groups([] if samples is None else [PointGroup(samples, SAMPLES)])

    def show_arrows(self, tails: np.ndarray | None, vectors: np.ndarray | None, ink: str) -> None:
        """Arrows (k, 2), the longest of them as long as the map is wide, times 0.1."""
        if tails is None or vectors is None:
            self.arrows.setData([], [])
            return
        longest = float(np.linalg.norm(vectors, axis=1).max(initial=0.0))
        left, _, right, _ = self.map.bounds()
        lines = arrow_lines(tails, vectors * (0.1 * (right - left) / longest if longest > 0 else 0.0))
        self.arrows.setPen(pen(ink, 1.2))
        self.arrows.setData(lines[:, 0], lines[:, 1])

    def show_field(
        self, field: np.ndarray | None, bounds: Bounds | None, colours: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        """Numbers in 0…1 behind everything, grey where they are NaN; or no field."""
        if field is None:
            self.map.set_veil(None)
            return
        known = np.isfinite(field)
        picture = rgba(colours(np.where(known, field, 0.5)))
        picture[~known, :3] = mixed(look.theme.muted, look.theme.panel, 0.3).getRgb()[:3]
        self.map.set_veil(picture, bounds)


class Together:
    """Two maps that always show the same part of the plane."""

    def __init__(self, first: MapView, second: MapView) -> None:
        self._busy = False
        first.box.sigRangeChanged.connect(lambda *_: self._follow(first, second))
        second.box.sigRangeChanged.connect(lambda *_: self._follow(second, first))

    def _follow(self, moved: MapView, other: MapView) -> None:
        if self._busy or not other.isVisible():
            return
        self._busy = True
        left, bottom, right, top = moved.bounds()
        other.box.setRange(xRange=(left, right), yRange=(bottom, top), padding=0, disableAutoRange=True)
        other.by_hand = moved.by_hand = moved.by_hand or other.by_hand
        self._busy = False
