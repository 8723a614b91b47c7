"""How long a lesson takes, what is left of it, and so how far it is: by what its jobs have taken, and by the lesson's
own word until then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.found import Found
from dgm_studio.lessons.plan import Job, Kind, Measure, Train, all_jobs

SHORTEST = 1e-3  # seconds of a job: what is left always counts


class Pace:
    """Seconds of the jobs of a lesson. Seeds of one run take about the same time; steps of two runs do not."""

    def __init__(self, lesson: Lesson, seeds: int) -> None:
        """Raises LessonError."""
        self._jobs = all_jobs(lesson, seeds)
        weight = sum(job.weight for job in self._jobs)
        self._said = 60 * lesson.minutes * seeds / lesson.seeds / weight  # seconds for each unit of weight
        self._took: dict[Kind, tuple[float, float]] = {}  # how much was done, and the seconds for it

    def took(self, job: Job, seconds: float, part: float = 1.0) -> None:
        """This part of a job has taken so many seconds."""
        much, before = self._took.get(job.kind, (0.0, 0.0))
        self._took[job.kind] = much + part * _size(job), before + max(seconds, SHORTEST)

    def knows(self, job: Job) -> bool:
        """Whether its seconds are those of one like it, and no guess."""
        return job.kind in self._took

    def seconds(self, job: Job) -> float:
        """That the whole job takes."""
        if self.knows(job):
            known = [self._took[job.kind]]
        else:
            known = [took for kind, took in self._took.items() if _alike(kind, job.kind)]
        if not known:
            return self._said * job.weight
        much, seconds = (sum(part) for part in zip(*known, strict=True))
        return seconds / much * _size(job)

    def share(self, left: Iterable[Job], within: float = 0.0, remaining: float | None = None) -> float:
        """How much of the lesson's time is over, 0 to 1, when `left` is to do. Of the first of these, `within` is done,
        and `remaining` seconds are left where it says so itself."""
        of_left = [self.seconds(job) for job in left]
        if not of_left:
            return 1.0
        whole = of_left[0]
        if remaining is not None and within < 1:
            whole = max(remaining / (1 - within), SHORTEST)
        over = sum(map(self.seconds, self._jobs)) - sum(of_left) + within * whole
        return over / (over + (1 - within) * whole + sum(of_left[1:]))


def kept_pace(lesson: Lesson, seeds: int, found: Found) -> Pace:
    """The pace by what the project holds already. Reads files. Raises LessonError."""
    pace = Pace(lesson, seeds)
    for job, seconds in kept_seconds(lesson, seeds, found):
        pace.took(job, seconds)
    return pace


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


def _size(job: Job) -> float:
    """Training takes as long as its steps; an evaluation does not depend on them."""
    return 1.0 if isinstance(job, Measure) else job.weight


def _alike(one: Kind, other: Kind) -> bool:
    """Whether the one is a guess of the other: a training of a training, an evaluation of the same of another run."""
    return one[1:] == other[1:]
