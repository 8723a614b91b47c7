"""One project after the other: what a person opens, makes, leaves or keeps under another name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QWidget

from dgm_studio.training import Order
from widgets.notices import Notice, Remedy
from widgets.preferences import PROJECT_FILES
from widgets.trainer import Phase
from widgets.workspace import Workspace


class Projects(QObject):
    """The project changes only while nothing trains or is exported: what is asked for meanwhile waits until the person
    has let the training be stopped, and the export be ended."""

    def __init__(self, workspace: Workspace, window: QWidget) -> None:
        super().__init__(window)
        self._workspace, self._file, self._window = workspace, workspace.project_file, window
        self._when_stopped: Callable[[], None] | None = None
        self.hold: Callable[[str, Callable[[], None]], bool] = lambda what, then: False  # see Exports.hold
        workspace.trainer.changed.connect(self._training_changed)

    def open(self, path: Path) -> None:
        self._when_idle(lambda: self._file.open(path), f"Open {path.name}")

    def reopen(self) -> None:
        """Open the file that is there now; what was not saved of this one is dropped."""
        project = self._workspace.project
        if project is not None:
            path = project.path
            self._when_idle(lambda: self._file.open(path, keep=False), f"Open {path.name}")

    def new(self) -> None:
        self._when_idle(lambda: self._file.create("Project"), "New project")

    def begin(self, title: str, then: Callable[[], None]) -> None:
        """Make a project for something, and then do that."""
        self._when_idle(lambda: self._file.create(title, then), title)

    def leave(self) -> None:
        """Close the project."""
        self._when_idle(self._file.close, "Close the project")

    def save_as(self) -> None:
        """Ask for another place and name, and go on there."""
        project = self._workspace.project
        assert project is not None
        name, _ = QFileDialog.getSaveFileName(self._window, "Save as", str(project.path), PROJECT_FILES)
        if name:
            chosen = Path(name)  # the dialog has asked whether this may be replaced, but not what a suffix makes of it
            path = chosen if chosen.suffix == ".dgm" else chosen.with_name(f"{chosen.name}.dgm")
            self._when_idle(
                lambda: self._file.save_as(path, replace=path == chosen), f"Save as {path.name}", leaves=False
            )

    def stop_all(self, then: Callable[[], None]) -> None:
        """Stop and keep what trains, take the rest out of the queue, then do `then`."""
        trainer = self._workspace.trainer
        if trainer.phase is Phase.IDLE:
            then()
            return
        self._when_stopped = then
        trainer.clear()
        trainer.tell(Order.STOP)

    def _when_idle(self, then: Callable[[], None], what: str, leaves: bool = True) -> None:
        """Do `then` now, or offer to stop the run that trains first. `leaves`: the project is then open no more."""
        if leaves and self.hold(what, lambda: self._when_idle(then, what)):
            return
        trainer = self._workspace.trainer
        if trainer.phase is Phase.IDLE:
            then()
            return
        assert trainer.active is not None
        remedy = Remedy(f"Stop and keep it, then: {what}", lambda: self.stop_all(then))
        text = f"{trainer.active.name} is in training in this project."
        self._workspace.log.say(Notice("warn", text, remedies=(remedy,)))

    def _training_changed(self) -> None:
        if self._workspace.trainer.phase is Phase.IDLE and self._when_stopped is not None:
            then, self._when_stopped = self._when_stopped, None
            then()
