"""Latent maps of small untrained runs, and what a person does with them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from explorer_runs import Bench
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from widgets.explorers.latent_map import LatentMap

ShowMap = Callable[..., tuple[Bench, LatentMap]]
PATIENCE = 60_000  # ms


def has_outcome(view: LatentMap) -> bool:
    if view.outcome.is_picture:
        return view.outcome.picture.picture is not None
    return bool(view.outcome.plane.handle.pos().x())


def decoded(bench: Bench, z: np.ndarray) -> np.ndarray:
    """What the newest weights decode z (N, L) to."""
    with torch.no_grad():
        return bench.model.decode(torch.from_numpy(z)).numpy()


def shows(bench: Bench, view: LatentMap) -> bool:
    """Whether the picture is what the newest weights decode the handle's place to."""
    return bool(np.allclose(view.outcome.picture.picture, decoded(bench, view.z[None])[0], atol=1e-5))


def on_map(view: LatentMap, x: float, y: float) -> QPointF:
    """A place of the plane, in pixels of the map's viewport."""
    return QPointF(view.map.mapFromScene(view.map.box.mapViewToScene(QPointF(x, y))))


def press(view: LatentMap, name: str) -> None:
    QTest.mouseClick(view.findChild(QPushButton, name), Qt.MouseButton.LeftButton)
