"""The studio's two entrances: `window` (the program dgm-studio) and `main` (the program dgm, without a window)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgm_studio.commands.album import Album


def start() -> int:
    """What `python main.py …` does: the window, alone or with a project file, or else a command."""
    arguments = sys.argv[1:]
    return window() if not arguments or arguments[0].endswith(".dgm") else main()


def window() -> int:
    """Open the window, on a project file if the first argument names one. Returns the exit code."""
    if not _has_display():
        print("There is no display to open a window on. Without a window: dgm --help, or dgm tour.", file=sys.stderr)
        return 1
    from widgets.app import main as open_window

    return open_window(sys.argv)


def main() -> int:
    """Run the command that the arguments name. Returns the exit code."""
    from dgm_studio.cli import run

    return run(sys.argv[1:], photograph)


def photograph(album: Album) -> list[Path]:
    """Pictures of the window, drawn without a display."""
    from widgets.app import screenshots

    return screenshots(album)


def _has_display() -> bool:
    if sys.platform != "linux":
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


if __name__ == "__main__":
    raise SystemExit(main())
