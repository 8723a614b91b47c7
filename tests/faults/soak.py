"""Half an hour in one window, by script: train, drag, evaluate, switch, save, reopen, over and over.

After each round the window is back at its start page, and what it holds then is noted: memory, threads, widgets, Qt
objects that Python knows. The rounds go through a few presets again and again, and each is compared with itself: what
is made at the first use of something (modules, caches) is there after the first pass, and what grows from the second to
the last is a leak. Memory may grow by less than 2 %, threads and widgets not at all. Nothing may be said by Qt or
raised.

Memory is what was allocated and not freed, as glibc counts it. The resident size stands beside it: it also has the gaps
that the allocator keeps between what is in use, which differ by some per cent from round to round.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from PySide6.QtCore import QEventLoop, QPoint, QSettings, Qt, QTimer, qInstallMessageHandler
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QGraphicsView, QPushButton
from shiboken6 import getAllValidWrappers

from dgm_studio.presets import Preset, presets
from widgets.app import Collector, LastResort, application
from widgets.live import Live
from widgets.main_window import MainWindow
from widgets.notices import Log
from widgets.preferences import Preferences
from widgets.theme import DARK, look
from widgets.trainer import Phase

MINUTES = 30.0
PRESETS = (  # codes, games, chains, texts, sequences and two domains: most explorers between them
    "vae-digits",
    "gan-ring",
    "rbm-digits",
    "char-rnn-grammar",
    "hmm-casino",
    "cyclegan-points",
)
PASSES = 3  # over the presets, at least: the first makes what is made once, two others are compared
MAX_GROWTH = 0.02  # of memory, from the second pass to the last
PATIENCE = 120.0  # seconds
QUIET = "This plugin does not support"  # the offscreen platform


@dataclass(frozen=True)
class Held:
    """What the process holds on the start page."""

    in_use: float  # MB that were allocated and not freed
    resident: float  # MB
    threads: int
    widgets: int
    wrappers: int


def until(holds: Callable[[], object], what: str) -> None:
    """Run the event loop until something holds."""
    loop, timer, late = QEventLoop(), QTimer(interval=5), QTimer(singleShot=True, interval=round(1000 * PATIENCE))
    timer.timeout.connect(lambda: loop.quit() if holds() else None)
    late.timeout.connect(loop.quit)
    timer.start()
    late.start()
    loop.exec()
    if not holds():
        raise TimeoutError(f"waited {PATIENCE:.0f} s in vain: {what}")


def rest(seconds: float) -> None:
    """Run the event loop for a while."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def allocated() -> int:
    """Bytes in use in all arenas of glibc's allocator and in blocks of their own."""
    libc = ctypes.CDLL(None)
    libc.open_memstream.restype = ctypes.c_void_p
    text, length = ctypes.c_void_p(), ctypes.c_size_t()
    stream = ctypes.c_void_p(libc.open_memstream(ctypes.byref(text), ctypes.byref(length)))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    said = ctypes.string_at(text, length.value).decode()
    libc.free(text)
    whole = said[said.rindex("</heap>") :]  # the sums stand behind the arenas
    sizes = {name: int(size) for name, size in re.findall(r'type="(\w+)"[^/]*size="(\d+)"', whole)}
    return sizes["current"] - sizes["rest"] - sizes["fast"] + sizes["mmap"]


