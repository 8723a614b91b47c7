"""A lesson: a claim of the lecture, the runs that show it, what is measured of them, and the page around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dgm_studio import ROOT
from dgm_studio.config import RunConfig
from dgm_studio.lessons.entries import Quantity, Show, ShowReport, Try, quantities_of
from dgm_studio.lessons.expressions import Expression, Value
from dgm_studio.lessons.positions import Positions
from dgm_studio.lessons.predictions import Prediction
from dgm_studio.pages import Page
from models.settings import SettingsError

GROUPS = ("data", "model", "learning", "training")


class LessonError(ValueError):
    """A lesson that cannot be read or carried out: a sentence with file and line."""

    def __init__(self, name: str, line: int, problem: str) -> None:
        super().__init__(f"{name}, line {line}: {problem.rstrip('.')}.")
        self.name, self.line, self.problem = name, line, problem


@dataclass(frozen=True)
class LessonRun:
    """A run of a lesson. `given` is what differs from the defaults of its preset or family, as in a settings file."""

    key: str
    title: str
    given: Mapping[str, Any]
    path: Path
    line: int

    def config(self, seed: int = 0) -> RunConfig:
        """What is trained, with `seed` added to its own. Raises LessonError."""
        return _config(self, seed)

    def __hash__(self) -> int:
        return hash((self.key, self.path, self.line))


@dataclass(frozen=True)
class Check:
    """A claim as a prediction of a figure, and the same figure with the effect switched off: there the prediction must
    not hold."""

    says: str
    figure: Expression
    predicts: Prediction
    counterpart: Expression
    without: str
    unit: str
    decimals: int


@dataclass(frozen=True)
class Lesson:
    """A claim of the lecture, the runs that show it, and the page around them."""

    key: str
    path: Path
    order: int
    part: str
    claim: str
    minutes: float  # on two cores, with all seeds
    seeds: int
    runs: Mapping[str, LessonRun]
    quantities: Mapping[str, Quantity]
    checks: tuple[Check, ...]
    shows: Mapping[str, Show]
    tries: tuple[Try, ...]
    page: Page
    positions: Positions

    @property
    def title(self) -> str:
        return self.page.title

    @property
    def picture(self) -> Path | None:
        """Beside the file, if there is one."""
        picture = self.path.with_suffix(".png")
        return picture if picture.is_file() else None

    def error(self, place: tuple[str | int, ...], problem: str) -> LessonError:
        """What is wrong at a place of the file."""
        return LessonError(file_name(self.path), self.positions.line_of(place), problem)

    def runs_of(self, show: Show) -> tuple[str, ...]:
        """The runs that a show is of."""
        if isinstance(show, ShowReport):
            return (show.run,)
        return tuple(show.runs) or tuple(self.runs)

    def values(self) -> tuple[Value, ...]:
        """Every quantity of a run that a check or a show needs."""
        found: dict[Value, None] = {}
        for check in self.checks:
            found |= dict.fromkeys((*check.figure.values, *check.counterpart.values))
        for show in self.shows.values():
            found |= {(quantity, run): None for run in self.runs_of(show) for quantity in quantities_of(show)}
        return tuple(found)


def over(before: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What is given of a run over what is given of the one it is like."""
    values = {**before, **{key: value for key, value in own.items() if key not in GROUPS}}
    for group in GROUPS:
        kept = before.get(group, {})
        if group == "learning" and own.get("learner", before.get("learner")) != before.get("learner"):
            kept = {}
        if group == "data" and "source" in own.get(group, {}):
            kept = {}
        if kept or own.get(group):
            values[group] = {**kept, **own.get(group, {})}
    return values


@cache
def _config(run: LessonRun, seed: int) -> RunConfig:
    from dgm_studio.settings_files import config_from

    try:
        config = config_from(run.given, run.path)
    except SettingsError as error:
        problem = "; ".join(": ".join(part for part in pair if part) for pair in error.problems)
        raise LessonError(file_name(run.path), run.line, f"the run {run.key!r}: {problem}") from None
    training = config.training.model_copy(update={"seed": config.training.seed + seed})
    return config.model_copy(update={"training": training})


def file_name(path: Path) -> str:
    """As messages name the file of a lesson."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
