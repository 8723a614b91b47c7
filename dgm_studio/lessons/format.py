"""Lessons as files: TOML between two lines of `+++`, then a page. LESSONS.md describes the format for teachers.

Reading checks everything that needs no model: keys, values, expressions, and that what is named is there. The runs are
checked when they are asked for (`LessonRun.config`), which imports the catalogue, and `check` does it for all of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from dgm_studio import ROOT
from dgm_studio.config import RunConfig
from dgm_studio.lessons.expressions import BadExpression, Expression, Value
from dgm_studio.lessons.lecture import PARTS
from dgm_studio.lessons.positions import Positions
from dgm_studio.lessons.predictions import BadPrediction, Prediction
from dgm_studio.pages import Mark, Page, PageError, Part, parse_page
from models.settings import Settings, SettingsError, read_settings

FOLDER = ROOT / "resources" / "lessons"
FENCE = "+++"
LIMIT = 2**18  # bytes of a file
GROUPS = ("data", "model", "learning", "training")
NAME = r"^[a-z][a-z0-9_]*$"

S = TypeVar("S", bound=Settings)


class LessonError(ValueError):
    """A lesson that cannot be read or carried out: a sentence with file and line."""

    def __init__(self, name: str, line: int, problem: str) -> None:
        super().__init__(f"{name}, line {line}: {problem.rstrip('.')}.")
        self.name, self.line, self.problem = name, line, problem


class UnknownLesson(KeyError):
    """A name that is no lesson; the sentence lists those there are."""

    def __str__(self) -> str:
        return str(self.args[0])


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
_QUANTITIES: dict[str, type[Quantity]] = {"evaluation": Cell, "metric": Metric, "fact": Fact}


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
_SHOWS: dict[str, type[Show]] = {
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


class _Check(Settings):
    says: str
    figure: str
    predicts: str
    counterpart: str
    without: str
    unit: str = ""
    decimals: int = Field(2, ge=0, le=8)


class _Lesson(Settings):
    """What stands between the fences."""

    order: int
    part: str
    claim: str
    minutes: float = Field(gt=0)
    seeds: int = Field(1, ge=1, le=100)
    runs: dict[str, dict[str, Any]] = Field(min_length=1)
    quantities: dict[str, dict[str, Any]] = Field(min_length=1)
    checks: list[_Check] = Field(min_length=1)
    shows: list[dict[str, Any]] = Field(default_factory=list)
    tries: list[Try] = Field(default_factory=list)


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
        return LessonError(_name(self.path), self.positions.line_of(place), problem)

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


def quantities_of(show: Show) -> tuple[str, ...]:
    """The quantities that a show is of."""
    match show:
        case ShowTable():
            return tuple(show.table)
        case ShowPoints():
            down = show.y if isinstance(show.y, list) else [show.y]
            return tuple(down) if "." in show.x else (show.x, *down)
    return ()


@cache
def lessons() -> tuple[Lesson, ...]:
    """The studio's lessons, in the order of the lecture. Raises LessonError."""
    return tuple(sorted((read_lesson(path) for path in FOLDER.glob("*.md")), key=lambda lesson: lesson.order))


def lesson(key: str) -> Lesson:
    """The lesson named `key`. Raises UnknownLesson."""
    for entry in lessons():
        if entry.key == key:
            return entry
    raise UnknownLesson(f"There is no lesson named {key!r}. There are: {', '.join(e.key for e in lessons())}.")


def read_lesson(path: Path) -> Lesson:
    """The lesson in a file. Raises LessonError."""
    name = _name(path)
    try:
        with open(path, "rb") as file:
            content = file.read(LIMIT + 1)
        if len(content) > LIMIT:
            raise LessonError(name, 1, f"a lesson has up to {LIMIT // 1024} kB")
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LessonError(name, 1, "this is not text in UTF-8") from None
    except OSError as error:
        raise LessonError(name, 1, f"it cannot be read: {error.strerror or error}") from None
    return parse_lesson(text, path)


