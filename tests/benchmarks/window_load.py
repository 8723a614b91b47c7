"""The window with much to do: how long its frames take while a run trains and every panel is open, what it needs of
memory with a long run, and how soon it is there with many recent projects.

While it loads behind the start page, a gap is the processor time of the window's thread from one pass of its event loop
to the next: for so long a click waits, on a core of its own. The same of the whole process is also what another thread
held Python's lock for.

A frame is the time from one tick of a clock of 60 a second to the next, as long as the window's thread could run: what
it waited for a core, because other programs had them, is taken off (Linux says how long that was). Each part runs in a
process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from PySide6.QtCore import QSettings, Qt, QTimer
from window import queued_seconds, rest, until

ROOT = Path(__file__).parents[2]
SECONDS = 12.0  # that frames are counted for
GOAL = 33.0  # ms: the 95th percentile of frames
MEMORY = 600.0  # MB
START = 2.0  # seconds
GAP = 100.0  # ms
RECENT = 50  # projects
STEPS, FRAMES, QUANTITIES = 1_000_000, 500, 4
STARTS = 4
WATCHED = (  # preset, page, explorer
    ("gan-ring", "Train", ""),
    ("gan-ring", "Explore", "landscape"),
    ("vae-digits", "Train", ""),
    ("vae-digits", "Explore", "latent-map"),
)


class Frames:
    """Counts frames of the thread it is made in."""

    def __init__(self) -> None:
        self.wall: list[float] = []  # ms
        self.own: list[float] = []  # ms that were not spent waiting for a core
        self._thread = threading.get_native_id()
        self._last = self._queued = 0.0
        self._timer = QTimer(interval=16, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def count(self, seconds: float) -> None:
        self._last, self._queued = time.perf_counter(), queued_seconds(self._thread)
        self._timer.start()
        rest(seconds)
        self._timer.stop()

    def _tick(self) -> None:
        now, queued = time.perf_counter(), queued_seconds(self._thread)
        self.wall.append(1e3 * (now - self._last))
        self.own.append(1e3 * max(0.0, now - self._last - (queued - self._queued)))
        self._last, self._queued = now, queued


def share(values: list[float], part: float) -> float:
    """The value that `part` of them do not exceed."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def memory() -> float:
    """What this process holds, in MB, by what pages it has in memory; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def open_window(home: Path):  # type: ignore[no-untyped-def]
    """The window as a person has it, loaded, with every panel open."""
    from widgets.app import Collector, application
    from widgets.main_window import MainWindow
    from widgets.notices import Log
    from widgets.preferences import Preferences
    from widgets.theme import DARK, look

    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(home))
    app = application(sys.argv[:1])
    look.apply(app, DARK)
    preferences = Preferences()
    preferences.folder = home
    window = MainWindow(preferences, Log())
    window.collector = Collector(young_only=True)
    window.loaded.connect(window.collector.settle)
    window.resize(1280, 800)
    window.show()
    window.load()
    until(lambda: window.desk is not None)
    return window


def close(window) -> None:  # type: ignore[no-untyped-def]
    window.close()
    until(lambda: window.has_ended)
    window.collector.end()


def frames(home: Path) -> None:
    """While runs train."""
    from dataclasses import replace

    from dgm_studio.presets import preset
    from widgets.trainer import Phase

    window = open_window(home)
    desk = window.desk
    trainer, trained = desk.workspace.trainer, ""
    for key, page, explorer in WATCHED:
        if key != trained:
            chosen = preset(key)
            long = chosen.config.training.model_copy(update={"steps": 10_000_000})
            config = chosen.config.model_copy(update={"training": long})
            desk.projects.stop_all(lambda: None)
            until(lambda: trainer.phase is Phase.IDLE)
            desk.start(replace(chosen, config=config))
            until(lambda: trainer.phase is Phase.TRAINING)
            trained = key
        for dock in desk.docks.values():
            dock.show()
        desk.area.show_page(page)
        if explorer:
            desk.area.explore.show_explorer(desk.area.explore.keys.index(explorer))
        rest(3.0)
        counted = Frames()
        counted.count(SECONDS)
        own, wall = counted.own, counted.wall
        print(
            f"frames while {key} trains, {explorer or page}: median {median(own):.0f} ms, 95 % within "
            f"{share(own, 0.95):.0f} ms (goal ≤ {GOAL:.0f}), worst {max(own):.0f} ms; by the clock on the wall "
            f"{median(wall):.0f}, {share(wall, 0.95):.0f}, {max(wall):.0f} ms; {len(own)} frames",
            flush=True,
        )
    close(window)


def write_long_run(path: Path) -> None:
    """A project with a run of a million steps and hundreds of frames, as a long training would leave it."""
    import numpy as np
    import torch

    from dgm_studio.datasets.sources import load
    from dgm_studio.presets import presets
    from dgm_studio.recording import Recorder
    from dgm_studio.store import Project
    from dgm_studio.training import TrainingSession

    torch.manual_seed(0)
    config = presets()[0].config
    short = config.model_copy(update={"training": config.training.model_copy(update={"steps": 20})})
    dataset = load(config.data)
    generator = np.random.default_rng(0)
    with Project.create(path) as project:
        run = project.new_run(short, "long")
        recorder = Recorder(project, run, dataset.provenance)
        for event in TrainingSession(short, dataset).events():
            recorder.record(event)
        recorder.close()
        names = [name for name in run.metrics if not name.startswith("valid/")][:QUANTITIES]
        steps = np.arange(21, STEPS + 1)
        noise = generator.normal(size=len(steps)).astype(np.float32)
        values = (noise + 40 * np.exp(-steps / 1e5) - 30).astype(np.float32)
        run.keep_metrics(dict.fromkeys(names, (steps, values)))
        for step in np.unique(np.geomspace(21, STEPS, FRAMES).astype(int)):
            run.keep_frame(int(step), generator.random((64, 1, 28, 28), dtype=np.float32), True)
        project.save()


def hold(home: Path) -> None:
    """A long run in the window, with every panel open."""
    path = home / "long.dgm"
    subprocess.run([sys.executable, __file__, "write", str(path)], check=True)  # its memory does not count
    window = open_window(home)
    desk = window.desk
    empty = memory()
    begin = time.perf_counter()
    desk.projects.open(path)
    until(lambda: desk.workspace.viewing.live is not None)
    run = desk.workspace.run
    until(lambda: desk.workspace.shown.of(run.id).history is not None)
    rest(0.5)
    seconds = time.perf_counter() - begin - 0.5
    for page in ("Train", "Explore", "Evaluate"):
        desk.area.show_page(page)
        rest(4.0)
    print(
        f"memory with a run of {STEPS:,} steps and {len(run.frame_steps())} frames: {memory():.0f} MB after every page "
        f"(goal ≤ {MEMORY:.0f}), {empty:.0f} MB before; open after {seconds:.1f} s",
        flush=True,
    )
    close(window)


LOADED = """
import os, sys, time
begin = float(sys.argv[1])
from PySide6.QtCore import QAbstractEventDispatcher, QEvent, QObject, QSettings, QTimer
QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, sys.argv[2])
from widgets import app as start
from widgets.main_window import MainWindow

