"""`compare`: runs of a project beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dgm_studio.commands.output import CommandError, Output
from dgm_studio.commands.projects import reading, run_of
from dgm_studio.comparison import likelihoods, settings
from dgm_studio.store import Run
from dgm_studio.table_texts import cell_text


def compare(file: Path, *names: str, all_settings: bool = False, every_step: bool = False, json: bool = False) -> int:
    """Show what runs were set differently, and all their likelihoods in groups that may be compared.

    Parameters
    ----------
    file
        The project.
    names
        Runs by name or id, at least two; all runs of the project if none is given.
    all_settings
        Also the settings in which they agree.
    every_step
        Every stored figure, also of steps before the latest that was measured.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    project = reading(file)
    runs = [run_of(project, name) for name in names] or list(project.runs.values())
    runs = list({run.id: run for run in runs}.values())
    if len(runs) < 2:
        raise CommandError(f"Comparing takes at least two runs; {file} was asked for {len(runs)}.")
    rows = [row for row in settings.compared([run.config for run in runs]) if all_settings or row.differs]
    entries = [entry for run in runs for entry in likelihoods.entries_of(run.id, run.evaluations)]
    groups = likelihoods.grouped(entries, every_step)
    _print(runs, rows, groups, output)
    output.document(
        {
            "project": str(file),
            "runs": [{"id": run.id, "name": run.name} for run in runs],
            "settings": [
                {
                    "group": row.group,
                    "title": row.title,
                    "values": {run.id: value for run, value in zip(runs, row.values, strict=True)},
                }
                for row in rows
            ],
            "likelihoods": [_group(group) for group in groups],
        }
    )
    return 0


def _print(runs: list[Run], rows: list[settings.Row], groups: list[likelihoods.Group], output: Output) -> None:
    names = [run.name for run in runs]
    if rows:
        lines = [[row.group, row.title, *(settings.NONE if v is None else v for v in row.values)] for row in rows]
        output.table(["Group", "Setting", *names], lines, "Settings that differ")
    else:
        output.say("These runs have the same settings.")
    for table in likelihoods.tables(groups, {run.id: run.name for run in runs}):
        output.say("")
        shown = [i for i, column in enumerate(table.columns) if column.format != "detail"]
        cells = [[cell_text(table.columns[i], row[i]) for i in shown] for row in table.rows]
        output.table([table.columns[i].head for i in shown], cells, table.title)
        if table.note:
            output.say(table.note)
    measured = {entry.run for group in groups for entry in group.entries}
    left = ", ".join(run.name for run in runs if run.id not in measured)
    if left:
        output.say(f"No likelihood was measured of {left}. `dgm evaluate` does.")


def _group(group: likelihoods.Group) -> dict[str, Any]:
    b = group.basis
    return {
        "quantity": b.quantity,
        "kind": b.kind,
        "unit": b.unit,
        "protocol": b.way,
        "data": b.data,
        "note": group.note,
        "entries": [
            {
                "run": entry.run,
                "measure": entry.measure,
                "value": entry.value,
                "low": entry.low,
                "high": entry.high,
                "step": entry.step,
                "time": entry.made,
                "verdict": verdict,
            }
            for entry, verdict in zip(group.entries, group.verdicts, strict=True)
        ],
    }
