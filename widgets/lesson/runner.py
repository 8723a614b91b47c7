"""A lesson carried out in the window: what the project lacks of it is trained and measured, one after the other, by the
queues that everything goes through."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal

from dgm_studio.evaluation import Fraction, Result, evaluation
from dgm_studio.events import CLOSING, Event, Failed, Finished
from dgm_studio.events import Progress as Trained
from dgm_studio.lessons.format import Lesson, LessonError
from dgm_studio.lessons.found import SEED, Found
from dgm_studio.lessons.pace import Pace, kept_seconds
from dgm_studio.lessons.plan import Job, Measure, Train, jobs, run_name
from dgm_studio.number_texts import thousands
from dgm_studio.store import Run
from dgm_studio.training import Order
from widgets import measuring
from widgets.measuring import How, Measuring
from widgets.measuring_jobs import job as to_measure
from widgets.trainer import Phase
from widgets.workspace import Workspace


class Runner(QObject):
    """Does one lesson at a time. `changed()`: it began, ended, or is at another job; `advanced()`: further within one;
    `made(Lesson)`: the project holds more of the lesson."""

    changed = Signal()
    advanced = Signal()
    made = Signal(object)

    def __init__(self, workspace: Workspace, queue: Measuring, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace, self._queue = workspace, queue
        self.lesson: Lesson | None = None  # that is carried out now
        self.seeds = 1
        self.job: Job | None = None
        self.stopping = False
        self.trouble: dict[str, str] = {}  # by lesson: why it ended too early
        self.share = 0.0  # how much of its time is over, 0 to 1: never less than it was
        self._run = ""  # that is trained for the job
        self._asked: measuring.Job | None = None
        self._within = 0.0  # how much of the job is done
        self._left: Sequence[Job] = ()
        self._pace: Pace | None = None
        self._remaining: float | None = None  # seconds of the job, by its own word
        self._clock: tuple[float, float] | None = None  # when the job began, and how much of it was done then
        workspace.trainer.happened.connect(self._happened)
        workspace.trainer.changed.connect(self._queue_changed)
        workspace.progressed.connect(self._progressed)
        workspace.project_file.replaced.connect(self._end)
        workspace.project_file.stays_open.connect(self._end)
        queue.progressed.connect(self._measuring)
        queue.measured.connect(self._measured)
        queue.failed.connect(self._failed)
        queue.dropped.connect(lambda job: self._end() if job is self._asked else None)

    def run(self, lesson: Lesson, seeds: int) -> None:
        """Do what is left of the lesson. The project must be one that can be written to."""
        if self.lesson is not None or not self._workspace.project_file.writable:
            return
        self.lesson, self.seeds, self.stopping = lesson, seeds, False
        self.trouble.pop(lesson.key, None)
        try:
            self._pace = Pace(lesson, seeds)
        except LessonError as error:
            self._end(str(error))
            return
        self.share = 0.0
        self._recall(lesson, seeds, self._pace)
        self._next()

    def _recall(self, lesson: Lesson, seeds: int, pace: Pace) -> None:
        """What is there already says how long the rest takes."""
        found = Found(self._workspace.project)

        def done(kept: list[tuple[Job, float]]) -> None:
            for job, seconds in kept:
                pace.took(job, seconds)
            if self.lesson is lesson and pace is self._pace:
                self.share = self._share()  # which may be less than what was thought before

        self._workspace.files.submit(lambda: list(kept_seconds(lesson, seeds, found)), done, lambda problem: None)

    def stop(self) -> None:
        """Do no more of it; what there is stays, and `run` goes on from it."""
        trainer = self._workspace.trainer
        if self.lesson is None or self.stopping:
            return
        self.stopping = True
        if self._asked is not None:
            asked = self._asked
            self._queue.drop(lambda job: job is asked)
        elif trainer.active is not None and trainer.active.run == self._run:
            trainer.tell(Order.STOP)
            self.changed.emit()
        elif self._run:
            trainer.remove(self._run)  # which ends it
        else:
            self.changed.emit()  # its run is being added, and ends it then

    # How far it is.

    def _share(self) -> float:
        return self._pace.share(self._left, self._within, self._remaining) if self._pace is not None else 0.0

    def _advance(self) -> None:
        """Further within the job. What was not known to take so long holds the bar, and does not take it back."""
        self.share = max(self.share, self._share())
        self.advanced.emit()

    @property
    def remaining(self) -> float:
        """Seconds that are left: of what was done in like manner for another seed, by that."""
        if self._pace is None or self.job is None:
            return 0.0
        of_job = (1 - self._within) * self._pace.seconds(self.job) if self._remaining is None else self._remaining
        return of_job + sum(self._pace.seconds(job) for job in self._left[1:])

    @property
    def guesses(self) -> bool:
        """Whether `remaining` counts anything of which nothing like it was measured yet."""
        pace, left = self._pace, self._left if self._remaining is None else self._left[1:]
        return pace is None or not all(pace.knows(job) for job in left)

    @property
    def training(self) -> str:
        """The id of the run that is trained for the lesson now; empty if none is."""
        active = self._workspace.trainer.active
        return self._run if self._run and active is not None and active.run == self._run else ""

    @property
    def text(self) -> str:
        """What is being done now."""
        if self.lesson is None or self.job is None:
            return ""
        title = self.lesson.runs[self.job.run].title
        of = f"{title}, seed {self.job.seed}" if self.seeds > 1 else title
        if self.stopping:
            return "stopping; what there is stays"
        if isinstance(self.job, Measure):
            waits = "" if self._queue.job is self._asked else "waits to measure: "
            return f"{waits or 'measuring '}{evaluation(self.job.evaluation).title} of {of}"
        trainer = self._workspace.trainer
        active = trainer.active
        if active is None or active.run != self._run:
            return f"{of} waits for {active.name}" if active is not None else f"{of} begins"
        if trainer.phase is Phase.PAUSED:
            return f"{of} is paused"
        steps = self.job.config.training.steps
        return f"training {of}: step {thousands(round(self._within * steps))} of {thousands(steps)}"

    # One job after the other.

    def _measured(self, job: measuring.Job, _: Result) -> None:
        if job is self._asked:
            self._took()
            self._next()

    def _took(self) -> None:
        """The job is done: its time says how long others like it take."""
        if self._clock is not None and self._pace is not None and self.job is not None:
            since, within = self._clock
            self._pace.took(self.job, time.monotonic() - since, 1 - within)

    def _next(self) -> None:
        """Begin with the first job that is left."""
        lesson, project, before = self.lesson, self._workspace.project, self.job
        if lesson is None or project is None:
            return
        self._run, self._asked, self._within = "", None, 0.0
        self._remaining, self._clock = None, (time.monotonic(), 0.0)
        self.made.emit(lesson)
        found = Found(project)
        self._left = jobs(lesson, self.seeds, found)
        if not self._left or self.stopping:
            self._end()
            return
        self.job = job = self._left[0]
        if before == job:
            self._end(f"{lesson.runs[job.run].title} could not be {self._doing(job)}.")
            return
        if isinstance(job, Train):
            self._train(lesson, job, found)
        else:
            self._measure(job, found.finished(job.config))
        self.share = max(self.share, self._share())
        self.changed.emit()

    @staticmethod
    def _doing(job: Job) -> str:
        return "trained to its end" if isinstance(job, Train) else f"measured by {evaluation(job.evaluation).title}"

    def _train(self, lesson: Lesson, job: Train, found: Found) -> None:
        workspace, run = self._workspace, found.run(job.config)
        if run is None:
            name = run_name(lesson, job.run, job.seed, self.seeds)
            workspace.train(job.config, name, select=workspace.run is None, begun=partial(self._begun, job))
            return
        self._run = run.id
        self._within = job.begun(found)
        self._clock = time.monotonic(), self._within
        if workspace.shown.of(run.id).history is None:
            workspace.shown.read(run)
        if not (workspace.trainer.trains(run.id) or workspace.trainer.waits(run.id)):
            workspace.continue_run(run, 0)

    def _begun(self, job: Train, run: Run | None) -> None:
        """The run of a job stands in the project and in the queue, or could not be made."""
        if self.job is job and run is None:
            self._end("The project takes no more runs.")
        elif self.job is job and run is not None:
            self._run = run.id
            if self.stopping:
                self.stopping = False
                self.stop()

    def _measure(self, job: Measure, run: Run | None) -> None:
        project = self._workspace.project
        assert project is not None
        assert run is not None  # what is trained stands before what is measured of it
        how = How(dict(job.settings), SEED)
        asked = to_measure(project, run, evaluation(job.evaluation), how, self._workspace.data)
        asked.how = how  # as the lesson has it, also what has no effect: so it is known again
        self._asked = asked
        self._queue.ask(asked)

    def _happened(self, run_id: str, event: Event) -> None:
        if run_id != self._run or not isinstance(event, CLOSING) or self.lesson is None:
            return
        if isinstance(event, Finished) and not event.stopped:
            self._took()
            QTimer.singleShot(0, self, self._next)  # when the trainer is through with it
        else:
            self._end(event.text if isinstance(event, Failed) else "")

    def _queue_changed(self) -> None:
        """A run that was taken out of the queue ends the lesson; one that begins is said."""
        trainer = self._workspace.trainer
        if not self._run or self._asked is not None:
            return
        active = trainer.active is not None and trainer.active.run == self._run
        here = trainer.waits(self._run) or active
        if not active or trainer.phase is Phase.PAUSED:
            self._clock = None  # its time is not that of the job
        if here:
            self.changed.emit()
        elif self._within < 1 and isinstance(self.job, Train) and not self._is_finished():
            self._end()

    def _is_finished(self) -> bool:
        project = self._workspace.project
        return project is not None and self.job is not None and Found(project).finished(self.job.config) is not None

    def _progressed(self, run_id: str, event: Trained) -> None:
        if run_id == self._run and self._run:
            self._within = event.step / max(1, event.steps)
            self._remaining = event.remaining if math.isfinite(event.remaining) else None
            self._advance()

    def _measuring(self, job: measuring.Job, event: Fraction) -> None:
        if job is self._asked:
            self._within = event.fraction
            self._remaining = event.remaining if math.isfinite(event.remaining) else None
            self._advance()

    def _failed(self, job: measuring.Job, text: str) -> None:
        if job is self._asked:
            self._end(text)

    def _end(self, trouble: str = "") -> None:
        lesson = self.lesson
        self.lesson = self.job = self._asked = None
        self._run, self._left, self.stopping = "", (), False
        if lesson is not None:
            if trouble:
                self.trouble[lesson.key] = trouble
            self.made.emit(lesson)
            self.changed.emit()
