"""What happens between the first paint and a window that can train."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from person import Person
from PySide6.QtCore import QCoreApplication, QEvent, QObject, QThread, QTimer
from pytestqt.qtbot import QtBot

from dgm_studio import ROOT
from dgm_studio.config import RunConfig
from widgets.desk import Desk
from widgets.loading import ALL, Steps, needed_by

# Two threads go through all of QtWidgets at once, switching as often as Python can. Without create_qt_types() most
# such processes die.
TWO_THREADS = """
import random, sys, threading
from PySide6 import QtCore, QtWidgets
from widgets.loading import create_qt_types
for _ in create_qt_types():
    pass
sys.setswitchinterval(1e-6)
app = QtWidgets.QApplication(["x"])
names = [n for n in dir(QtWidgets) if n.startswith("Q") and "Event" not in n and "Style" not in n]
random.Random(int(sys.argv[1])).shuffle(names)
together = threading.Barrier(2)
def other():
    together.wait()
    for name in names:
        getattr(QtWidgets, name)
thread = threading.Thread(target=other)
thread.start()
together.wait()
made = []
for name in names:
    try:
        made.append(getattr(QtWidgets, name)())
    except (TypeError, NotImplementedError, RuntimeError):
        continue  # abstract, or made from something
    if isinstance(made[-1], QtCore.QObject):
        made[-1].metaObject().className()
thread.join()
print(len(made))
"""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_threads_that_use_qt_for_the_first_time_do_not_meet_half_made_types(seed: int) -> None:
    done = subprocess.run([sys.executable, "-c", TWO_THREADS, str(seed)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 80


def test_steps_are_taken_with_events_in_between(qtbot: QtBot) -> None:
    parent, heard = QObject(), []

    def steps() -> Generator[None]:
        for step in range(3):
            heard.append(f"step {step}")
            QCoreApplication.postEvent(parent, QEvent(QEvent.Type.User))
            yield

    class Heard(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() is QEvent.Type.User:
                heard.append("event")
            return False

    listener = Heard()
    parent.installEventFilter(listener)
    Steps(parent).take(steps())
    qtbot.waitUntil(lambda: len(heard) == 6)
    assert heard == ["step 0", "event", "step 1", "event", "step 2", "event"]


def test_a_step_that_fails_is_the_last_one(qtbot: QtBot) -> None:
    parent, taken = QObject(), []

    def steps() -> Generator[None]:
        taken.append(1)
        raise ValueError("no such page")
        yield

    with qtbot.captureExceptions() as raised:
        Steps(parent).take(steps())
        qtbot.waitUntil(lambda: bool(raised))
        qtbot.wait(20)
    assert len(raised) == len(taken) == 1


def test_modules_are_imported_after_those_that_they_import() -> None:
    """And none is left out, which would be imported as part of a long step: compared with the sources as Python reads
    them."""
    order = needed_by(ALL)
    place = {module: number for number, module in enumerate(order)}
    assert len(place) == len(order) > 200
    assert order[-1] == ALL
    behind = []
    for module in order:
        if module.startswith("widgets."):
            for other in imported_at_once(module):
                assert other in place, f"{module} imports {other}"
                behind += [(module, other)] if place[other] > place[module] else []
    assert not behind


def imported_at_once(module: str) -> set[str]:
    """The modules of the window's room that a module of it imports when it is imported."""
    found = set()
    tree = ast.parse(path_of(module).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {node.module} | {part for part in parts if path_of(part).is_file()}
    return {name for name in found if name.startswith("widgets.")}


def path_of(module: str) -> Path:
    folder = ROOT.joinpath(*module.split("."))
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def test_closing_while_the_pages_are_made_ends_every_thread(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish, window, made = Desk.furnish, person.window, []

    def interrupted(desk: Desk, config: RunConfig) -> Generator[None]:
        made.append(desk)
        for step, _ in enumerate(furnish(desk, config)):
            if step == 1:
                QTimer.singleShot(0, window.close)
            yield

    monkeypatch.setattr(Desk, "furnish", interrupted)
    person.until(lambda: window.has_ended)
    (desk,) = made
    assert window.desk is None
    threads = desk.workspace.findChildren(QThread)
    assert len(threads) >= 3
    assert not [thread.objectName() for thread in threads if thread.isRunning()]
