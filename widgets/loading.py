"""What is imported and made after the window shows. It takes seconds, in which the window has to answer.

What needs no Qt (torch, the catalogue, the studio) is imported by a thread. What defines Qt classes (the plots, the
pages) is imported in the window's thread when that has ended, see `create_qt_types`: one module after the other, with
the events of the window in between, and then the pages are made in the same way.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import QObject, QThread, QTimer, Signal

from dgm_studio import ROOT

ALL = "widgets.desk"  # imports whatever the window shows of a project
WITH_QT = ("PySide6", "pyqtgraph", "widgets")
BY_PLOTS = ("cProfile", "colorama", "html.parser", "pydoc", "xml.dom.minidom")  # what pyqtgraph imports without Qt
# Imports of a source that stand at the left edge. Others are for types, or come later.
IMPORTED = re.compile(r"^(?:from|import) ([\w.]+)", re.MULTILINE)
DONE = object()  # instead of another step


class Loading(QThread):
    """Imports everything a run needs and takes one optimiser step."""

    said = Signal(str)  # what is being done
    ready = Signal(list)  # the modules that are left to the window's thread, in order
    failed = Signal(str, str)  # sentence, details

    def run(self) -> None:
        try:
            self.said.emit("Loading torch …")
            load_libraries()
            import torch

            torch.set_num_threads(1)
            self.said.emit("Loading models …")
            import dgm_studio.evaluation
            import dgm_studio.recording  # noqa: F401
            import models.catalog  # noqa: F401

            modules = needed_by(ALL)
            for module in modules:
                if not with_qt(module):
                    import_module(module)
            for module in BY_PLOTS:
                with suppress(ImportError):  # it may do without
                    import_module(module)
            self.said.emit("Warming up …")
            warm_up()
        except Exception as error:
            self.failed.emit(f"The studio could not be loaded: {error}", traceback.format_exc())
            return
        self.ready.emit([module for module in modules if with_qt(module)])


class Steps(QObject):
    """Takes the steps of a generator in the thread that made this, one in each pass of the event loop."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._steps: Generator[None] | None = None
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self._step)

    def take(self, steps: Generator[None]) -> None:
        """Take these, when all others have been taken."""
        self._steps = steps
        self._timer.start()

    def stop(self) -> None:
        """Take no other step: where the generator stands, GeneratorExit is raised."""
        self._timer.stop()
        if self._steps is not None:
            self._steps.close()

    def _step(self) -> None:
        assert self._steps is not None
        going_on = False
        try:
            going_on = next(self._steps, DONE) is not DONE
        finally:
            if not going_on:
                self._timer.stop()


class MovingIn(QObject):
    """Imports what the window needs to show a project, and then takes the steps of `furnish`, which makes it.

    Signals: `said(text)` what is being done, `moved_in(seconds)` all is made, `failed(sentence, details)`, `ended()`
    the thread has, which must not be deleted before.
    """

    said = Signal(str)
    moved_in = Signal(float)
    failed = Signal(str, str)
    ended = Signal()

    def __init__(self, furnish: Callable[[], Generator[None]], parent: QObject) -> None:
        super().__init__(parent)
        self._furnish = furnish
        self._begun: float | None = None  # when
        self._stopped = False
        self._steps = Steps(self)
        self._loading = Loading(self)
        self._loading.said.connect(self.said)
        self._loading.ready.connect(self._imported)
        self._loading.failed.connect(self.failed)
        self._loading.finished.connect(self.ended)

    @property
    def is_loading(self) -> bool:
        """Whether the thread runs. What it imports cannot be interrupted."""
        return self._loading.isRunning()

    def begin(self) -> bool:
        """Begin, unless that has been done; whether this was the first time."""
        first = self._begun is None
        if first:
            self._begun = time.perf_counter()
            self._steps.take(self._before_the_thread())
        return first

    def stop(self) -> None:
        """Make nothing more."""
        self._stopped = True
        self._steps.stop()

    def _before_the_thread(self) -> Generator[None]:
        yield from create_qt_types()
        self._loading.start()

    def _imported(self, modules: list[str]) -> None:
        if not self._stopped:
            self._steps.take(self._make(modules))

    def _make(self, modules: list[str]) -> Generator[None]:
        for module in modules:
            import_module(module)
            yield
        yield from self._furnish()
        assert self._begun is not None
        self.moved_in.emit(time.perf_counter() - self._begun)


def create_qt_types() -> Generator[None]:
    """Create every type of PySide now, in the calling thread: the window's, before it starts any other.

    PySide creates a type when its name is first used and shows it to all threads before it is finished. An object made
    of it meanwhile has no meta object, and the process dies in `MetaObjectBuilder::update`: 9 of 12 times when two
    threads went through QtWidgets together, 0 of 30 after this. Takes 0.2 s, in steps of a third.

    Python's own classes of Qt stay in the window's thread all the same. Each is whole before another thread can see it,
    but modules bring types of their own (pyqtgraph those of QtSvg, QtOpenGL and QtTest): 1 of 26 processes died when
    one thread imported pyqtgraph while the other made classes and objects, switching as often as Python can.
    """
    for module in (QtCore, QtGui, QtWidgets):
        for name in dir(module):
            getattr(module, name)
        yield


def load_libraries() -> None:
    """Load the libraries of torch, as importing it would, but without holding Python's lock: for 0.3 s of processor
    time the window would stand still. Where this does not work, importing torch does it."""
    torch = find_spec("torch")
    if sys.platform != "linux" or torch is None or torch.origin is None:
        return
    folder = Path(torch.origin).parent / "lib"
    with suppress(AttributeError):  # before glibc 2.34 it is elsewhere
        load = ctypes.CDLL(None).dlopen  # called as a foreign function, which gives the lock up; CDLL(path) keeps it
        load.argtypes, load.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
        load(bytes(folder / "libtorch_global_deps.so"), os.RTLD_NOW | os.RTLD_GLOBAL)
        load(bytes(folder / "libtorch.so"), os.RTLD_NOW)


def with_qt(module: str) -> bool:
    """Whether a module has to be imported in the window's thread."""
    return module.partition(".")[0] in WITH_QT


def needed_by(module: str) -> list[str]:
    """The modules that importing one of the window imports, itself included, each after those that it imports itself.
    Told from the sources of this room alone; where there are none, it is the module by itself, in one long step."""
    found: dict[str, None] = {}
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name not in seen:
            seen.add(name)
            for other in imported_by(name):
                visit(other)
            found[name] = None

    visit(module)
    return list(found)


def imported_by(module: str) -> list[str]:
    """The modules that the source of one of the window names; none for any other."""
    place = ROOT.joinpath(*module.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py") if module.startswith(f"{__package__}.") else ():
        if path.is_file():
            return IMPORTED.findall(path.read_text(encoding="utf-8"))
    return []


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
