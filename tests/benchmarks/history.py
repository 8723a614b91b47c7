"""From a slider move over the history of a run to the painted picture of that moment in the latent map; what keeping a
history costs a training; and what it costs a save.

The run is a small auto-encoder of the digits. Moves go through its kept states, first with none of them in memory,
then to and fro between two that are. Each is timed from the choice at the slider until the picture decoded by the
weights of that step has been painted. The training is measured in turns with and without a history.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

from dgm_studio.config import RunConfig, TrainingSettings
from dgm_studio.datasets.sources import load
from dgm_studio.inference import Answer
from dgm_studio.recording import Recorder
from dgm_studio.store import Project, Run
from dgm_studio.store.thinning import ROOM
from dgm_studio.training import TrainingSession
from widgets.background import Background
from widgets.data_cache import DataCache
from widgets.explorers.latent_map import LatentMap
from widgets.notices import Log
from widgets.shown_runs import ShownRuns
from widgets.theme import DARK, look
from widgets.trainer import Trainer
from widgets.viewing import Viewing

STEPS = 4000
TURNS, SECONDS = 4, 8.0
GOAL = 100.0  # ms, p95: what feels like the slider itself
MOST = 8.0  # % of the steps of a training's first seconds, when most states are kept, that they may cost


def config(steps: int) -> RunConfig:
    return RunConfig(
        family="vae",
        learner="reparameterized-elbo",
        model={"latent": 2},
        training=TrainingSettings(steps=steps, device="cpu"),
    )


def trained(project: Project, room: int, steps: int = STEPS, seconds: float = 0.0) -> tuple[Run, float, float]:
    """A run, its steps per second of processor time (of all threads, so that a busy machine does not matter), and the
    seconds that its last save took."""
    chosen = config(steps if not seconds else 10_000_000)
    data = load(chosen.data)
    run = project.new_run(chosen)
    session = TrainingSession(chosen, data, minutes=seconds / 60 if seconds else None, history=room > 0)
    recorder = Recorder(project, run, data.provenance, room=room)
    begin = time.process_time()
    for event in session.events():
        recorder.record(event)
    spent, end = time.process_time() - begin, time.perf_counter()
    recorder.close()
    done = run.checkpoint_steps()[-1]
    return run, done / spent, time.perf_counter() - end


def rest(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


class Stopwatch:
    """Times a move until a picture by the weights of its step was painted."""

    def __init__(self, view: LatentMap) -> None:
        self._shown = self._wanted = -1
        self._begin, self.milliseconds = 0.0, 0.0
        self._loop = QEventLoop()
        self._key = view.key
        view.live.answered.connect(self._answered)
        view.outcome.picture.painted.connect(self._painted)

    def of(self, viewing: Viewing, step: int) -> float:
        self._wanted, self.milliseconds = step, float("nan")
        self._begin = time.perf_counter()
        viewing.moments.look_at(step)
        QTimer.singleShot(5000, self._loop.quit)
        self._loop.exec()
        return self.milliseconds

    def _answered(self, answer: Answer) -> None:
        if answer.channel == f"{self._key}/decode" and not answer.error:
            self._shown = answer.step

    def _painted(self) -> None:
        if self._shown == self._wanted and self._loop.isRunning():
            self.milliseconds = 1e3 * (time.perf_counter() - self._begin)
            self._loop.quit()


def scrub(project: Project, run: Run) -> bool:
    """Print what a hand at the slider feels; whether the goal was missed."""
    app = QApplication([])
    look.apply(app, DARK)
    data = DataCache()
    files, trainer = Background("files"), Trainer(data.load_fresh)
    log = Log()
    viewing = Viewing(ShownRuns(files, log, trainer), trainer, data, log, trainer)
    viewing.select(run)
    while viewing.live is None or viewing.live.newest is None:
        rest(20)
    view = LatentMap(viewing.live)
    view.resize(1000, 700)
    view.show()
    while view.outcome.picture.picture is None or view.map.manifold.image is None:
        rest(200)
    rest(1000)
    watch = Stopwatch(view)
    states = list(viewing.moments.marks.states)
    print(
        f"slider move to painted picture, {len(states)} kept states of {run.nbytes / len(states) / 1e6:.2f} MB or less:"
    )
    missed = False
    order = np.random.default_rng(0).permutation(states[:-1]).tolist()
    for title, steps in (
        ("one after the other, read ahead", states[:-1]),
        ("anywhere", order),
        ("to and fro in memory", [states[3 + i % 2] for i in range(40)]),
    ):
        viewing.states.forget(run.id)
        if title.startswith("to"):
            for step in states[3:5]:
                watch.of(viewing, step)
        times = [watch.of(viewing, step) for step in steps]
        p50, p95 = np.nanpercentile(times, [50, 95])
        lost = f", {sum(np.isnan(times))} never came" if np.isnan(times).any() else ""
        print(
            f"  {title}: p95 {p95:.1f} ms (goal {GOAL:.0f}), median {p50:.1f} ms, worst {np.nanmax(times):.0f} ms{lost}"
        )
        missed = missed or p95 > GOAL or bool(lost)
    view.close()
    files.close()
    for thread in viewing.end():
        thread.wait()
    return missed


def main() -> int:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        with Project.create(Path(folder) / "speed.dgm") as project:
            trained(project, ROOM, 200)  # the first imports much
            rates: dict[int, list[float]] = {0: [], ROOM: []}
            for _ in range(TURNS):
                for room in rates:
                    rates[room].append(trained(project, room, seconds=SECONDS)[1])
            pairs = [100 * (1 - kept / bare) for bare, kept in zip(rates[0], rates[ROOM], strict=True)]
            bare, kept = median(rates[0]), median(rates[ROOM])
            print(
                f"training: {bare:.0f} steps per second of processor time without a history, {kept:.0f} with one; "
                f"median cost {median(pairs):.1f} % (of the first {SECONDS:.0f} s, with most states; goal {MOST:.0f})"
            )
        with Project.create(Path(folder) / "scrub.dgm") as project:
            run, _, first = trained(project, ROOM)
            begin = time.perf_counter()
            project.notes = "saved again"
            project.save()
            again = time.perf_counter() - begin
            size = project.path.stat().st_size / 1e6
            print(
                f"save: {first:.2f} s after the training, {again:.2f} s again, {size:.1f} MB with "
                f"{len(run.items())} datasets"
            )
            missed = scrub(project, run)
    return int(missed or median(pairs) > MOST)


if __name__ == "__main__":
    raise SystemExit(main())
