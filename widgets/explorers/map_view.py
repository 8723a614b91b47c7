"""The map of a latent space: a plane with encoded data, what the plane decodes to, and a handle."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import QGraphicsItem, QWidget

from dgm_studio.questions.arrays import Bounds
from widgets.explorers.ellipse_items import ellipses
from widgets.explorers.map_points import PointGroup, PointsItem
from widgets.plots import Plot, pen, rectangle
from widgets.theme import look


class VeilItem(pg.ImageItem):
    """An image that is interpolated."""

    def paint(self, painter: QPainter, *args: object) -> None:
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        super().paint(painter, *args)


class HandleItem(pg.GraphicsObject):
    """The crosshair that is dragged."""

    RADIUS = 17.0

    def __init__(self) -> None:
        super().__init__()
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemIgnoresTransformations)
        self.setZValue(20)

    def boundingRect(self) -> QRectF:
        r = self.RADIUS + 2
        return QRectF(-r, -r, 2 * r, 2 * r)

    def dataBounds(self, axis: int, frac: float = 1.0, orthoRange: object = None) -> tuple[None, None]:
        return (None, None)

    def paint(self, painter: QPainter, option: object, widget: QWidget | None = None) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        inner, outer = 8.0, self.RADIUS
        for shade, width in ((look.theme.panel, 5.0), (look.theme.accent, 2.5)):
            painter.setPen(pen(shade, width))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(QPointF(0, 0), inner, inner)
            for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                painter.drawLine(QPointF(x * 3, y * 3), QPointF(x * outer, y * outer))


class MapView(Plot):
    """The map. Pressing or dragging with the left button emits `pointed(x, y)`, in map coordinates, and so do arrow
    keys, for a place beside the handle; the wheel zooms, the other buttons pan and zoom. `looked_elsewhere` follows
    each change of what is visible.
    """

    pointed = Signal(float, float)
    looked_elsewhere = Signal()
    chosen_by_hand = Signal()

    def __init__(self, parent: QWidget | None = None, dots: float = 5.0) -> None:
        """`dots`: diameter of a point in pixels."""
        self.veil, self.second_veil = VeilItem(axisOrder="row-major"), VeilItem(axisOrder="row-major")
        self.manifold = pg.ImageItem(axisOrder="row-major")
        for depth, item in ((-30, self.veil), (-25, self.second_veil), (-20, self.manifold)):
            item.setZValue(depth)
        self.points = PointsItem(size=dots)
        self.path = pg.PlotCurveItem(antialias=True)
        self.pins = PointsItem(size=9.0, opacity=1.0)
        self.ellipse = pg.PlotCurveItem(antialias=True)
        self.cloud = PointsItem(size=3.0, opacity=0.6)
        self.direction = pg.PlotCurveItem(antialias=True)
        # of the prior and of the aggregated posterior
        self.outlines = pg.PlotCurveItem(antialias=True), pg.PlotCurveItem(antialias=True)
        self.handle = HandleItem()
        self._pins = np.zeros((0, 2))
        self._directed = False
        self._dragging = False
        self.by_hand = False  # a person has chosen what is visible
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.box.setAspectLocked(True)
        self.box.disableAutoRange()
        self.look_at((-3.5, -3.5, 3.5, 3.5))
        veils, curves = (
            (self.veil, self.second_veil, self.manifold),
            (*self.outlines, self.direction, self.path, self.ellipse),
        )
        for item in (*veils, self.points, self.cloud, *curves, self.pins, self.handle):
            self.addItem(item, ignoreBounds=True)
        self.box.sigRangeChanged.connect(lambda *_: self.looked_elsewhere.emit())
        self.box.sigRangeChangedManually.connect(self._chosen_by_hand)

    def restyle(self) -> None:
        super().restyle()
        self.path.setPen(pen(look.theme.accent, 1.5, dashed=True))
        self.ellipse.setPen(pen(look.theme.accent, 2))
        self.direction.setPen(pen(look.theme.text, 1.5))
        for item, shade in zip(self.outlines, (look.theme.accent, look.theme.warn), strict=True):
            item.setPen(pen(shade, 1.5))
        self.pins.set_groups([PointGroup(self._pins, look.theme.accent)])
        self.handle.update()

    def bounds(self) -> Bounds:
        """What is visible: left, bottom, right, top."""
        (left, right), (bottom, top) = self.box.viewRange()
        return left, bottom, right, top

    def cells(self, side: float) -> tuple[Bounds, int, int]:
        """A grid of cells `side` pixels wide over what is visible, fixed to the plane while it is panned: its bounds,
        columns and rows."""
        step_x, step_y = (side * size for size in self.box.viewPixelSize())
        left, bottom, right, top = self.bounds()
        left, bottom = float(np.floor(left / step_x) * step_x), float(np.floor(bottom / step_y) * step_y)
        columns = int(np.clip(np.ceil((right - left) / step_x), 1, 60))
        rows = int(np.clip(np.ceil((top - bottom) / step_y), 1, 60))
        return (left, bottom, left + columns * step_x, bottom + rows * step_y), columns, rows

    def look_at(self, bounds: Bounds) -> None:
        """Make `bounds` visible, unless a person has chosen what is."""
        if not self.by_hand:
            self.box.setRange(rectangle(bounds), padding=0, disableAutoRange=True)

    def show_part(self, bounds: Bounds) -> None:
        """Make `bounds` visible, as if a person had chosen them."""
        self.by_hand = True
        self.box.setRange(rectangle(bounds), padding=0, disableAutoRange=True)

    def put_handle(self, x: float, y: float) -> None:
        self.handle.setPos(x, y)

    def set_path(self, curve: np.ndarray, pins: np.ndarray) -> None:
        """Pins (M, 2) and the way between them (N, 2)."""
        if not len(curve) and not len(pins) and not len(self._pins):
            return  # nothing to paint anew, at each move of a hand
        self._pins = pins
        self.path.setData(curve[:, 0], curve[:, 1])
        self.pins.set_groups([PointGroup(pins, look.theme.accent)])

    def set_ellipse(self, centre: np.ndarray, covariance: np.ndarray, sigmas: float = 2.0) -> None:
        """The contour `sigmas` standard deviations from `centre` (2,) of a Gaussian with `covariance` (2, 2)."""
        [curve] = ellipses(centre[None], covariance[None], sigmas)
        self.ellipse.setData(curve[:, 0], curve[:, 1])

    def set_direction(self, line: np.ndarray) -> None:
        """A line (N, 2) along which the handle can go; none where N is 0."""
        if not len(line) and not self._directed:
            return
        self._directed = len(line) > 0
        self.direction.setData(line[:, 0], line[:, 1])

    def set_manifold(self, image: np.ndarray | None, bounds: Bounds | None = None) -> None:
        """An RGBA image (rows, columns, 4) uint8 behind the points, over `bounds`, first row lowest; or none."""
        _spread(self.manifold, image, bounds)

    def set_veil(self, image: np.ndarray | None, bounds: Bounds | None = None) -> None:
        """Another one, behind the manifold and interpolated."""
        _spread(self.veil, image, bounds)

    def set_second_veil(self, image: np.ndarray | None, bounds: Bounds | None = None) -> None:
        """One more, over the first veil."""
        _spread(self.second_veil, image, bounds)

    def set_outlines(self, *lines: np.ndarray) -> None:
        """Lines (N, 2) of the prior and of the aggregated posterior; a row of NaN lifts the pen."""
        for item, line in zip(self.outlines, lines, strict=True):
            item.setData(line[:, 0], line[:, 1], connect="finite")

    def mousePressEvent(self, event: QMouseEvent) -> None:
        inside = self.box.sceneBoundingRect().contains(self.mapToScene(event.position().toPoint()))
        if event.button() is Qt.MouseButton.LeftButton and inside and self.handle.isVisible():
            self._dragging = True
            self.setFocus(Qt.FocusReason.MouseFocusReason)
            self._point(event)
        else:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._dragging and event.buttons() & Qt.MouseButton.LeftButton:
            self._point(event)
        else:
            super().mouseMoveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._dragging and event.button() is Qt.MouseButton.LeftButton:
            self._dragging = False
            event.accept()
        else:
            super().mouseReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        direction = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, 1),
            Qt.Key.Key_Down: (0, -1),
        }.get(Qt.Key(event.key()))
        if direction is None:
            super().keyPressEvent(event)
            return
        pixels = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 2
        width, height = self.box.viewPixelSize()
        at = self.handle.pos()
        self.pointed.emit(at.x() + direction[0] * pixels * width, at.y() + direction[1] * pixels * height)

    def _point(self, event: QMouseEvent) -> None:
        place = self.box.mapSceneToView(self.mapToScene(event.position().toPoint()))
        event.accept()
        self.pointed.emit(place.x(), place.y())

    def _chosen_by_hand(self, *_: object) -> None:
        self.by_hand = True
        self.chosen_by_hand.emit()


def still_map(name: str, title: str, dots: float = 5.0) -> MapView:
    """A map that is only looked at: nothing on it is dragged."""
    view = MapView(dots=dots)
    view.setObjectName(name)
    view.setAccessibleName(title)
    view.setToolTip("Wheel: zoom. Drag with the middle button: pan.")
    view.handle.hide()
    return view


def square_around(low: np.ndarray, high: np.ndarray) -> Bounds:
    """A square with a margin that holds what lies from `low` (2,) to `high` (2,)."""
    half = float((high - low).max() * 0.56) or 1.0
    x, y = ((low + high) / 2).tolist()
    return x - half, y - half, x + half, y + half


def _spread(item: pg.ImageItem, image: np.ndarray | None, bounds: Bounds | None) -> None:
    item.setVisible(image is not None)
    if image is not None:
        assert bounds is not None
        item.setImage(image, autoLevels=False, levels=None)
        item.setRect(rectangle(bounds))
