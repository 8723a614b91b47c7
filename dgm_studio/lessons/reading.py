"""Lessons as files: TOML between two lines of `+++`, then a page. LESSONS.md describes the format for teachers.

Reading checks everything that needs no model: keys, values, expressions, and that what is named is there. What needs
the catalogue is checked by `checking.check`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from dgm_studio import ROOT
from dgm_studio.lessons.entries import QUANTITIES, SHOWS, CheckEntry, LessonEntry, quantities_of
from dgm_studio.lessons.expressions import BadExpression, Expression
from dgm_studio.lessons.format import GROUPS, Check, Lesson, LessonError, LessonRun, file_name, over
from dgm_studio.lessons.lecture import PARTS
from dgm_studio.lessons.positions import Positions
from dgm_studio.lessons.predictions import BadPrediction, Prediction
from dgm_studio.pages import Page, PageError, Part, parse_page
from models.settings import Settings, SettingsError, read_settings

FOLDER = ROOT / "resources" / "lessons"
FENCE = "+++"
LIMIT = 2**18  # bytes of a file

S = TypeVar("S", bound=Settings)


class UnknownLesson(KeyError):
    """A name that is no lesson; the sentence lists those there are."""

    def __str__(self) -> str:
        return str(self.args[0])


def lessons() -> tuple[Lesson, ...]:
    """The studio's lessons that can be read, in the order of the lecture."""
    return _read()[0]


def unreadable() -> Mapping[str, LessonError]:
    """What is wrong with each of the studio's lessons that cannot be read, by its key."""
    return _read()[1]


@cache
def _read() -> tuple[tuple[Lesson, ...], Mapping[str, LessonError]]:
    found, wrong = [], {}
    for path in sorted(FOLDER.glob("*.md")):
        try:
            found.append(read_lesson(path))
        except LessonError as error:
            wrong[path.stem] = error
    return tuple(sorted(found, key=lambda lesson: lesson.order)), wrong


def lesson(key: str) -> Lesson:
    """The lesson named `key`. Raises UnknownLesson, and LessonError where it cannot be read."""
    for entry in lessons():
        if entry.key == key:
            return entry
    if key in unreadable():
        raise unreadable()[key]
    raise UnknownLesson(f"There is no lesson named {key!r}. There are: {', '.join(e.key for e in lessons())}.")


def read_lesson(path: Path) -> Lesson:
    """The lesson in a file. Raises LessonError."""
    name = file_name(path)
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
    name = file_name(path)
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


@dataclass(frozen=True)
class _Reader:
    """Turns what TOML says into a lesson, and each problem into one with its line."""

    name: str
    path: Path
    positions: Positions

    def lesson(self, values: dict[str, Any], page: Page) -> Lesson:
        head = self.read(LessonEntry, values, ())
        if head.part not in PARTS:
            raise self.error(("part",), f"{head.part!r} is no part of the lecture: {', '.join(PARTS)}")
        runs = self.runs(head.runs)
        quantities = self.chosen("quantities", head.quantities.items(), QUANTITIES)
        for place, run in self.named("runs", runs) | self.named("quantities", quantities):
            raise self.error((place, run), f"{run!r} is no name: small letters, digits and _")
        checks = tuple(self.check(number, entry) for number, entry in enumerate(head.checks))
        shown = self.chosen("shows", enumerate(head.shows), SHOWS)
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
                own = over(found[like].given, own)
            found[key] = LessonRun(key, title, own, self.path, self.positions.line_of(place))
        return found

    def check(self, number: int, entry: CheckEntry) -> Check:
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


def _toml_problem(error: tomllib.TOMLDecodeError) -> tuple[str, int]:
    """What Python's reader says, and the line it says it of."""
    text, _, place = str(error).rpartition(" (at ")
    digits = "".join(c if c.isdigit() else " " for c in place.partition(",")[0]).split()
    return (text, int(digits[0])) if text and digits else (str(error), 1)
