"""Pictures of the window, made by the window: for the README, for a machine without a display, and to look at."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEventLoop, QObject, QSettings, QTimer
from PySide6.QtWidgets import QApplication

from dgm_studio import ROOT
from dgm_studio.presets import Preset, presets

SIZE = (1280, 800)
LEARN = 12.0  # seconds that a preset trains before its pictures are taken
PATIENCE = 120.0  # seconds


def take(folder: Path, project: Path | None = None, scale: int = 1) -> list[Path]:
    """Take pictures of every page in both themes, in a process of its own without a display.

    With `project` its newest run is shown, otherwise each group's first preset is trained for some seconds. `scale`
    is the factor of a dense screen. Returns the PNG files. Raises RuntimeError with what the process said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "widgets.screenshots",
        str(folder.absolute()),
        str(project.absolute() if project else ""),
    ]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_SCALE_FACTOR": str(scale), "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"No pictures of the window could be taken.\n{result.stderr}")
    return [Path(line) for line in result.stdout.splitlines()]


class Photographer(QObject):
    """Walks through the window and keeps what it sees."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        # a person's preferences are neither read nor written
        self._home = tempfile.TemporaryDirectory()
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, self._home.name)
        from widgets.main_window import MainWindow
        from widgets.notices import Log
        from widgets.preferences import Preferences

        self._folder = folder
        preferences = Preferences()
        preferences.folder = Path(self._home.name)
        self.taken: list[Path] = []
        self.window = MainWindow(preferences, Log())
        self.window.resize(*SIZE)
        self.window.show()
        self.window.load()
        self.wait(lambda: self.window.desk is not None)

    def start_page(self) -> None:
        self.take("start")

    def preset(self, preset: Preset) -> None:
        """Train a preset for a while and look at each of its pages."""
        desk = self.window.desk
        assert desk is not None
        done: list[object] = []
        desk.workspace.training_changed.connect(lambda: done.append(1) if not desk.workspace.trainer.active else None)
        desk.start(preset)
        self.wait(lambda: bool(done), at_most=LEARN)
        self.pages(preset.key)
        desk.stop_all(desk.workspace.close_project)
        self.wait(lambda: desk.workspace.project is None)

    def project(self, path: Path) -> None:
        """Look at each page of the newest run of a project."""
        desk = self.window.desk
        assert desk is not None
        desk.open(path)
        self.wait(lambda: desk.workspace.viewing.live is not None)
        self.pages(path.stem)

    def pages(self, name: str) -> None:
        """Take Train, every explorer and Evaluate."""
        desk = self.window.desk
        assert desk is not None
        desk.area.show_page("Train")
        self.rest(1.0)
        self.take(f"{name}-train")
        desk.area.show_page("Explore")
        for index, key in enumerate(desk.area.explore.keys):
            desk.area.explore.show_explorer(index)
            self.rest(2.0)
            self.take(f"{name}-{key}")
        desk.area.show_page("Evaluate")
        self.rest(1.0)
        self.take(f"{name}-evaluate")

    def take(self, name: str) -> None:
        """Keep the window as it is, in both themes."""
        for theme in ("light", "dark"):
            self.window.set_theme(theme)
            self.rest(0.3)
            path = self._folder / f"{name}-{theme}.png"
            self.window.grab().save(str(path))
            self.taken.append(path)

    def close(self) -> None:
        self.window.close()
        self.wait(lambda: not self.window.isVisible())
        self._home.cleanup()

    def rest(self, seconds: float) -> None:
        """Let the window work for a while."""
        loop = QEventLoop()
        QTimer.singleShot(round(1000 * seconds), loop.quit)
        loop.exec()

    def wait(self, until: Callable[[], bool], at_most: float = PATIENCE) -> None:
        """Let the window work until something holds, or for so long."""
        loop = QEventLoop()
        timer = QTimer(interval=20)
        timer.timeout.connect(lambda: loop.quit() if until() else None)
        timer.start()
        QTimer.singleShot(round(1000 * at_most), loop.quit)
        loop.exec()
        timer.stop()


def main(folder: Path, project: Path | None) -> None:
    """What the process of `take` does."""
    from widgets.app import application
    from widgets.theme import DARK, look

    app = application(sys.argv[:1])
    assert isinstance(app, QApplication)
    look.apply(app, DARK)
    photographer = Photographer(folder)
    if project is None:
        photographer.start_page()
        for preset in {preset.config.family + preset.group: preset for preset in reversed(presets())}.values():
            photographer.preset(preset)
    else:
        photographer.project(project)
    photographer.close()
    print("\n".join(str(path) for path in photographer.taken))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2] else None)
