"""What the window works on: a project, the run that is selected, and the runs that train."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QUndoStack

from dgm_studio import device as devices
from dgm_studio.circumstances import resume_warnings
from dgm_studio.config import RunConfig
from dgm_studio.events import Cancelled, Event, Failed, Finding, Finished, Preview, Progress, Tree
from dgm_studio.recording import Recorder
from dgm_studio.store import Project, ProjectError, Recovery, Run, look_at_unfamiliar
from widgets.background import Background, Problem
from widgets.data_cache import DataCache
from widgets.history import History
from widgets.notices import Log, Notice, Remedy
from widgets.preferences import Preferences, free_path, keep_thumbnail
from widgets.run_edits import Keeping, RunEdit
from widgets.status import thousands
from widgets.trainer import Phase, Trainer
from widgets.training_thread import Job
from widgets.viewing import Viewing

TELL_EVERY = 400  # ms between two words on the progress
SAVE_AFTER = 1500  # ms from a change of names or notes


class Workspace(QObject):
    """Opens, trains, selects and saves. Whatever touches a file happens in the thread `files`.

    Signals: `project_changed()` another project or path, `runs_changed()` the list or what stands in it,
    `selected(Run | None)`, `progressed(run id, Progress)`, `previewed(run id, Preview)`, `found(run id, Finding)`,
    `training_changed()` phase or queue, `loading(fraction, text)` data is being read, `saved()`, `opened(Project)`,
    `displaced(code)` a save found another file, or none, in the project's place, `recovered()`, `stays_open()` a
    project could not be closed. What runs have to show is in `viewing`.
    """

    project_changed = Signal()
    runs_changed = Signal()
    selected = Signal(object)
    progressed = Signal(str, object)
    previewed = Signal(str, object)
    found = Signal(str, object)
    training_changed = Signal()
    loading = Signal(float, str)
    saved = Signal()
    opened = Signal(object)
    displaced = Signal(str)
    recovered = Signal()
    stays_open = Signal()

    def __init__(self, preferences: Preferences, log: Log, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.preferences, self.log = preferences, log
        self.project: Project | None = None
        self._closing = False  # the project is being saved for the last time
        self.run: Run | None = None
        self.edits = QUndoStack(self)  # of names, tags, notes and kept states, and what was deleted
        self.data = DataCache()
        self.files = Background("files", self)
        self.trainer = Trainer(self.data.load_fresh, self)
        self.viewing = Viewing(self.files, self.trainer, self.data, log, self)
        self.viewing.pictured.connect(lambda _: self.runs_changed.emit())
        self.trainer.loading.connect(lambda run, fraction, text: self.loading.emit(fraction, text))
        self.trainer.happened.connect(self._happened)
        self.trainer.unkept.connect(self._unkept)
        self.trainer.relieved.connect(self._relieved)
        self.trainer.demanded.connect(self._demanded)
        self.progressed.connect(lambda *_: self.viewing.moments.refresh())
        self.runs_changed.connect(self.viewing.moments.refresh)
        self._before: Run | None = None  # what was shown before the run that began last
        self.form_stays = False  # while another run is selected
        self._not_on_disk: dict[str, list[Notice]] = {}  # by run: what was said of it and still holds
        self.trainer.changed.connect(self._training_changed)
        self._tell = QTimer(self, singleShot=True, interval=TELL_EVERY)
        self._tell.timeout.connect(self._progressed)
        self._saver = QTimer(self, singleShot=True, interval=SAVE_AFTER)
        self._saver.timeout.connect(self.save)

    # Projects.

    def create(self, name: str, then: Callable[[], None] = lambda: None) -> None:
        """Make a new project in the project folder and open it."""
        folder = self.preferences.folder

        def work() -> Project:
            folder.mkdir(parents=True, exist_ok=True)
            return Project.create(free_path(folder, name))

        self._replace(work, then, f"No project could be made in {folder}.")

    def open(self, path: Path, then: Callable[[], None] = lambda: None, keep: bool = True) -> None:
        """Open a project file; read-only when another window holds it. One that is not familiar is looked at by a
        process of its own first. Without `keep`, what is not saved of the one that is open now is dropped."""
        familiar = self.preferences.familiar

        def work() -> Project:
            look_at_unfamiliar(path, familiar)
            return Project.open(path)

        self._replace(work, then, f"{path.name} was not opened.", keep)

    def close_project(self, then: Callable[[], None] = lambda: None, keep: bool = True) -> None:
        """Save what is not saved, unless `keep` is false, and close; then do `then`. If it cannot be saved, the project
        stays open and a person is asked (`stays_open`). Nothing may train, and nothing can begin to meanwhile."""
        project = self.project
        if project is None:
            then()
            return
        self._saver.stop()
        self._closing = True
        self.runs_changed.emit()

        def saved(_: None) -> None:
            if self.project is not project:  # asked for twice
                then()
            elif keep and project.modified:  # somebody wrote a note meanwhile
                self.close_project(then)
            else:
                self._leave(project, then)

        def failed(problem: Problem) -> None:
            self._closing = False
            self.runs_changed.emit()
            remedies = (
                Remedy("Try again", lambda: self.close_project(then)),
                Remedy("Close without saving", lambda: self.close_project(then, keep=False)),
            )
            text = f"{project.path.name} stays open: your last changes are not on the disk. {problem.text}"
            self.log.say(Notice("bad", text, problem.details, remedies))
            self.stays_open.emit()

        self.files.submit(lambda: project.save() if keep and project.modified else None, saved, failed)

    def _leave(self, project: Project, then: Callable[[], None]) -> None:
        """Show no project, and let go of the file."""
        self.preferences.know(project.recognition)  # trainings have saved it too
        self.select(None)
        self.project, self._closing = None, False
        self.viewing.clear()
        self.edits.clear()
        self._not_on_disk.clear()
        self.project_changed.emit()
        self.files.submit(project.close, lambda _: then())
        self.files.submit(devices.give_back)

    def save(self) -> None:
        """Write the project file now, if anything changed."""
        project = self.project
        if project is None or project.read_only:
            return

        def failed(problem: Problem) -> None:
            code = problem.error.code if isinstance(problem.error, ProjectError) else ""
            if code in ("conflict", "missing") and project is self.project:
                self.displaced.emit(code)
            else:
                self.say_problem("The project was not saved; the file on disk is as it was.", problem, self.save)

        self.files.submit(lambda: project.save() if project.modified else None, self._saved, failed)

    def save_over(self) -> None:
        """Write the project file whatever has taken its place."""
        project = self.project
        if project is not None:
            failed = partial(self.say_problem, f"{project.path.name} was not written.")
            self.files.submit(project.save_over, self._saved, failed)

    def save_as(self, path: Path, replace: bool = False) -> None:
        """Write to another file and go on there."""
        project = self.project
        assert project is not None

        def done(_: None) -> None:
            self.preferences.remember(path)
            if self.run is not None:
                self._keep_thumbnail(self.run.id)
            self.project_changed.emit()
            self._saved()

        failed = partial(self.say_problem, f"{path.name} was not written.")
        self.files.submit(lambda: project.save_as(path, replace), done, failed)

    def _saved(self, _: None = None) -> None:
        if self.project is not None:
            self.preferences.know(self.project.recognition)
        for run in [run for run in self._not_on_disk if self.trainer.active is None or self.trainer.active.run != run]:
            self._take_back(run)
        self.saved.emit()

    def changed(self) -> None:
        """Something in the project is another than in the file: save soon."""
        self.runs_changed.emit()
        self._saver.start()

    def recover(self, recovery: Recovery, step: int | None = None) -> None:
        """Merge what a crash left into its run, up to the state of `step` if given."""
        project = self.project
        assert project is not None

        def done(run: Run) -> None:
            self.changed()
            self.select(run)
            self.show_again(run)
            self.log.say(Notice("good", f"{run.name} was recovered.", lasting=False))
            self.recovered.emit()

        failed = partial(self.say_problem, "Nothing was recovered.")
        self.files.submit(lambda: project.recover(recovery, step), done, failed)

    def _replace(self, work: Callable[[], Project], then: Callable[[], None], failure: str, keep: bool = True) -> None:
        def begin() -> None:
            self.files.submit(work, done, lambda problem: self.say_problem(failure, problem))

        def done(project: Project) -> None:
            self.preferences.remember(project.path)
            self.preferences.know(project.recognition)
            self.project = project
            self.project_changed.emit()
            self.runs_changed.emit()
            for run in project.runs.values():
                self.viewing.read_thumbnail(run)
            self.select(next(reversed(project.runs.values()), None))
            self.opened.emit(project)
            then()

        self.close_project(begin, keep)

    # Runs.

    @property
    def can_train(self) -> bool:
        return self.project is not None and not self.project.read_only and not self._closing

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
        if self._closing:
            return

        def done(run: Run) -> None:
            if project is not self.project or self._closing:
                return  # the run is in it, untrained
            self.viewing.of(run.id).history = History()
            self.runs_changed.emit()
            self._enqueue(run, config)
            if select:
                self._before = self.run
                self.select(run)
            begun(run)

        def failed(problem: Problem) -> None:
            self.say_problem("No run was added.", problem)
            begun(None)

        self.files.submit(lambda: project.new_run(config, name), done, failed)

    def continue_run(self, run: Run, more: int) -> None:
        """Train a run further from its newest checkpoint, `more` steps past where it is (or its plan, if that is 0)."""
        if self.trainer.active is not None and self.trainer.active.run == run.id:
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

    def select(self, run: Run | None) -> None:
        """Show `run` in all views."""
        if run is self.run and run is not None:
            return
        self.run = run
        self.selected.emit(run)
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
        stands the run that was shown before, and its settings stay in the form, where they can be mended."""
        assert self.project is not None
        self.viewing.runs.pop(run_id, None)
        if self.run is not None and self.run.id == run_id:
            before = self._before if unlearned and self._before in self.project.runs.values() else None
            self.form_stays = unlearned
            self.select(before or next(reversed(self.project.runs.values()), None))
            self.form_stays = False
        self.runs_changed.emit()

    def show_again(self, run: Run) -> None:
        """Read anew what the run has to show."""
        self.viewing.runs.pop(run.id, None)
        self.viewing.read_thumbnail(run)
        if self.run is run:
            self.viewing.select(run)

    def is_training(self, run: Run) -> bool:
        return self.trainer.active is not None and self.trainer.active.run == run.id

    def close(self) -> None:
        """End all threads. Nothing may train and the project must be closed."""
        assert self.trainer.phase is Phase.IDLE
        self.viewing.close()
        self.files.close()

    # Training.

    def _enqueue(self, run: Run, config: RunConfig, state: Callable[[], Tree] | None = None, device: str = "") -> None:
        """`device`: another than the settings of the run name."""
        project = self.project
        assert project is not None
        if self._closing:
            return
        data = run.provenance.get("data") or {}
        room = self.preferences.history_room * 2**20
        recorder = partial(Recorder, project, run, device=device, room=room)
        self.trainer.add(Job(run.id, run.name, config, recorder, state, data, self.preferences.keep_every, room))

    def _happened(self, run_id: str, event: Event) -> None:
        self.viewing.record(run_id, event)
        if isinstance(event, Progress):
            if not self._tell.isActive():
                self._tell.start()
        elif isinstance(event, Preview):
            self.previewed.emit(run_id, event)
        elif isinstance(event, Finding):
            self.found.emit(run_id, event)
        elif isinstance(event, Finished | Cancelled | Failed):
            self._closed(run_id, event)

    def _progressed(self) -> None:
        active = self.trainer.active
        progress = self.viewing.of(active.run).progress if active is not None else None
        if active is not None and progress is not None:
            self.progressed.emit(active.run, progress)

    def _closed(self, run_id: str, event: Finished | Cancelled | Failed) -> None:
        project = self.project
        assert project is not None
        run = project.runs.get(run_id)
        name = run.name if run is not None else "The run"
        if isinstance(event, Failed):
            self._say_failure(run, event)
        elif isinstance(event, Cancelled):
            self.log.say(Notice("info", f"{name} was discarded at step {thousands(event.step)}.", lasting=False))
        else:
            how = "was stopped at" if event.stopped else "finished"
            text = f"{name} {how} step {thousands(event.step)} and was kept."
            self.log.say(Notice("good", text, lasting=False))
        if run is None:  # a run that was discarded before it had a state is gone
            self.forget(run_id, unlearned=True)
            return
        if isinstance(event, Cancelled):
            self.show_again(run)  # it is again what it was before this training
        self._keep_thumbnail(run_id)
        self.runs_changed.emit()
        self.saved.emit()
        self.viewing.open_live()

    def _keep_thumbnail(self, run_id: str) -> None:
        """The project's picture among the recent ones."""
        picture = self.viewing.of(run_id).thumbnail
        if picture is not None and self.project is not None:
            keep_thumbnail(self.project.path, picture)

    def _say_failure(self, run: Run | None, event: Failed) -> None:
        remedies: tuple[Remedy, ...] = ()
        config = run.config if run is not None else None
        if event.kind == "memory" and run is not None and config is not None and config.training.batch_size > 1:
            half = config.training.batch_size // 2
            training = config.training.model_copy(update={"batch_size": half})
            smaller = config.model_copy(update={"training": training})
            remedies = (Remedy(f"Try batch {half}", lambda: self.train(smaller, run.name)),)
        notice = Notice("bad", event.text, event.details, remedies)
        if event.kind == "bad input" and run is not None:  # one that was kept, so its settings were good once
            self.viewing.say_astray(run, notice)
        else:
            self.log.say(notice)

    def _unkept(self, run: str, text: str, details: str) -> None:
        notice = Notice("bad", text, details, (Remedy("Save again", self.save),))
        self._not_on_disk.setdefault(run, []).append(notice)
        self.log.say(notice)

    def _relieved(self, run: str, text: str) -> None:
        self._take_back(run)
        self.log.say(Notice("good", text, lasting=False))

    def _demanded(self, run_id: str, step: int) -> None:
        run = self.project.runs.get(run_id) if self.project is not None else None
        if run is not None:
            self.edits.push(Keeping(self, run, step, keep=True))

    def keep_moment(self) -> None:
        """Keep the state that is looked at, or the run as it is now, whatever else is let go of."""
        run, moments = self.run, self.viewing.moments
        if run is None or not self.can_train:
            return
        if moments.step is None and self.is_training(run):
            self.trainer.want_state()
        elif moments.state is not None and moments.state not in run.demanded:
            self.edits.push(Keeping(self, run, moments.state, keep=True))

    def release_moment(self) -> None:
        """The state that is looked at, and was to be kept, may be let go of like any other."""
        run, state = self.run, self.viewing.moments.state
        if run is not None and self.can_train and state is not None and state in run.demanded:
            self.edits.push(Keeping(self, run, state, keep=False))

    def mark_state(self, run_id: str, step: int, keep: bool) -> None:
        """A kept state of a run is to stay whatever else is let go of, or may go like any other."""
        run = self.project.runs.get(run_id) if self.project is not None else None
        if run is None:  # it may have been deleted meanwhile
            return
        text = f"The state of step {thousands(step)} of {run.name} "
        if step not in run.checkpoint_steps():
            self.log.say(Notice("warn", f"{text}is gone: it was let go of while the run trained.", lasting=False))
            return
        thread = self.trainer.thread_in_use if self.is_training(run) else None
        if thread is None or not thread.mark(step, keep):
            (run.demand if keep else run.release)(step)
        self.changed()
        text += "is kept." if keep else "may be let go of when the run trains on."
        self.log.say(Notice("good" if keep else "info", text, lasting=False))
        self.runs_changed.emit()

    def _take_back(self, run: str) -> None:
        """All of the run is on the disk."""
        for notice in self._not_on_disk.pop(run, []):
            self.log.take_back(notice)

    def _training_changed(self) -> None:
        self.training_changed.emit()
        self.runs_changed.emit()

    def say_problem(self, what: str, problem: Problem, again: Callable[[], None] | None = None) -> None:
        remedies = (Remedy("Try again", again),) if again is not None else ()
        self.log.say(Notice("bad", f"{what} {problem.text}", problem.details, remedies))
