"""A lesson carried out without a window: its runs are trained and measured one after the other, into a project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dgm_studio import device as devices
from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from dgm_studio.evaluation import EvaluationEvent, Measured, evaluate
from dgm_studio.events import Event
from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.found import SEED, Found
from dgm_studio.lessons.outcome import outcome
from dgm_studio.lessons.plan import Job, Measure, Train, jobs, run_name
from dgm_studio.recording import Recorder
from dgm_studio.store import Project
from dgm_studio.store.thinning import ROOM
from dgm_studio.training import Resume, TrainingSession
from models.catalog import Recipe


@dataclass(frozen=True)
class Beginning:
    """The next job; `left` are all that are still to do, it included. `session` may be told to stop."""

    job: Job
    left: tuple[Job, ...]
    session: TrainingSession | None = None


LessonEvent = Beginning | Event | EvaluationEvent


def carry_out(lesson: Lesson, project: Project, seeds: int, history: bool = True) -> Iterator[LessonEvent]:
    """Do what the project lacks of the lesson, and keep it there. Each job begins with a Beginning; what its training
    or measuring tells follows. May be abandoned between two events: what was done is kept, and goes on from there.
    With `history`, states along the training are kept too. Raises LessonError, and what reading data may raise."""
    data: dict[str, Dataset] = {}
    left = jobs(lesson, seeds, Found(project))
    while left:
        job = left[0]
        dataset = _data(job.config.data, data)
        if isinstance(job, Train):
            yield from _train(lesson, job, tuple(left), project, seeds, dataset, history)
        else:
            yield Beginning(job, tuple(left))
            yield from _measure(job, project, dataset)
        if job.seed == 0:
            outcome(lesson, 1, Found(project))  # a name that is wrong is said now, and not when all has run
        left = left[1:]


def _data(choice: DataChoice, read: dict[str, Dataset]) -> Dataset:
    key = choice.model_dump_json()
    if key not in read:
        read[key] = load(choice)
    return read[key]


def _train(
    lesson: Lesson,
    job: Train,
    left: tuple[Job, ...],
    project: Project,
    seeds: int,
    dataset: Dataset,
    history: bool,
) -> Iterator[LessonEvent]:
    run = Found(project).run(job.config) or project.new_run(job.config, run_name(lesson, job.run, job.seed, seeds))
    resume = Resume(run.checkpoint()) if run.checkpoint_steps() else None
    session = TrainingSession(job.config, dataset, resume, history=history)
    recorder = Recorder(project, run, dataset.provenance, room=ROOM if history else 0)
    try:
        yield Beginning(job, left, session)
        for event in session.events():
            recorder.record(event)
            yield event
    finally:
        recorder.close()


def _measure(job: Measure, project: Project, dataset: Dataset) -> Iterator[EvaluationEvent]:
    run = Found(project).finished(job.config)
    if run is None:
        return  # its training was stopped or failed, which was said
    config = job.config
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    device = devices.resolve(config.training.device)
    settings = {job.evaluation: job.settings}
    for event in evaluate(recipe, dataset, run.checkpoint(), [job.evaluation], device, SEED, settings):
        if isinstance(event, Measured):
            run.add_evaluation(event.result.key, event.result.step, event.result.tree())
            project.save()
        yield event
