"""How a picture comes about that is drawn in steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dgm_studio.evaluations.base import CHUNK, Evaluation, describe, mean_interval
from dgm_studio.reports import Cell, Column, Pictures, Report, Table
from dgm_studio.state import as_bytes
from dgm_studio.subject import Subject
from models.capabilities import DrawnInSteps, DrawsInSteps
from models.estimation.measure import Kind
from models.settings import Settings, setting
from models.spec import DataSpec, Layout

ACROSS = 490  # pixels of a row of pictures with windows, at most where theirs can be that small
FINEST = 4  # the side of a pixel in these
READ, WRITTEN = (64, 148, 255), (255, 140, 0)  # colours of windows: blue and orange, which all eyes tell apart


class CanvasSettings(Settings):
    drawings: int = setting(200, title="Drawings", help="That the model makes.", ge=10, le=10_000)
    shown: int = setting(8, title="Shown", help="How many of them are shown, step by step.", ge=1, le=100)
    examples: int = setting(
        500, title="Examples", help="How many of the first test examples, at most, are drawn after.", ge=2, le=100_000
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, DrawsInSteps) and spec.layout is Layout.IMAGE


def _run(subject: Subject, settings: CanvasSettings) -> Iterator[float | Report]:
    canvases = subject.model.draw_in_steps(settings.drawings, subject.generator).canvases.cpu()  # (B, T, *event)
    yield 0.3
    yield _what_steps_do(canvases, subject.spec.brightest)
    shown = canvases[: settings.shown].flatten(0, 1).float()
    steps = tuple(str(t + 1) for t in range(canvases.shape[1]))
    yield Pictures("Canvases, step by step", as_bytes(shown.numpy(), subject.spec), steps)

    test = subject.dataset.test
    x = test.x[: settings.examples].to(subject.device)
    drawn = []
    for part in x.split(CHUNK):
        drawn.append(subject.model.redraw_in_steps(part, subject.generator))
        yield 0.3 + 0.6 * min(1.0, len(drawn) * CHUNK / len(x))
    where = f"{describe(subject.dataset, test)}, the first {len(x)} of them"
    yield _towards_examples(drawn, x, subject.spec, where)
    yield _windows(drawn, x)
    yield _redrawn(drawn[0], x[: settings.shown], subject.spec)


def _what_steps_do(canvases: Tensor, white: float) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for t in range(canvases.shape[1]):
        before = canvases[:, t - 1] if t else canvases[:, 0] * 0
        changed, interval = mean_interval((canvases[:, t] - before).abs().flatten(1).mean(1) / white, 0.0)
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
    return Table("What each step does", columns, tuple(rows), note)


def _towards_examples(drawn: list[DrawnInSteps], x: Tensor, spec: DataSpec, where: str) -> Table:
    """Another example is the next one, so that each is once the other."""
    canvases = torch.cat([part.canvases for part in drawn])
    rows: list[tuple[Cell, ...]] = []
    for t in range(canvases.shape[1]):
        away, interval = mean_interval(_error(canvases[:, t], x, spec), 0.0)
        other, _ = mean_interval(_error(canvases[:, t], x.roll(1, 0), spec))
        rows.append((str(t + 1), away, interval, other, str(Kind.ESTIMATE)))
    columns = (
        Column("Step"),
        Column("From its example", "number", "of white², per pixel", 4),
        Column("95 % interval", "interval", "of white², per pixel", 4),
        Column("From another", "number", "of white², per pixel", 4),
        Column("Kind", "kind"),
    )
    note = (
        f"{where}. The mean squared error of the canvas after each step that looks at the example. Another: the next."
    )
    return Table("Towards the example, step by step", columns, tuple(rows), note)


def _error(canvas: Tensor, x: Tensor, spec: DataSpec) -> Tensor:
    """Of each example: (B, *event), (B, *event) -> (B,)."""
    return ((canvas - x) / spec.brightest).square().flatten(1).mean(1)


def _windows(drawn: list[DrawnInSteps], x: Tensor) -> Table:
    """Where a model places no windows, it looks at and writes to all of the image, around its middle."""
    side, there, steps = max(x.shape[-2:]), _middles(x), drawn[0].canvases.shape[1]
    looked, looks = _placed([part.read for part in drawn], drawn[0].read_size, steps, x)
    _, writes = _placed([part.written for part in drawn], drawn[0].write_size, steps, x)
    rows: list[tuple[Cell, ...]] = []
    for t in range(steps):
        past, other = ((looked[:, t] - centre).norm(dim=1).mean().item() / side for centre in (there, there.roll(1, 0)))
        rows.append((str(t + 1), looks[t].item(), past, other, writes[t].item(), str(Kind.ESTIMATE)))
    columns = (
        Column("Step"),
        Column("Looks across", "number", "of the side", 2),
        Column("Past its example", "number", "of the side", 3),
        Column("Past another", "number", "of the side", 3),
        Column("Writes across", "number", "of the side", 2),
        Column("Kind", "kind"),
    )
    note = (
        "How much of the side of the image the windows span, and how far the middle of the one that is looked through "
        "lies from the centre of what is bright in the example, or in the next one. Means over examples."
    )
    return Table("Windows, step by step", columns, tuple(rows), note)


def _placed(windows: list[Tensor | None], size: int, steps: int, x: Tensor) -> tuple[Tensor, Tensor]:
    """The middles of the windows in every step (N, T, 2), and how much of the longer side they span (T,), cut at all
    of it."""
    height, width = x.shape[-2:]
    found = [window for window in windows if window is not None]
    if not found:
        middle = torch.tensor([(width - 1) / 2, (height - 1) / 2]).to(x)
        return middle.expand(len(x), steps, 2), torch.ones(steps)
    all_of_them = torch.cat(found)
    spans = (((size - 1) * all_of_them[..., 2] + 1) / max(height, width)).clamp(max=1)
    return all_of_them[..., :2], spans.mean(0)


def _middles(x: Tensor) -> Tensor:
    """x and y of the centre of what is bright, the middle of a black image: (B, channels, H, W) -> (B, 2)."""
    light = x.sum(1).clamp(min=0) + 1e-6
    light = light / light.sum((1, 2), keepdim=True)
    across, down = torch.arange(light.shape[2]).to(light), torch.arange(light.shape[1]).to(light)
    return torch.stack([light.sum(1) @ across, light.sum(2) @ down], 1)


def _redrawn(drawn: DrawnInSteps, x: Tensor, spec: DataSpec) -> Pictures:
    """Groups of an example and its canvases, with frames around the windows where there are any."""
    steps = drawn.canvases.shape[1]
    pictures = torch.cat([x[:, None].cpu(), drawn.canvases[: len(x)].cpu().float()], 1).flatten(0, 1)
    shown = as_bytes(pictures.numpy(), spec)
    note = "The example x, and the canvas after each step that looks at it."
    if drawn.read is not None and drawn.written is not None:
        fine = max(1, min(FINEST, ACROSS // ((steps + 1) * shown.shape[3])))
        shown = np.broadcast_to(shown, (len(shown), 3, *shown.shape[2:])).repeat(fine, 2).repeat(fine, 3)
        for i in range(len(x)):
            for t in range(steps):
                picture = shown[i * (steps + 1) + t + 1]
                _frame(picture, drawn.read[i, t].tolist(), drawn.read_size, fine, READ)
                _frame(picture, drawn.written[i, t].tolist(), drawn.write_size, fine, WRITTEN)
        note += " Blue: the window it was looked at through. Orange: the window that was written through."
    group = ("x", *(str(t + 1) for t in range(steps)))
    return Pictures("Examples, drawn step by step", shown, group, note=note)


def _frame(picture: np.ndarray, window: list[float], size: int, fine: int, colour: tuple[int, int, int]) -> None:
    """Draw around a window (centre x, centre y, stride, σ) of `size` places along a side, on a picture (3, H, W) whose
    pixels are `fine` wide. What lies outside is cut off."""
    x, y, stride, _ = window
    half = (size - 1) / 2 * stride + 0.5
    height, width = picture.shape[1:]
    left, right = (round((x + 0.5 + end) * fine) for end in (-half, half))
    top, bottom = (round((y + 0.5 + end) * fine) for end in (-half, half))
    ink = np.array(colour, np.uint8)[:, None]
    across, down = slice(max(left, 0), max(right, 0)), slice(max(top, 0), max(bottom, 0))
    for row in (top, bottom - 1):
        if 0 <= row < height:
            picture[:, row, across] = ink
    for column in (left, right - 1):
        if 0 <= column < width:
            picture[:, down, column] = ink


EVALUATION = Evaluation(
    "canvases",
    "Drawn step by step",
    "The canvas after every step: how much each changes, how near it comes to an example, where it looks and writes.",
    CanvasSettings,
    _admits,
    _run,
)
