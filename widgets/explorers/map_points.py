"""Many points on a map, drawn fast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QTransform

from widgets.explorers.drawn_item import DrawnItem
from widgets.plots import colour, pen
from widgets.theme import CATEGORICAL, look, px

LINE = 1.6  # px, of rings
TAG = 18  # px, the height of a tag
ROW = 100  # px, the longest row of tags that lie at one place: five digits, or one long name


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


class PointsItem(DrawnItem):
    """Many points."""

    def __init__(self, size: float = 5.0, opacity: float = 0.9, hollow: bool = False) -> None:
        """`hollow`: rings in place of dots."""
        super().__init__()
        self._hollow = hollow
        self._groups: list[PointGroup] = []
        self._shown: object = []
        self._size, self._opacity = size, opacity

    def set_groups(self, groups: list[PointGroup]) -> None:
        """Draw these. The same arrays in the same colours are not drawn again."""
        groups = [group for group in groups if len(group.points)]
        shown = [(id(group.points), group.colour, group.tag, look.theme) for group in groups]
        if shown != self._shown:
            self._groups, self._shown = groups, shown
            self.renew()

    @property
    def has_content(self) -> bool:
        return bool(self._groups)

    def draw(self, painter: QPainter) -> None:
        """Each point as a circle of the painter's."""
        transform = painter.transform()
        places, shown = self._places(transform), transform.mapRect(self.viewRect())
        radius = (self._size - LINE if self._hollow else self._size) / 2
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for group, place in zip(self._groups, places, strict=True):
            shade = colour(group.colour, self._opacity)
            painter.setPen(pg.mkPen(shade, width=LINE) if self._hollow else Qt.PenStyle.NoPen)
            painter.setBrush(Qt.BrushStyle.NoBrush if self._hollow else shade)
            for x, y in place.tolist():
                if shown.contains(x, y):
                    painter.drawEllipse(QPointF(x, y), radius, radius)
        self._draw_tags(painter, places)

    def _places(self, transform: QTransform) -> list[np.ndarray]:
        """The points of each group, (N, 2), where `transform` puts them."""
        matrix = np.array([[transform.m11(), transform.m12()], [transform.m21(), transform.m22()]])
        shift = np.array([transform.dx(), transform.dy()])
        return [group.points.astype(np.float64) @ matrix + shift for group in self._groups]

    def _draw_tags(self, painter: QPainter, places: list[np.ndarray]) -> None:
        tagged = [(group, place) for group, place in zip(self._groups, places, strict=True) if group.tag]
        metrics = QFontMetricsF(_tag_font())
        texts = [metrics.elidedText(group.tag, Qt.TextElideMode.ElideRight, 88) for group, _ in tagged]
        spots = tag_places([QPointF(*np.median(place, axis=0)) for _, place in tagged], texts)
        for (group, _), spot, text in zip(tagged, spots, texts, strict=True):
            draw_tag(painter, spot, text, group.colour)

    def draw_image(self, area: QRect, ratio: float) -> QImage:
        # all dots at once, where `draw` takes each as a circle
        to_area = self.sceneTransform() * QTransform.fromTranslate(-area.x(), -area.y())
        places = self._places(to_area)
        shape = (round(area.height() * ratio), round(area.width() * ratio))
        colours = [colour(group.colour, self._opacity) for group in self._groups]
        line = LINE * ratio if self._hollow else None
        pixels = dots([place * ratio for place in places], colours, self._size * ratio, shape, line)
        image = QImage(pixels.data, shape[1], shape[0], 4 * shape[1], QImage.Format.Format_ARGB32_Premultiplied).copy()
        image.setDevicePixelRatio(ratio)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_tags(painter, places)
        painter.end()
        return image


def dots(
    places: list[np.ndarray],
    colours: list[QColor],
    diameter: float,
    shape: tuple[int, int],
    line: float | None = None,
) -> np.ndarray:
    """Round dots as premultiplied ARGB: `shape` (rows, columns) uint32; rings with a `line` of so many pixels.

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
    away = np.hypot(x, y)
    coverage = np.clip(radius + 0.5 - away, 0, 1)
    if line is not None:
        coverage = np.minimum(coverage, np.clip(away - (radius - line) + 0.5, 0, 1))
    # the rims first: of two writes to a pixel the last one stays, so that no rim lies over another dot's middle
    order = np.argsort(coverage, kind="stable")
    order = order[coverage[order] > 0]
    argb = np.array([[c.alpha(), c.red(), c.green(), c.blue()] for c in colours], np.float64)
    argb[:, 1:] *= argb[:, :1] / 255
    a, r, g, b = np.round(argb * coverage[order, None, None]).astype(np.uint32).transpose(2, 0, 1)
    shades = a << 24 | r << 16 | g << 8 | b  # (pixels of a dot, colours)
    pixels[index + (y * columns + x)[order, None]] = shades[:, which]
    return np.ascontiguousarray(pixels.reshape(rows, columns)[reach:-reach, reach:-reach])


def draw_tag(painter: QPainter, place: QRectF, text: str, shade: str) -> None:
    """A class name on its colour."""
    painter.setFont(_tag_font())
    painter.setPen(pen(look.theme.panel, 1))
    painter.setBrush(QColor(shade))
    painter.drawRoundedRect(place, 3, 3)
    dark = QColor(shade).lightnessF() > 0.62
    painter.setPen(QColor("#16181d" if dark else "#ffffff"))
    painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)


def tag_places(centres: list[QPointF], texts: list[str]) -> list[QRectF]:
    """Where tags of these texts lie: about their centres, but for those that would hide one another, which stand in
    rows about the middle of theirs."""
    metrics = QFontMetricsF(_tag_font())
    widths = [max(17.0, metrics.horizontalAdvance(text) + 8) for text in texts]
    blocks: list[dict[int, QRectF]] = []
    for number in range(len(texts)):
        block = _in_rows([number], centres, widths)
        while near := [i for i, other in enumerate(blocks) if _meet(block, other)]:
            together = sorted([*block, *(n for i in near for n in blocks[i])])
            blocks = [other for i, other in enumerate(blocks) if i not in near]
            block = _in_rows(together, centres, widths)
        blocks.append(block)
    places = {number: place for block in blocks for number, place in block.items()}
    return [places[number] for number in range(len(texts))]


def _meet(block: dict[int, QRectF], other: dict[int, QRectF]) -> bool:
    return any(one.intersects(two) for one in block.values() for two in other.values())


def _in_rows(numbers: list[int], centres: list[QPointF], widths: list[float]) -> dict[int, QRectF]:
    """Tags beside one another in as many rows as keep these short, in the order of their centres."""
    rows: list[list[int]] = [[]]
    for number in sorted(numbers, key=lambda n: centres[n].y()):
        if rows[-1] and sum(widths[n] + 1 for n in rows[-1]) + widths[number] > ROW:
            rows.append([])
        rows[-1].append(number)
    x, y = (sum(values) / len(numbers) for values in zip(*(centres[n].toTuple() for n in numbers), strict=True))
    top = y - (len(rows) * (TAG + 1) - 1) / 2
    places: dict[int, QRectF] = {}
    for row in rows:
        left = x - (sum(widths[n] + 1 for n in row) - 1) / 2
        for number in sorted(row, key=lambda n: centres[n].x()):
            places[number] = QRectF(left, top, widths[number], TAG)
            left += widths[number] + 1
        top += TAG + 1
    return places


def _tag_font() -> QFont:
    font = QFont()
    font.setPixelSize(px(12))
    font.setBold(True)
    return font