class Gaps(QObject):  # the most processor time between passes of the event loop, of this thread and of all
    def __init__(self):
        super().__init__()
        self.own = self.all = 0.0

    def begin(self):
        self._last = time.thread_time(), time.process_time()
        QAbstractEventDispatcher.instance().awake.connect(self.tick)

    def tick(self):
        now = time.thread_time(), time.process_time()
        self.own, self.all = max(self.own, now[0] - self._last[0]), max(self.all, now[1] - self._last[1])
        self._last = now

    def end(self):
        print(1e3 * self.own, 1e3 * self.all, flush=True)
        os._exit(0)

class Painted(QObject):
    done = False
    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint and not self.done:
            self.done = True
            print(time.time() - begin, time.process_time(), flush=True)
            QTimer.singleShot(0, gaps.begin)
        return False

gaps, painted = Gaps(), Painted()
show = MainWindow.show
def watched(self):
    self.start_page.installEventFilter(painted)
    self.loaded.connect(lambda: print(time.time() - begin, time.process_time(), flush=True))
    self.loaded.connect(lambda: QTimer.singleShot(1500, gaps.end))
    show(self)
MainWindow.show = watched
start.main(["dgm-studio"])
"""


def starts(home: Path) -> None:
    """With many recent projects, each with its small picture."""
    from PySide6.QtGui import QImage

    from widgets.preferences import Preferences, keep_thumbnail

    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(home))
    preferences = Preferences()
    paths = []
    for number in range(RECENT):
        path = home / "a folder of many projects" / f"project {number}.dgm"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
        picture = QImage(64, 64, QImage.Format.Format_RGB32)
        picture.fill(number * 1000)
        keep_thumbnail(path, picture)
        paths.append(str(path))
    preferences._settings.setValue("recent", paths)
    preferences.sync()
    times = []
    for _ in range(STARTS + 1):
        command = [sys.executable, "-c", LOADED, str(time.time()), str(home)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        times.append([float(line) for line in done.stdout.split()])
    painted, painted_cpu, loaded, loaded_cpu, own, every = (median(values) for values in zip(*times[1:], strict=True))
    print(  # the first start fills the disk cache
        f"start with {RECENT} recent projects: first paint after {painted:.2f} s (goal ≤ {START}; {painted_cpu:.2f} s "
        f"of processor time), loaded after {loaded:.2f} s ({loaded_cpu:.2f}); longest gap meanwhile {own:.0f} ms of "
        f"the window's thread (goal ≤ {GAP:.0f}), {every:.0f} ms of all threads; medians of {STARTS}",
        flush=True,
    )


PARTS = {"starts": starts, "hold": hold, "frames": frames}
TASKS = PARTS | {"write": write_long_run}


def main() -> None:
    for name in PARTS:
        with tempfile.TemporaryDirectory() as home:
            environment = {**os.environ, "XDG_CACHE_HOME": home}
            subprocess.run([sys.executable, __file__, name, home], env=environment, check=True)


if __name__ == "__main__":
    TASKS[sys.argv[1]](Path(sys.argv[2])) if len(sys.argv) == 3 else main()
