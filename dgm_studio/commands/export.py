"""`export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import Progress

from dgm_studio.commands.output import CommandError, Output
from dgm_studio.commands.projects import config_of, data_of, reading, recipe_of, run_of, state_of
from dgm_studio.device import resolve
from dgm_studio.evaluation import subject_from
from dgm_studio.exporting.whole import PARTS, NotWritten, parts_of, source_of, source_without_data, write


def export(
    file: Path,
    *,
    to: Path,
    run: str | None = None,
    what: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    step: int | None = None,
    samples: int = 64,
    seed: int = 0,
    data_path: list[Path] | None = None,
    json: bool = False,
) -> int:
    """Write a run for use without the studio: weights, a script that samples, curves and more, all or nothing. Where
    its data are not there any more: what needs none, and why the rest is left out.

    Parameters
    ----------
    file
        The project.
    to
        The folder: a new or empty one, or that of an earlier export, which is replaced.
    run
        Name or id of the run; the newest if not given.
    what
        Which of weights (weights.safetensors and config.json), script (a folder with sample.py, which needs torch,
        safetensors and numpy alone), onnx (checked with onnxruntime where that is installed), samples, curves (CSV),
        tables (CSV, Markdown, LaTeX) and tensorboard (event files). All but onnx if not given.
    step
        Of which kept state; the newest if not given.
    samples
        How many are drawn.
    seed
        Start of every random number of the draws.
    data_path
        Where the file or folder of the run's data lies now, if it was moved. It must be the same data; nothing
        is written to the project. May be given for each of two data sets.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    if samples < 1:
        raise CommandError("--samples must be at least 1.")
    try:
        parts = parts_of(what or [part.key for part in PARTS if part.default])
    except KeyError as error:
        raise CommandError(error.args[0]) from None
    with reading(file) as project:
        chosen = run_of(project, run)
        config = config_of(chosen)
        state_of(chosen)
        if step is not None and step not in chosen.checkpoint_steps():
            kept = ", ".join(str(one) for one in chosen.checkpoint_steps())
            raise CommandError(f"{chosen.name!r} keeps no state of step {step}. It keeps those of: {kept}.")
        try:
            dataset = data_of(chosen, data_path)
        except CommandError as error:
            if data_path:
                raise
            source = source_without_data(chosen, chosen.checkpoint_steps()[-1] if step is None else step, str(error))
        else:
            subject = subject_from(recipe_of(config), dataset, chosen.checkpoint(step), resolve("cpu"), seed)
            source = source_of(chosen, subject, samples, seed)
        try:
            with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
                task = bar.add_task("", total=1.0)
                made = write(source, parts, to, lambda done, doing: bar.update(task, completed=done, description=doing))
        except NotWritten as error:
            raise CommandError(str(error), 1) from None
    for name in made.files:
        output.say(str(to / name))
    for key, text in made.notes:
        output.say(f"{key}: {text}")
    output.document(
        {
            "run": chosen.id,
            "step": source.step,
            "folder": str(to),
            "files": [str(to / name) for name in made.files],
            "notes": [{"part": key, "text": text} for key, text in made.notes],
        }
    )
    return 0
