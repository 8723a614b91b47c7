"""What happens between the first paint and a window that can train."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dgm_studio import ROOT

# Two threads go through all of QtWidgets at once, switching as often as Python can. Without create_qt_types() most
# such processes die.
TWO_THREADS = """
import random, sys, threading
from PySide6 import QtCore, QtWidgets
from widgets.loading import create_qt_types
create_qt_types()
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
