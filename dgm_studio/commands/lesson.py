"""`lesson`: a claim of the lecture, run and measured."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from dgm_studio.commands.output import CommandError, Output
from dgm_studio.commands.progress import clock
from dgm_studio.commands.projects import writing
from dgm_studio.evaluation import Fraction, Unmeasured
from dgm_studio.events import Failed, Finished, Progress
from dgm_studio.lessons.checking import check
from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.found import Found
from dgm_studio.lessons.outcome import Checked, Outcome, outcome
from dgm_studio.lessons.pace import Pace, kept_pace
from dgm_studio.lessons.plan import Job, Measure, Train
from dgm_studio.lessons.predictions import Spread
from dgm_studio.lessons.reading import lesson, read_lesson
from dgm_studio.lessons.running import Beginning, LessonEvent, carry_out
from dgm_studio.lessons.wording import worded
from dgm_studio.reports import Table
from dgm_studio.store import Project
from dgm_studio.table_texts import cell_text

VERDICTS = {True: "holds", False: "does not hold", None: "not known yet"}


def lesson_(
    key: str,
    *,
    seeds: int | None = None,
    project: Path | None = None,
    history: bool = False,
    json: bool = False,
) -> int:
    """Run a lesson, print its figures, and say whether its claim held. What the project already holds is not run again.

    Parameters
    ----------
    key
        A key of `list lessons`, or a lesson's file.
    seeds
        How often each run is made; what the lesson says if not given.
    project
        The project file that keeps the runs; made if it is not there. Without it: KEY.dgm in this folder.
    history
        Keep states along each training too, as the window does.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    entry = read_lesson(Path(key)) if key.endswith(".md") else lesson(key)
    check(entry)
    if seeds is not None and seeds < 1:
        raise CommandError("--seeds must be at least 1.")
    count = seeds or entry.seeds
    begin = time.perf_counter()
    with writing(project or Path(f"{entry.key}.dgm"), create=True) as opened:
        output.say(entry.title, style="bold")
        output.say(entry.claim)
        output.say(f"About {entry.minutes:g} min. The runs are kept in {opened.path}.")
        _run(entry, opened, count, history)
        found = outcome(entry, count, Found(opened))
    seconds = time.perf_counter() - begin
    _print(entry, found, output)
    output.say(f"{count} seed{'s' if count > 1 else ''}, {clock(seconds)} min.")
    output.document(_document(entry, found, seconds))
    return 0


def _run(entry: Lesson, project: Project, seeds: int, history: bool) -> None:
    columns = BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeElapsedColumn(), TextColumn("{task.description}")
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(entry.title, total=1.0)
        pace = kept_pace(entry, seeds, Found(project))
        for completed, said in _told(entry, carry_out(entry, project, seeds, history), pace):
            bar.update(task, completed=completed, description=said)


def _told(entry: Lesson, events: Iterator[LessonEvent], pace: Pace) -> Iterator[tuple[float, str]]:
    """How far the lesson is, 0 to 1, and what is being done. Raises CommandError where a part of it fails."""
    job: Job | None = None
    left: tuple[Job, ...] = ()
    begin = time.perf_counter()
    for event in events:
        part, remaining = 0.0, math.nan
        match event:
            case Beginning():
                if job is not None:
                    pace.took(job, time.perf_counter() - begin)
                job, left, begin = event.job, event.left, time.perf_counter()
            case Progress():
                part, remaining = event.step / event.steps, event.remaining
            case Fraction():
                part, remaining = event.fraction, event.remaining
            case Failed():
                raise CommandError(f"{_named(entry, job)} failed: {event.text}", code=1)
            case Finished(stopped=True):
                raise CommandError(f"{_named(entry, job)} was stopped; the same command goes on.", code=1)
            case Unmeasured():
                raise CommandError(f"{_named(entry, job)}: {event.text}", code=1)
        if job is not None:
            yield pace.share(left, part, remaining if math.isfinite(remaining) else None), _named(entry, job)


def _named(entry: Lesson, job: Job | None) -> str:
    match job:
        case Train():
            return f"{entry.runs[job.run].title}, seed {job.seed}"
        case Measure():
            return f"{entry.runs[job.run].title}, seed {job.seed}: {job.evaluation}"
    return entry.title


def _print(entry: Lesson, found: Outcome, output: Output) -> None:
    for reports in found.shows.values():
        for report in reports:
            if isinstance(report, Table):
                columns = report.columns
                cells = [[cell_text(c, cell) for c, cell in zip(columns, row, strict=True)] for row in report.rows]
                output.say("")
                output.table([column.head for column in columns], cells, report.title)
    titles = {key: quantity.title for key, quantity in entry.quantities.items()}
    runs = {key: run.title for key, run in entry.runs.items()}
    for checked in found.checks:
        of = checked.check
        output.say("")
        output.say(f"{of.says}", style="bold")
        said = worded(of.figure, titles, runs)
        output.say(f"    {said}: {_spread(checked, checked.figure)}; predicted: {of.predicts.worded}")
        output.say(f"    with {of.without}: {_spread(checked, checked.counterpart)}")
        if checked.predicted and not checked.told_apart:
            output.say("    The prediction also holds without the effect, so it says nothing.")
    output.say("")
    output.say(f"The claim {VERDICTS[found.holds]}.", style="bold")


def _spread(checked: Checked, spread: Spread | None) -> str:
    return "–" if spread is None else spread.text(checked.check.decimals, checked.check.unit)


def _document(entry: Lesson, found: Outcome, seconds: float) -> dict[str, Any]:
    return {
        "key": entry.key,
        "title": entry.title,
        "claim": entry.claim,
        "seeds": found.seeds,
        "seconds": round(seconds, 1),
        "holds": found.holds,
        "checks": [
            {
                "says": checked.check.says,
                "figure": checked.check.figure.text,
                "predicts": checked.check.predicts.text,
                "holds": checked.holds,
                "measured": _plain(checked.figure),
                "without": checked.check.without,
                "counterpart": checked.check.counterpart.text,
                "measured without": _plain(checked.counterpart),
                "told apart": checked.told_apart,
            }
            for checked in found.checks
        ],
        "quantities": {
            f"{quantity}.{run}": [of.get(seed) for seed in range(found.seeds)]
            for (quantity, run), of in found.values.items()
        },
    }


def _plain(spread: Spread | None) -> dict[str, Any] | None:
    if spread is None:
        return None
    return {"mean": spread.mean, "low": spread.low, "high": spread.high, "values": list(spread.values)}
