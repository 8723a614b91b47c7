"""A path as a file: chosen by a person, decoded by one state of the model, put together in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from dgm_studio.animation import PER_SECOND, Film, NotWritten, write
from dgm_studio.number_texts import thousands
from dgm_studio.questions.films import DecodeFilm
from widgets.asking import ask_where
from widgets.explorers.base import Explorer
from widgets.explorers.walk import FORMATS, Walk


class FilmWriter(QObject):
    """Writes one film at a time. `done(text)` and `failed(text)` say what became of it."""

    done = Signal(str)
    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._thread: threading.Thread | None = None
        self._outcome: list[Film | str] = []
        self._path = Path()
        # The thread only fills a list. It outlives a view that is closed, and then still finishes its file.
        self._look = QTimer(self, interval=40)
        self._look.timeout.connect(self._ask)

    @property
    def busy(self) -> bool:
        return self._thread is not None

    def write(self, path: Path, pictures: np.ndarray, repeat: bool) -> None:
        """Begin; `pictures` (N, C, H, W) uint8."""
        assert not self.busy
        self._path, self._outcome = path, []
        self._thread = threading.Thread(target=_work, args=(path, pictures, repeat, self._outcome), name="film")
        self._thread.start()
        self._look.start()

    def _ask(self) -> None:
        if self._thread is None or self._thread.is_alive():
            return
        self._look.stop()
        self._thread = None
        outcome = self._outcome.pop()
        if isinstance(outcome, str):
            self.failed.emit(outcome)
            return
        size = f"{outcome.width} × {outcome.height}"
        length = f"{outcome.pictures} pictures, {outcome.seconds:.1f} s, " if outcome.pictures > 1 else ""
        self.done.emit(f"{self._path.name}: {length}{size} pixels")


class FilmExport(QObject):
    """From the wish of a person to the file. The explorer passes on what it receives on CHANNEL."""

    CHANNEL = "film"

    def __init__(self, explorer: Explorer, walk: Walk, label: Callable[[], int | None] = lambda: None) -> None:
        """`label`: the class that is decoded, where a code alone does not decode."""
        super().__init__(explorer)
        self._explorer, self._walk, self._label = explorer, walk, label
        self._file, self._repeats = Path(), False
        self.writer = FilmWriter(self)
        self.writer.done.connect(walk.say)
        self.writer.failed.connect(self._failed)
        walk.export.connect(self.begin)

    def begin(self, kind: str) -> None:
        """Ask where, then for the pictures of the way as it is now."""
        path = self._walk.path()
        if path is None or self.writer.busy:
            return
        file = chosen_file(self._explorer, FORMATS[kind], kind)
        if file is None:
            return
        self._explorer.notify("")
        self._file, self._repeats = file, path.closed
        film = path.film(PER_SECOND)
        self._walk.say(f"Writing {file.name}: {thousands(len(film))} pictures …")
        self._explorer.ask(self.CHANNEL, DecodeFilm(film, self._label()))

    def receive(self, pictures: np.ndarray) -> None:
        if not self.writer.busy:
            self.writer.write(self._file, pictures, self._repeats)

    def _failed(self, text: str) -> None:
        self._walk.say("")
        self._explorer.notify(text)


def _work(path: Path, pictures: np.ndarray, repeat: bool, outcome: list[Film | str]) -> None:
    try:
        outcome.append(write(path, pictures, repeat))
    except NotWritten as error:
        outcome.append(str(error))
    except Exception as error:
        outcome.append(f"{path} was not written: {error or type(error).__name__}.")


def chosen_file(parent: QWidget, title: str, suffix: str) -> Path | None:
    """Where a person wants a film; None when they changed their mind."""
    chosen, _ = ask_where(parent, f"Export the path as a {title}", f"path{suffix}", f"{title} (*{suffix})")
    if not chosen:
        return None
    path = Path(chosen)
    return path if path.suffix.lower() == suffix else path.with_name(path.name + suffix)
