"""What the window shows of a project: panels, pages, and the actions on runs. Imported when torch is loaded."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtWidgets import QMainWindow

from dgm_studio import device as devices
from dgm_studio.config import RunConfig
from dgm_studio.presets import Preset
from dgm_studio.store import Run
from dgm_studio.training import Order
from widgets.actions import Actions
from widgets.arrangement import Arrangement
from widgets.data_panel import DataPanel
from widgets.dock import Dock
from widgets.draft import Draft, default_config
from widgets.ending import Ending
from widgets.export_thread import exporting
from widgets.exports import Exports
from widgets.header import Header
from widgets.help_guide import HelpGuide
from widgets.import_dialog import RunImport
from widgets.lesson_desk import LessonDesk
from widgets.log_view import LogView
from widgets.model_panel import ModelPanel
from widgets.moment_keeping import MomentKeeping
from widgets.moved_data import MovedData
from widgets.notices import Log, Notice
from widgets.possible import PAGES, possible, primary, standing
from widgets.preferences import Preferences
from widgets.project_notices import ProjectNotices
from widgets.projects import Projects
from widgets.recovery_dialog import RecoveryDialog
from widgets.run_changes import RunChanges
from widgets.run_control import RunControl
from widgets.run_menus import RunMenus
from widgets.runs_panel import RunsPanel
from widgets.status import StatusLine
from widgets.theme import SPACE
from widgets.training_notices import TrainingNotices
from widgets.training_status import TrainingStatus
from widgets.undoing import Place, Undoing
from widgets.work_area import WorkArea
from widgets.workspace import Workspace


class Desk(QObject):
    """Made once, when everything is loaded, and furnished in steps. `worked()` when a project is open, `left()` when
    there is none."""

    worked = Signal()
    left = Signal()

    def __init__(
        self,
        window: QMainWindow,
        actions: Actions,
        header: Header,
        status: StatusLine,
        preferences: Preferences,
        log: Log,
    ) -> None:
        super().__init__(window)
        self._window, self._actions, self._header, self._status, self.log = window, actions, header, status, log
        self.workspace = Workspace(preferences, log, self)
        self.projects = Projects(self.workspace, window)
        self._problem = ""  # why the model cannot learn from the draft's data

    def furnish(self, config: RunConfig) -> Generator[None]:
        """Make panels and pages, in steps; what a step made belongs to the window. `config`: what the form shows before
        a run is selected."""
        window, actions, header, log = self._window, self._actions, self._header, self.log
        self.draft = Draft(config, self)
        self.area = WorkArea(self.workspace, window)
        yield
        self.data = DataPanel(self.draft, self.workspace.data, self.workspace.viewing.readers)
        self.model = ModelPanel(self.draft, self.data)
        model = Dock("Model", "modelDock", self.model, window, 36 * SPACE)
        yield
        self.changes = RunChanges(self.workspace, self)
        self.control = RunControl(self.workspace, self.draft, self.changes, header, self)
        self.runs = RunsPanel(self.workspace, actions)
        self.run_menus = RunMenus(self.workspace, self.changes, actions, self.control.branch, self.runs)
        runs = Dock("Project", "runsDock", self.runs, window, 22 * SPACE)
        messages = Dock("Messages", "logDock", LogView(log), window, 24 * SPACE)
        yield
        self.guide = HelpGuide(window, actions, self.workspace, self.draft, self.model, log, self.start)
        self.lessons = LessonDesk(window, actions, self.workspace, self.area, self.guide)
        self.docks = {"showRuns": runs, "showModel": model, "showHelp": self.guide.dock, "log": messages}
        self.arrangement = Arrangement(window, self.docks, self.guide)
        self.keeping = MomentKeeping(self.workspace, self)
        self.notices = ProjectNotices(self.workspace, self.projects, self.changes, self._show_recoveries, self)
        TrainingNotices(self.workspace, self)
        TrainingStatus(self.workspace, self._status, self)
        self.moved_data = MovedData(self.workspace, window)
        places = [Place(self.model, self.draft.stack), Place(self.runs, self.workspace.edits)]
        self.undoing = Undoing(actions, places, self)
        RunImport(self.changes, self.workspace.preferences, actions, window)
        self.exports = Exports(self.workspace, self.draft, actions, self.changes.added, window)
        self.projects.hold = self.exports.hold
        self._connect()
        yield
        self.draft.load(config)
        self.follow_preferences()

    def _connect(self) -> None:
        workspace, actions = self.workspace, self._actions
        workspace.project_file.replaced.connect(self._project_changed)
        workspace.selected.connect(self._selected)
        workspace.training_changed.connect(self._training_changed)
        workspace.runs_changed.connect(self.control.follow_plan)
        workspace.runs_changed.connect(self._update)
        workspace.project_file.saved.connect(self._update)
        workspace.progressed.connect(lambda *_: self.control.follow_plan())
        self.area.train.way_chosen.connect(self.control.treat)
        self.area.explore.draw_wanted.connect(lambda: self.control.train_on_drawing(self.area.window()))
        self.runs.compare_wanted.connect(self.area.compare_runs)
        self.area.moments.keep_wanted.connect(self.keeping.keep)
        self.area.moments.release_wanted.connect(self.keeping.release)
        self.area.moments.branch_wanted.connect(self.control.branch)
        workspace.viewing.moments.moved.connect(lambda _: self._offer_release())
        self.draft.changed.connect(self._update)
        self.data.checked.connect(self._checked)
        self.model.train_wanted.connect(self.control.train_draft)
        actions.connect(
            {
                "train": self.control.train_or_pause,
                "step": lambda: workspace.trainer.tell(Order.STEP),
                "stop": lambda: workspace.trainer.tell(Order.STOP),
                "discard": lambda: workspace.trainer.tell(Order.DISCARD),
                "continue": lambda: self.control.continue_run(self.control.as_many_again()),
                "reset": self._reset,
                "search": self._search,
                "branch": lambda: self.control.branch(None),
                "keepMoment": self.keeping.keep,
                "releaseMoment": self.keeping.release,
                "duplicate": self._duplicate,
                "useSettings": self.control.use_settings,
                "delete": self._delete,
                "recoveries": self._show_recoveries,
                "save": workspace.project_file.save,
                "saveAs": self.projects.save_as,
                **{key: partial(self.area.show_page, title) for key, title in PAGES.items()},
            }
        )
        for key, dock in self.docks.items():
            actions[key].toggled.connect(dock.setVisible)
            dock.visibilityChanged.connect(lambda _, key=key, dock=dock: actions[key].setChecked(not dock.isHidden()))
        self.control.form_wanted.connect(self.show_form)

    # Projects.

    def start(self, preset: Preset) -> None:
        """Make a project of its own for the preset and train it."""

        def train() -> None:
            self.area.show_page("Train")
            self.control.train(preset.config, preset.key)

        self.projects.begin(preset.title, train)

    def take_data(self, path: Path, at: QPoint | None = None) -> None:
        """Take a file or folder that was dropped: as the data of the selected run if that is not found, and else as the
        data of the next run. `at`: where on the screen, if it was dropped."""
        if self.workspace.project is None:
            self.workspace.project_file.create(path.stem, lambda: self._use_data(path, at))
            return
        astray = self.workspace.viewing.astray.run
        if astray is not None:
            self.moved_data.look(astray, path, lambda: self._use_data(path, at))
        else:
            self._use_data(path, at)

    def _use_data(self, path: Path, at: QPoint | None) -> None:
        problem = self.data.take(path, at)
        if problem:
            self.log.say(Notice("bad", problem))
        else:
            self.docks["showModel"].show()
            self.log.say(Notice("info", f"The next run learns from {path.name}.", lasting=False))

    def shut_down(self, then: Callable[[], None]) -> None:
        """Stop and keep, save, end all threads; then do `then`."""
        leave = self.area.evaluate.leave

        def closed() -> None:
            threads = [*self.workspace.end(), *exporting()]
            leave(lambda: Ending(threads, then, self))  # once more: a training that ended may have had it go on

        leave(lambda: self.projects.stop_all(lambda: self.workspace.project_file.close(closed)))

    # Runs.

    def _duplicate(self) -> None:
        if self.workspace.run is not None:
            self.changes.duplicate(self.workspace.run)

    def _delete(self) -> None:
        for run in self.runs.chosen:
            if not self.workspace.trainer.trains(run.id):
                self.changes.delete(run)

    def _reset(self) -> None:
        self.draft.replace(default_config(self.draft.config.family), "reset")

    def show_form(self) -> None:
        self.docks["showModel"].show()
        self.model.family.setFocus()

    def _search(self) -> None:
        self.show_form()
        self.model.family.lineEdit().selectAll()

    def follow_preferences(self) -> None:
        devices.prefer(self.workspace.preferences.device)
        self._update()

    def _show_recoveries(self) -> None:
        RecoveryDialog(self.workspace, self.changes, self._window).show()

    # What changed.

    def _project_changed(self) -> None:
        (self.left if self.workspace.project is None else self.worked).emit()
        self._update()

    def _selected(self, run: Run | None, instead: bool) -> None:
        if run is not None:
            self.control.take_over(run, form_stays=instead)
        self._update()

    def _checked(self, problem: str) -> None:
        self._problem = problem
        self._update()

    def _training_changed(self) -> None:
        self.control.follow_plan()
        self._update()

    def _update(self) -> None:
        """Offer what can be done now."""
        workspace, actions, resumable = self.workspace, self._actions, self.control.resumable
        text, icon = primary(workspace.trainer.phase, resumable)
        self._header.show_primary(text, icon, actions)
        can = possible(workspace, not self._problem, resumable)
        for key, enabled in can.items():
            actions[key].setEnabled(enabled)
        self._offer_release()
        self.area.moments.allow(can["keepMoment"], can["branch"] and workspace.project_file.writable)
        self._header.buttons["continue"].setEnabled(can["continue"])
        self.undoing.update()
        self.lessons.update()
        self.model.allow_training(workspace.project_file.writable and not self._problem, self._problem)
        self._header.buttons["device"].setText(_device_text(self.draft.config.training.device))
        if workspace.project is not None:
            self._header.show_project(workspace.project.path.name, standing(workspace))

    def _offer_release(self) -> None:
        self._actions["releaseMoment"].setEnabled(self.keeping.releasable)


def _device_text(name: str) -> str:
    try:
        return devices.title(devices.resolve(name))
    except devices.NoSuchDevice:
        return f"{name}: not here"
