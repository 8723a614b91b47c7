"""What has to be done for a lesson, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dgm_studio.config import RunConfig
from dgm_studio.lessons.entries import Cell, ShowReport
from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.found import Found

Kind = tuple[str, ...]

MEASURING = 0.15  # of the time of a run's training, for each of its evaluations: a guess until they are done


@dataclass(frozen=True)
class Train:
    """Train a run of the lesson to its end, from where the project has it, if it has."""

    run: str
    seed: int
    config: RunConfig

    @property
    def weight(self) -> float:
        return float(self.config.training.steps)

    @property
    def kind(self) -> Kind:
        """The same for jobs that differ by their seed alone."""
        return (self.run,)

    def begun(self, found: Found) -> float:
        """How much of it the project holds, 0 to 1, while it is not finished."""
        run = found.run(self.config)
        return max(run.checkpoint_steps(), default=0) / self.config.training.steps if run is not None else 0.0


@dataclass(frozen=True)
class Measure:
    """Put a finished run through an evaluation, with `settings` of it."""

    run: str
    seed: int
    config: RunConfig
    evaluation: str
    settings: dict[str, Any]

    @property
    def weight(self) -> float:
        return MEASURING * self.config.training.steps

    @cached_property
    def kind(self) -> Kind:
        """The same for jobs that differ by their seed alone."""
        return self.run, self.evaluation, json.dumps(self.settings, sort_keys=True)

    def begun(self, found: Found) -> float:
        """Nothing of it: an evaluation is kept when it is done."""
        return 0.0


Job = Train | Measure


def all_jobs(lesson: Lesson, seeds: int) -> list[Job]:
    """Everything that makes the lesson, seed by seed, so that results of the first are there early. What two runs
    have in common is done once. Raises LessonError."""
    found: list[Job] = []
    for seed in range(seeds):
        for key, run in lesson.runs.items():
            config = run.config(seed)
            found.append(Train(key, seed, config))
            found += [Measure(key, seed, config, name, of) for name, of in _asked(lesson, key, seed)]
    once: dict[str, Job] = {}
    for job in found:
        once.setdefault(_identity(job), job)
    return list(once.values())


def jobs(lesson: Lesson, seeds: int, found: Found) -> list[Job]:
    """Those that the project still lacks."""
    return [job for job in all_jobs(lesson, seeds) if not _done(job, found)]


def run_name(lesson: Lesson, run: str, seed: int, seeds: int) -> str:
    """What a run of a lesson is called."""
    name = f"{lesson.key} · {lesson.runs[run].title}"
    return f"{name} · seed {seed}" if seeds > 1 else name


def _asked(lesson: Lesson, run: str, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is measured of a run, each once."""
    asked = [lesson.quantities[quantity] for quantity, of in lesson.values() if of == run]
    shows = [show for show in lesson.shows.values() if isinstance(show, ShowReport) and show.run == run and seed == 0]
    once: list[tuple[str, dict[str, Any]]] = []
    for entry in (*asked, *shows):
        if isinstance(entry, Cell | ShowReport) and (entry.evaluation, entry.settings) not in once:
            once.append((entry.evaluation, entry.settings))
    yield from once


def _identity(job: Job) -> str:
    """The same text for jobs that do the same."""
    asked = json.dumps([job.evaluation, job.settings], sort_keys=True) if isinstance(job, Measure) else ""
    return job.config.model_dump_json() + asked


def _done(job: Job, found: Found) -> bool:
    if isinstance(job, Train):
        return found.finished(job.config) is not None
    return found.result(job.config, job.evaluation, job.settings) is not None
