"""What lessons name is there: curves that their runs record, and tables, columns and reports of their evaluations."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from dgm_studio.config import RunConfig
from dgm_studio.datasets.sources import load
from dgm_studio.evaluation import evaluation
from dgm_studio.events import Progress
from dgm_studio.lessons.checking import check
from dgm_studio.lessons.entries import Cell, Metric, ShowCurve, ShowReport
from dgm_studio.lessons.format import Lesson, LessonError
from dgm_studio.lessons.found import Found
from dgm_studio.lessons.reading import lessons, parse_lesson
from dgm_studio.lessons.running import carry_out
from dgm_studio.store import Project
from dgm_studio.training import TrainingSession

TINY = Path(__file__).with_name("tiny.md")
LETTERS = 3  # at least, of a text that is partly put together, for it to say anything


def curves_named(entry: Lesson) -> Iterator[tuple[str, str]]:
    """Runs, and the curves that are wanted of each."""
    for show in entry.shows.values():
        if isinstance(show, ShowCurve):
            yield from ((run, show.curve) for run in entry.runs_of(show))
    for key, run in entry.values():
        quantity = entry.quantities[key]
        if isinstance(quantity, Metric):
            yield run, quantity.metric


def recorded(config: RunConfig) -> set[str]:
    """The curves that the first step of a run writes."""
    config = config.model_copy(update={"training": config.training.model_copy(update={"steps": 1})})
    events = TrainingSession(config, load(config.data)).events()
    return {key for event in events if isinstance(event, Progress) for key in event.metrics}


@pytest.mark.parametrize(
    "entry", [entry for entry in lessons() if any(curves_named(entry))], ids=lambda entry: entry.key
)
def test_every_curve_that_a_lesson_names_is_recorded_from_the_first_step(entry: Lesson) -> None:
    wanted: dict[str, set[str]] = {}
    for run, curve in curves_named(entry):
        wanted.setdefault(run, set()).add(curve)
    for run, curves in wanted.items():
        assert curves <= recorded(entry.runs[run].config()), run


@cache
def texts(module: str) -> tuple[str, ...]:
    """Patterns of the texts that stand in the code of a module."""
    tree = ast.parse(Path(str(sys.modules[module].__file__)).read_text(encoding="utf-8"))
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            found.append(re.escape(node.value))
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else None for part in node.values]
            if sum(letter.isalpha() for part in parts if part is not None for letter in str(part)) >= LETTERS:
                found.append("".join(".*" if part is None else re.escape(str(part)) for part in parts))
    return tuple(found)


@cache
def modules(key: str) -> tuple[str, ...]:
    """The module of an evaluation, and what it takes from models and other evaluations."""
    own = evaluation(key).run.__module__
    tree = ast.parse(Path(str(sys.modules[own].__file__)).read_text(encoding="utf-8"))
    found = [own]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(("dgm_studio.evaluations", "models")):
            found += [str(node.module), *(f"{node.module}.{of.name}" for of in node.names)]
    return tuple(name for name in found if getattr(sys.modules.get(name), "__file__", None))


def says(key: str, text: str) -> bool:
    return any(re.fullmatch(pattern, text) for module in modules(key) for pattern in texts(module))


@pytest.mark.parametrize("entry", lessons(), ids=lambda entry: entry.key)
def test_tables_columns_and_reports_that_a_lesson_names_stand_in_the_code_of_their_evaluation(entry: Lesson) -> None:
    for quantity in entry.quantities.values():
        if isinstance(quantity, Cell):
            rows = [quantity.row] if isinstance(quantity.row, str) else quantity.row
            # rows that are a number, or the name of one factor, come from settings and data
            words = [row for row in rows if not re.search(r"\d|^\w$", row)]
            for text in (quantity.table, quantity.column, *words):
                but_for_its_unit = text.partition(" (")[0]
                assert says(quantity.evaluation, text) or says(quantity.evaluation, but_for_its_unit), text
    for show in entry.shows.values():
        if isinstance(show, ShowReport):
            assert says(show.evaluation, show.report), f"{show.evaluation}: {show.report}"


def test_a_text_that_stands_nowhere_is_missed() -> None:
    assert says("likelihood", "Log-likelihood of the test set")
    assert not says("likelihood", "Log-likelihood of the tests")


def lesson_with(before: str, after: str) -> Lesson:
    text = TINY.read_text(encoding="utf-8")
    assert before in text
    return parse_lesson(text.replace(before, after), TINY)


METRIC = 'metric = "{}"'
FACT = 'fact = "parameters"'


def test_a_curve_that_no_run_can_have_is_said_with_its_line_before_anything_runs() -> None:
    with pytest.raises(LessonError, match=r"line 50: no run here has a curve 'log_probe' \(there are: log_prob, "):
        check(lesson_with('curve = "log_prob"', 'curve = "log_probe"'))
    with pytest.raises(LessonError, match=r"line 29: the run 'short' has no curve 'elbo' \(there are: log_prob, "):
        check(lesson_with(FACT, METRIC.format("elbo")))
    check(lesson_with(FACT, METRIC.format("valid/log_prob")))
    check(lesson_with(FACT, METRIC.format("samples/modes")))  # of data whose modes are known: seen when it runs


@pytest.mark.parametrize(
    ("before", "after", "says_"),
    [
        (FACT, METRIC.format("samples/modes"), "line 27: .* has no curve 'samples/modes'"),
        ('curve = "log_prob"', 'curve = "samples/modes"', "line 50: no run here has recorded 'samples/modes'"),
        ('column = "Value"', 'column = "Worth"', r"line 24: .*rows are log p\(x\)"),
    ],
)
def test_what_is_not_there_ends_the_lesson_as_soon_as_it_is_seen(
    tmp_path: Path, before: str, after: str, says_: str
) -> None:
    entry = lesson_with(before, after)
    check(entry)
    with Project.create(tmp_path / "tiny.dgm") as project:
        with pytest.raises(LessonError, match=says_):
            list(carry_out(entry, project, 2))
        assert len(project.runs) <= 2, "runs of the second seed were begun"
        assert Found(project).run(entry.runs["short"].config()) is not None
