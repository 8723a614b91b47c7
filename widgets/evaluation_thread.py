"""The thread that measures a run, while the window goes on and other runs train."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import torch
from PySide6.QtCore import QObject, QThread, Signal

from dgm_studio import device as devices
from dgm_studio.datasets.base import BadData, Dataset
from dgm_studio.device import NoSuchDevice
from dgm_studio.evaluation import Fraction, Unmeasured, evaluate
from dgm_studio.events import Snapshot, Tree
from dgm_studio.store.errors import ProjectError
from models.catalog import Recipe

PROGRESS_EVERY = 0.05  # seconds

# What is measured: of which recipe, on which data, with which weights, and where.
Prepare = Callable[[], tuple[Recipe, Dataset, Snapshot | Tree, torch.device]]


class EvaluationThread(QThread):
    """Puts copied weights through one evaluation. `happened(event)` brings the events of `evaluate` to the window's
    thread; after `cancel()` none that closes it follows. `prepare` is called in this thread and may read files."""

    happened = Signal(object)

    def __init__(
        self, prepare: Prepare, key: str, settings: Mapping[str, Any], seed: int, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("evaluation")
        self._prepare, self._key, self._settings, self._seed = prepare, key, settings, seed

    def cancel(self) -> None:
        """Ask it to end at the next point where it can; results so far are dropped."""
        self.requestInterruption()

    def run(self) -> None:
        torch.set_num_threads(1)  # a core stays with the window and with training
        self._measure()
        devices.give_back()  # an evaluation may have needed gigabytes for a moment

    def _measure(self) -> None:
        last = -PROGRESS_EVERY
        try:
            recipe, dataset, weights, device = self._prepare()
            settings = {self._key: self._settings}
            for event in evaluate(recipe, dataset, weights, [self._key], device, self._seed, settings):
                if self.isInterruptionRequested():
                    return
                if isinstance(event, Fraction):
                    now = time.perf_counter()
                    if now - last < PROGRESS_EVERY:
                        continue
                    last = now
                self.happened.emit(event)
        except (BadData, NoSuchDevice, ProjectError) as error:
            self._fail(f"Nothing was measured. {error}")
        except Exception as error:
            self._fail(f"The evaluation stopped: {error}")

    def _fail(self, text: str) -> None:
        if not self.isInterruptionRequested():
            self.happened.emit(Unmeasured(self._key, text, traceback.format_exc()))
