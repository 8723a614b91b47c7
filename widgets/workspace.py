"""What the window works on: a project, the run that is selected, and the runs that train."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, QThread, QTimer, Signal
from PySide6.QtGui import QUndoStack

from dgm_studio import device as devices
from dgm_studio.circumstances import resume_warnings
from dgm_studio.config import RunConfig
from dgm_studio.events import Cancelled, Event, Failed, Finding, Finished, Preview, Progress, Tree
from dgm_studio.recording import Recorder
from dgm_studio.store import Project, Run
from widgets.background import Background, Problem
from widgets.data_cache import DataCache
from widgets.history import History
from widgets.notices import Log, Notice
from widgets.preferences import Preferences, keep_thumbnail
from widgets.project_file import ProjectFile
from widgets.run_edits import RunEdit
from widgets.shown_runs import ShownRuns
from widgets.trainer import Phase, Trainer
from widgets.training_thread import Job
from widgets.viewing import Viewing

TELL_EVERY = 400  # ms between two words on the progress


class Workspace(QObject):
    """Trains the runs of a project, and selects one of them. Whatever touches a file happens in the thread `files`.
    The project itself is opened and saved by `project_file`; `shown` has what is shown
    of runs, and `viewing` makes the selected one answer.

    Signals: `runs_changed()` the list or what stands in it; `selected(Run | None, instead)`, where `instead` says that
    it stands in the place of a run that is gone because it could not begin to learn; `training_changed()` phase or
    queue; of the run in training `progressed(run id, Progress)`, `previewed(run id, Preview)`, `found(run id, Finding)`
    and at its end `training_ended(Run | None, closing event)`, without a run if it had kept nothing and is gone.
    """

    runs_changed = Signal()
    selected = Signal(object, bool)
    training_changed = Signal()
    progressed = Signal(str, object)
    previewed = Signal(str, object)
    found = Signal(str, object)
    training_ended = Signal(object, object)

    def __init__(self, preferences: Preferences, log: Log, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.preferences, self.log = preferences, log
        self.run: Run | None = None
        self.edits = QUndoStack(self)  # of names, tags, notes and kept states, and what was deleted
        self.data = DataCache()
        self.files = Background("files", self)
        self.project_file = ProjectFile(self.files, preferences, log, self)
        self.trainer = Trainer(self.data.load_fresh, self)
        self.shown = ShownRuns(self.files, log, self)
        self.viewing = Viewing(self.shown, self.trainer, self.data, log, self)
        self.shown.pictured.connect(lambda _: self.runs_changed.emit())
        self.trainer.happened.connect(self._happened)
        self.trainer.changed.connect(self._training_changed)
        self.project_file.replaced.connect(self._project_changed)
        self.project_file.opened.connect(self._show_project)
        self.project_file.leaving.connect(lambda: self.select(None))
        self.project_file.writable_changed.connect(self.runs_changed)
        self.progressed.connect(lambda *_: self.viewing.moments.refresh())
        self.runs_changed.connect(self.viewing.moments.refresh)
        self._before: Run | None = None  # what was shown before the run that began last
        self._tell = QTimer(self, singleShot=True, interval=TELL_EVERY)
        self._tell.timeout.connect(self._progressed)

    @property
    def project(self) -> Project | None:
        """The project that is open."""
        return self.project_file.project

    # Runs.

    def changed(self) -> None:
        """Something in the project is another than in the file: save soon."""
        self.runs_changed.emit()
        self.project_file.save_soon()

    def train(
        self,
        config: RunConfig,
        name: str = "",
        select: bool = True,
        begun: Callable[[Run | None], None] = lambda run: None,
    ) -> None:
        """Add a run with these settings and train it when it is its turn. With `select` all views turn to it. `begun`
        is told the run that was added, or None if that was not possible."""
        project = self.project
        assert project is not None
        if self.project_file.closing:
            return

        def done(run: Run) -> None:
            if project is not self.project or self.project_file.closing:
                return  # the run is in it, untrained
            self.shown.of(run.id).history = History()
            self.runs_changed.emit()
            self._enqueue(run, config)
            if select:
                self._before = self.run
                self.select(run)
            begun(run)

        def failed(problem: Problem) -> None:
            self.log.say_problem("No run was added.", problem)
            begun(None)

        self.files.submit(lambda: project.new_run(config, name), done, failed)

    def continue_run(self, run: Run, more: int) -> None:
        """Train a run further from its newest checkpoint, `more` steps past where it is (or its plan, if that is 0)."""
        if self.trainer.trains(run.id):
            self.trainer.extend(more)
            return
        assert run.config is not None
        steps = run.checkpoint_steps()
        begin = steps[-1] if steps else 0
        plan: dict[str, Any] = {"steps": begin + more if more else run.config.training.steps}
        try:
            warnings = resume_warnings(run)
        except devices.NoSuchDevice as problem:
            warnings = [f"{problem} It goes on with the preferred one."]
            plan["device"] = "auto"
        for warning in warnings:
            self.log.say(Notice("info", warning, lasting=False))
        config = run.config.model_copy(update={"training": run.config.training.model_copy(update=plan)})
        self._enqueue(run, config, run.checkpoint if steps else None, plan.get("device", ""))

    def select(self, run: Run | None, instead: bool = False) -> None:
        """Show `run` in all views; `instead` is told with it."""
        if run is self.run and run is not None:
            return
        self.run = run
        self.selected.emit(run, instead)
        self.viewing.select(run)

    def rename(self, run: Run, name: str) -> None:
        self.edits.push(RunEdit(self, run, "name", name))

    def annotate(self, run: Run, notes: str) -> None:
        if run.notes != notes:
            self.edits.push(RunEdit(self, run, "notes", notes))

    def tag(self, run: Run, tags: list[str]) -> None:
        if run.tags != tags:
            self.edits.push(RunEdit(self, run, "tags", tags))

    def forget(self, run_id: str, unlearned: bool = False) -> None:
        """A run is no longer part of the project: show nothing of it. In place of one that has not learned anything
        stands the run that was shown before it."""
        assert self.project is not None
        self.shown.forget(run_id)
        if self.run is not None and self.run.id == run_id:
            before = self._before if unlearned and self._before in self.project.runs.values() else None
            self.select(before or _newest(self.project), instead=unlearned)
        self.runs_changed.emit()

    def show_again(self, run: Run) -> None:
        """Read anew what the run has to show."""
        self.shown.forget(run.id)
        self.shown.read_thumbnail(run)
        if self.run is run:
            self.viewing.select(run)

    def end(self) -> list[QThread]:
        """Have all threads end. Nothing may train and the project must be closed. Returns them."""
        assert self.trainer.phase is Phase.IDLE
        self.files.end()
        return [*self.viewing.end(), self.files]

    # Training.

    def _enqueue(self, run: Run, config: RunConfig, state: Callable[[], Tree] | None = None, device: str = "") -> None:
        """`device`: another than the settings of the run name."""
        project = self.project
        assert project is not None
        if self.project_file.closing:
            return
        data = run.provenance.get("data") or {}
        room = self.preferences.history_room * 2**20
        recorder = partial(Recorder, project, run, device=device, room=room)
        self.trainer.add(Job(run.id, run.name, config, recorder, state, data, self.preferences.keep_every, room))

    def _happened(self, run_id: str, event: Event) -> None:
        self.shown.record(run_id, event)
        self.viewing.hear(run_id, event)
        if isinstance(event, Progress):
            if not self._tell.isActive():
                self._tell.start()
        elif isinstance(event, Preview):
            self.previewed.emit(run_id, event)
        elif isinstance(event, Finding):
            self.found.emit(run_id, event)
        elif isinstance(event, Finished | Cancelled | Failed):
            self._ended(run_id, event)

    def _progressed(self) -> None:
        active = self.trainer.active
        progress = self.shown.of(active.run).progress if active is not None else None
        if active is not None and progress is not None:
            self.progressed.emit(active.run, progress)

    def _ended(self, run_id: str, event: Finished | Cancelled | Failed) -> None:
        project = self.project
        assert project is not None
        run = project.runs.get(run_id)
        self.training_ended.emit(run, event)
        if project.modified:  # the disk had no room for its end
            self.project_file.keep_trying()
        if run is None:  # a run that was discarded before it had a state is gone
            self.forget(run_id, unlearned=True)
            return
        if isinstance(event, Cancelled):
            self.show_again(run)  # it is again what it was before this training
        self._keep_thumbnail(run_id)
        self.runs_changed.emit()
        self.viewing.open_live()

    def _keep_thumbnail(self, run_id: str) -> None:
        """The project's picture among the recent ones."""
        picture = self.shown.of(run_id).thumbnail
        if picture is not None and self.project is not None:
            keep_thumbnail(self.project.path, picture)

    def _training_changed(self) -> None:
        self.training_changed.emit()
        self.runs_changed.emit()

    # The project.

    def _project_changed(self) -> None:
        if self.project is None:
            self.shown.clear()
            self.viewing.clear()
            self.edits.clear()
        elif self.run is not None:  # the project has another path
            self._keep_thumbnail(self.run.id)

    def _show_project(self, project: Project) -> None:
        self.runs_changed.emit()
        for run in project.runs.values():
            self.shown.read_thumbnail(run)
        self.select(_newest(project))


def _newest(project: Project) -> Run | None:
    return next(reversed(project.runs.values()), None)
