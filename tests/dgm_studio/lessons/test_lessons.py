"""Reading, carrying out and judging lessons: the tiny one beside this file; of the studio's own their text."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgm_studio.cli import run
from dgm_studio.config import RunConfig
from dgm_studio.evaluation import Result
from dgm_studio.lessons import reading
from dgm_studio.lessons.checking import check
from dgm_studio.lessons.entries import Cell
from dgm_studio.lessons.expressions import BadExpression, Expression, Value
from dgm_studio.lessons.format import Lesson, LessonError
from dgm_studio.lessons.found import Found
from dgm_studio.lessons.outcome import _number, outcome
from dgm_studio.lessons.pace import Pace, kept_pace, kept_seconds
from dgm_studio.lessons.plan import Measure, Train, all_jobs, jobs
from dgm_studio.lessons.predictions import BadPrediction, Prediction, Spread, told
from dgm_studio.lessons.reading import FOLDER, lessons, parse_lesson, read_lesson, unreadable
from dgm_studio.lessons.running import Beginning, carry_out
from dgm_studio.lessons.settings_titles import title_of
from dgm_studio.lessons.shows import curve_of, growing, reports
from dgm_studio.reports import NOT_MEASURED, Curves, Note, Points, Table
from dgm_studio.store import Project
from dgm_studio.training import Order

TINY = Path(__file__).with_name("tiny.md")


def changed(before: str, after: str) -> Lesson:
    text = TINY.read_text(encoding="utf-8")
    assert before in text
    return parse_lesson(text.replace(before, after, 1), TINY)


def test_a_setting_is_called_as_in_the_form() -> None:
    config = next(iter(read_lesson(TINY).runs.values())).config()
    said = [
        title_of(config, name) for name in ("model.hidden", "learning.learning_rate", "training.steps", "data.no_such")
    ]
    assert said == ["Hidden units of each net", "Learning rate", "Steps", "no such"]


@pytest.mark.parametrize("entry", lessons(), ids=lambda entry: entry.key)
def test_every_lesson_can_be_carried_out_as_far_as_its_text_says(entry: Lesson) -> None:
    check(entry)
    assert len({job.config.model_dump_json() for job in all_jobs(entry, 1) if isinstance(job, Train)}) == len(
        entry.runs
    ), "two runs of one lesson are the same"
    assert entry.minutes <= 5


def test_one_that_cannot_be_read_leaves_the_others_and_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not unreadable()
    text = TINY.read_text(encoding="utf-8")
    (tmp_path / "whole.md").write_text(text, encoding="utf-8")
    (tmp_path / "broken.md").write_text(text.replace("order =", "odder ="), encoding="utf-8")
    monkeypatch.setattr(reading, "FOLDER", tmp_path)
    reading._read.cache_clear()
    try:
        assert [entry.key for entry in lessons()] == ["whole"]
        assert "odder" in str(unreadable()["broken"])
        with pytest.raises(LessonError, match="odder"):
            reading.lesson("broken")
        assert run(["list", "lessons", "--json"], photograph=lambda *_: 0) == 0  # type: ignore[arg-type, return-value]
        listed = json.loads(capsys.readouterr().out)
        assert [entry["key"] for entry in listed] == ["whole", "broken"]
        assert "broken.md, line" in listed[1]["summary"]
    finally:
        reading._read.cache_clear()


def test_the_template_is_a_lesson() -> None:
    check(read_lesson(FOLDER.parent / "lesson-template.md"))


def test_lessons_follow_the_order_of_the_lecture() -> None:
    orders = [entry.order for entry in lessons()]
    assert len(set(orders)) == len(orders)


@pytest.mark.parametrize(
    ("before", "after", "line", "says"),
    [
        ("order = 1", "order =", 2, "not TOML"),
        ("order = 1", 'order = "first"', 2, "order"),
        ("minutes = 0.1", "minuets = 0.1", 5, "minutes"),
        ("Autoregressive nets", "Cookery", 3, "no part of the lecture"),
        ('like = "short"', 'like = "shorter"', 16, "no run that stands before"),
        ('evaluation = "likelihood"', 'evaluator = "likelihood"', 19, "has to be set"),
        ('predicts = "> 0"', 'predicts = "more"', 35, "none of"),
        ("nats.long - nats.short", "nats.lang - nats.short", 33, "no run 'lang'"),
        ("nats.long - nats.short", "bits.long - nats.short", 33, "no quantity 'bits'"),
        ("nats.long - nats.short", "__import__('os')", 33, "none of QUANTITY.RUN"),
        ('run = "long"\nsetting', 'run = "lung"\nsetting', 53, "no run 'lung'"),
        ("![over]", "![under]", 64, "no show 'under'"),
        ("![over]", "", 43, "no place for 'over'"),
        ("with $x$", "with $x", 60, "no end"),
        ("# A tiny lesson", "A tiny lesson", 58, "title"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(before: str, after: str, line: int, says: str) -> None:
    with pytest.raises(LessonError) as caught:
        changed(before, after)
    assert caught.value.line == line, str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "line", "says"),
    [
        ("steps = 2,", "stops = 2,", 8, "stops"),
        ('family = "fvbn"', 'family = "fbvn"', 8, "no family named 'fbvn'"),
        ('evaluation = "likelihood"', 'evaluation = "likeliness"', 19, "no evaluation named"),
        ("with $x$", r"with $\nosuch{x}$", 60, "nosuch"),
        ("with $x$", "[with](family:fbvn)", 60, "leads nowhere"),
        ("value = 80", 'value = "many"', 52, "steps"),
    ],
)
def test_what_needs_the_catalogue_is_checked_too(before: str, after: str, line: int, says: str) -> None:
    with pytest.raises(LessonError) as caught:
        check(changed(before, after))
    assert caught.value.line == line, str(caught.value)
    assert says in str(caught.value)


def test_a_run_like_another_differs_where_it_says_so_and_each_seed_adds_to_its_own() -> None:
    entry = changed("training = { steps = 40 }", "training = { steps = 40, seed = 7 }")
    short, long = entry.runs["short"].config(), entry.runs["long"].config(seed=2)
    assert (long.family, long.data) == (short.family, short.data)
    assert (long.training.steps, long.training.batch_size, long.training.seed) == (40, 20, 9)


def test_a_lesson_is_stopped_gone_on_with_and_not_run_twice(tmp_path: Path) -> None:
    entry = read_lesson(TINY)
    with Project.create(tmp_path / "tiny.dgm") as project:
        before = outcome(entry, 2, Found(project))
        assert before.holds is None
        assert not any(before.shows.values())
        for event in carry_out(entry, project, 2):
            if isinstance(event, Beginning) and event.left[0].run == "long":
                assert event.session is not None
                event.session.tell(Order.STOP)
                break  # as Ctrl+C does
        left = jobs(entry, 2, Found(project))
        assert [type(job) for job in left[:2]] == [Train, Measure]
        assert left[0].run == "long"
        assert 0 < kept_pace(entry, 2, Found(project)).share(left, left[0].begun(Found(project))) < 1
        begun = [event.job for event in carry_out(entry, project, 2) if isinstance(event, Beginning)]
        assert begun == left
        assert jobs(entry, 2, Found(project)) == []
        assert len(project.runs) == 4
        found = outcome(entry, 2, Found(project))
        (checked,) = found.checks
        assert checked.figure is not None
        assert checked.counterpart is not None
        nats = {run: [of for _, of in sorted(found.values["nats", run].items())] for run in ("short", "long")}
        assert checked.figure.values == pytest.approx([b - a for a, b in zip(nats["short"], nats["long"], strict=True)])
        assert checked.counterpart.values == (0.0, 0.0)
        assert found.holds is (checked.figure.low > 0)
        (table,), (over,), (curve,) = (found.shows[key] for key in ("table", "over", "curve"))
        assert isinstance(table, Table)
        assert [row[0] for row in table.rows] == ["Two steps", "Forty steps"]
        assert table.rows[0][3] == 16 * 16 + 16, "weights and biases"
        assert isinstance(over, Curves)
        assert over.series[0].x.tolist() == [2, 40]
        assert isinstance(curve, Curves)
        assert [series.name for series in curve.series] == ["Two steps", "Forty steps"]


def test_the_command_prints_figures_and_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["lesson", str(TINY), "--seeds", "1", "--json", "--project", str(tmp_path / "tiny.dgm")]
    assert run(arguments, photograph=lambda *_: 0) == 0  # type: ignore[arg-type, return-value]
    document = json.loads(capsys.readouterr().out)
    (found,) = document["checks"]
    assert document["holds"] is (found["measured"]["mean"] > 0)
    assert found["measured"]["values"] == [found["measured"]["mean"]]
    assert found["measured without"]["mean"] == 0
    assert found["told apart"] is True
    assert run(["lesson", "no-such"], photograph=lambda *_: 0) == 2  # type: ignore[arg-type, return-value]
    assert "no lesson named 'no-such'" in capsys.readouterr().err


@pytest.mark.parametrize(("cell", "value"), [(7.5, 7.5), ("7 of 8", 7.0), ("7", None), ("7 of 8 or more", None)])
def test_a_count_of_so_many_is_a_number_and_other_text_is_none(cell: object, value: float | None) -> None:
    entry = read_lesson(TINY)
    key, quantity = next((k, q) for k, q in entry.quantities.items() if isinstance(q, Cell))
    if value is None:
        with pytest.raises(LessonError, match="the cell of"):
            _number(entry, key, quantity, cell)
    else:
        assert _number(entry, key, quantity, cell) == value


class _Unmeasurable(Found):
    """Every evaluation says why it could not measure."""

    def result(self, config: RunConfig, key: str, settings: dict[str, Any]) -> Result:
        note = Note(NOT_MEASURED, "It is a sum over 2^500 states. Use fewer.")
        return Result(key, 40, settings, 0, 1.0, "", (note,))


def test_what_could_not_be_measured_says_why() -> None:
    with pytest.raises(LessonError, match=r"Log-likelihood of the test set' could not be measured: .* 2\^500 states"):
        outcome(read_lesson(TINY), 1, _Unmeasurable(None))
    show = 'run = "long"\nevaluation = "likelihood"\nreport = "Log-likelihood of the test set"'
    entry = changed('curve = "log_prob"', show)
    values: dict[Value, dict[int, float]] = {value: {} for value in entry.values()}
    assert reports(entry, 1, values, _Unmeasurable(None))["curve"][0].title.startswith(NOT_MEASURED)


def test_a_claim_that_holds_without_its_effect_too_does_not_hold(tmp_path: Path) -> None:
    entry = changed('predicts = "> 0"', 'predicts = "> -100"')
    with Project.create(tmp_path / "tiny.dgm") as project:
        for _ in carry_out(entry, project, 1):
            pass
        (checked,) = outcome(entry, 1, Found(project)).checks
        assert (checked.predicted, checked.told_apart, checked.holds) == (True, False, False)


def test_runs_are_points_over_a_quantity_and_a_line_over_a_setting(tmp_path: Path) -> None:
    entry = changed('x = "training.steps"', 'x = "size"')
    with Project.create(tmp_path / "tiny.dgm") as project:
        for _ in carry_out(entry, project, 1):
            pass
        (over,) = outcome(entry, 1, Found(project)).shows["over"]
    assert isinstance(over, Points)
    assert [(one.name, one.x.tolist()) for one in over.series] == [("Two steps", [272.0]), ("Forty steps", [272.0])]


def test_what_is_left_takes_as_long_as_the_same_run_of_another_seed(tmp_path: Path) -> None:
    entry = read_lesson(TINY)
    short, short_measured, long, _, again, again_measured, long_again, _ = every = all_jobs(entry, 2)
    pace = Pace(entry, 2)
    assert sum(map(pace.seconds, every)) == pytest.approx(60 * entry.minutes)  # its own word, before any is known
    assert not any(map(pace.knows, every))
    pace.took(short, 3.0)
    assert pace.knows(again)
    assert pace.seconds(again) == 3
    assert not pace.knows(long)
    assert pace.seconds(long) == 3 / 2 * 40  # a guess: a step of one like a step of the other
    pace.took(long, 10.0, part=0.25)
    assert pace.seconds(long_again) == 40
    assert pace.seconds(again) == 3
    pace.took(short_measured, 7.0)
    assert pace.seconds(again_measured) == 7
    assert {pace.seconds(job) for job in every if isinstance(job, Measure)} == {7}  # whatever the steps of its run

    with Project.create(tmp_path / "lesson.dgm") as project:
        list(carry_out(entry, project, 1))
        kept = list(kept_seconds(entry, 2, Found(project)))
    assert [job for job, _ in kept] == every[:4]
    assert all(seconds > 0 for _, seconds in kept)


def test_as_much_is_done_as_the_time_says_that_is_left() -> None:
    entry = read_lesson(TINY)
    short, short_measured, long, long_measured = every = all_jobs(entry, 1)
    pace = Pace(entry, 1)
    assert pace.share(every) == 0
    assert pace.share(every[1:]) == pytest.approx(2 / (2 + 40 + 0.15 * 42))  # steps, before any time is known
    pace.took(short, 1.0)
    pace.took(short_measured, 60.0)
    assert pace.share([long, long_measured]) == pytest.approx(61 / (61 + 1 / 2 * 40 + 60))
    assert pace.share([long, long_measured], 0.25) == pytest.approx(66 / (61 + 20 + 60))
    # by its own word three quarters of the training take 30 s more: then the first took 10
    assert pace.share([long, long_measured], 0.25, 30.0) == pytest.approx(71 / (71 + 30 + 60))
    assert pace.share([]) == 1
    pace.took(long_measured, 0.0)
    assert pace.share([long_measured], 1.0) <= 1


def test_a_curve_in_training_stands_beside_those_that_are_known() -> None:
    entry = read_lesson(TINY)
    assert [curve_of(entry, key, "long") for key in entry.shows] == ["", "", "log_prob"]
    steps = np.arange(1, 1001)
    (first,) = growing(entry, "curve", 2, "long", 0, (steps, np.sin(steps)), ())
    assert isinstance(first, Curves)
    (both,) = growing(entry, "curve", 2, "short", 1, (steps[:1], np.ones(1)), [first])
    assert isinstance(both, Curves)
    names = [series.name for series in both.series]
    assert names == ["Forty steps, seed 0, in training", "Two steps, seed 1, in training"]
    assert len(both.series[0].x) <= 400
    assert (both.title, both.y_title, both.note) == (first.title, first.y_title, first.note)
    assert list(growing(entry, "curve", 2, "short", 1, (steps[:0], np.ones(0)), [first])) == [first]


def test_expressions_are_arithmetic_and_nothing_else() -> None:
    figure = Expression.read("max(a.x, -2) * log(b.y / 2) + a.x ** 2")
    assert figure.values == (("a", "x"), ("b", "y"))
    assert figure.of({("a", "x"): 3.0, ("b", "y"): 2 * math.e}) == pytest.approx(3 + 9)
    assert math.isnan(Expression.read("log(a.x)").of({("a", "x"): -1.0}))
    assert math.isnan(Expression.read("1 / a.x").of({("a", "x"): 0.0}))
    assert math.isnan(Expression.read("abs(a.x ** 0.5)").of({("a", "x"): -1.0}))
    for extreme in ("min(a.x, b.y)", "max(a.x, b.y)", "max(b.y, a.x)"):  # what was not measured is not passed over
        assert math.isnan(Expression.read(extreme).of({("a", "x"): 1.0, ("b", "y"): math.nan}))
    calls = ("a", "a.b.c", "a.b()", "f(a.b)", "log(a.b, 2)", "abs(a.b, a.c)", "abs()", "min(a.b)", "max(*a.b)")
    for text in (*calls, "a.b if 1 else 2", "[a.b]", "'text'", "True", "a.b and a.c", "1 +", ""):
        with pytest.raises(BadExpression):
            Expression.read(text)


def test_a_prediction_holds_where_the_whole_interval_is() -> None:
    spread = Spread.of([1.0, 2.0, 3.0])
    assert (spread.mean, spread.high - spread.mean) == (2.0, pytest.approx(4.302653 / math.sqrt(3), rel=1e-5))
    assert Prediction.read("> -1").holds(spread)
    assert not Prediction.read("> 0").holds(spread)
    assert Prediction.read("< 4.5").holds(spread)
    assert Prediction.read("2 ± 2.5").holds(spread)
    assert not Prediction.read("2 ± 2.4").holds(spread)
    assert not Prediction.read("> -1").holds(Spread.of([1.0, math.nan]))
    assert Spread.of([5.0]).high == 5.0
    values = (0.0, 0.004, -0.0049, 0.006, math.nan)
    assert [told(value, 2) for value in values] == ["0", "4.0 × 10⁻³", "−4.9 × 10⁻³", "0.01", "–"]
    assert [told(value, 8) for value in (12.0466595, -0.883867, 4e-9)] == ["12.0467", "−0.883867", "4.0 × 10⁻⁹"]
    for text in ("1", "> x", ">= 1", "1 +- 2", "between 1 and 2"):
        with pytest.raises(BadPrediction):
            Prediction.read(text)
