"""What the window remembers of a person between two starts."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QSettings, QStandardPaths
from PySide6.QtGui import QImage

from dgm_studio.files import put

Recognition = tuple[int, ...]  # what tells one state of a file from another

RECENT, FAMILIAR = 50, 64  # files that are remembered
PROJECT_FILES = "DGM Studio projects (*.dgm)"  # as file dialogs filter them
KEEP_EVERY = (5, 600)  # seconds: the least and the most that can be chosen
HISTORY_ROOM = (0, 4096)  # MB
FONT_PERCENT = (80, 200)
CHOSEN = ("theme", "fontPercent", "still", "folder", "keepEvery", "historyRoom", "device")  # in the dialog


class Preferences:
    """Typed access to the application's settings file."""

    def __init__(self) -> None:
        self._settings = _settings()

    @property
    def theme(self) -> str:
        """ "dark", "light" or "system"."""
        return str(self._settings.value("theme", "system"))

    @theme.setter
    def theme(self, name: str) -> None:
        self._settings.setValue("theme", name)

    @property
    def folder(self) -> Path:
        """Where new projects are made."""
        kept = self._settings.value("folder")
        return Path(str(kept)) if kept else Path.home() / "DGM Studio"

    @folder.setter
    def folder(self, path: Path) -> None:
        self._settings.setValue("folder", str(path))

    @property
    def files(self) -> Path:
        """Where a file was written or opened last that is no project."""
        kept = self._settings.value("files")
        return Path(str(kept)) if kept else self.folder

    @files.setter
    def files(self, path: Path) -> None:
        self._settings.setValue("files", str(path))

    @property
    def keep_every(self) -> int:
        """Seconds between the states that are kept while a run trains."""
        return self._whole("keepEvery", 20, KEEP_EVERY)

    @keep_every.setter
    def keep_every(self, seconds: int) -> None:
        self._settings.setValue("keepEvery", seconds)

    @property
    def history_room(self) -> int:
        """MB that the states of a run's history may take, beside those that are kept in any case."""
        return self._whole("historyRoom", 64, HISTORY_ROOM)

    @history_room.setter
    def history_room(self, megabytes: int) -> None:
        self._settings.setValue("historyRoom", megabytes)

    @property
    def help_zoom(self) -> float:
        """How large the text of help pages is; 1 as in the rest of the window."""
        try:
            return min(max(float(str(self._settings.value("help/zoom", 1.0))), 0.5), 4.0)
        except ValueError:  # somebody edited the file
            return 1.0

    @help_zoom.setter
    def help_zoom(self, factor: float) -> None:
        self._settings.setValue("help/zoom", factor)

    @property
    def font_percent(self) -> int:
        """How large text is, in per cent of its size in the system."""
        return self._whole("fontPercent", 100, FONT_PERCENT)

    @font_percent.setter
    def font_percent(self, percent: int) -> None:
        self._settings.setValue("fontPercent", percent)

    @property
    def still(self) -> bool:
        """Nothing in the window moves by itself that need not."""
        return str(self._settings.value("still", "false")).casefold() == "true"

    @still.setter
    def still(self, still: bool) -> None:
        self._settings.setValue("still", "true" if still else "false")

    @property
    def device(self) -> str:
        """What "automatic" means for new runs: a name that dgm_studio.device.resolve takes."""
        return str(self._settings.value("device", "auto"))

    @device.setter
    def device(self, name: str) -> None:
        self._settings.setValue("device", name)

    @property
    def toured(self) -> bool:
        """Whether somebody was shown around."""
        return str(self._settings.value("toured", "false")).casefold() == "true"

    @toured.setter
    def toured(self, toured: bool) -> None:
        self._settings.setValue("toured", "true" if toured else "false")

    @property
    def file(self) -> Path:
        """Where all of this is kept."""
        return Path(self._settings.fileName())

    def reset(self) -> None:
        """Everything that is chosen in the dialog is as at the first start. Projects stay known, panels where they
        are."""
        for key in CHOSEN:
            self._settings.remove(key)

    @property
    def geometry(self) -> QByteArray:
        return self._bytes("window/geometry")

    @geometry.setter
    def geometry(self, state: QByteArray) -> None:
        self._settings.setValue("window/geometry", state)

    @property
    def layout(self) -> QByteArray:
        """Where docks are, as QMainWindow.saveState gives it."""
        return self._bytes("window/layout")

    @layout.setter
    def layout(self, state: QByteArray) -> None:
        self._settings.setValue("window/layout", state)

    @property
    def explored(self) -> dict[str, dict[str, Any]]:
        """What was chosen in explorers last, by their keys."""
        try:
            kept = json.loads(str(self._settings.value("window/explored", "{}")))
        except ValueError:  # somebody may have edited the file
            return {}
        entries = kept.items() if isinstance(kept, dict) else ()
        return {key: choices for key, choices in entries if isinstance(choices, dict)}

    @explored.setter
    def explored(self, choices: dict[str, dict[str, Any]]) -> None:
        self._settings.setValue("window/explored", json.dumps(choices))

    @property
    def recent(self) -> list[Path]:
        """Projects that were open, the newest first, those that still exist."""
        return [Path(path) for path in self._list("recent") if Path(path).is_file()]

    def remember(self, path: Path) -> None:
        """Put `path` first among the recent projects."""
        path = path.absolute()
        rest = [other for other in self.recent if other != path]
        self._settings.setValue("recent", [str(p) for p in [path, *rest][:RECENT]])

    @property
    def used(self) -> list[str]:
        """What was chosen in the command palette, the newest first."""
        return self._list("used")

    @used.setter
    def used(self, names: list[str]) -> None:
        self._settings.setValue("used", names)

    @property
    def familiar(self) -> frozenset[Recognition]:
        """Files, as they are now, that this studio has checked or written."""
        kept = (text.split() for text in self._list("familiar"))  # somebody may have edited the file
        return frozenset(tuple(map(int, numbers)) for numbers in kept if all(n.isdecimal() for n in numbers))

    def know(self, recognition: Recognition | None) -> None:
        """From now on this very file is familiar. None: it has changed already, and is not."""
        if recognition is None:
            return
        text = " ".join(str(n) for n in recognition)
        known = [other for other in self._list("familiar") if other != text]
        self._settings.setValue("familiar", [text, *known][:FAMILIAR])

    def compared(self, project: Path) -> list[str]:
        """The runs of a project that stood side by side last."""
        return [str(one) for one in self._list(_compared(project))]

    def keep_compared(self, project: Path, runs: list[str]) -> None:
        """Remember them."""
        self._settings.setValue(_compared(project), runs) if runs else self._settings.remove(_compared(project))

    def sync(self) -> bool:
        """Write now. Returns whether that could be."""
        now = _settings()  # an older one says for ever that it could not once
        now.sync()
        return now.status() is QSettings.Status.NoError

    def _whole(self, key: str, default: int, bounds: tuple[int, int]) -> int:
        least, most = bounds
        try:
            return min(max(int(str(self._settings.value(key, default))), least), most)
        except ValueError:  # somebody edited the file
            return default

    def _list(self, key: str) -> list[str]:
        kept = self._settings.value(key, [])
        return [kept] if isinstance(kept, str) else list(kept or [])  # QSettings gives a list of one as text

    def _bytes(self, key: str) -> QByteArray:
        value = self._settings.value(key)
        return value if isinstance(value, QByteArray) else QByteArray()


def _settings() -> QSettings:
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "DGM Studio", "DGM Studio")


def _compared(project: Path) -> str:
    return f"compared/{hashlib.sha256(str(project.absolute()).encode()).hexdigest()[:24]}"


def thumbnail_file(project: Path) -> Path:
    """Where the small picture of a project is cached."""
    folder = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericCacheLocation)) / "dgm-studio"
    return folder / f"{hashlib.sha256(str(project.absolute()).encode()).hexdigest()[:24]}.png"


def keep_thumbnail(project: Path, picture: QImage) -> None:
    """Cache the small picture of a project; where that cannot be written, the one from before stays."""
    path, buffer = thumbnail_file(project), QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    picture.save(buffer, "PNG")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, bytes(buffer.data().data()))


def free_path(folder: Path, name: str) -> Path:
    """`folder`/NAME.dgm, numbered if that is taken."""
    safe = "".join(c if c.isalnum() or c in " -_.()" else "-" for c in name).strip(" .-") or "Project"
    path, number = folder / f"{safe}.dgm", 2
    while path.exists():
        path, number = folder / f"{safe} {number}.dgm", number + 1
    return path
