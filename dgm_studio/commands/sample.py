"""`sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from dgm_studio.commands.output import CommandError, Output
from dgm_studio.commands.pictures import picture, samples_of
from dgm_studio.commands.projects import reading, run_of, subject_of


def sample(
    file: Path,
    *,
    run: str | None = None,
    number: Annotated[int, Parameter(name=["--number", "-n"])] = 64,
    out: Path = Path("samples.png"),
    means: bool = False,
    seed: int = 0,
    device: str = "auto",
    data_path: Path | None = None,
    json: bool = False,
) -> int:
    """Draw examples from a run and write them to a picture or to a file of numbers.

    Parameters
    ----------
    file
        The project.
    run
        Name or id of the run; the newest if not given.
    number
        How many examples.
    out
        A picture (.png), or numbers (.npz with x: number × shape of an example).
    means
        Conditional means instead of draws, where the model has them: better to look at.
    seed
        Start of every random number of the draws.
    device
        auto, cpu, cuda, cuda:N or mps.
    data_path
        Where the file or folder of the run's data lies now, if it was moved. It must be the same data; nothing
        is written to the project.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    if number < 1:
        raise CommandError("--number must be at least 1.")
    if out.suffix not in (".png", ".npz"):
        raise CommandError(f"{out}: the name must end in .png or .npz.")
    with reading(file) as project:
        chosen = run_of(project, run)
        subject = subject_of(chosen, device, seed, data_path)
    drawn = samples_of(subject, number, means)
    if out.suffix == ".png":
        picture(drawn, subject.spec).save(out)
    else:
        np.savez_compressed(out, x=drawn)
    output.say(f"{number} examples of run {chosen.name!r} at step {subject.step}: {out}")
    output.document({"project": str(file), "run": chosen.id, "step": subject.step, "number": number, "file": str(out)})
    return 0
