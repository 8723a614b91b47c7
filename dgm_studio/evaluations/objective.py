"""Is there something that the rules by which a belief net learns ascend? By enumeration of all that there is."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, describe, stage, training_examples
from dgm_studio.reports import Column, Curves, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import EnumeratesLatent
from models.estimation.measure import Kind
from models.estimation.update_fields import (
    POINTS,
    UpdateField,
    agreement,
    antisymmetric_share,
    evidence_bound,
    turning_plane,
    wake_sleep,
)
from models.settings import Settings, setting
from models.spec import DataSpec, Support

MOST = 12  # bits of an example, so that all examples there can be are dreamed of
BOUND, WAKE_SLEEP = "gradient of the evidence bound", "wake and sleep"


class ObjectiveSettings(Settings):
    examples: int = setting(
        2000, title="Examples", help="How many of the first training examples, at most, are learned from.", ge=1
    )
    radius: float = setting(
        1.0,
        title="Radius",
        help="Of the circle around the weights, once round which the work is summed: a distance of weights.",
        gt=0,
        le=100,
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, EnumeratesLatent) and spec.support is Support.BITS and spec.dimensions <= MOST


def _run(subject: Subject, settings: ObjectiveSettings) -> Iterator[float | Report]:
    x = training_examples(subject.dataset, subject, settings.examples)
    fields = {
        BOUND: UpdateField(evidence_bound, subject.model, x),
        WAKE_SLEEP: UpdateField(wake_sleep, subject.model, x),
    }
    jacobians = {}
    for number, (name, field) in enumerate(fields.items()):
        jacobians[name] = yield from stage(field.jacobian(), 0.3 * number, 0.3)
    ascent, other = fields.values()
    plane = turning_plane(jacobians[WAKE_SLEEP])
    yield 0.7
    work = {name: field.work_round(plane, settings.radius) for name, field in fields.items()}
    recognition = ascent.recognition()
    protocol = (
        f"{describe(subject.dataset, subject.dataset.train, 'training')}, the first {len(x)} of them. Of all "
        f"{len(ascent.place)} parameters where they are, by sums over all {len(ascent.x)} examples there can be and "
        f"{len(ascent.states)} latent states, in double precision: no sampling error."
    )
    yield _turning(jacobians, work, recognition, settings.radius, protocol)
    yield _once_round(work)
    yield _directions(ascent.update(), other.update(), recognition)


def _turning(
    jacobians: dict[str, Tensor], work: dict[str, Tensor], recognition: Tensor, radius: float, protocol: str
) -> Table:
    rows = tuple(
        (
            name,
            antisymmetric_share(jacobian),
            agreement(jacobian, recognition),
            work[name][-1].item(),
            str(Kind.EXACT),
        )
        for name, jacobian in jacobians.items()
    )
    columns = (
        Column("Expected update"),
        Column("Antisymmetric part", "number", "of its Jacobian", 6),
        Column("Agreement across", "number", "cosine", 4),
        Column("Once round", "number", "nats", 6),
        Column("Kind", "kind"),
    )
    note = (
        f"{protocol} A gradient has a symmetric Jacobian, and comes back with no work done. Across: between what "
        "generation and recognition do to each other, 1 where two learning rates could make it a gradient. Round: "
        f"a circle of radius {radius:g} about the weights, in the plane in which wake and sleep turn most."
    )
    return Table("Is it the gradient of anything?", columns, rows, note)


def _once_round(work: dict[str, Tensor]) -> Curves:
    angles = np.linspace(0.0, 360.0, POINTS + 1)
    series = tuple(Series(name, angles, done.numpy()) for name, done in work.items())
    note = "What a rule gains of its objective on the way, if it has one: then it is back at 0 after a whole turn."
    return Curves("Once round a circle of weights", "angle (degrees)", "work done (nats)", series, note)


def _directions(ascent: Tensor, other: Tensor, recognition: Tensor) -> Table:
    parts = {
        "generative parameters": ~recognition,
        "recognition parameters": recognition,
        "all parameters": torch.ones_like(recognition),
    }
    rows = tuple(
        (name, ascent[part].norm().item(), other[part].norm().item(), _cosine(ascent[part], other[part]))
        for name, part in parts.items()
    )
    columns = (
        Column("Of the"),
        Column("Gradient of the bound", "number", "norm", 4),
        Column("Wake and sleep", "number", "norm", 4),
        Column("Cosine", "number", decimals=4),
    )
    note = (
        "Awake, generation follows the bound's own gradient. Asleep, recognition learns from dreams: below 0 a small "
        "step of it lowers the bound, and where one of the two rests the other need not."
    )
    return Table("Do they point the same way?", columns, rows, note)


def _cosine(a: Tensor, b: Tensor) -> float:
    size = (a.norm() * b.norm()).item()
    return (a @ b).item() / size if size > 0 else math.nan


EVALUATION = Evaluation(
    "objective",
    "Is there an objective?",
    "Whether what wake and sleep do to the weights is the gradient of anything, beside the evidence bound's: exactly.",
    ObjectiveSettings,
    _admits,
    _run,
)
