"""The map of a latent space: a plane with encoded data, what the plane decodes to, and a handle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
)
from PySide6.QtWidgets import QGraphicsItem, QWidget

from widgets.plots import Plot, colour, pen, rectangle
from widgets.theme import CATEGORICAL, look

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class PointGroup:
    """Points of one colour, with a tag at their median where `tag` is given."""

    points: np.ndarray  # (N, 2)
    colour: str
    tag: str = ""


def class_groups(points: np.ndarray, labels: np.ndarray, names: tuple[str, ...]) -> list[PointGroup]:
    """One group for each class that occurs; a label of -1 is the muted colour."""
    groups = []
    for label in np.unique(labels).tolist():
        tag = "" if label < 0 else names[label] if label < len(names) else str(label)
        shade = look.theme.muted if label < 0 else CATEGORICAL[label % len(CATEGORICAL)]
        groups.append(PointGroup(points[labels == label], shade, tag))
    return groups


class PointsItem(pg.GraphicsObject):
    """Many points. They are drawn once for each change of the data or of the view into an image, so that moving
    something over them costs no more than copying a few pixels of it."""

    def __init__(self, size: float = 5.0, opacity: float = 0.9) -> None:
        super().__init__()
        self._groups: list[PointGroup] = []
        self._size, self._opacity = size, opacity
        self._image: QImage | None = None
        self._drawn_for: object = None

    def set_groups(self, groups: list[PointGroup]) -> None:
        self._groups = [group for group in groups if len(group.points)]
        self._image = None
        self.update()

    def boundingRect(self) -> QRectF:
        return self.viewRect()

    def viewTransformChanged(self) -> None:
        self.prepareGeometryChange()
        self._image = None

    def dataBounds(self, axis: int, frac: float = 1.0, orthoRange: object = None) -> tuple[None, None]:
        return (None, None)  # the map chooses its own range

    def paint(self, painter: QPainter, option: object, widget: QWidget | None = None) -> None:
        box = self.getViewBox()
        if box is None or widget is None or not self._groups:
            return
        area = box.mapRectToScene(box.boundingRect()).toAlignedRect()
        ratio = widget.devicePixelRatioF()
        if self._image is None or self._drawn_for != (area, ratio):
            self._image = self._draw(area, ratio)
            self._drawn_for = (area, ratio)
        painter.save()
        painter.resetTransform()
        painter.drawImage(area.topLeft(), self._image)
        painter.restore()

    def _draw(self, area: QRect, ratio: float) -> QImage:
        to_scene = self.sceneTransform()
        matrix = np.array([[to_scene.m11(), to_scene.m12()], [to_scene.m21(), to_scene.m22()]])
        shift = np.array([to_scene.dx() - area.x(), to_scene.dy() - area.y()])
        places = [(group.points.astype(np.float64) @ matrix + shift) * ratio for group in self._groups]
        shape = (round(area.height() * ratio), round(area.width() * ratio))
        colours = [colour(group.colour, self._opacity) for group in self._groups]
        pixels = dots(places, colours, self._size * ratio, shape)
        image = QImage(pixels.data, shape[1], shape[0], 4 * shape[1], QImage.Format.Format_ARGB32_Premultiplied).copy()
        image.setDevicePixelRatio(ratio)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for group, place in zip(self._groups, places, strict=True):
            if group.tag:
                draw_tag(painter, QPointF(*(np.median(place, axis=0) / ratio)), group.tag, group.colour)
        painter.end()
        return image


def dots(places: list[np.ndarray], colours: list[QColor], diameter: float, shape: tuple[int, int]) -> np.ndarray:
    """Round dots as premultiplied ARGB: `shape` (rows, columns) uint32.

    `places`: pixels, an array (N, 2) of x and y for each colour. Much faster than Qt's points, because every pixel of a
    dot is written for all places at once.
    """
    radius = diameter / 2
    reach = int(np.ceil(radius)) + 1
    rows, columns = shape[0] + 2 * reach, shape[1] + 2 * reach
    pixels = np.zeros(rows * columns, np.uint32)
    centres = np.floor(np.concatenate(places)).astype(np.int64) + reach
    which = np.repeat(np.arange(len(places)), [len(p) for p in places])
    seen = ((centres >= reach - 1) & (centres <= np.array([shape[1], shape[0]]) + reach)).all(axis=1)
    index, which = centres[seen, 1] * columns + centres[seen, 0], which[seen]
    y, x = np.mgrid[-reach + 1 : reach, -reach + 1 : reach].reshape(2, -1)
    coverage = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    # the rims first: of two writes to a pixel the last one stays, so that no rim lies over another dot's middle
    order = np.argsort(coverage, kind="stable")
    order = order[coverage[order] > 0]
    argb = np.array([[c.alpha(), c.red(), c.green(), c.blue()] for c in colours], np.float64)
    argb[:, 1:] *= argb[:, :1] / 255
    a, r, g, b = np.round(argb * coverage[order, None, None]).astype(np.uint32).transpose(2, 0, 1)
    shades = a << 24 | r << 16 | g << 8 | b  # (pixels of a dot, colours)
    pixels[index + (y * columns + x)[order, None]] = shades[:, which]
    return np.ascontiguousarray(pixels.reshape(rows, columns)[reach:-reach, reach:-reach])


def draw_tag(painter: QPainter, centre: QPointF, text: str, shade: str) -> None:
    """A class name on its colour."""
    font = QFont()
    font.setPixelSize(12)
    font.setBold(True)
    painter.setFont(font)
    text = QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, 88)
    width = max(17.0, QFontMetricsF(font).horizontalAdvance(text) + 8)
    rect = QRectF(centre.x() - width / 2, centre.y() - 9, width, 18)
    painter.setPen(pen(look.theme.panel, 1))
    painter.setBrush(QColor(shade))
    painter.drawRoundedRect(rect, 3, 3)
    dark = QColor(shade).lightnessF() > 0.62
    painter.setPen(QColor("#16181d" if dark else "#ffffff"))
    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, text)


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
    """The map. Pressing or dragging with the left button emits `pointed(x, y)`; the wheel zooms, the other buttons pan
    and zoom; arrow keys emit `nudged(right, up)`, both in map coordinates. `looked_elsewhere` follows each change of
    what is visible.
    """

    pointed = Signal(float, float)
    nudged = Signal(float, float)
    looked_elsewhere = Signal()

    def __init__(self, parent: QWidget | None = None, dots: float = 5.0) -> None:
        """`dots`: diameter of a point in pixels."""
        self.veil, self.manifold = VeilItem(axisOrder="row-major"), pg.ImageItem(axisOrder="row-major")
        self.veil.setZValue(-30)
        self.manifold.setZValue(-20)
        self.points = PointsItem(size=dots)
        self.path = pg.PlotCurveItem(antialias=True)
        self.pins = PointsItem(size=9.0, opacity=1.0)
        self.ellipse = pg.PlotCurveItem(antialias=True)
        self.handle = HandleItem()
        self._pins = np.zeros((0, 2))
        self._dragging = False
        self.by_hand = False  # a person has chosen what is visible
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.box.setAspectLocked(True)
        self.box.disableAutoRange()
        self.look_at((-3.5, -3.5, 3.5, 3.5))
        for item in (self.veil, self.manifold, self.points, self.path, self.pins, self.ellipse, self.handle):
            self.addItem(item, ignoreBounds=True)
        self.box.sigRangeChanged.connect(lambda *_: self.looked_elsewhere.emit())
        self.box.sigRangeChangedManually.connect(self._chosen_by_hand)

    def restyle(self) -> None:
        super().restyle()
        self.path.setPen(pen(look.theme.accent, 1.5, dashed=True))
        self.ellipse.setPen(pen(look.theme.accent, 2))
        self.pins.set_groups([PointGroup(self._pins, look.theme.accent)])
        self.handle.update()

    def bounds(self) -> Bounds:
        """What is visible: left, bottom, right, top."""
        (left, right), (bottom, top) = self.box.viewRange()
        return left, bottom, right, top

    def look_at(self, bounds: Bounds) -> None:
        """Make `bounds` visible, unless a person has chosen what is."""
        if not self.by_hand:
            self.box.setRange(rectangle(bounds), padding=0, disableAutoRange=True)

    def put_handle(self, x: float, y: float) -> None:
        self.handle.setPos(x, y)

    def set_path(self, curve: np.ndarray, pins: np.ndarray) -> None:
        """Pins (M, 2) and the way between them (N, 2)."""
        self._pins = pins
        self.path.setData(curve[:, 0], curve[:, 1])
        self.pins.set_groups([PointGroup(pins, look.theme.accent)])

    def set_ellipse(self, centre: np.ndarray, covariance: np.ndarray, sigmas: float = 2.0) -> None:
        """The contour `sigmas` standard deviations from `centre` (2,) of a Gaussian with `covariance` (2, 2)."""
        values, vectors = np.linalg.eigh(covariance)
        angle = np.linspace(0, 2 * np.pi, 73)
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        curve = centre + sigmas * circle * np.sqrt(np.maximum(values, 0)) @ vectors.T
        self.ellipse.setData(curve[:, 0], curve[:, 1])

    def set_manifold(self, image: np.ndarray | None, bounds: Bounds | None = None) -> None:
        """An RGBA image (rows, columns, 4) uint8 behind the points, over `bounds`, first row lowest; or none."""
        _spread(self.manifold, image, bounds)

    def set_veil(self, image: np.ndarray | None, bounds: Bounds | None = None) -> None:
        """Another one, behind the manifold and interpolated."""
        _spread(self.veil, image, bounds)

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
        self.nudged.emit(direction[0] * pixels * width, direction[1] * pixels * height)

    def _point(self, event: QMouseEvent) -> None:
        place = self.box.mapSceneToView(self.mapToScene(event.position().toPoint()))
        event.accept()
        self.pointed.emit(place.x(), place.y())

    def _chosen_by_hand(self, *_: object) -> None:
        self.by_hand = True


def _spread(item: pg.ImageItem, image: np.ndarray | None, bounds: Bounds | None) -> None:
    item.setVisible(image is not None)
    if image is not None:
        assert bounds is not None
        item.setImage(image, autoLevels=False, levels=None)
        item.setRect(rectangle(bounds))


def manifold_image(cells: np.ndarray, strength: float = 0.38) -> np.ndarray:
    """Decoded cells (rows, columns, C, H, W), first row at the lower edge, as a dimmed RGBA sheet for a map with its
    y axis upwards. Grey pictures become ink in the theme's text colour, so that both themes keep their background."""
    rows, columns, channels, height, width = cells.shape
    ink = np.clip(cells, 0, 1) * 255
    image = np.empty((rows, columns, 4, height, width), np.uint8)
    if channels == 3:
        image[:, :, :3], image[:, :, 3] = ink, round(255 * strength)
    else:
        image[:, :, :3] = np.array(QColor(look.theme.text).getRgb()[:3]).reshape(3, 1, 1)
        image[:, :, 3] = ink.mean(2) * strength
    margin = -(-width // 10)  # kept free on every side, so that neighbours do not run into one another
    image = np.pad(image, ((0, 0), (0, 0), (0, 0), (margin, margin), (margin, margin)))
    height, width = image.shape[3:]
    # the map's first image row is the lowest, and so is each picture's
    return image[:, :, :, ::-1].transpose(0, 3, 1, 4, 2).reshape(rows * height, columns * width, 4)


def density_image(density: np.ndarray, strength: float = 0.5) -> np.ndarray:
    """A density (rows, columns) in 0…1 as a veil of the accent colour."""
    image = np.empty((*density.shape, 4), np.uint8)
    image[..., :3] = QColor(look.theme.accent).getRgb()[:3]
    image[..., 3] = density * (255 * strength)
    return image
