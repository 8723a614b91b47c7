"""What the file of a lesson may hold, entry by entry. LESSONS.md describes them for teachers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from models.settings import Settings


class Cell(Settings):
    """A quantity that stands in a table of an evaluation: `row` is what its first cells say, `column` the title of the
    column; of an interval `end` is taken."""

    title: str
    evaluation: str
    table: str
    row: str | list[str]
    column: str
    end: Literal["", "low", "high"] = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    unit: str = ""
    decimals: int = Field(2, ge=0, le=8)


class Metric(Settings):
    """A quantity that is the mean of the last values of a training curve."""

    title: str
    metric: str
    last: int = Field(1, ge=1)
    unit: str = ""
    decimals: int = Field(2, ge=0, le=8)


class Fact(Settings):
    """A quantity that every run has."""

    title: str
    fact: Literal["parameters", "seconds", "seconds per step"]
    unit: str = ""
    decimals: int = Field(0, ge=0, le=8)


Quantity = Cell | Metric | Fact
QUANTITIES: dict[str, type[Quantity]] = {"evaluation": Cell, "metric": Metric, "fact": Fact}


class ShowTable(Settings):
    """Quantities of runs: means and intervals over seeds."""

    key: str
    table: list[str] = Field(min_length=1)
    title: str = ""
    runs: list[str] = Field(default_factory=list)  # here and below: all runs where it is empty
    note: str = ""


class ShowCurve(Settings):
    """A training curve of each run, the mean over its seeds."""

    key: str
    curve: str
    title: str = ""
    runs: list[str] = Field(default_factory=list)
    note: str = ""


class ShowPoints(Settings):
    """A quantity of each run over another one, or over a setting (GROUP.FIELD)."""

    key: str
    x: str
    y: str | list[str]
    title: str = ""
    runs: list[str] = Field(default_factory=list)
    note: str = ""
    log: bool = False  # logarithms of both, to the base 10


class ShowReport(Settings):
    """What an evaluation reported of one run, of the first seed."""

    key: str
    evaluation: str
    report: str
    run: str
    settings: dict[str, Any] = Field(default_factory=dict)


class ShowSamples(Settings):
    """The newest samples of each run, of the first seed."""

    key: str
    samples: Literal[True]
    title: str = ""
    runs: list[str] = Field(default_factory=list)
    note: str = ""


Show = ShowTable | ShowCurve | ShowPoints | ShowReport | ShowSamples
SHOWS: dict[str, type[Show]] = {
    "table": ShowTable,
    "curve": ShowCurve,
    "x": ShowPoints,
    "evaluation": ShowReport,
    "samples": ShowSamples,
}


class Try(Settings):
    """A setting that is worth changing: of `run`, `setting` (GROUP.FIELD) to `value`."""

    run: str
    setting: str = Field(pattern=r"^(model|learning|training|data)\.\w+$")
    value: Any
    says: str


class CheckEntry(Settings):
    says: str
    figure: str
    predicts: str
    counterpart: str
    without: str
    unit: str = ""
    decimals: int = Field(2, ge=0, le=8)


class LessonEntry(Settings):
    """What stands between the fences."""

    order: int
    part: str
    claim: str
    minutes: float = Field(gt=0)
    seeds: int = Field(1, ge=1, le=100)
    runs: dict[str, dict[str, Any]] = Field(min_length=1)
    quantities: dict[str, dict[str, Any]] = Field(min_length=1)
    checks: list[CheckEntry] = Field(min_length=1)
    shows: list[dict[str, Any]] = Field(default_factory=list)
    tries: list[Try] = Field(default_factory=list)


def quantities_of(show: Show) -> tuple[str, ...]:
    """The quantities that a show is of."""
    match show:
        case ShowTable():
            return tuple(show.table)
        case ShowPoints():
            down = show.y if isinstance(show.y, list) else [show.y]
            return tuple(down) if "." in show.x else (show.x, *down)
    return ()
