"""What is known of a crash, as a text that can be handed on: nothing in it says who or where a person is."""

from __future__ import annotations

import faulthandler
import os
import platform
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import IO

from PySide6.QtCore import QLockFile, QStandardPaths, qVersion

from dgm_studio import __version__

MESSAGES = 50  # the newest that a report holds
LONGEST = 40_000  # characters of details
PACKAGES = ("PySide6-Essentials", "torch", "numpy", "h5py", "pyqtgraph")
Hook = tuple[type[BaseException], BaseException | None, TracebackType | None]


@dataclass(frozen=True)
class CrashReport:
    """What happened, what became of a person's work, what to do; and all that is known, for whoever mends it."""

    title: str
    text: str
    kept: str
    advice: str
    details: str

    def whole(self) -> str:
        """All of it, to copy or save."""
        return "\n\n".join(part for part in (self.title, self.text, self.kept, self.details) if part)


def details_of(hook: Hook, messages: Sequence[str]) -> str:
    """The traceback, the versions, and the newest messages. Never raises: what cannot be said is left out."""
    parts = [
        _safe(lambda: "".join(traceback.format_exception(*hook))),
        _safe(environment),
        _safe(lambda: "\n".join(["Messages:", *messages[-MESSAGES:]])),
    ]
    return shortened("\n\n".join(part.strip() for part in parts if part))[:LONGEST]


def environment() -> str:
    """Versions, system and device."""
    lines = [f"DGM Studio {__version__}, Python {platform.python_version()}, Qt {qVersion()}"]
    lines.append(f"{platform.system()} {platform.release()} on {platform.machine()}, {os.cpu_count()} cores")
    found = [f"{name} {version}" for name in PACKAGES if (version := _safe(lambda name=name: metadata.version(name)))]
    lines.append(", ".join(found))
    lines.append(_safe(_device))
    return "\n".join(line for line in lines if line)


def shortened(text: str) -> str:
    """The text with ~ for the home folder, however it is written."""
    for home in sorted({str(Path.home()), os.path.realpath(Path.home())}, key=len, reverse=True):
        if len(home) > 3:  # a service whose home is / has no name to hide
            for written in (home, home.replace("\\", "/"), home.replace("\\", "\\\\")):
                text = text.replace(written, "~")
    return text


class NativeCrashes:
    """Has Python write down where each thread was when the process dies by a fault outside Python, and finds at the
    next start what was written. The file of a process that ends as it should is removed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[str] | None = None
        self._lock: QLockFile | None = None

    def begin(self) -> None:
        """From now on. Where nothing can be written, nothing is."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"crash-{os.getpid()}.txt"
            lock = _locked(path)
            if lock is not None:
                self._lock, self._file = lock, path.open("w", encoding="utf-8")
                faulthandler.enable(self._file)

    def end(self) -> None:
        """The process ends as it should."""
        if self._file is None or self._lock is None:
            return
        faulthandler.disable()
        path = Path(self._file.name)
        self._file.close()
        with suppress(OSError):
            path.unlink()
        self._lock.unlock()
        self._file = None

    def left(self) -> list[str]:
        """What processes wrote that have died since, the newest first; it is told once."""
        found: list[tuple[float, str]] = []
        with suppress(OSError):
            for path in self._folder.glob("crash-*.txt"):
                lock = _locked(path)
                if lock is None:
                    continue  # its process lives
                with suppress(OSError):
                    text = path.read_text(encoding="utf-8", errors="replace")
                    if text.strip():
                        found.append((path.stat().st_mtime, shortened(text)[:LONGEST]))
                    path.unlink()
                lock.unlock()
        return [text for _, text in sorted(found, reverse=True)]


def state_folder() -> Path:
    """Where the program writes down how it is."""
    kind = QStandardPaths.StandardLocation.GenericStateLocation
    return Path(QStandardPaths.writableLocation(kind)) / "dgm-studio"


def of_exception(hook: Hook, messages: Sequence[str], kept: Callable[[], str]) -> CrashReport:
    """The report of an exception that nobody caught."""
    kind, error, _ = hook
    said = _safe(lambda: str(error)) or kind.__name__
    return CrashReport(
        "Something went wrong that should not",
        shortened(f"{said[:500].rstrip('.')}."),
        _safe(kept),
        "You can go on. If something looks wrong, save, close the window and open it again. If it comes back, hand the "
        "report on to whoever gave you the studio.",
        details_of(hook, messages),
    )


def of_native(text: str) -> CrashReport:
    """The report of a process that died."""
    return CrashReport(
        "The studio ended suddenly the last time",
        "It was not able to say why, but where each part of it was is in the details.",
        "Projects are as they were saved last. What a training had kept by then is offered when its project is opened.",
        "Open your project and recover the run. If it comes back, hand the report on to whoever gave you the studio.",
        f"{text.strip()}\n\n{_safe(environment)}",
    )


def _locked(path: Path) -> QLockFile | None:
    """A lock beside the file, unless a living process holds it."""
    lock = QLockFile(f"{path}.lock")
    lock.setStaleLockTime(0)  # stale only when its process is gone
    return lock if lock.tryLock(0) else None


def _device() -> str:
    if "torch" not in sys.modules:
        return ""
    from dgm_studio import device

    return f"Devices: {', '.join(device.title(device.resolve(name)) for name in device.available())}"


def _safe(say: Callable[[], str]) -> str:
    """What it says, or nothing where even that fails."""
    try:
        return say()
    except Exception:
        return ""
