"""Sequences as pictures: symbols as coloured strips, real values as curves."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from models.spec import DataSpec, Support

# Okabe & Ito (2008): told apart with any kind of colour vision.
PALETTE = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (213, 94, 0), (86, 180, 233), (204, 121, 167), (240, 228, 66))
# Viridis at equal steps: where there are more symbols than such colours, lightness tells their order at least.
_VIRIDIS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))


def symbol_colours(n: int) -> np.ndarray:
    """A colour for each of n symbols: (n, 3) uint8."""
    if n <= len(PALETTE):
        return np.array(PALETTE[:n], np.uint8)
    at = np.linspace(0, len(_VIRIDIS) - 1, n)
    channels = np.array(_VIRIDIS, float).T
    return np.stack([np.interp(at, range(len(_VIRIDIS)), c) for c in channels], 1).round().astype(np.uint8)


def symbols_in(spec: DataSpec) -> int:
    """How many symbols sequences of this data are made of; 0 where they are real values."""
    return 2 if spec.support is Support.BITS else spec.categories


def strips(sequences: np.ndarray, symbols: int) -> np.ndarray:
    """Sequences of symbols (N, T, …) as rows of colours: (N, T × …, 3) uint8. What is no symbol counts as the last."""
    flat = sequences.reshape(len(sequences), -1)
    return symbol_colours(symbols)[flat.astype(np.int64).clip(0, symbols - 1)]


def sequences_picture(sequences: np.ndarray, spec: DataSpec, size: tuple[int, int]) -> Image.Image:
    """As many sequences below each other as can be told apart, on a transparent ground."""
    width, height = size
    symbols = symbols_in(spec)
    rows = max(1, min(len(sequences), height // (12 if symbols else 40)))
    page = Image.new("RGBA", size)
    high = height // rows
    if symbols:
        colours = Image.fromarray(strips(sequences[:rows], symbols), "RGB")
        for row in range(rows):
            strip = colours.crop((0, row, colours.width, row + 1)).resize((width, high - 2), Image.Resampling.NEAREST)
            page.paste(strip, (0, row * high + 1))
        return page
    large = page.resize((2 * width, 2 * height))  # drawn twice as large and shrunk: soft lines
    draw = ImageDraw.Draw(large)
    shown = sequences[:rows].reshape(rows, sequences.shape[1], -1)
    low, reach = float(shown.min()), max(float(np.ptp(shown)), 1e-12)
    across = np.linspace(4, 2 * width - 4, shown.shape[1])
    for row, values in enumerate(shown):
        for channel, curve in enumerate(values.T):
            down = 2 * high * (row + 0.95 - 0.9 * (curve - low) / reach)
            points = list(zip(across.tolist(), down.tolist(), strict=True))
            draw.line(points, fill=PALETTE[channel % len(PALETTE)], width=3, joint="curve")
    return large.resize(size, Image.Resampling.LANCZOS)
