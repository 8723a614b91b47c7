"""What is imported after the window shows: torch and the catalogue. It takes seconds, so a thread does it.

What defines Qt classes (the plots, the pages) is imported in the window's thread when this has ended: see
`create_qt_types`.
"""

from __future__ import annotations

import time
import traceback

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import QThread, Signal


class Loading(QThread):
    """Imports everything a run needs and takes one optimiser step."""

    said = Signal(str)  # what is being done
    ready = Signal(float)  # seconds it took
    failed = Signal(str, str)  # sentence, details

    def run(self) -> None:
        begin = time.perf_counter()
        try:
            self.said.emit("Loading torch …")
            import torch

            torch.set_num_threads(1)
            self.said.emit("Loading models …")
            import dgm_studio.evaluation
            import dgm_studio.recording  # noqa: F401
            import models.catalog  # noqa: F401

            self.said.emit("Warming up …")
            warm_up()
        except Exception as error:
            self.failed.emit(f"The studio could not be loaded: {error}", traceback.format_exc())
            return
        self.ready.emit(time.perf_counter() - begin)


def create_qt_types() -> None:
    """Create every type of PySide now, in the calling thread: the window's, before it starts any other.

    PySide creates a type when its name is first used and shows it to all threads before it is finished. An object made
    of it meanwhile has no meta object, and the process dies in `MetaObjectBuilder::update`: 9 of 12 times when two
    threads went through QtWidgets together, 0 of 30 after this. Takes 0.2 s.
    """
    for module in (QtCore, QtGui, QtWidgets):
        for name in dir(module):
            getattr(module, name)


def warm_up() -> None:
    """One step of Adam, and a layer on the meta device, where learners for looking are built: both import something
    the first time. Draws no random number."""
    import torch

    from models.learning.base import adam

    with torch.device("meta"):
        torch.nn.Linear(2, 2)
    layer = torch.nn.ParameterList([torch.nn.Parameter(torch.full((2, 2), 0.5))])
    optimizer = adam(layer, 1e-3)
    (layer[0] @ torch.ones(2)).sum().backward()
    optimizer.step()
