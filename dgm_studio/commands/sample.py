"""`sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from dgm_studio.commands.output import CommandError, Output
from dgm_studio.commands.pictures import picture, samples_of
from dgm_studio.commands.projects import reading, run_of, subject_of
from dgm_studio.written import is_text, listed


def sample(
    file: Path,
    *,
    run: str | None = None,
    number: Annotated[int, Parameter(name=["--number", "-n"])] = 64,
    out: Path | None = None,
    means: bool = False,
    seed: int = 0,
    device: str = "auto",
    data_path: list[Path] | None = None,
    json: bool = False,
) -> int:
    """Draw examples from a run and write them to a picture, a text or a file of numbers.

    Parameters
    ----------
    file
        The project.
    run
        Name or id of the run; the newest if not given.
    number
        How many examples.
    out
        A picture (.png), a text if that is what the run models (.txt), or numbers (.npz with x: number × shape of
        an example). Not given: samples.png, or samples.txt where the run models text.
    means
        Conditional means instead of draws, where the model has them: better to look at.
    seed
        Start of every random number of the draws.
    device
        auto, cpu, cuda, cuda:N or mps.
    data_path
        Where the file or folder of the run's data lies now, if it was moved. It must be the same data; nothing
        is written to the project. May be given for each of two data sets.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    if number < 1:
        raise CommandError("--number must be at least 1.")
    if out is not None and out.suffix not in (".png", ".txt", ".npz"):
        raise CommandError(f"{out}: the name must end in .png, .txt or .npz.")
    with reading(file) as project:
        chosen = run_of(project, run)
        subject = subject_of(chosen, device, seed, data_path)
    text = is_text(subject.spec.symbols)
    out = out or Path("samples.txt" if text else "samples.png")
    if out.suffix == ".txt" and not text:
        raise CommandError(f"{out}: this run does not model text. The name must end in .png or .npz.")
    drawn = samples_of(subject, number, means)
    if out.suffix == ".txt":
        out.write_text(listed(drawn, subject.spec.symbols), encoding="utf-8")
    elif out.suffix == ".png":
        picture(drawn, subject.spec).save(out)
    else:
        np.savez_compressed(out, x=drawn)
    output.say(f"{number} examples of run {chosen.name!r} at step {subject.step}: {out}")
    output.document({"project": str(file), "run": chosen.id, "step": subject.step, "number": number, "file": str(out)})
    return 0
