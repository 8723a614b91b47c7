"""Starts of the window with somebody in front of it who does not wait: it must end as it was told to, every time.

Each start is a process of its own that opens a project, on a machine kept busy by other processes. From the first
moment a robot clicks, drags, types, answers dialogs and triggers actions; the window is closed some time after it
showed, or after it had loaded. Counted: processes that crashed, hung, said something that no window should say (an
exception, a warning of Qt), or left a project that does not pass its check.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from dgm_studio.store import ProjectError, check

ROOT = Path(__file__).parents[2]
STARTS, AT_ONCE, BUSY = 200, 2, 2
BADLY = ("crashed", "hung", "spoke", "broke")
SECONDS = 10.0  # that the robot has at most, once everything is loaded
PRESETS = ("vae-digits", "gan-ring", "nade-digits", "rbm-digits", "hmm-words", "char-rnn-text", "pixelcnn-digits")
LONGEST = 600.0  # seconds until a start counts as hung: loading alone takes minutes on a machine busy enough
QUIET = ("did ", "This plugin does not support")  # the latter from the offscreen platform, of things it cannot do


def sit_in_front(project: str, seed: int, seconds: float) -> int:
    """One start, in this process."""
    from _robot import Robot
    from PySide6.QtCore import QSettings, QTimer

    from widgets import app as start
    from widgets.main_window import MainWindow

    home = str(Path(project).parent)
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, home)
    settings = QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "DGM Studio", "DGM Studio")
    settings.setValue("folder", home)
    dice = random.Random(seed)
    early, milliseconds = dice.random() < 0.3, dice.randrange(100, round(1000 * seconds))
    show = MainWindow.show

    def shown(window: MainWindow) -> None:
        show(window)
        robot = Robot(window, seed)

        def end() -> None:
            robot.rest()
            print("did", dict(robot.did), "loaded", window.desk is not None, flush=True)
            window.close()

        if early:
            QTimer.singleShot(milliseconds, window, end)
        else:
            window.loaded.connect(lambda: QTimer.singleShot(milliseconds, window, end))

    MainWindow.show = shown  # type: ignore[method-assign]
    return start.main(["dgm-studio", project])


@dataclass(frozen=True)
class Start:
    """One that is under way."""

    seed: int
    began: float
    home: Path
    process: subprocess.Popen[str]


def one(project: Path, seed: int, seconds: float) -> Start:
    """Begin one start with a copy of the project in a folder of its own."""
    home = Path(tempfile.mkdtemp(dir=project.parent))
    copy = home / "a.dgm"
    shutil.copy(project, copy)
    environment = {**os.environ, **{f"XDG_{n}_HOME": str(home / n) for n in ("CONFIG", "DATA", "CACHE", "STATE")}}
    environment["HOME"] = str(home)
    sit = [__file__, "--sit", str(copy), "--seed", str(seed), "--seconds", str(seconds)]
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", *sit],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    return Start(seed, time.monotonic(), home, process)


def judged(start: Start, longest: float) -> tuple[str, str]:
    """How a start ended, and what it said."""
    process = start.process
    try:
        said, _ = process.communicate(timeout=max(1.0, longest - (time.monotonic() - start.began)))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # faulthandler says where every thread is
        said, _ = process.communicate()
        return "hung", said
    if process.returncode:
        return "crashed", f"{said}\nexit code {process.returncode}"
    if unexpected(said):
        return "spoke", said
    for file in start.home.glob("**/*.dgm"):
        try:
            check(file)
        except ProjectError as error:
            return "broke", f"{error}\n"
    return "well", said


def unexpected(said: str) -> list[str]:
    """The lines that no window should say."""
    return [line for line in said.splitlines() if line.strip() and not line.startswith(QUIET)]


def busy() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", "while True: sum(range(10**6))"], text=True)


def run(project: Path, starts: int, at_once: int, first_seed: int, seconds: float) -> Counter[str]:
    """Start the window `starts` times and count how it ended."""
    counts: Counter[str] = Counter()
    running: list[Start] = []
    seeds = iter(range(first_seed, first_seed + starts))
    while True:
        while len(running) < at_once and (seed := next(seeds, None)) is not None:
            running.append(one(project, seed, seconds))
        if not running:
            return counts
        start = running.pop(0)
        how, said = judged(start, LONGEST + seconds)
        counts[how] += 1
        counts["loaded"] += "loaded True" in said
        if how != "well":
            print(f"start {start.seed} {how}:", *unexpected(said), sep="\n", flush=True)
        elif sum(counts[key] for key in ("well", *BADLY)) % 20 == 0:
            print(dict(counts), flush=True)
        shutil.rmtree(start.home, ignore_errors=True)


def a_project(folder: Path) -> Path:
    """A project with a short run of each of some presets."""
    path = folder / "a.dgm"
    for preset in PRESETS:
        command = [sys.executable, "main.py", "train", preset, "--project", str(path), "--steps", "60", "--json"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=STARTS)
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--busy", type=int, default=BUSY, help="processes that only keep the machine busy")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for which the robot acts at most, once loaded")
    parser.add_argument("--sit", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.sit:
        return sit_in_front(asked.sit, asked.seed, asked.seconds)
    loads = [busy() for _ in range(asked.busy)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            counts = run(a_project(Path(folder)), asked.starts, asked.at_once, asked.seed, asked.seconds)
    finally:
        for load in loads:
            load.kill()
    print(
        f"{asked.starts} starts: {counts['well']} ended well ({counts['loaded']} of all had loaded), "
        f"{counts['crashed']} crashed, {counts['hung']} hung, {counts['spoke']} said what they should not, "
        f"{counts['broke']} left a project that is not whole"
    )
    return 0 if counts["well"] == asked.starts else 1


if __name__ == "__main__":
    sys.exit(main())
