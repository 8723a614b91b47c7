"""Samples as a picture, as text and as numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator

from dgm_studio.commands.pictures import grid, picture
from dgm_studio.exporting.base import Cancelled, Part, Source, Tell
from dgm_studio.subject import Interruptible
from dgm_studio.written import is_text, listed
from models.capabilities import Samples, SamplesMeans, SamplesOfClass
from models.spec import Layout

FOLDER = "samples"
OF_EACH = 10  # examples of a class in the grid of classes
POINTS = 50  # times as many samples of points: a few of them show nothing
SIDE = 640  # px, about as wide as a picture is


class SampleFiles(Part):
    key, title = "samples", "Samples"
    help = "A picture (or text) of samples, a grid of classes where there are any, and the numbers for NumPy."
    needs_data = True

    def refusal(self, model: type, learner: type) -> str:
        return "" if issubclass(model, Samples) else "This model draws no samples: it answers to examples."

    def write(self, source: Source, folder: Path, tell: Tell) -> list[str]:
        tell("Drawing samples …")
        place, spec, model = folder / FOLDER, source.spec, source.there.model
        place.mkdir()
        n = source.samples * (POINTS if spec.layout is Layout.POINTS else 1)
        image = spec.layout is Layout.IMAGE
        means = image and isinstance(model, SamplesMeans)
        drawn = _drawn(model.sample_mean if means else model.sample, n, source)
        np.save(place / "samples.npy", drawn, allow_pickle=False)
        if is_text(spec.symbols):
            (place / "samples.txt").write_text(listed(drawn, spec.symbols), encoding="utf-8")
        elif spec.layout is not Layout.VECTOR:
            picture(drawn, spec).save(place / "samples.png")
        notes = [f"{n:,} samples{', conditional means' if means else ''}, from seed {source.seed}."]
        if image and isinstance(model, SamplesOfClass) and model.conditional_classes():
            tell("Drawing samples of each class …")
            classes = torch.arange(model.conditional_classes(), device=source.there.device).repeat_interleave(OF_EACH)
            made = _drawn(lambda _, generator: model.sample_of_class(classes, generator), len(classes), source)
            scale = max(1, SIDE // (OF_EACH * (made.shape[-1] + 1)))
            grid(made / spec.brightest, OF_EACH, scale).save(place / "classes.png")
            notes.append(f"classes.png has {OF_EACH} samples of each class in a row.")
        return notes


def _drawn(draw: Any, n: int, source: Source) -> np.ndarray:
    generator = Generator(source.there.device).manual_seed(source.seed)
    with torch.no_grad(), Interruptible(source.called_off, Cancelled):
        return draw(n, generator).float().cpu().numpy()
