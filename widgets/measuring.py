"""What is being measured of runs, one evaluation after the other, in a thread of its own; every page asks here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QCoreApplication, QObject, Signal

from dgm_studio.evaluation import Evaluation, Fraction, Measured, Reported, Unmeasured
from dgm_studio.reports import Report
from dgm_studio.store.project import Project
from dgm_studio.store.run import Run
from widgets.evaluation_thread import EvaluationThread, Prepare


@dataclass(frozen=True)
class How:
    """How an evaluation is measured: settings that differ from its defaults, and the seed of its random numbers."""

    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0

    def without(self, hidden: Sequence[str]) -> How:
        """The same without settings that have no effect."""
        return How({name: value for name, value in self.settings.items() if name not in hidden}, self.seed)

    @property
    def changed(self) -> int:
        """How many things differ from the defaults."""
        return len(self.settings) + (self.seed != 0)

    @property
    def said(self) -> str:
        """In words, after "measured with"."""
        parts = [f"{name.replace('_', ' ')} {value}" for name, value in self.settings.items()]
        return ", ".join([*parts, *([f"seed {self.seed}"] if self.seed else [])]) or "the defaults"


@dataclass(eq=False)
class Job:
    """An evaluation that was asked for. `prepare` is called in the thread when it is this job's turn, so that a queue
    of many states holds none of them; `step` is that of the state, where it is known."""

    project: Project
    run: Run
    evaluation: Evaluation
    how: How
    prepare: Prepare
    step: int = -1
    reports: list[Report] = field(default_factory=list)

    def is_of(self, run: Run | None, key: str) -> bool:
        return self.run is run and self.evaluation.key == key


class Measuring(QObject):
    """A queue of jobs. What is measured is kept in the project of the job's run.

    Signals: `changed()` another job is in work or waits, `progressed(Job, Fraction)`, `reported(Job)` has one more
    report, `measured(Job, Result)` it is done and kept, `failed(Job, str)` why it gave no result, `dropped(Job)` it was
    cancelled, `how_changed(key)` an evaluation is to be measured in another way from now on. `shut_down()` must be
    called before this object goes.
    """

    changed = Signal()
    progressed = Signal(object, object)
    reported = Signal(object)
    measured = Signal(object, object)
    failed = Signal(object, str)
    dropped = Signal(object)
    how_changed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.job: Job | None = None  # that is in work
        self.waiting: deque[Job] = deque()
        self._how: dict[str, How] = {}
        self._thread: EvaluationThread | None = None
        self._when_ended: Callable[[], None] | None = None
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.shut_down)

    def how(self, key: str) -> How:
        """How the evaluation `key` is to be measured: as was set last, on whatever page."""
        return self._how.get(key, How())

    def set_how(self, key: str, how: How) -> None:
        if how != self.how(key):
            self._how[key] = how
            self.how_changed.emit(key)

    @property
    def jobs(self) -> list[Job]:
        """The one in work and those that wait."""
        return [*([self.job] if self.job is not None else []), *self.waiting]

    @property
    def busy(self) -> bool:
        """Whether something is being measured or waits for it."""
        return bool(self.jobs)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is asked for and no thread works, not even on what was cancelled."""
        return not self.busy and self._thread is None

    def ask(self, job: Job) -> None:
        """Measure this when it is its turn."""
        self.waiting.append(job)
        self.changed.emit()
        self._next()

    def drop(self, which: Callable[[Job], bool]) -> None:
        """Cancel the jobs that `which` picks."""
        gone = [job for job in self.waiting if which(job)]
        self.waiting = deque(job for job in self.waiting if job not in gone)
        if self.job is not None and which(self.job):
            gone.append(self.job)
            self.job = None
            if self._thread is not None:
                self._thread.cancel()
        for job in gone:
            self.dropped.emit(job)
        if gone:
            self.changed.emit()

    def shut_down(self) -> None:
        """Cancel everything and wait for the thread."""
        self.drop(lambda job: True)
        if self._thread is not None:
            thread, self._thread = self._thread, None
            thread.wait()
            thread.deleteLater()

    def leave(self, then: Callable[[], None]) -> None:
        """Cancel everything, and do `then` when the thread has ended: it may take seconds to notice."""
        self.drop(lambda job: True)
        if self._thread is None:
            then()
        else:
            self._when_ended = then

    def _next(self) -> None:
        if self._thread is not None or not self.waiting:
            return
        job = self.job = self.waiting.popleft()
        self._thread = EvaluationThread(job.prepare, job.evaluation.key, job.how.settings, job.how.seed, self)
        self._thread.happened.connect(self._happened)
        self._thread.finished.connect(self._ended)
        self._thread.start()
        self.changed.emit()

    def _ended(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.deleteLater()
        then, self._when_ended = self._when_ended, None
        if then is not None:
            then()
        self._next()

    def _happened(self, event: object) -> None:
        job = self.job
        if job is None:
            return  # it was cancelled; the next one starts when its thread has ended
        match event:
            case Fraction():
                self.progressed.emit(job, event)
            case Reported():
                job.reports.append(event.report)
                self.reported.emit(job)
            case Measured():
                self.job = None
                if job.run.id in job.project.runs:
                    job.run.add_evaluation(event.result.key, event.result.step, event.result.tree())
                self.measured.emit(job, event.result)
                self.changed.emit()
            case Unmeasured():
                self.job = None
                self.failed.emit(job, event.text)
                self.changed.emit()
