"""Pictures of the window, made by the window: for the README, for a machine without a display, and to look at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from itertools import count
from pathlib import Path

from dgm_studio import ROOT
from dgm_studio.commands.album import Album
from dgm_studio.commands.output import CommandError

STEPS = 200  # that the runs of a made project learn for
MEASURED = ("samples", "copies", "sharpness")  # of the first run: quick, with tables, pictures and plots


def take(album: Album) -> list[Path]:
    """Take pictures in both themes, in processes of their own without a display, one for each scale. Scales other than
    1 are taken in the first size. Returns the PNG files. Raises CommandError with what a process said."""
    taken: list[Path] = []
    with tempfile.TemporaryDirectory() as home:
        shown = album
        if album.project is None:
            project = Path(home) / "look.dgm"
            _process("make", str(project))
            shown = replace(album, project=project, runs=("*",))
        for place, scale in enumerate(album.scales):
            sizes = album.sizes if scale == 1 or place == 0 else album.sizes[:1]
            taken += _taken(replace(shown, sizes=sizes, scales=(scale,)), alone=album.project is not None)
    return taken


def _taken(album: Album, alone: bool) -> list[Path]:
    """`alone`: show only what runs of the project have to show."""
    words = {
        "folder": str(album.folder.absolute()),
        "project": str(album.project.absolute()) if album.project is not None else "",
        "runs": album.runs,
        "pages": album.pages,
        "sizes": album.sizes,
        "themes": album.themes,
        "alone": alone and not album.pages,
    }
    said = _process("take", json.dumps(words), QT_SCALE_FACTOR=f"{album.scales[0]:g}")
    return [Path(line) for line in said.splitlines()]


def _process(*arguments: str, **variables: str) -> str:
    command = [sys.executable, "-m", "widgets.screenshots", *arguments]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(ROOT), **variables}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        said = "\n".join(line for line in result.stderr.splitlines() if not line.startswith("This plugin does not"))
        raise CommandError(f"No pictures could be taken (exit code {result.returncode}).\n{said}", code=1)
    return result.stdout


def make(project: Path, steps: int = STEPS) -> None:
    """Write a project with a run for each thing that the window can show, each a little trained; the first is measured
    and annotated. The same on every call, so that pictures of it can be compared: for a process of its own, whose clock
    it replaces by one that ticks evenly."""
    ticks = count()
    time.perf_counter = lambda: 0.002 * next(ticks)  # how often a run is measured goes by the clock
    from dgm_studio.commands.evaluate import evaluate
    from dgm_studio.commands.train import train
    from dgm_studio.store import Project

    keys = representatives()
    for key in reversed(keys):  # the newest run is what a project opens with
        train(key, project=project, steps=steps, device="cpu")
    evaluate(project, what=list(MEASURED))
    with Project.open(project) as opened:
        run = list(opened.runs.values())[-1]
        run.tags = ["first look", "default settings"]
        run.notes = "Strokes are sharp; 4 and 9 share a region of the map."
        opened.save()


def representatives() -> list[str]:
    """A few presets that together admit every explorer, the studio's first one among them. Nothing is downloaded for
    it."""
    from dgm_studio.datasets.sources import load, source
    from dgm_studio.presets import presets
    from models.catalog import Recipe
    from widgets.explorers.catalog import EXPLORERS

    chosen: list[str] = []
    seen: set[str] = set()
    for preset in presets():
        config = preset.config
        if not all(source(domain.source).at_hand() for domain in config.data.domains):
            continue
        recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
        spec = load(config.data).spec
        shows = {e.key for e in EXPLORERS if e.admits(recipe.family.model, recipe.learning.learner, spec)}
        if shows - seen:
            chosen.append(preset.key)
            seen |= shows
    return chosen


def main(task: str, words: str) -> None:
    """What the processes of `take` do."""
    if task == "make":
        with redirect_stdout(sys.stderr):
            make(Path(words))
        return
    from widgets.photographer import photograph

    print("\n".join(str(path) for path in photograph(**json.loads(words))))


def sizes_of(pairs: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Sizes as they came through JSON."""
    return [(width, height) for width, height in pairs]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
