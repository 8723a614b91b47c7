"""What the figures of checks are called in words."""

from __future__ import annotations

import re

import pytest

from dgm_studio.lessons.expressions import Expression
from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.reading import lessons
from dgm_studio.lessons.wording import worded

QUANTITIES = {"error": "Error", "best": "Best error", "size": "Size"}
RUNS = {"a": "A", "b": "B", "c": "C"}


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        ("error.a", "Error in “A”"),
        ("error.a - error.b", "Error in “A” minus that in “B”"),
        ("error.a - error.b - 1", "Error in “A” minus that in “B” minus 1"),
        ("error.a / error.b - 1", "(the ratio of Error in “A” to that in “B”) minus 1"),
        ("error.a - (error.b - 1)", "Error in “A” minus (Error in “B” minus 1)"),
        ("error.a / size.a", "The ratio of Error to Size, in “A”"),
        ("error.a / size.b", "The ratio of Error in “A” to Size in “B”"),
        ("abs(error.a - 0.5 * size.b)", "The distance between Error in “A” and 0.5 times Size in “B”"),
        ("abs(error.a - best.a) * 1e-6", "(the distance between Error and Best error) times 10⁻⁶, in “A”"),
        ("log(error.a) / log(10)", "The logarithm of Error in “A” to base 10"),
        ("max(error.a, error.b)", "The larger Error in “A” and “B”"),
        ("max(error.a, best.a)", "The larger of Error and Best error, in “A”"),
        (
            "error.c - min(min(error.a, error.b), 7)",
            "Error in “C” minus (the smallest of Error in “A”, Error in “B” and 7)",
        ),
        ("error.c - min(error.a, error.b)", "Error in “C” minus the smaller in “A” and “B”"),
        (
            "max(abs(error.a - best.a), abs(error.b - best.b), abs(error.c - best.c))",
            "The largest distance between Error and Best error in “A”, “B” and “C”",
        ),
        (
            "min(error.a / best.a, error.b / best.b) / max(error.a / best.a, error.b / best.b)",
            "The smaller ratio of Error to Best error, divided by the larger in “A” and “B”",
        ),
        (
            "min(error.a, best.a) - min(error.b, best.b)",
            "The smaller of Error and Best error in “A” minus that in “B”",
        ),
        ("max(error.a - best.a, error.b - best.b)", "The larger value of (Error minus Best error) in “A” and “B”"),
        ("(error.a - best.a) / size.b", "The ratio of (Error minus Best error) in “A” to Size in “B”"),
        ("-sqrt(exp(error.a) ** 2)", "Minus the square root of (the exponential of Error in “A”) to the power of 2"),
    ],
)
def test_a_figure_is_said_in_words(figure: str, words: str) -> None:
    assert worded(Expression.read(figure), QUANTITIES, RUNS) == words


def test_where_there_is_one_run_it_need_not_be_said() -> None:
    assert (
        worded(Expression.read("max(error.a, best.a)"), QUANTITIES, {"a": "A"}) == "The larger of Error and Best error"
    )


@pytest.mark.parametrize("entry", lessons(), ids=lambda entry: entry.key)
def test_the_figures_of_every_lesson_are_sentences(entry: Lesson) -> None:
    titles, runs = ({key: f"<{key}>" for key in names} for names in (entry.quantities, entry.runs))
    for check_ in entry.checks:
        for figure in (check_.figure, check_.counterpart):
            said = worded(figure, titles, runs)
            assert len(said) < 300, said
            assert not re.search(r"\w\.\w|\w\(|[-+*/]", re.sub("<.*?>", "", said)), said  # nothing of the formula
