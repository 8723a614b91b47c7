"""`tour`: what a person sees first in the window, for a machine without a display."""

from __future__ import annotations

from pathlib import Path

from dgm_studio.commands.album import Album, Photograph
from dgm_studio.commands.evaluate import evaluate
from dgm_studio.commands.sample import sample
from dgm_studio.commands.train import train
from dgm_studio.presets import presets


def walk(folder: Path, photograph: Photograph) -> int:
    """Train the first preset into a project in `folder`, evaluate it, and write pictures of samples and the window."""
    preset = presets()[0]
    folder.mkdir(parents=True, exist_ok=True)
    project = folder / f"{preset.key}.dgm"
    print(f"{preset.title}: {preset.summary}")
    train(preset.key, project=project)
    print()
    evaluate(project)
    sample(project, out=folder / "samples.png", means=True)
    pictures = photograph(Album(folder / "window", project))
    print()
    print(f"The project: {project.resolve()}")
    for picture in pictures:
        print(f"The window:  {picture.resolve()}")
    return 0
