"""Small runs for the tests of explorers: real models, untrained, on data made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget
from torch import Generator, nn

from dgm_studio.config import RunConfig
from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.events import Snapshot
from dgm_studio.training import snapshot
from models.catalog import Family, Learning, Recipe
from models.learning.base import Learner
from models.settings import NoSettings, Settings
from models.spec import Batch, DataSpec, Layout, Support
from widgets.live import Live

CPU = torch.device("cpu")


class Still(Learner):
    """Learns nothing."""

    def step(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {}


def recipe(
    model: type[nn.Module],
    settings: Settings,
    learner: type[Learner] = Still,
    learning: Settings | None = None,
    **variant: Any,
) -> Recipe:
    """A recipe of a model and a learner, whatever the catalogue holds."""
    learning = learning or NoSettings()
    family = Family("test", "Test", "", "", "", "", model, type(settings), ("still",), "none")
    return Recipe(family, Learning("still", "Still", "", learner, type(learning), variant), settings, learning)


def pictures(shape: tuple[int, ...] = (1, 8, 8), n: int = 60, support: Support = Support.UNIT) -> Dataset:
    """Bright blobs in a dark picture, at one of three places: (n, *shape) with three classes."""
    generator = Generator().manual_seed(0)
    y = torch.arange(n) % 3
    x = torch.rand(n, *shape, generator=generator) * 0.1
    for i, label in enumerate(y.tolist()):
        x[i, :, 2:6, 1 + 2 * label : 3 + 2 * label] = 0.9
    if support is Support.BITS:
        x = (x > 0.5).float()
    part = Split(x, y)
    spec = DataSpec(shape, support, Layout.IMAGE, class_names=("left", "middle", "right"))
    return Dataset(spec=spec, train=part, valid=part, test=part, provenance=Provenance("blobs"))


class Blob:
    """A standard normal in the plane."""

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        return -0.5 * x.square().sum(-1) - np.log(2 * np.pi)

    def sample(self, n: int, generator: Generator | None = None) -> torch.Tensor:
        return torch.randn(n, 2, generator=generator)


def cloud(n: int = 400) -> Dataset:
    """Points of a standard normal, whose density is known."""
    part = Split(Blob().sample(n, Generator().manual_seed(0)), torch.full((n,), -1))
    spec = DataSpec((2,), Support.REALS, Layout.POINTS)
    return Dataset(spec=spec, train=part, valid=part, test=part, provenance=Provenance("blob"), density=Blob())


class Bench:
    """A Live with weights in it."""

    def __init__(self, made: Recipe, data: Dataset) -> None:
        self.recipe, self.data = made, data
        made.build_empty(data.spec, 1, CPU)  # the first one imports much of torch: not while a test waits for answers
        self.live = Live(RunConfig(family="test", learner="still"), made, data, CPU)
        self.learner: Any = None

    def publish(self, step: int) -> Snapshot:
        """Weights drawn with the seed `step`."""
        torch.manual_seed(step)
        self.learner = self.recipe.build(self.data.spec, len(self.data.train)).eval()
        taken = snapshot(self.learner, step)
        self.live.publish(taken)
        return taken

    @property
    def model(self) -> Any:
        return self.learner.model


def mouse(
    widget: QWidget,
    kind: QEvent.Type,
    place: QPointF,
    button: Qt.MouseButton = Qt.MouseButton.LeftButton,
) -> None:
    """Send one mouse event, as the window system would: a move has no button of its own, but one that is held."""
    move = kind is QEvent.Type.MouseMove
    held = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseButtonRelease else button
    own = Qt.MouseButton.NoButton if move else button
    where = QPointF(widget.mapToGlobal(place.toPoint()))
    event = QMouseEvent(kind, place, where, own, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(widget, event)


def drag(
    widget: QWidget,
    places: list[QPointF],
    button: Qt.MouseButton = Qt.MouseButton.LeftButton,
    between: Callable[[], None] = lambda: None,
) -> None:
    """Press at the first place, move over the others, release at the last."""
    mouse(widget, QEvent.Type.MouseButtonPress, places[0], button)
    for place in places[1:]:
        between()
        mouse(widget, QEvent.Type.MouseMove, place, button)
    mouse(widget, QEvent.Type.MouseButtonRelease, places[-1], button)
