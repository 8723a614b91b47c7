"""Finding the data of stored runs that lies elsewhere now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QMainWindow

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import Dataset
from dgm_studio.moved_data import found, move
from dgm_studio.store import Run
from widgets.background import Problem
from widgets.notices import Notice, Remedy
from widgets.workspace import Workspace


class MovedData(QObject):
    """Asks where the data of a run lies, has it read and compared in the background, and lets the run, and those that
    were trained on the same files, read it from there."""

    def __init__(self, workspace: Workspace, window: QMainWindow) -> None:
        super().__init__(window)
        self._workspace, self._window = workspace, window
        workspace.viewing.astray.find_wanted.connect(self.ask)

    def ask(self, run: Run, folder: bool) -> None:
        """Let a person choose a file, or a folder."""
        title, start = f"Where the data of {run.name} lies now", str(Path.home())
        if folder:
            name = QFileDialog.getExistingDirectory(self._window, title, start)
        else:
            name, _ = QFileDialog.getOpenFileName(self._window, title, start)
        if name:
            self.look(run, Path(name))

    def look(self, run: Run, place: Path, otherwise: Callable[[], None] | None = None) -> None:
        """Take `place` if the data of `run` lies there. If not, say so, and offer `otherwise`: a new run on it."""
        workspace, config = self._workspace, run.config
        assert config is not None
        workspace.log.say(Notice("info", f"Comparing {place.name} with the data of {run.name} …", lasting=False))

        def work() -> int:
            def load(choice: DataChoice) -> Dataset:
                return workspace.data.load_fresh(choice, lambda fraction, text: None)

            return found(run, config.data, place, load)[0]

        def done(domain: int) -> None:
            project = workspace.project
            if project is None or project.all_runs.get(run.id) is not run:
                return  # it was closed meanwhile
            moved = move(project, run, place, domain)
            others = f" So do {len(moved) - 1} more." if len(moved) > 1 else ""
            text = f"{run.name} reads its data from {place} now.{others}"
            workspace.log.say(Notice("good", text, lasting=False))
            workspace.changed()
            if workspace.run in moved:
                workspace.viewing.found_again()

        def failed(problem: Problem) -> None:
            remedies = workspace.viewing.astray.ways_to_find(run)
            if otherwise is not None:
                remedies = (*remedies, Remedy("Train a new run on it", otherwise))
            workspace.log.say(Notice("bad", problem.text, remedies=remedies))

        workspace.viewing.readers.submit(work, done, failed)
