"""A run as TensorBoard shows it: every curve, the pictures that were kept, and its settings as text."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from dgm_studio.commands.pictures import picture
from dgm_studio.exporting.base import Part, Source, Tell
from dgm_studio.exporting.event_files import EventWriter
from models.capabilities import Samples
from models.spec import Layout

FOLDER = "tensorboard"
MOST = 10_000  # points of a curve; TensorBoard draws 1,000 by default
PICTURES = 100  # of samples, at most
WIDTH = 320  # px


class TensorBoard(Part):
    key, title = "tensorboard", "TensorBoard"
    help = "An event file with every curve, the samples that were kept while it trained, and its settings."

    def write(self, source: Source, folder: Path, tell: Tell) -> list[str]:
        tell("Writing TensorBoard's events …")
        place = folder / FOLDER
        place.mkdir()
        notes = []
        with open(place / f"events.out.tfevents.{round(source.began)}.studio.0.v2", "wb") as file:
            writer = EventWriter(file, source.began)
            writer.text("settings", 0, _settings(source), source.began)
            for key, (steps, values) in source.curves.items():
                tell(f"Writing TensorBoard's events: {key} …")
                every = -(-len(steps) // MOST)
                times = source.began + _seconds(source, steps)
                rows = zip(steps[::every].tolist(), values[::every].tolist(), times[::every].tolist(), strict=True)
                writer.scalars(key, rows)
                if every > 1:
                    notes.append(f"Of {key}, one value in {every} is there; curves.csv has them all.")
            shown = self._pictures(source, writer, tell) if source.subject is not None else 0
            if source.subject is None and source.frame_steps:
                notes.append(f"Pictures are left out: how they are shown hangs on the data. {source.missing}")
        return [*notes, f"{len(source.curves)} curves and {shown} pictures: tensorboard --logdir {FOLDER}."]

    def _pictures(self, source: Source, writer: EventWriter, tell: Tell) -> int:
        spec = source.spec
        if source.frame is None or not isinstance(source.there.model, Samples) or spec.layout is Layout.VECTOR:
            return 0
        every = -(-len(source.frame_steps) // PICTURES)
        steps = source.frame_steps[::every] if every else ()
        for step in steps:
            tell(f"Writing TensorBoard's events: samples of step {step} …")
            frame = source.frame(step)
            samples = frame.samples
            if spec.layout is Layout.IMAGE and samples.dtype == np.uint8:  # 255 is shown white
                samples = samples.astype(np.float32) * (spec.brightest / 255)
            image = picture(samples, spec, WIDTH)
            data = io.BytesIO()
            image.save(data, "PNG")
            time = source.began + float(_seconds(source, np.array([step]))[0])
            writer.image("means" if frame.means else "samples", step, data.getvalue(), image.size, time)
        return len(steps)


def _seconds(source: Source, steps: np.ndarray) -> np.ndarray:
    """The seconds of training until each step; 0 where they are not known."""
    if source.wall is None or not len(source.wall[0]):
        return np.zeros(len(steps))
    return np.interp(steps, source.wall[0], source.wall[1].astype(np.float64))


def _settings(source: Source) -> str:
    """A Markdown table of all settings."""
    config = source.config
    groups = {
        "": {"name": source.name, "family": config.family, "learner": config.learner, "data": config.data.source},
        "model.": config.model,
        "learner.": config.learning,
        "training.": config.training.model_dump(mode="json"),
    }
    rows = [f"| {group}{key} | {value} |" for group, values in groups.items() for key, value in values.items()]
    return "\n".join(["| setting | value |", "| --- | --- |", *rows])
