"""Numbers as colours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor

from widgets.theme import Theme, look, mixed


def viridis(values: np.ndarray) -> np.ndarray:
    """Values in 0…1 (H, W) as (3, H, W) uint8, from dark blue to yellow: perceptually even."""
    return _looked_up(values, _viridis_table())


@lru_cache
def _viridis_table() -> np.ndarray:
    return pg.colormap.get("viridis").getLookupTable(0, 1, 256)[:, :3]


def diverging(values: np.ndarray) -> np.ndarray:
    """Values in 0…1 (H, W) as (3, H, W) uint8: below 0.5 in the theme's red, above in its accent, the panel between.
    The ends are softened, so that points can be told from them."""
    return _looked_up(values, _diverging_table(look.theme))


@lru_cache
def _diverging_table(theme: Theme) -> np.ndarray:
    ends = [mixed(end, theme.panel, 0.8) for end in (theme.bad, theme.accent)]
    stops = [c.getRgb()[:3] for c in (ends[0], QColor(theme.panel), ends[1])]
    at = np.linspace(0, 1, 256)
    table = np.stack([np.interp(at, [0, 0.5, 1], [stop[i] for stop in stops]) for i in range(3)], axis=1)
    return table.round().astype(np.uint8)


def blended(shares: np.ndarray, shades: Sequence[str]) -> np.ndarray:
    """Shares (H, W, K) that sum to 1 as (3, H, W) uint8: colours mixed in these shares, softened towards the panel, so
    that points can be told from them."""
    ground = QColor(look.theme.panel)
    colours = [mixed(shades[k % len(shades)], ground.name(), 0.35).getRgb()[:3] for k in range(shares.shape[2])]
    picture = np.nan_to_num(shares) @ np.array(colours, np.float64)
    return np.ascontiguousarray(picture.clip(0, 255).round().astype(np.uint8).transpose(2, 0, 1))


def rgba(picture: np.ndarray) -> np.ndarray:
    """(3, H, W) uint8 as an opaque (H, W, 4)."""
    return np.concatenate([picture.transpose(1, 2, 0), np.full((*picture.shape[1:], 1), 255, np.uint8)], axis=2)


def _looked_up(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    index = np.clip(np.nan_to_num(values) * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(table[index].transpose(2, 0, 1))
