"""Equations that were set before, kept between two starts: setting one takes up to 50 ms, reading it hardly one."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from PySide6.QtCore import QStandardPaths

from dgm_studio.equations import Equation, typeset

FORMAT = 1  # of the files, and of what dgm_studio/equations.py makes of LaTeX


@lru_cache(maxsize=4000)
def equation(latex: str, display: bool) -> Equation:
    """As `typeset`, which it asks once for all starts. Raises BadEquation."""
    path = _file(latex, display)
    try:
        kept = Equation(**json.loads(path.read_bytes()))
        if all(isinstance(length, float) for length in (kept.width, kept.ascent, kept.descent)):
            return kept
    except (OSError, ValueError, TypeError):
        pass  # not there, or damaged
    made = typeset(latex, display)
    _keep(path, made)
    return made


def _file(latex: str, display: bool) -> Path:
    folder = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericCacheLocation))
    name = hashlib.sha256(f"{FORMAT} {version('ziamath')} {display} {latex}".encode()).hexdigest()[:32]
    return folder / "dgm-studio" / "equations" / f"{name}.json"


def _keep(path: Path, made: Equation) -> None:
    """A cache that cannot be written is done without."""
    part = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(asdict(made)), encoding="utf-8")
        part.replace(path)  # another window sees all of it or nothing
    except OSError:
        part.unlink(missing_ok=True)
