"""Every lesson, or those named: what was claimed, predicted and measured, as rows of the table in LESSONS.md.

    ./run bench lessons --keep FOLDER [KEY ...]

A project for each is kept in FOLDER; what it holds already is not run again, so the rows can be had once more, and the
time is that of the runs' training and measuring as the project has it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.found import Found
from dgm_studio.lessons.outcome import Checked, Outcome, outcome
from dgm_studio.lessons.plan import Measure, all_jobs
from dgm_studio.lessons.predictions import Spread
from dgm_studio.lessons.reading import lesson, lessons
from dgm_studio.lessons.running import carry_out
from dgm_studio.store import Project


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("keys", nargs="*")
    options.add_argument("--keep", type=Path)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        print("| lesson | figure | predicted | measured | without the effect | seeds | time |")
        print("|---|---|---|---|---|---:|---:|")
        for entry in [lesson(key) for key in chosen.keys] or lessons():
            for row in _rows(entry, folder / f"{entry.key}.dgm"):
                print(f"| {' | '.join(row)} |", flush=True)


def _rows(entry: Lesson, file: Path) -> list[list[str]]:
    with Project.open(file) if file.exists() else Project.create(file) as project:
        for _ in carry_out(entry, project, entry.seeds, history=False):
            pass
        found = outcome(entry, entry.seeds, Found(project))
        seconds = _seconds(entry, project)
    return [_row(entry, found, checked, seconds) for checked in found.checks]


def _row(entry: Lesson, found: Outcome, checked: Checked, seconds: float) -> list[str]:
    check, first = checked.check, checked is found.checks[0]
    verdict = "" if checked.holds else " **does not hold**"
    return [
        entry.key if first else "",
        f"{check.says} `{check.figure.text}`{f' ({check.unit})' if check.unit else ''}",
        check.predicts.text,
        _spread(checked.figure, check.decimals) + verdict,
        f"{_spread(checked.counterpart, check.decimals)}, {check.without}",
        str(found.seeds) if first else "",
        f"{seconds:.0f} s" if first else "",
    ]


def _spread(spread: Spread | None, decimals: int) -> str:
    return "–" if spread is None else spread.text(decimals)


def _seconds(entry: Lesson, project: Project) -> float:
    found, total = Found(project), 0.0
    for job in all_jobs(entry, entry.seeds):
        if isinstance(job, Measure):
            result = found.result(job.config, job.evaluation, job.settings)
            total += result.seconds if result is not None else 0
        elif (run := found.finished(job.config)) is not None and run.wall is not None:
            total += float(run.wall[1][-1])
    return total


if __name__ == "__main__":
    main()
