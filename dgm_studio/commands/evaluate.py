"""`evaluate`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.progress import Progress

from dgm_studio import device as devices
from dgm_studio.commands.configure import parse_assignment
from dgm_studio.commands.output import CommandError, Output
from dgm_studio.commands.projects import config_of, data_of, recipe_of, run_of, state_of, writing
from dgm_studio.datasets.base import Dataset
from dgm_studio.evaluation import Fraction, Measured, Result, Unmeasured, admitted
from dgm_studio.evaluation import evaluate as measure
from dgm_studio.number_texts import typeset
from dgm_studio.reports import Note, Pictures, Report, Table
from dgm_studio.store import Run
from dgm_studio.table_texts import cell_text

SAVE_EVERY = 20.0  # seconds, at least: what is measured is lost at most for so long if the process is killed


def evaluate(
    file: Path,
    *,
    run: str | None = None,
    what: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    set_: Annotated[list[str] | None, Parameter(name="--set")] = None,
    seed: int = 0,
    device: str = "auto",
    data_path: list[Path] | None = None,
    json: bool = False,
) -> int:
    """Measure a run and keep the result in its project.

    Parameters
    ----------
    file
        The project.
    run
        Name or id of the run; the newest if not given.
    what
        Which evaluations; all that the run admits if not given.
    set_
        A setting of an evaluation, as EVALUATION.FIELD=VALUE. May be given again.
    seed
        Start of every random number of the evaluation.
    device
        auto, cpu, cuda, cuda:N or mps.
    data_path
        Where the file or folder of the run's data lies now, if it was moved. It must be the same data; the project
        remembers the place. May be given for each of two data sets.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    with writing(file) as project:
        chosen = run_of(project, run)
        dataset = data_of(chosen, data_path, project)
        results: list[Result] = []
        failures: list[Unmeasured] = []
        saved, whole = time.monotonic(), False
        try:
            for measured in _measured(chosen, dataset, what, set_ or [], seed, device, output):
                if isinstance(measured, Unmeasured):
                    failures.append(measured)
                    continue
                results.append(measured)
                chosen.add_evaluation(measured.key, measured.step, measured.tree())
                if time.monotonic() - saved > SAVE_EVERY:
                    project.save()
                    saved = time.monotonic()
            whole = True
        finally:  # also when it is interrupted
            if project.modified:  # by a result, or by where the data lies
                project.save()
            if results and not whole:
                output.say(f"Kept what was measured until then: {', '.join(result.key for result in results)}.")
    output.document(
        {
            "project": str(file),
            "run": chosen.id,
            "name": chosen.name,
            "evaluations": [{"key": result.key, "step": result.step, **result.tree()} for result in results],
        }
    )
    if failures:
        raise CommandError("\n".join(typeset(failure.text) for failure in failures), code=1)
    output.say(f"Kept with run {chosen.name!r} in {project.path}.")
    return 0


def _measured(
    run: Run,
    dataset: Dataset,
    what: list[str] | None,
    assignments: list[str],
    seed: int,
    device: str,
    output: Output,
) -> Iterator[Result | Unmeasured]:
    """Print the reports of each result, and hand it on."""
    recipe = recipe_of(config_of(run))
    possible = [entry.key for entry in admitted(recipe, dataset.spec)]
    keys = what or possible
    for key in keys:
        if key not in possible:
            raise CommandError(f"{key!r} cannot be measured of this run. What can be: {', '.join(possible)}.")
    settings: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        key, field, value = parse_assignment(assignment, keys)
        settings.setdefault(key, {})[field] = value
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        tasks = {key: bar.add_task(key, total=1.0) for key in keys}
        for event in measure(recipe, dataset, state_of(run), keys, devices.resolve(device), seed, settings):
            match event:
                case Fraction():
                    bar.update(tasks[event.key], completed=event.fraction)
                case Measured():
                    for report in event.result.reports:
                        _print(report, output)
                    yield event.result
                case Unmeasured():
                    yield event


def _print(report: Report, output: Output) -> None:
    """A report as text; a picture or a plot only says that it is there."""
    match report:
        case Table():
            _print_table(report, output)
        case Note():
            output.say(typeset(f"{report.title}: {report.text}" if report.title else report.text))
        case Pictures():
            output.say(f"{report.title}: {len(report.pictures)} pictures (the window shows them)")
        case _:
            output.say(f"{report.title}: a plot (the window shows it)")
    note = getattr(report, "note", "")
    if note:
        output.say(typeset(note))
    output.say("")


def _print_table(report: Table, output: Output) -> None:
    """The table, and its small print (columns of details) once for all rows that share it."""
    shown = [index for index, column in enumerate(report.columns) if column.format != "detail"]
    small = [index for index, column in enumerate(report.columns) if column.format == "detail"]
    rows = [[cell_text(column, cell) for column, cell in zip(report.columns, row, strict=True)] for row in report.rows]
    output.table([report.columns[i].head for i in shown], [[row[i] for i in shown] for row in rows], report.title)
    for index in small:
        details: dict[str, list[str]] = {}
        for row in rows:
            if row[index]:
                details.setdefault(row[index], []).append(row[0])
        for text, names in details.items():
            output.say(f"{report.columns[index].head} ({', '.join(names)}): {typeset(text)}")
