"""Arrays as pictures."""

from __future__ import annotations

import numpy as np
from PySide6.QtGui import QImage


def to_image(picture: np.ndarray) -> QImage:
    """(1 or 3, H, W), uint8 or floats in 0…1, as an image that owns its bytes."""
    if picture.dtype != np.uint8:
        picture = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    pixels = np.ascontiguousarray(picture.transpose(1, 2, 0))
    height, width, channels = pixels.shape
    if channels == 1:
        return QImage(pixels.data, width, height, width, QImage.Format.Format_Grayscale8).copy()
    return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def tile(pictures: np.ndarray, columns: int, gap: int = 1, background: int = 0) -> np.ndarray:
    """(N, C, H, W) -> (C, rows * (H + gap) - gap, columns * (W + gap) - gap), row by row."""
    n, channels, height, width = pictures.shape
    rows = -(-n // columns)
    shape = (channels, rows * (height + gap) - gap, columns * (width + gap) - gap)
    sheet = np.full(shape, background, pictures.dtype)
    for i, picture in enumerate(pictures):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[:, top : top + height, left : left + width] = picture
    return sheet
