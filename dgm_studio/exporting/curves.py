"""What was measured while the run trained, and the tables of its evaluations."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from dgm_studio.exporting.base import Part, Source, Tell
from dgm_studio.files import file_name
from dgm_studio.table_texts import to_csv, to_latex, to_markdown


class Curves(Part):
    key, title = "curves", "Curves"
    help = "curves.csv: a row for each step that was measured, a column for each quantity, and seconds of training."

    def write(self, source: Source, folder: Path, tell: Tell) -> list[str]:
        tell("Writing curves …")
        if not source.curves:
            return ["Nothing was measured yet, so there is no curves.csv."]
        keys = sorted(source.curves)
        steps = np.unique(np.concatenate([source.curves[key][0] for key in keys]))
        columns = [_filled(steps, *source.curves[key]) for key in keys]
        if source.wall is not None:
            keys, columns = ["seconds", *keys], [_filled(steps, *source.wall), *columns]
        with open(folder / "curves.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["step", *keys])
            for place, step in enumerate(steps.tolist()):
                writer.writerow([step, *("" if np.isnan(column[place]) else repr(column[place]) for column in columns)])
        return [f"{len(steps):,} steps of {len(source.curves)} quantities."]


def _filled(steps: np.ndarray, own: np.ndarray, values: np.ndarray) -> list[float]:
    """The values at `steps`, NaN where there is none. As written, they give the same 32-bit number back."""
    result = np.full(len(steps), np.nan)
    result[np.searchsorted(steps, own[np.isin(own, steps)])] = [
        float(str(value)) for value in values[np.isin(own, steps)].astype(np.float32)
    ]
    return result.tolist()


class Tables(Part):
    key, title = "tables", "Tables of evaluations"
    help = "Every table that was measured, as CSV, Markdown and LaTeX."

    def write(self, source: Source, folder: Path, tell: Tell) -> list[str]:
        tell("Writing tables …")
        if not source.tables:
            return ["The run was not evaluated yet, so there are no tables."]
        place = folder / "tables"
        place.mkdir()
        taken: set[str] = set()
        for key, step, table in source.tables:
            name = base = file_name(key, table.title, f"step-{step}")
            number = 2
            while name in taken:
                name, number = f"{base}-{number}", number + 1
            taken.add(name)
            for suffix, written in ((".csv", to_csv), (".md", to_markdown), (".tex", to_latex)):
                (place / f"{name}{suffix}").write_text(written(table), encoding="utf-8", newline="")
        return [f"{len(source.tables)} tables."]
