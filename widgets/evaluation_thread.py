"""The thread that measures a run, while the window goes on and other runs train."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from typing import Any

import torch
from PySide6.QtCore import QObject, QThread, Signal

from dgm_studio.datasets.base import Dataset
from dgm_studio.evaluation import Fraction, Unmeasured, evaluate
from dgm_studio.events import Snapshot
from models.catalog import Recipe

PROGRESS_EVERY = 0.05  # seconds


class EvaluationThread(QThread):
    """Puts copied weights through one evaluation. `happened(event)` brings the events of `evaluate` to the window's
    thread; after `cancel()` none that closes it follows."""

    happened = Signal(object)

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        weights: Snapshot,
        key: str,
        settings: Mapping[str, Any],
        device: torch.device,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("evaluation")
        self._work = (recipe, dataset, weights, [key], device)
        self._key, self._settings = key, settings

    def cancel(self) -> None:
        """Ask it to end at the next point where it can; results so far are dropped."""
        self.requestInterruption()

    def run(self) -> None:
        torch.set_num_threads(1)  # a core stays with the window and with training
        last = -PROGRESS_EVERY
        try:
            for event in evaluate(*self._work, settings={self._key: self._settings}):
                if self.isInterruptionRequested():
                    return
                if isinstance(event, Fraction):
                    now = time.perf_counter()
                    if now - last < PROGRESS_EVERY:
                        continue
                    last = now
                self.happened.emit(event)
        except Exception as error:
            self.happened.emit(Unmeasured(self._key, f"The evaluation stopped: {error}", traceback.format_exc()))
