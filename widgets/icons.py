"""Icons: SVG strokes from resources/icons, drawn in the colours of the theme."""

from __future__ import annotations

import weakref
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QByteArray, QRectF, QStandardPaths, Qt, QTemporaryDir
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from shiboken6 import isValid

from dgm_studio import ROOT
from dgm_studio.files import put
from widgets.theme import look, mixed

FOLDER = ROOT / "resources" / "icons"
SIZES = (16, 24, 32, 48)


class Wears(Protocol):
    """What has an icon: an action, a button."""

    def setIcon(self, icon: QIcon) -> None: ...


def icon(name: str, role: str = "text") -> QIcon:
    """The icon `name` in the theme's colour for `role`, muted when disabled."""
    theme = look.theme
    result = QIcon()
    colours = {
        QIcon.Mode.Normal: getattr(theme, role),
        QIcon.Mode.Disabled: mixed(theme.muted, theme.panel, 0.7).name(),
    }
    for mode, colour in colours.items():
        for size in SIZES:
            result.addPixmap(drawn(name, colour, size), mode)
    return result


def dress(target: Wears, name: str, role: str = "text") -> None:
    """Give `target` an icon that follows the theme."""
    _dressed[target] = (name, role)
    target.setIcon(icon(name, role))


@cache
def drawn(name: str, colour: str, size: int) -> QPixmap:
    """The icon in one colour, `size` pixels wide."""
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    renderer = QSvgRenderer(QByteArray(_coloured(name, colour)))
    with QPainter(pixmap) as painter:
        renderer.render(painter, QRectF(0, 0, size, size))
    return pixmap


@cache
def icon_file(name: str, colour: str) -> Path:
    """The icon in one colour as a file that lives as long as the process: style sheets take nothing else. Where every
    disk is full, the icon as it is, in black."""
    for folder in _folders():
        path = folder / f"{name}-{QColor(colour).name()[1:]}.svg"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            put(path, _coloured(name, colour))
            return path
    return FOLDER / f"{name}.svg"


def _folders() -> list[Path]:
    kept = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericCacheLocation))
    temporary = [Path(_temporary().path())] if _temporary().isValid() else []
    return [*temporary, kept / "dgm-studio" / "icons"]


@cache
def _temporary() -> QTemporaryDir:
    return QTemporaryDir()


def _coloured(name: str, colour: str) -> bytes:
    text = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    return text.replace("currentColor", colour).encode()


_dressed: weakref.WeakKeyDictionary[Wears, tuple[str, str]] = weakref.WeakKeyDictionary()


def _dress_again() -> None:
    for target, (name, role) in list(_dressed.items()):
        if isValid(target):  # Qt may have deleted what Python still knows
            target.setIcon(icon(name, role))


look.changed.connect(_dress_again)
