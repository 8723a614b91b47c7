"""Equations that were set before, kept between two starts: setting one takes up to 50 ms, reading it hardly one. What
was never set is set in a thread of its own, so that the window does not wait for a page full of them."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path

from PySide6.QtCore import QObject, QStandardPaths, Signal

from dgm_studio.equations import BadEquation, Equation, typeset

FORMAT = 1  # of the files, and of what dgm_studio/equations.py makes of LaTeX
Wanted = tuple[str, bool]  # LaTeX, and whether it stands by itself


_at_hand: dict[Wanted, Equation] = {}


def equation(latex: str, display: bool) -> Equation:
    """As `typeset`, which it asks once for all starts. Raises BadEquation."""
    if not at_hand(latex, display):
        _at_hand[latex, display] = made = typeset(latex, display)
        _keep(_file(latex, display), made)
    return _at_hand[latex, display]


def at_hand(latex: str, display: bool) -> bool:
    """Whether `equation` would answer without setting anything."""
    if (latex, display) not in _at_hand:
        kept = _kept(latex, display)
        if kept is None:
            return False
        _at_hand[latex, display] = kept
    return True


class Typesetter(QObject):
    """Sets equations while the window goes on. `ready(wanted)` when the equations of one call of `ask` are at hand."""

    ready = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._asked: list[list[Wanted]] = []  # the newest last, which is looked at now
        self._bad: set[Wanted] = set()  # that are no LaTeX: pages leave them as they are
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ask(self, wanted: list[Wanted]) -> list[Wanted]:
        """Have these set, but for those that cannot. Returns what `ready` will say, or nothing."""
        wanted = [each for each in wanted if each not in self._bad]
        with self._lock:
            if wanted:
                self._asked.append(wanted)
            if wanted and self._thread is None:
                self._thread = threading.Thread(target=self._work, name="equations")
                self._thread.start()
        return wanted

    @property
    def busy(self) -> bool:
        """Whether some are still to be set."""
        return self._thread is not None

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._asked:
                    self._thread = None
                    return
                wanted = self._asked.pop()
            for each in wanted:
                try:
                    equation(*each)
                except BadEquation:
                    self._bad.add(each)
            with suppress(RuntimeError):  # the application has gone meanwhile
                self.ready.emit(wanted)


typesetter = Typesetter()


def _kept(latex: str, display: bool) -> Equation | None:
    """What an earlier start has set, if it can be read."""
    try:
        kept = Equation(**json.loads(_file(latex, display).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None  # not there, or damaged
    return kept if all(isinstance(length, float) for length in (kept.width, kept.ascent, kept.descent)) else None


def _file(latex: str, display: bool) -> Path:
    folder = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericCacheLocation))
    name = hashlib.sha256(f"{FORMAT} {_setter()} {display} {latex}".encode()).hexdigest()[:32]
    return folder / "dgm-studio" / "equations" / f"{name}.json"


@cache
def _setter() -> str:
    return version("ziamath")


def _keep(path: Path, made: Equation) -> None:
    """A cache that cannot be written is done without."""
    part = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(asdict(made)), encoding="utf-8")
        part.replace(path)  # another window sees all of it or nothing
    except OSError:
        part.unlink(missing_ok=True)
