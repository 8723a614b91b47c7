"""Whether codes keep what tells classes apart: the class of the nearest training example, in several spaces."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator

import torch
from torch import Tensor

from dgm_studio.datasets.base import Split
from dgm_studio.evaluations.base import Evaluation, describe, training_examples
from dgm_studio.reports import NO_INTERVAL, NOT_MEASURED, Cell, Column, Note, Report, Table
from dgm_studio.subject import Subject
from models.capabilities import Encodes, HasEncoderFeatures
from models.estimation.measure import Kind, wilson
from models.settings import Settings, setting
from models.spec import DataSpec

AT_ONCE = 2**24  # distances in memory at a time
ENCODED = 500  # examples encoded at a time
FEW = 16  # dimensions


class NeighboursSettings(Settings):
    examples: int = setting(
        10_000,
        title="Training examples",
        help="Labelled training examples at most among which the nearest is looked for; 0 takes all.",
        zero="all",
        ge=0,
        le=1_000_000,
    )
    tested: int = setting(
        2000, title="Test examples", help="Labelled test examples at most; 0 takes all.", zero="all", ge=0, le=1_000_000
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, Encodes) and spec.classes > 1


def _run(subject: Subject, settings: NeighboursSettings) -> Iterator[float | Report]:
    dataset = subject.dataset
    learned, held = _labelled(dataset.train, settings.examples), _labelled(dataset.test, settings.tested)
    if not len(learned) or not len(held):
        yield Note(NOT_MEASURED, "The nearest labelled example is looked for, and there is none with a label.")
        return
    x = training_examples(dataset, subject)[learned.to(subject.device)]
    known, asked = Split(x, dataset.train.y[learned]), Split(dataset.test.x[held], dataset.test.y[held])
    rows: list[tuple[Cell, ...]] = []
    by_values, spaces = None, _spaces(subject)
    for i, (name, read) in enumerate(spaces):
        right, dimensions = yield from _right(subject, read, known, asked, i / len(spaces), 1 / len(spaces))
        apart = (math.nan, NO_INTERVAL) if by_values is None else _apart(right, by_values)
        by_values = right if by_values is None else by_values
        share = right.double().mean().item()
        low, high = wilson(share, len(right))
        rows.append((name, float(dimensions), 100 * share, (100 * low, 100 * high), *apart, str(Kind.ESTIMATE)))
    columns = (
        Column("Space"),
        Column("Dimensions", "number", decimals=0),
        Column("1-NN accuracy", "number", "%"),
        Column("95 % interval", "interval", "%"),
        Column("More than by values", "number", "points"),
        Column("95 % interval", "interval", "points"),
        Column("Kind", "kind"),
    )
    note = (
        f"The part of {len(asked):,} test examples whose nearest of {len(known):,} labelled training examples, in "
        f"Euclidean distance, is of their class: {describe(dataset, dataset.test)}. Codes are the means that the "
        "encoder says. An encoder with random weights keeps much of this too: compare with the run's first steps."
    )
    yield Table("Nearest neighbours", columns, tuple(rows), note)


def _labelled(split: Split, limit: int) -> Tensor:
    """The places of the first `limit` examples that have a label, of all with 0."""
    places = (split.y >= 0).nonzero().flatten()
    return places[: limit or None]


def _spaces(subject: Subject) -> list[tuple[str, Callable[[Tensor], Tensor]]]:
    model = subject.model
    found: list[tuple[str, Callable[[Tensor], Tensor]]] = [
        ("values", lambda x: x),
        ("code", lambda x: model.encode(x).mean),
    ]
    if isinstance(model, HasEncoderFeatures):
        found.append(("the encoder's last hidden layer", model.encoder_features))
    return found


def _right(
    subject: Subject, read: Callable[[Tensor], Tensor], known: Split, asked: Split, start: float, share: float
) -> Generator[float, None, tuple[Tensor, int]]:
    """Which of `asked` have a nearest neighbour of their class among `known`: bool (N,), and the space's dimensions."""
    places = torch.cat([read(part.to(subject.device)).flatten(1) for part in known.x.split(ENCODED)])
    # by products of matrices distances are rounded, which matters where few dimensions make neighbours close
    how = "donot_use_mm_for_euclid_dist" if places.shape[1] <= FEW else "use_mm_for_euclid_dist"
    found = []
    for part in asked.x.split(max(1, min(ENCODED, AT_ONCE // len(places)))):
        nearest = torch.cdist(read(part.to(subject.device)).flatten(1), places, compute_mode=how).argmin(1)
        found.append(nearest.cpu())
        yield start + share * sum(map(len, found)) / len(asked)
    return known.y[torch.cat(found)] == asked.y, places.shape[1]


def _apart(right: Tensor, other: Tensor) -> tuple[float, tuple[float, float]]:
    """By how many percent points of the same examples more are right than by the other, and the ends of its normal
    95 % interval."""
    differences = 100 * (right.double() - other.double())
    mean, half = differences.mean().item(), 1.96 * differences.std().item() / len(right) ** 0.5
    return mean, (mean - half, mean + half)


EVALUATION = Evaluation(
    "neighbours",
    "Nearest neighbours in the code",
    "Whether the nearest training example is of the same class: by values, by codes, by what the encoder sees.",
    NeighboursSettings,
    _admits,
    _run,
)
