"""Landscape with all its layers against the clock: what it costs a training, and how smoothly it moves.

A game on eight modes trains in the window; its steps per second are compared with a bare loop of the same learner in a
plain thread of the same process, in turns of two seconds, one thread each, first with the Landscape that opens, then
with every layer. That share means little where other programs keep the cores, because whoever holds Python's lock may
be waiting for one. So it is also given by processor time: the least that it could be on a quiet machine, where some of
this process runs side by side. Meanwhile a timer of the window's thread that is due every 10 ms says how late it comes:
by that much a hand would wait. Loading the window and a first look at every layer are not counted.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from PySide6.QtCore import QSettings, Qt, QTimer

from tests.benchmarks.window import ROUNDS, TURN, Bare, queued_seconds, rest, thread_named, until

GOAL = 0.9
EVERY = 10  # ms
HAND = 33.0  # ms, p95, that a hand may wait


class Metronome:
    """How late the window's thread comes, in milliseconds."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._last = 0.0
        self._timer = QTimer(interval=EVERY, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, 1e3 * (now - self._last) - EVERY))
        self._last = now


def measure(desk: Any, bare: Bare, session: Any, view: Any) -> bool:
    """Print what the view costs now; whether a goal was missed."""
    from dgm_studio.training import Order
    from widgets.trainer import Phase

    trainer = desk.workspace.trainer
    times: list[float] = []  # at which the maps were answered for
    view.live.answered.connect(
        lambda answer: times.append(time.perf_counter()) if answer.channel == "landscape/landscape" else None
    )
    metronome = Metronome()
    ratios, served, spent, through, alone, frames, drawing = [], [], [], [], [], [], []
    training = thread_named("training")
    for _ in range(ROUNDS):
        trainer.tell(Order.RUN)
        rest(0.3)
        metronome.start()
        first, begin, own, queued = session._step, time.perf_counter(), time.thread_time(), queued_seconds(training)
        used = time.process_time()
        rest(TURN)
        passed, used = time.perf_counter() - begin, time.process_time() - used
        steps, waited = session._step - first, queued_seconds(training) - queued
        drawing.append((time.thread_time() - own) / passed)
        rate = steps / passed
        metronome.stop()
        frames.append(sum(moment >= begin for moment in times) / passed)
        trainer.tell(Order.PAUSE)
        until(lambda: trainer.phase is Phase.PAUSED)
        rest(0.5)
        through.append(rate)
        alone.append(bare.rate())
        spent.append(steps / used / bare.computed)
        ratios.append(rate / alone[-1])
        served.append(steps / (passed - waited) / bare.served)
    p50, p95 = np.percentile(metronome.late, [50, 95])
    print(
        f"  {median(ratios):.2f} of the bare loop's steps per second ({min(ratios):.2f} to {max(ratios):.2f}; goal ≥ "
        f"{GOAL}), {median(through):.0f} against {median(alone):.0f}\n"
        f"  {median(served):.2f} where the time in which other programs had the cores is left out on both sides "
        f"({min(served):.2f} to {max(served):.2f})\n"
        f"  {median(spent):.2f} by processor time, if nothing ran side by side ({min(spent):.2f} to {max(spent):.2f})\n"
        f"  the maps move {median(frames):.1f} times a second, for which the window's thread computes "
        f"{median(drawing):.0%} of the time\n"
        f"  a hand waits {p50:.0f} ms, p95 {p95:.0f} ms (goal ≤ {HAND:.0f}), at most {max(metronome.late):.0f} ms",
        flush=True,
    )
    return median(served) < GOAL or p95 > HAND


def main() -> int:
    import torch

    from dgm_studio.presets import presets
    from widgets.app import Collector, application
    from widgets.explorers.landscape_layers import LAYERS
    from widgets.main_window import MainWindow
    from widgets.notices import Log
    from widgets.preferences import Preferences
    from widgets.theme import DARK, look

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, home)
        app = application(sys.argv[:1])
        look.apply(app, DARK)
        collector = Collector(young_only=True)
        preferences = Preferences()
        preferences.folder = Path(home)
        window = MainWindow(preferences, Log())
        window.loaded.connect(collector.settle)
        window.resize(1280, 800)
        window.show()
        window.load()
        until(lambda: window.desk is not None)
        desk = window.desk
        assert desk is not None
        preset = next(preset for preset in presets() if preset.key == "gan-ring")
        training = preset.config.training.model_copy(update={"steps": 10_000_000, "device": "cpu"})
        desk.start(replace(preset, config=preset.config.model_copy(update={"training": training})))
        explore = desk.area.explore
        until(lambda: "landscape" in explore.keys and desk.workspace.trainer.thread_in_use is not None)
        session = desk.workspace.trainer.thread_in_use._session  # type: ignore[union-attr]
        bare = Bare(session)
        desk.area.show_page("Explore")
        explore.show_explorer(explore.keys.index("landscape"))
        view: Any = explore.current
        missed = False
        for title, layers in (("as it opens", ()), ("all layers", LAYERS)):
            for name in layers:
                if name != "averaged":  # another generator, not another layer
                    view.layers.boxes[name].setChecked(True)
            rest(3.0)
            print(f"Landscape {title}:", flush=True)
            missed = measure(desk, bare, session, view) or missed
        window.close()
        until(lambda: window.has_ended)
        collector.end()
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
