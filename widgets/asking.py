"""Dialogs that ask for a file or a folder begin where the last one of them ended, at first in the project folder."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from widgets.preferences import Preferences


def ask_where(parent: QWidget, title: str, name: str, kinds: str) -> tuple[str, str]:
    """Where a file is to be written, and as which of `kinds`; empty texts when the person changed their mind."""
    chosen, kind = QFileDialog.getSaveFileName(parent, title, str(_folder() / name), kinds)
    return _remembered(chosen), kind


def ask_file(parent: QWidget, title: str, kinds: str = "", start: str = "") -> str:
    """A file that is there, first `start`; an empty text for none."""
    return _remembered(QFileDialog.getOpenFileName(parent, title, start or str(_folder()), kinds)[0])


def ask_folder(parent: QWidget, title: str, start: str = "") -> str:
    """A folder, first `start`; an empty text for none."""
    chosen = QFileDialog.getExistingDirectory(parent, title, start or str(_folder()))
    if chosen:
        Preferences().files = Path(chosen)
    return chosen


def _folder() -> Path:
    preferences = Preferences()
    return next((path for path in (preferences.files, preferences.folder) if path.is_dir()), Path.home())


def _remembered(chosen: str) -> str:
    if chosen:
        Preferences().files = Path(chosen).parent
    return chosen
