"""Small pictures of samples, for lists and cards."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from dgm_studio.sequence_pictures import strips
from widgets.pictures import tile, to_image
from widgets.theme import CATEGORICAL

SIDE = 96  # px
CLOUD, DOT = 400, 5.0  # points, and their diameter in px: they are still seen where it is drawn at a third
STRIPS, CELLS = 8, 24  # symbols that can be told apart
MANY = 1000  # whole numbers beyond it are no symbols


def thumbnail(samples: np.ndarray) -> QImage:
    """Samples (N, *event) as one square picture: four images, a cloud of points, strips of symbols, or rows of
    values. Points may have a class behind their coordinates."""
    if samples.ndim == 4:
        return to_image(tile(samples[:4], 2)).scaled(
            SIDE, SIDE, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.FastTransformation
        )
    if samples.ndim == 2 and (samples.shape[1] == 2 or _classified(samples)):
        return _cloud(samples)
    highest = samples.max()
    if samples.ndim == 2 and 1 < highest < MANY and (samples == np.floor(samples)).all() and samples.min() >= 0:
        cells = strips(samples[:STRIPS, :CELLS], int(highest) + 1)
        return to_image(cells.transpose(2, 0, 1)).scaled(SIDE, SIDE)
    return to_image(rows_picture(samples)).scaled(SIDE, SIDE)


def rows_picture(samples: np.ndarray, rows: int = 64) -> np.ndarray:
    """Samples (N, …) as a grey picture (1, rows, values), one example a row, from the lowest to the highest value."""
    flat = samples[:rows].reshape(min(rows, len(samples)), -1).astype(np.float32)
    low, high = float(flat.min()), float(flat.max())
    return ((flat - low) / max(high - low, 1e-12))[None]


def _classified(samples: np.ndarray) -> bool:
    """Whether these are points (N, 3) of which the third value is a class."""
    if samples.shape[1] != 3:
        return False
    whole = (samples == np.floor(samples)).all(axis=0)
    return bool(whole[2] and not whole[:2].all() and samples[:, 2].min() >= 0 and samples[:, 2].max() < MANY)


def _cloud(points: np.ndarray) -> QImage:
    image = QImage(SIDE, SIDE, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    # the outermost points must not decide the scale
    classes = points[:CLOUD, 2].astype(int) if points.shape[1] > 2 else np.zeros(len(points[:CLOUD]), int)
    points = points[:, :2]
    low, high = np.percentile(points, 1, axis=0), np.percentile(points, 99, axis=0)
    centre, reach = (low + high) / 2, max(float((high - low).max()) / 2, 1e-6) * 1.15
    places = (points[:CLOUD] - centre) / reach * (1, -1) * (SIDE / 2) + SIDE / 2
    with QPainter(image) as painter:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for k in np.unique(classes):
            shade = QColor(CATEGORICAL[k % len(CATEGORICAL)])
            painter.setPen(QPen(shade, DOT, c=Qt.PenCapStyle.RoundCap))
            painter.drawPoints([QPointF(x, y) for x, y in places[classes == k].tolist()])
    return image
