"""`export`."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Any

from safetensors.torch import save_model

from dgm_studio import __version__
from dgm_studio.commands.output import Output
from dgm_studio.commands.pictures import picture, samples_of
from dgm_studio.commands.projects import config_of, reading, run_of, subject_of
from dgm_studio.written import is_text, listed
from models.capabilities import Samples
from models.spec import Layout

SAMPLES = 64


def export(
    file: Path, *, to: Path, run: str | None = None, data_path: list[Path] | None = None, json: bool = False
) -> int:
    """Write a run for use without the studio: weights, configuration and samples.

    The folder gets weights.safetensors (the model's tensors by the names of its state_dict), config.json (all that is
    needed to build the model again) and samples.png, or samples.txt where the run models text.

    Parameters
    ----------
    file
        The project.
    to
        The folder; made if it is not there.
    run
        Name or id of the run; the newest if not given.
    data_path
        Where the file or folder of the run's data lies now, if it was moved. It must be the same data; nothing
        is written to the project. May be given for each of two data sets.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    with reading(file) as project:
        chosen = run_of(project, run)
        config = config_of(chosen)
        subject = subject_of(chosen, "cpu", 0, data_path)
    spec = subject.spec
    described: dict[str, Any] = {
        "studio": __version__,
        "name": chosen.name,
        "step": subject.step,
        "event_shape": list(spec.event_shape),
        "support": str(spec.support),
        "protocol": spec.protocol,
        "config": config.model_dump(mode="json"),
    }
    to.mkdir(parents=True, exist_ok=True)
    weights = to / "weights.safetensors"
    save_model(subject.model, str(weights), {"family": config.family})
    written = [weights, to / "config.json"]
    written[1].write_text(json_format.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if spec.layout in (Layout.IMAGE, Layout.POINTS) and isinstance(subject.model, Samples):
        n = SAMPLES if spec.layout is Layout.IMAGE else 50 * SAMPLES
        written.append(to / "samples.png")
        picture(samples_of(subject, n, means=True), spec).save(written[-1])
    elif is_text(spec.symbols) and isinstance(subject.model, Samples):
        written.append(to / "samples.txt")
        written[-1].write_text(listed(samples_of(subject, SAMPLES, means=False), spec.symbols), encoding="utf-8")
    for path in written:
        output.say(str(path))
    output.document({"run": chosen.id, "step": subject.step, "files": [str(path) for path in written]})
    return 0