def parse_lesson(text: str, path: Path) -> Lesson:
    """The lesson of this text. Raises LessonError."""
    name = _name(path)
    lines = text.splitlines()
    fences = [number for number, line in enumerate(lines) if line.strip() == FENCE]
    if not fences or fences[0] != 0:
        raise LessonError(name, 1, f"a lesson begins with a line {FENCE}")
    if len(fences) < 2:
        raise LessonError(name, 1, f"the part that begins here has no end: a second line {FENCE}")
    head = "\n".join(lines[1 : fences[1]])
    try:
        values = tomllib.loads(head)
    except RecursionError:
        raise LessonError(name, 2, "this is nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        said, line = _toml_problem(error)
        raise LessonError(name, line + 1, f"this is not TOML: {said}") from None
    reader = _Reader(name, path, Positions(head, after=1))
    page_starts = fences[1] + 1
    while page_starts < len(lines) and not lines[page_starts].strip():
        page_starts += 1
    try:
        page = parse_page("\n".join(lines[page_starts:]), name, after=page_starts)
    except PageError as error:
        raise LessonError(name, error.line, error.problem) from None
    return reader.lesson(values, page)


def check(entry: Lesson) -> None:
    """Check what needs the catalogue: every run, what is measured of it, what there is to try; and of the page, that
    equations are understood and links lead somewhere. Raises LessonError."""
    from dgm_studio.evaluation import evaluation
    from models.catalog import Recipe, UnknownKey

    for run in entry.runs.values():
        config = run.config()
        try:
            Recipe.read(config.family, config.learner, config.model, config.learning)
        except (UnknownKey, SettingsError) as error:
            raise entry.error(("runs", run.key), str(error)) from None
    for place, asked in _asked(entry):
        try:
            read_settings(evaluation(asked.evaluation).settings, asked.settings, "settings")
        except (UnknownKey, SettingsError) as error:
            raise entry.error(place, str(error)) from None
    for number, tried in enumerate(entry.tries):
        try:
            tried_config(entry, tried)
        except (LessonError, SettingsError, UnknownKey) as error:
            raise entry.error(("tries", number), getattr(error, "problem", str(error))) from None

    _check_page(entry)


def _check_page(entry: Lesson) -> None:
    from dgm_studio.equations import BadEquation, understood
    from dgm_studio.help_pages import help_page
    from dgm_studio.presets import presets

    page = entry.page
    for line, latex, display in page.mathematics():
        try:
            understood(latex, display)
        except BadEquation as error:
            raise LessonError(page.name, line, str(error)) from None
    named = {"preset": {preset.key for preset in presets()}, "lesson": {path.stem for path in FOLDER.glob("*.md")}}
    for line, span in page.spans():
        kind, _, key = span.target.partition(":")
        if span.mark is Mark.LINK and key not in named.get(kind, ()) and help_page(span.target) is None:
            raise LessonError(page.name, line, f"the link {span.target!r} leads nowhere")


def tried_config(entry: Lesson, tried: Try) -> RunConfig:
    """The run of a lesson with the setting changed. Raises LessonError or SettingsError."""
    from models.catalog import Recipe

    run = entry.runs[tried.run]
    group, _, field = tried.setting.partition(".")
    given = _over(run.given, {group: {field: tried.value}})
    config = LessonRun(run.key, run.title, given, run.path, run.line).config()
    Recipe.read(config.family, config.learner, config.model, config.learning)
    return config


def _asked(entry: Lesson) -> Iterator[tuple[tuple[str | int, ...], Cell | ShowReport]]:
    for key, quantity in entry.quantities.items():
        if isinstance(quantity, Cell):
            yield ("quantities", key), quantity
    for number, show in enumerate(entry.shows.values()):
        if isinstance(show, ShowReport):
            yield ("shows", number), show


@dataclass(frozen=True)
class _Reader:
    """Turns what TOML says into a lesson, and each problem into one with its line."""

    name: str
    path: Path
    positions: Positions

    def lesson(self, values: dict[str, Any], page: Page) -> Lesson:
        head = self.read(_Lesson, values, ())
        if head.part not in PARTS:
            raise self.error(("part",), f"{head.part!r} is no part of the lecture: {', '.join(PARTS)}")
        runs = self.runs(head.runs)
        quantities = self.chosen("quantities", head.quantities.items(), _QUANTITIES)
        for place, run in self.named("runs", runs) | self.named("quantities", quantities):
            raise self.error((place, run), f"{run!r} is no name: small letters, digits and _")
        checks = tuple(self.check(number, entry) for number, entry in enumerate(head.checks))
        shown = self.chosen("shows", enumerate(head.shows), _SHOWS)
        shows = {show.key: show for show in shown.values()}
        if len(shows) != len(shown):
            raise self.error(("shows",), "each show needs a key of its own")
        lesson = Lesson(
            self.path.stem,
            self.path,
            head.order,
            head.part,
            head.claim,
            head.minutes,
            head.seeds,
            runs,
            quantities,
            checks,
            shows,
            tuple(head.tries),
            page,
            self.positions,
        )
        self.check_names(lesson)
        return lesson

    def read(self, cls: type[S], values: Mapping[str, Any], place: tuple[str | int, ...]) -> S:
        try:
            return read_settings(cls, values, "")
        except SettingsError as error:
            raise self._told(error, place) from None

    def _told(self, error: SettingsError, place: tuple[str | int, ...]) -> LessonError:
        """The problem that most likely explains the others: a name that is not known is often one that is missed."""
        cause = error.__context__
        assert isinstance(cause, ValidationError), "read_settings reads by pydantic"
        found = list(zip(cause.errors(), error.problems, strict=True))
        item, (_, problem) = min(found, key=lambda pair: pair[0]["type"] != "extra_forbidden")
        where = (*place, *item["loc"])
        if item["type"] == "missing":
            problem = "this is needed"
        return self.error(where, f"{'.'.join(map(str, where))}: {problem}")

    def error(self, place: tuple[str | int, ...], problem: str) -> LessonError:
        return LessonError(self.name, self.positions.line_of(place), problem)

    @staticmethod
    def named(place: str, entries: Mapping[str, Any]) -> set[tuple[str, str]]:
        """Those that no expression could name."""
        plain = {k for k in entries if k.isascii() and k.isidentifier() and k == k.lower()}
        return {(place, key) for key in entries if key not in plain}

    def chosen(self, place: str, entries: Iterable[tuple[Any, Any]], kinds: Mapping[str, type[Any]]) -> dict[Any, Any]:
        """Each entry as the kind whose telling key it has."""
        found = {}
        for key, entry in entries:
            telling = [kind for kind in kinds if isinstance(entry, dict) and kind in entry]
            if not telling:
                raise self.error((place, key), f"one of these has to be set: {', '.join(kinds)}")
            found[key] = self.read(kinds[telling[0]], entry, (place, key))
        return found

    def runs(self, given: Mapping[str, dict[str, Any]]) -> dict[str, LessonRun]:
        found: dict[str, LessonRun] = {}
        for key, entry in given.items():
            place = ("runs", key)
            own = dict(entry)
            title, like = own.pop("title", ""), own.pop("like", None)
            if not isinstance(title, str) or not title:
                raise self.error(place, f"the run {key!r} needs a title")
            for group in GROUPS:
                if not isinstance(own.get(group, {}), dict):
                    raise self.error((*place, group), f"{group!r} of the run {key!r} has to be a table")
            if like is not None:
                if like not in found:
                    before = ", ".join(found) or "none"
                    raise self.error((*place, "like"), f"{like!r} is no run that stands before this one ({before})")
                if "preset" in own or "family" in own:
                    raise self.error(place, "a run that is like another has its preset or family from there")
                own = _over(found[like].given, own)
            found[key] = LessonRun(key, title, own, self.path, self.positions.line_of(place))
        return found

    def check(self, number: int, entry: _Check) -> Check:
        expressions = []
        for field in ("figure", "counterpart"):
            try:
                expressions.append(Expression.read(getattr(entry, field)))
            except BadExpression as error:
                raise self.error(("checks", number, field), f"{field}: {error}") from None
        try:
            predicts = Prediction.read(entry.predicts)
        except BadPrediction as error:
            raise self.error(("checks", number, "predicts"), f"predicts: {error}") from None
        figure, counterpart = expressions
        if figure == counterpart:
            raise self.error(("checks", number, "counterpart"), "the counterpart is the figure itself")
        return Check(entry.says, figure, predicts, counterpart, entry.without, entry.unit, entry.decimals)

    def check_names(self, lesson: Lesson) -> None:
        """Every run, quantity and show that is named is there, and every show has its place in the page."""
        for number, check in enumerate(lesson.checks):
            for field, expression in (("figure", check.figure), ("counterpart", check.counterpart)):
                for quantity, run in expression.values:
                    place = ("checks", number, field)
                    self.known("quantity", quantity, lesson.quantities, place)
                    self.known("run", run, lesson.runs, place)
        for number, show in enumerate(lesson.shows.values()):
            for run in lesson.runs_of(show):
                self.known("run", run, lesson.runs, ("shows", number))
            for quantity in quantities_of(show):
                self.known("quantity", quantity, lesson.quantities, ("shows", number))
        for number, tried in enumerate(lesson.tries):
            self.known("run", tried.run, lesson.runs, ("tries", number, "run"))
        for block in lesson.page.blocks:
            if block.part is Part.FIGURE and block.target not in lesson.shows:
                there = ", ".join(lesson.shows) or "none"
                raise LessonError(self.name, block.line, f"there is no show {block.target!r} (there are: {there})")
        placed = {block.target for block in lesson.page.blocks if block.part is Part.FIGURE}
        for number, key in enumerate(lesson.shows):
            if key not in placed:
                raise self.error(("shows", number), f"the page has no place for {key!r}: a line ![{key}]")

    def known(self, kind: str, key: str, there: Mapping[str, Any], place: tuple[str | int, ...]) -> None:
        if key not in there:
            raise self.error(place, f"there is no {kind} {key!r} (there are: {', '.join(there)})")


def _over(before: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
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
        raise LessonError(_name(run.path), run.line, f"the run {run.key!r}: {problem}") from None
    training = config.training.model_copy(update={"seed": config.training.seed + seed})
    return config.model_copy(update={"training": training})


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def _toml_problem(error: tomllib.TOMLDecodeError) -> tuple[str, int]:
    """What Python's reader says, and the line it says it of."""
    text, _, place = str(error).rpartition(" (at ")
    digits = "".join(c if c.isdigit() else " " for c in place.partition(",")[0]).split()
    return (text, int(digits[0])) if text and digits else (str(error), 1)
