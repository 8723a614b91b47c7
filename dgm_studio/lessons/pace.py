"""How long what is left of a lesson takes: by what its jobs have taken, and by the lesson's own word until then."""

from __future__ import annotations

import json
from collections.abc import Iterator

from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.found import Found
from dgm_studio.lessons.plan import Job, Measure, Train, all_jobs

Kind = tuple[str, ...]


class Pace:
    """Seconds of the jobs of a lesson. Seeds of one run take about the same time; steps of two runs do not."""

    def __init__(self, lesson: Lesson, seeds: int) -> None:
        """Raises LessonError."""
        weight = sum(job.weight for job in all_jobs(lesson, seeds))
        self._said = 60 * lesson.minutes * seeds / lesson.seeds / weight  # seconds for each unit of weight
        self._took: dict[Kind, tuple[float, float]] = {}  # how much was done, and the seconds for it

    def took(self, job: Job, seconds: float, part: float = 1.0) -> None:
        """This part of a job has taken so many seconds."""
        much, before = self._took.get(_kind(job), (0.0, 0.0))
        self._took[_kind(job)] = much + part * _size(job), before + seconds

    def knows(self, job: Job) -> bool:
        """Whether its seconds are those of one like it, and no guess."""
        return _kind(job) in self._took

    def seconds(self, job: Job) -> float:
        """That the whole job takes."""
        alike = [took for kind, took in self._took.items() if _alike(kind, _kind(job))]
        known = [self._took[_kind(job)]] if self.knows(job) else alike
        if not known:
            return self._said * job.weight
        much, seconds = (sum(part) for part in zip(*known, strict=True))
        return seconds / much * _size(job)


def kept_seconds(lesson: Lesson, seeds: int, found: Found) -> Iterator[tuple[Job, float]]:
    """What those jobs have taken that the project holds already. Reads files."""
    for job in all_jobs(lesson, seeds):
        if isinstance(job, Train):
            run = found.finished(job.config)
            wall = run.wall if run is not None else None
            if wall is not None and len(wall[1]):
                yield job, float(wall[1][-1])
        else:
            result = found.result(job.config, job.evaluation, job.settings)
            if result is not None:
                yield job, result.seconds


def _kind(job: Job) -> Kind:
    """The same for jobs that differ by their seed alone."""
    if isinstance(job, Measure):
        return job.run, job.evaluation, json.dumps(job.settings, sort_keys=True)
    return (job.run,)


def _size(job: Job) -> float:
    """Training takes as long as its steps; an evaluation does not depend on them."""
    return 1.0 if isinstance(job, Measure) else job.weight


def _alike(one: Kind, other: Kind) -> bool:
    """Whether the one is a guess of the other: a training of a training, an evaluation of the same of another run."""
    return one[1:] == other[1:]
