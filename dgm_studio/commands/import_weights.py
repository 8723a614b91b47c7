"""`import-weights`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from dgm_studio.commands.output import CommandError, Output
from dgm_studio.commands.projects import config_of, run_of, writing
from dgm_studio.datasets.sources import load
from dgm_studio.importing import BadWeights, config_beside
from dgm_studio.importing import import_weights as take


def import_weights(
    file: Path, weights: Path, *, like: str | None = None, partly: bool = False, name: str = "", json: bool = False
) -> int:
    """Add a run that begins with the weights of a file, and say of each tensor whether it fits.

    Parameters
    ----------
    file
        The project; made if it is not there.
    weights
        A .safetensors, .npz, .pt or .pth file. Of a .pt file only tensors are read, never code.
    like
        Name or id of the run of the project whose settings and data the new one takes. If not given, they are those
        of the config.json beside the weights, as an export writes it.
    partly
        Take what fits, and leave the rest as the run's seed makes it. Without it, everything has to fit.
    name
        Of the new run.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    try:
        if not weights.is_file():
            raise BadWeights(f"There is no file {weights}.")
        known = config_beside(weights) if like is None else None
        if like is None and known is None:
            raise BadWeights(f"There is no config.json beside {weights.name}. --like RUN says which settings to take.")
        with writing(file, create=like is None) as project:
            config = known if known is not None else config_of(run_of(project, like))
            run, fit = take(project, config, load(config.data), weights, partly, name)
            project.save()
            output.say(f"{run.name} begins with the weights of {weights.name}. `dgm resume` trains it.")
            for line in fit.lines():
                output.say(f"  {line}")
            output.document({"project": str(file), "run": run.id, "name": run.name, **asdict(fit)})
    except BadWeights as error:
        raise CommandError(str(error)) from None
    return 0
