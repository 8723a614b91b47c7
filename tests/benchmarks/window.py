"""The window against the clock: how soon it is there, how soon pictures move, and what it costs a training.

Steps per second through the window are compared with a bare loop of the same learner in a plain thread of the same
process, in turns of a few seconds, while the window shows the Train page and then the Explore page.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from PySide6.QtCore import QEventLoop, QSettings, QTimer

STARTS = 5
ROUNDS = 7
TURN = 2.0  # seconds
ROOT = Path(__file__).parents[2]

SHOWN = """
import sys, time
from PySide6.QtCore import QObject, QEvent
from widgets import app as start
from widgets.main_window import MainWindow

class Painted(QObject):
    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint:
            print(time.time(), "torch" in sys.modules, "sklearn" in sys.modules, flush=True)
            import os
            os._exit(0)
        return False

filter = Painted()
show = MainWindow.show
def watched(self):
    self.start_page.installEventFilter(filter)
    show(self)
MainWindow.show = watched
start.main(["dgm-studio"])
"""


def until(holds: Callable[[], bool], seconds: float = 120.0) -> None:
    """Run the event loop until something holds."""
    loop = QEventLoop()
    timer = QTimer(interval=2)
    timer.timeout.connect(lambda: loop.quit() if holds() else None)
    timer.start()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()
    timer.stop()


def rest(seconds: float) -> None:
    """Run the event loop for a while."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def time_to_window() -> float:
    """Seconds from the start of the process to the first paint of the start page."""
    times = []
    for _ in range(STARTS + 1):
        begin = time.time()
        done = subprocess.run([sys.executable, "-c", SHOWN], cwd=ROOT, capture_output=True, text=True, check=True)
        painted, torch_imported, sklearn_imported = done.stdout.split()
        assert (torch_imported, sklearn_imported) == ("False", "False")
        times.append(float(painted) - begin)
    return median(times[1:])  # the first fills the disk cache


def queued_seconds(thread: int) -> float:
    """For how long a thread of this process has waited for a core while it could have worked: by other programs, on a
    busy machine. 0 where the system does not say."""
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except OSError:
        return 0.0


def thread_named(name: str) -> int:
    """The system's number of a thread of this process; 0 where it does not say."""
    for task in Path("/proc/self/task").glob("*"):
        if (task / "comm").read_text(encoding="utf-8").strip() == name:
            return int(task.name)
    return 0


class Bare:
    """The same learner without session, window or recorder, in a plain thread, for a while at a time. `served`: steps
    per second of the last turn in which it did not wait for a core. `computed`: steps per second of processor time."""

    served = computed = 0.0

    def __init__(self, session: object) -> None:
        import torch

        from dgm_studio import device as devices
        from dgm_studio.feeds import Feeder
        from dgm_studio.training import TrainingSession
        from models.catalog import Recipe

        assert isinstance(session, TrainingSession)
        config, data = session.config, session.dataset
        recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
        device = torch.device("cpu")
        self._learner = recipe.build(data.spec, len(data.train))
        self._learner.begin()
        self._feeder = Feeder(data, self._learner, config.training.batch_size, device)
        self._threads = devices.training_threads()

    def rate(self) -> float:
        """Steps per second of one turn."""
        found: list[float] = []

        def work() -> None:
            import torch

            torch.set_num_threads(self._threads)
            queued = queued_seconds(threading.get_native_id())
            begin, used, steps = time.perf_counter(), time.thread_time(), 0
            while (passed := time.perf_counter() - begin) < TURN:
                self._learner.step(self._feeder.next())
                steps += 1
            self.computed = steps / (time.thread_time() - used)
            self.served = steps / (passed - queued_seconds(threading.get_native_id()) + queued)
            found.append(steps / passed)

        thread = threading.Thread(target=work)
        thread.start()
        until(lambda: bool(found))
        thread.join()
        return found[0]


def main() -> None:
    print(f"time to window: {time_to_window():.2f} s to the first paint, torch not imported (goal < 1.5 s)", flush=True)
    with tempfile.TemporaryDirectory() as home:
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, home)
        measure_in_the_window(Path(home))


def measure_in_the_window(home: Path) -> None:
    from dgm_studio.presets import presets
    from dgm_studio.training import Order
    from widgets.app import Collector, application
    from widgets.main_window import MainWindow
    from widgets.notices import Log
    from widgets.preferences import Preferences
    from widgets.theme import DARK, look
    from widgets.trainer import Phase

    app = application(sys.argv[:1])
    look.apply(app, DARK)
    collector = Collector(young_only=True)
    preferences = Preferences()
    preferences.folder = home
    window = MainWindow(preferences, Log())
    window.loaded.connect(collector.settle)
    window.resize(1280, 800)
    window.show()
    begin = time.perf_counter()
    window.load()
    until(lambda: window.desk is not None)
    print(f"loading behind the start page: {time.perf_counter() - begin:.1f} s")
    desk = window.desk
    assert desk is not None
    workspace, trainer = desk.workspace, desk.workspace.trainer

    steps: list[int] = []
    workspace.previewed.connect(lambda run, event: steps.append(event.step))
    preset = presets()[0]
    long = preset.config.training.model_copy(update={"steps": 10_000_000})
    begin = time.perf_counter()
    window.start_page.preset_chosen.emit(
        type(preset)(
            preset.key,
            preset.title,
            preset.summary,
            preset.group,
            preset.config.model_copy(update={"training": long}),
            None,
        )
    )
    until(lambda: len(set(steps)) >= 2)
    print(f"click to the first picture that moved: {time.perf_counter() - begin:.2f} s (goal < 3 s)")

    until(lambda: trainer.phase is Phase.TRAINING)
    session = trainer.thread_in_use._session  # type: ignore[union-attr]
    bare = Bare(session)
    for page, goal in (("Train", 0.95), ("Explore", 0.95)):
        desk.area.show_page(page)
        rest(1.0)
        ratios, through, alone = [], [], []
        for _ in range(ROUNDS):
            trainer.tell(Order.RUN)
            rest(0.2)
            first, begin = session._step, time.perf_counter()
            rest(TURN)
            rate = (session._step - first) / (time.perf_counter() - begin)
            trainer.tell(Order.PAUSE)
            until(lambda: trainer.phase is Phase.PAUSED)
            rest(0.2)
            through.append(rate)
            alone.append(bare.rate())
            ratios.append(rate / alone[-1])
        print(
            f"training with the {page} page: {median(ratios):.2f} of the bare loop's steps per second (goal ≥ {goal}); "
            f"{median(through):.0f} against {median(alone):.0f}",
            flush=True,
        )
        trainer.tell(Order.RUN)
    window.close()
    until(lambda: window.has_ended)
    collector.end()


if __name__ == "__main__":
    main()
