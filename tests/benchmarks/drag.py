"""From a mouse move on the latent map to the painted picture it decodes to: idle, and while the same run trains.

The mouse moves at 60 Hz over a map with the encoded data and the manifold. Each move is timed from the call that
delivers it until the picture of that very place, or of a later one, has been painted: what a hand that drags feels.
Measured on the digits with a small auto-encoder, and on sprites of 64 × 64 colours with a convolutional one.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from PySide6.QtCore import QEvent, QEventLoop, QPointF, Qt, QThread, QTimer
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

from dgm_studio.config import DataChoice, RunConfig, TrainingSettings
from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from dgm_studio.events import Paused, Snapshot
from dgm_studio.inference import Answer
from dgm_studio.training import Order, TrainingSession
from models.catalog import Recipe
from widgets.explorers.latent_map import LatentMap
from widgets.live import Live
from widgets.theme import DARK, look

MOVES = 300
EVERY = 16  # ms between moves
SNAPSHOT_EVERY = 66  # ms, as the window asks for newer weights
GOALS = {"idle": 16.0, "while training": 33.0}  # ms, p95
CASES = {
    "vae on digits": ("vae", {"latent": 2}, DataChoice()),
    "conv-vae on 64 × 64 colours": (
        "conv-vae",
        {"latent": 2, "layers": 4},
        DataChoice(source="sprites", settings={"side": 64, "colour": True, "examples": 4000}),
    ),
}


class Training(QThread):
    """The run, training until it is stopped."""

    def __init__(self, config: RunConfig, data: Dataset, live: Live) -> None:
        super().__init__()
        self.session = TrainingSession(config, data)
        self._live = live
        self.steps = 0
        self.paused = False

    def run(self) -> None:
        for event in self.session.events():
            if isinstance(event, Snapshot):
                self._live.publish(event)
            self.paused = isinstance(event, Paused)
            self.steps = getattr(event, "step", self.steps)


class Stopwatch:
    """Times each move until its picture, or that of a later one, was painted."""

    def __init__(self, view: LatentMap) -> None:
        self._view = view
        self._sent: list[tuple[np.ndarray, float]] = []  # places whose pictures are awaited
        self._shown: np.ndarray | None = None
        self.milliseconds: list[float] = []
        view.live.answered.connect(self._answered)
        view.outcome.picture.painted.connect(self._painted)

    def sent(self, begin: float) -> None:
        self._sent.append((self._view.z, begin))

    def _answered(self, answer: Answer) -> None:
        if answer.channel == f"{self._view.key}/decode" and not answer.error:
            self._shown = answer.value.z[0]

    def _painted(self) -> None:
        now = time.perf_counter()
        if self._shown is None:
            return
        places = [i for i, (z, _) in enumerate(self._sent) if np.array_equal(z, self._shown)]
        if places:
            done, self._sent = self._sent[: places[-1] + 1], self._sent[places[-1] + 1 :]
            self.milliseconds += [1e3 * (now - begin) for _, begin in done]


def _wait(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def _drag(view: LatentMap) -> list[float]:
    """Milliseconds of each move along a curve over the map."""
    watch = Stopwatch(view)
    surface = view.map.viewport()
    loop = QEventLoop()
    turn = iter(range(MOVES + 30))

    def move() -> None:
        i = next(turn, None)
        if i is None:
            loop.quit()
        elif i < MOVES:
            angle = i / 40
            place = QPointF(view.map.mapFromScene(view.map.box.mapViewToScene(_curve(angle))))
            kind = QEvent.Type.MouseMove if i else QEvent.Type.MouseButtonPress
            own = Qt.MouseButton.NoButton if i else Qt.MouseButton.LeftButton
            where = QPointF(surface.mapToGlobal(place.toPoint()))
            event = QMouseEvent(kind, place, where, own, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
            begin = time.perf_counter()
            QApplication.sendEvent(surface, event)
            watch.sent(begin)

    timer = QTimer(interval=EVERY, timerType=Qt.TimerType.PreciseTimer)
    timer.timeout.connect(move)
    timer.start()
    loop.exec()
    timer.stop()
    return watch.milliseconds


def _curve(angle: float) -> QPointF:
    return QPointF(1.8 * np.cos(angle), 1.8 * np.sin(1.7 * angle))


def _measure(family: str, settings: dict[str, Any], choice: DataChoice) -> bool:
    """Print what a hand feels, and whether a goal was missed."""
    data = load(choice)
    learner = "reparameterized-elbo"
    training_settings = TrainingSettings(steps=10_000_000, device="cpu")
    config = RunConfig(family=family, learner=learner, model=settings, data=choice, training=training_settings)
    live = Live(config, Recipe.read(family, learner, settings, {}), data, torch.device("cpu"))
    training = Training(config, data, live)
    pulse = QTimer(interval=SNAPSHOT_EVERY)
    pulse.timeout.connect(training.session.want_snapshot)
    view = LatentMap(live)
    view.resize(1000, 700)
    view.show()
    pulse.start()
    training.start()
    while view.outcome.picture.picture is None or view.map.manifold.image is None:
        _wait(500)  # the first step imports much of torch
    _wait(1000)
    missed = False
    for state in ("while training", "idle"):
        if state == "idle":
            training.session.tell(Order.PAUSE)
            while not training.paused or view.waiting("embedding") or view.waiting("manifold"):
                _wait(200)
            _wait(1000)
        first = training.steps
        times = _drag(view)
        median, p95 = np.percentile(times, [50, 95])
        steps = f", {training.steps - first:,} steps meanwhile" if training.steps > first else ""
        print(
            f"  {state}: p95 {p95:.1f} ms (goal {GOALS[state]:.0f}), median {median:.1f} ms, "
            f"worst {max(times):.0f} ms, {len(times)} of {MOVES} moves{steps}"
        )
        missed = missed or p95 > GOALS[state]
    pulse.stop()
    training.session.tell(Order.STOP)
    training.wait()
    view.close()
    live.close()
    return missed


def main() -> int:
    torch.set_num_threads(1)
    app = QApplication([])
    look.apply(app, DARK)
    missed = []
    for title, case in CASES.items():
        print(f"mouse move to painted picture, {title}:")
        missed.append(_measure(*case))
    return int(any(missed))


if __name__ == "__main__":
    raise SystemExit(main())