class Round:
    """One round: a project from a preset, everything that is done with it, and the start page again."""

    def __init__(self, window: MainWindow, folder: Path) -> None:
        assert window.desk is not None
        self.window, self.desk, self.folder = window, window.desk, folder
        self.trainer = self.desk.workspace.trainer

    def play(self, preset: Preset, discard: bool) -> Held:
        """`discard`: what is learned after the project was opened again is not kept."""
        self.window.start_page.preset_chosen.emit(preset)
        until(lambda: self.trainer.phase is Phase.TRAINING, "training")
        rest(1.5)
        self._explore()
        self._change_settings()
        self._train_to_the_end("stop")
        self._evaluate()
        self._do("save")
        project = self.desk.workspace.project
        assert project is not None
        self._leave()
        self.window.open(project.path)
        until(lambda: self.desk.workspace.run is not None, "the project again")
        self._explore()
        self._do("continue")
        until(lambda: self.trainer.phase is Phase.TRAINING, "training again")
        rest(0.5)
        self._train_to_the_end("discard" if discard else "stop")
        self._do("theme")
        self._leave()
        shutil.rmtree(self.folder)
        return self._held()

    def _do(self, key: str) -> None:
        action = self.window.actions_[key]
        if action.isEnabled():
            action.trigger()

    def _explore(self) -> None:
        page = self.desk.area.explore
        self._do("pageExplore")
        until(lambda: page.keys, "something to explore")
        for index in range(len(page.keys)):
            page.show_explorer(index)
            rest(0.3)
            current = page.current
            assert current is not None
            for view in current.findChildren(QGraphicsView)[:2]:
                self._drag(view)
        self._do("pageTrain")
        rest(0.2)

    def _drag(self, view: QGraphicsView) -> None:
        target, left = view.viewport(), Qt.MouseButton.LeftButton
        width, height = target.width(), target.height()
        QTest.mousePress(target, left, pos=QPoint(width // 2, height // 2))
        for i in range(10):
            QTest.mouseMove(target, QPoint(width * (5 + i) // 20, height * (5 + i) // 20))
            rest(0.02)
        QTest.mouseRelease(target, left, pos=QPoint(width // 2, height // 2))

    def _change_settings(self) -> None:
        for key in ("showModel", "showModel", "reset", "undo", "redo", "undo", "log", "log"):
            self._do(key)
            rest(0.05)

    def _train_to_the_end(self, how: str) -> None:
        self._do(how)
        until(lambda: self.trainer.phase is Phase.IDLE, f"the end of a training ({how})")

    def _evaluate(self) -> None:
        page = self.desk.area.evaluate
        self._do("pageEvaluate")
        until(lambda: page.findChild(QPushButton, "run-all").isEnabled(), "something to measure")
        page.findChild(QPushButton, "run-all").click()
        begin = time.monotonic()
        until(lambda: not page.busy or time.monotonic() - begin > 5, "a measure")
        self._do("pageTrain")

    def _leave(self) -> None:
        self._do("start")
        until(lambda: self.desk.workspace.project is None and not self.desk.workspace.files.busy, "the start page")
        until(lambda: self.desk.area.evaluate.measuring.at_rest, "the end of the measures")
        until(lambda: not self.desk.workspace.viewing.findChildren(Live), "the end of the answers")
        rest(0.5)

    def _held(self) -> Held:
        gc.collect()
        rest(0.1)
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
        return Held(
            allocated() / 2**20,
            pages * os.sysconf("SC_PAGESIZE") / 2**20,
            len(os.listdir("/proc/self/task")),
            len(QApplication.allWidgets()),
            len(getAllValidWrappers()),
        )


def soak(minutes: float, chosen: list[Preset], home: Path) -> tuple[list[Held], list[str]]:
    """Rounds for so long, and everything that should not have been said."""
    said: list[str] = []
    qInstallMessageHandler(lambda kind, where, text: None if text.startswith(QUIET) else said.append(text))
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(home / "settings"))
    app = application(sys.argv[:1])
    look.apply(app, DARK)
    preferences, log = Preferences(), Log()
    preferences.folder = home / "projects"
    collector, last_resort = Collector(young_only=True), LastResort(log)
    log.said.connect(lambda notice: said.append(notice.text) if notice.kind == "bad" else None)
    window = MainWindow(preferences, log)
    window.loaded.connect(collector.settle)
    window.resize(1280, 800)
    window.show()
    window.load()
    until(lambda: window.desk is not None, "loading")
    rounds, held, begin = Round(window, preferences.folder), [], time.monotonic()
    while time.monotonic() - begin < 60 * minutes:
        number = len(held) % len(chosen)
        now = rounds.play(chosen[number], discard=number % 2 == 0)
        held.append(now)
        print(
            f"{(time.monotonic() - begin) / 60:5.1f} min, round {len(held)}, {chosen[number].key}: "
            f"{now.in_use:.1f} MB in use, {now.resident:.1f} resident, "
            f"{now.threads} threads, {now.widgets} widgets, {now.wrappers} Qt objects",
            flush=True,
        )
    window.close()
    until(lambda: window.has_ended, "the end")
    collector.end()
    last_resort.end()
    qInstallMessageHandler(None)
    return held, said


def judged(held: list[Held], said: list[str], kinds: int) -> bool:
    """Print how it went, and whether that is well. `kinds`: how many presets there were, one after the other."""
    for line in dict.fromkeys(said):
        print(f"said: {line}")
    print(f"{len(said)} things said that should not be")
    if len(held) < PASSES * kinds:
        print(f"{len(held)} rounds are fewer than {PASSES} passes over {kinds} presets: nothing can be said of growth")
        return False
    of_each = [held[number::kinds] for number in range(kinds)]

    def growth(of: Callable[[Held], float]) -> tuple[float, float]:
        return sum(of(rounds[1]) for rounds in of_each) / kinds, sum(of(rounds[-1]) for rounds in of_each) / kinds

    memory, resident = growth(lambda h: h.in_use), growth(lambda h: h.resident)
    share = memory[1] / memory[0] - 1
    others = {name: growth(lambda h, name=name: getattr(h, name)) for name in ("threads", "widgets", "wrappers")}
    print(f"{len(held)} rounds; means over {kinds} presets, of the second time and the last:")
    print(f"memory in use {memory[0]:.1f} -> {memory[1]:.1f} MB: {share:+.2%} (allowed: under +{MAX_GROWTH:.0%})")
    print(f"resident {resident[0]:.1f} -> {resident[1]:.1f} MB: {resident[1] / resident[0] - 1:+.2%}")
    for name, (before, after) in others.items():
        print(f"{name} {before:g} -> {after:g}")
    threads, widgets = others["threads"], others["widgets"]
    return share < MAX_GROWTH and threads[1] <= threads[0] and widgets[1] <= widgets[0] and not said


def main() -> int:
    by_key = {preset.key: preset for preset in presets()}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--presets", nargs="+", default=PRESETS, choices=by_key, metavar="KEY")
    asked = parser.parse_args()
    chosen = [by_key[key] for key in asked.presets]
    with tempfile.TemporaryDirectory() as home:
        return 0 if judged(*soak(asked.minutes, chosen, Path(home)), len(chosen)) else 1


if __name__ == "__main__":
    sys.exit(main())
