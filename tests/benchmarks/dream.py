"""Frames a second of the Dream explorer: chains on the screen while nothing trains, and while the same run trains.

A frame is a new state of the chains that was computed, shown and painted. Each turn counts paintings for some seconds,
on each page of the explorer; the figure is the median over turns. The chains move 16 at a time.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from PySide6.QtCore import QEventLoop, QThread, QTimer
from PySide6.QtWidgets import QApplication

from dgm_studio.config import RunConfig
from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from dgm_studio.events import Snapshot
from dgm_studio.presets import presets
from dgm_studio.training import Order, TrainingSession
from models.catalog import Recipe
from widgets.explorers.dream import Dream
from widgets.live import Live
from widgets.theme import DARK, look

TURNS = 5
TURN = 2.0  # seconds
SNAPSHOT_EVERY = 66  # ms, as the window asks for newer weights
GOAL = 29.0  # frames a second; the clock's 33 ms allow 30.3


class Training(QThread):
    """The run, training until it is stopped."""

    def __init__(self, config: RunConfig, data: Dataset, live: Live) -> None:
        super().__init__()
        self.session = TrainingSession(config, data)
        self._live = live

    def run(self) -> None:
        for event in self.session.events():
            if isinstance(event, Snapshot):
                self._live.publish(event)


def rest(seconds: float) -> None:
    """Run the event loop for a while."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


class Counter:
    """Counts frames that were painted: a painting after a new frame was shown."""

    def __init__(self, view: Dream) -> None:
        self._view = view
        self._last = view._frame
        self.frames = 0
        view.first.painted.connect(self._painted)

    def _painted(self) -> None:
        if self._view._frame is not self._last:
            self._last = self._view._frame
            self.frames += 1

    def rate(self) -> float:
        """Frames a second of one turn."""
        first, begin = self.frames, time.perf_counter()
        rest(TURN)
        return (self.frames - first) / (time.perf_counter() - begin)


def measure(key: str) -> bool:
    """Whether a preset's chains reach the goal on every page."""
    preset = next(p for p in presets() if p.key == key)
    config = preset.config.model_copy(
        update={"training": preset.config.training.model_copy(update={"steps": 10_000_000, "device": "cpu"})}
    )
    data = load(config.data)
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    live = Live(config, recipe, data, torch.device("cpu"))
    training = Training(config, data, live)
    pulse = QTimer(interval=SNAPSHOT_EVERY)
    pulse.timeout.connect(training.session.want_snapshot)
    view = Dream(live)
    view.resize(710, 640)
    view.show()
    pulse.start()
    training.start()
    while view.reel.transitions < 3:
        rest(0.5)  # the first step imports much of torch
    counter = Counter(view)
    reached = True
    for state in ("while training", "idle"):
        if state == "idle":
            training.session.tell(Order.PAUSE)
        for page in view.pages.keys:
            view.pages.turn(page)
            rest(1.0)
            first = training.session._step
            begin = time.perf_counter()
            rates = [counter.rate() for _ in range(TURNS)]
            steps = (training.session._step - first) / (time.perf_counter() - begin)
            reached = reached and median(rates) >= GOAL
            print(
                f"{key}, {page}, {state}: median {median(rates):.1f} frames/s (goal {GOAL:.0f}), {min(rates):.1f} to "
                f"{max(rates):.1f} over {TURNS} turns of {TURN:.0f} s; {steps:,.0f} training steps/s",
                flush=True,
            )
    pulse.stop()
    training.session.tell(Order.STOP)
    training.wait()
    view.close()
    live.close()
    return reached


def main() -> int:
    """Measures the presets that are named, or one: all that dream take a quarter of an hour."""
    torch.set_num_threads(1)
    app = QApplication([])
    look.apply(app, DARK)
    keys = sys.argv[1:] or ["rbm-digits"]
    reached = [measure(key) for key in keys]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    raise SystemExit(main())
