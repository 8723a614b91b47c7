"""How a picture comes about that is drawn in steps."""

from __future__ import annotations

from collections.abc import Iterator

from dgm_studio.evaluations.base import Evaluation, mean_interval
from dgm_studio.inference import Subject
from dgm_studio.reports import Cell, Column, Pictures, Report, Table
from dgm_studio.state import as_bytes
from models.capabilities import DrawsInSteps
from models.estimation.measure import Kind
from models.settings import Settings, setting
from models.spec import DataSpec, Layout


class CanvasSettings(Settings):
    drawings: int = setting(200, title="Drawings", help="That the model makes.", ge=10, le=10_000)
    shown: int = setting(8, title="Shown", help="How many of them are shown, step by step.", ge=1, le=100)


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, DrawsInSteps) and spec.layout is Layout.IMAGE


def _run(subject: Subject, settings: CanvasSettings) -> Iterator[float | Report]:
    canvases = subject.model.draw_in_steps(settings.drawings, subject.generator).canvases.cpu()  # (B, T, *event)
    yield 0.8
    white, steps = subject.spec.brightest, canvases.shape[1]
    rows: list[tuple[Cell, ...]] = []
    for t in range(steps):
        before = canvases[:, t - 1] if t else canvases[:, 0] * 0
        changed, interval = mean_interval((canvases[:, t] - before).abs().flatten(1).mean(1) / white)
        left, _ = mean_interval((canvases[:, -1] - canvases[:, t]).abs().flatten(1).mean(1) / white)
        rows.append((str(t + 1), changed, interval, left, str(Kind.ESTIMATE)))
    columns = (
        Column("Step"),
        Column("Changes", "number", "of white, per pixel", 3),
        Column("95 % interval", "interval", "of white, per pixel", 3),
        Column("Left to do", "number", "of white, per pixel", 3),
        Column("Kind", "kind"),
    )
    note = "The mean absolute change of a pixel in each step; the first begins at black. Left: to the last canvas."
    yield Table("What each step does", columns, tuple(rows), note)
    shown = canvases[: settings.shown].flatten(0, 1).float()
    yield Pictures(
        "Canvases, step by step", as_bytes(shown.numpy(), subject.spec), tuple(str(t + 1) for t in range(steps))
    )


EVALUATION = Evaluation(
    "canvases",
    "Drawn step by step",
    "The canvas after every step of a few drawings, and how much each step changes.",
    CanvasSettings,
    _admits,
    _run,
)
