"""Are the model's pictures as sharp as the data's?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from dgm_studio.evaluations.base import (
    Evaluation,
    broken,
    describe,
    draw,
    mean_interval,
    samples_can_be_compared,
    stage,
)
from dgm_studio.reports import Cell, Column, Curves, Note, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import SamplesMeans
from models.estimation.measure import Kind, Measure
from models.estimation.sharpness import gradient_energy, relative_sharpness
from models.settings import Settings, setting
from models.spec import DataSpec, Layout

BLURRED = 0.85  # of the data's gradient energy, below which pictures are said to be blurred; its inverse for noise


class SharpnessSettings(Settings):
    samples: int = setting(1000, title="Samples", help="How many the model draws.", ge=10, le=100_000)


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return spec.layout is Layout.IMAGE and samples_can_be_compared(model, spec)


def _run(subject: Subject, settings: SharpnessSettings) -> Iterator[float | Report]:
    dataset, scale = subject.dataset, subject.spec.brightest
    kinds = [("Samples", False)]
    if isinstance(subject.model, SamplesMeans):
        kinds.append(("Samples, as means", True))
    energies: dict[str, Tensor] = {}
    for i, (name, means) in enumerate(kinds):
        x, _ = yield from stage(draw(subject, settings.samples, means), i * 0.9 / len(kinds), 0.9 / len(kinds))
        if wrong := broken(x):
            yield wrong
            return
        energies[name] = gradient_energy(x / scale).cpu()
    test = gradient_energy(dataset.test.x / scale)
    others = {"Test examples": test, "Validation examples": gradient_energy(dataset.valid.x / scale)}
    where = describe(dataset, dataset.test)
    found = {name: relative_sharpness(values, test, where) for name, values in energies.items()}
    yield _table(energies | others, found, where)
    yield from _verdicts(found)
    yield _curves(energies | {"Test examples": test})


def _table(energies: dict[str, Tensor], found: dict[str, Measure], where: str) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, values in energies.items():
        mean, interval = mean_interval(values, 0.0)
        ratio = found[name] if name in found else relative_sharpness(values, energies["Test examples"], where)
        rows.append((name, mean, interval, ratio.value, str(Kind.ESTIMATE), ratio.protocol if name in found else ""))
    columns = (
        Column("Pictures"),
        Column("Gradient energy", "number", "per difference", 4),
        Column("95 % interval", "interval", "per difference", 4),
        Column("Of the data's", "number"),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    )
    note = "Mean squared difference of neighbouring pixels, white at 1. Blurred pictures have less, noisy ones more."
    return Table("Sharpness", columns, tuple(rows), note)


def _verdicts(found: dict[str, Measure]) -> Iterator[Note]:
    for name, measure in found.items():
        said = f"{measure.value:.2f} [{measure.low:.2f}, {measure.high:.2f}] of the test examples' gradient energy."
        if measure.high < BLURRED:
            yield Note(f"{name}: blurred", said, "warn")
        elif measure.low > 1 / BLURRED:
            yield Note(f"{name}: noisy", said, "warn")
        elif measure.low > BLURRED and measure.high < 1 / BLURRED:
            yield Note(f"{name}: as sharp as the data", said, "good")


def _curves(energies: dict[str, Tensor]) -> Curves:
    series = tuple(
        Series(name, values.sort().values.numpy(), np.arange(1, len(values) + 1, dtype=np.float64) / len(values))
        for name, values in energies.items()
    )
    return Curves("How sharp each picture is", "gradient energy", "share of pictures below", series)


EVALUATION = Evaluation(
    "sharpness",
    "Sharpness",
    "The gradient energy of samples beside that of the data: are pictures blurred, or noisy?",
    SharpnessSettings,
    _admits,
    _run,
)
