"""What lies behind the points of a map, as images."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor

from dgm_studio.questions.arrays import Bounds
from widgets.theme import look


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


def density_image(density: np.ndarray, shade: str = "", strength: float = 0.5) -> np.ndarray:
    """A density (rows, columns) in 0…1 as a veil of one colour, that of the accent unless another is given."""
    image = np.empty((*density.shape, 4), np.uint8)
    image[..., :3] = QColor(shade or look.theme.accent).getRgb()[:3]
    image[..., 3] = density * (255 * strength)
    return image


def contours(density: np.ndarray, bounds: Bounds, shares: tuple[float, ...]) -> np.ndarray:
    """Lines around the densest places of cells (rows, columns) that hold each of `shares` of all mass, in the plane:
    (N, 2), with a row of NaN between two lines."""
    ordered = np.sort(density, axis=None)[::-1].astype(np.float64)
    held = np.cumsum(ordered) / max(ordered.sum(), 1e-12)
    left, bottom, right, top = bounds
    rows, columns = density.shape
    step = np.array([(right - left) / columns, (top - bottom) / rows])
    lines: list[np.ndarray] = []
    for share in shares:
        level = ordered[min(np.searchsorted(held, share), len(ordered) - 1)]
        for line in pg.functions.isocurve(density.T, level, connected=True):
            # in cells, counted from the corner of the first, whose value is that of its centre
            lines += [np.array([left, bottom]) + np.array(line) * step, np.full((1, 2), np.nan)]
    return np.concatenate(lines) if lines else np.zeros((0, 2))


def profile(density: np.ndarray, bounds: Bounds) -> np.ndarray:
    """A density (columns,) in 0…1 over a line, as a curve from its middle upwards by half of `bounds`: (columns, 2)."""
    left, bottom, right, top = bounds
    x = left + (np.arange(len(density)) + 0.5) * (right - left) / len(density)
    return np.stack([x, (bottom + density * (top - bottom)) / 2], axis=1)
