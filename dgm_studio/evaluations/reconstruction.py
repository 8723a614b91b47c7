"""What is left of an example after it was encoded and decoded, beside what principal components leave of it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, chunks, describe, mean_interval, training_examples
from dgm_studio.reports import Column, Note, Pictures, Report, Table
from dgm_studio.state import as_bytes
from dgm_studio.subject import Subject
from models.capabilities import Decodes, Encodes
from models.estimation.measure import Kind
from models.settings import Settings, setting
from models.spec import DataSpec, Layout

LEARNED = 10_000  # training examples at most that principal components are of
LARGE = 2000  # values of an example, from which on so many examples have to do


class ReconstructionSettings(Settings):
    tested: int = setting(
        2000, title="Test examples", help="Test examples at most; 0 takes all.", zero="all", ge=0, le=1_000_000
    )
    shown: int = setting(
        24, title="Shown", help="Images shown beside their reconstruction; 0 shows none.", zero="none", ge=0, le=400
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, Encodes) and issubclass(model, Decodes)


def _run(subject: Subject, settings: ReconstructionSettings) -> Iterator[float | Report]:
    dataset, model, white = subject.dataset, subject.model, subject.spec.brightest
    x = dataset.test.x[: settings.tested or None]
    parts, latent = [], 0
    for fraction, part in chunks(x, subject.device):
        code = model.encode(part).mean
        latent = code.shape[1]
        parts.append(model.decode(code).cpu())
        yield 0.6 * fraction
    made, x = torch.cat(parts) / white, x.cpu() / white
    learned = LEARNED if subject.spec.dimensions <= LARGE else LARGE
    train = training_examples(dataset, subject, learned).cpu() / white
    linear = _principal(train.flatten(1), x.flatten(1), latent)
    yield 0.9
    mean = train.mean(0).expand_as(x)
    rows = []
    for name, other in (
        ("encoded and decoded", made),
        (f"{min(latent, subject.spec.dimensions)} principal components", linear.reshape(x.shape)),
        ("the mean of all training examples", mean),
        ("another example, encoded and decoded", made.roll(1, 0)),
    ):
        rows.append((name, *mean_interval(_squared(x, other), 0.0), str(Kind.ESTIMATE)))
    columns = (
        Column("Beside each example"),
        Column("Squared error", "number", "per value", 4),
        Column("95 % interval", "interval", decimals=4),
        Column("Kind", "kind"),
    )
    note = (
        f"Means of {len(x):,} of {describe(dataset, dataset.test)}; white is 1 where these are images. Codes are the "
        f"means that the encoder says; principal components are those of {len(train):,} training examples, the best "
        f"that is linear with {latent} numbers for an example."
    )
    yield Table("Reconstruction", columns, tuple(rows), note)
    worse = _squared(x, made).mean() > 0.9 * _squared(x, made.roll(1, 0)).mean()
    if worse:
        text = "Reconstructions are hardly nearer to their own example than to another: the code says little of it."
        yield Note("Not its own", text, "warn")
    if settings.shown and subject.spec.layout is Layout.IMAGE:
        pairs = torch.stack([x[: settings.shown], made[: settings.shown]], 1).flatten(0, 1) * white
        pictures = as_bytes(pairs.float().numpy(), subject.spec)
        yield Pictures("Examples and their reconstructions", pictures, ("example", "decoded"))


def _squared(x: Tensor, other: Tensor) -> Tensor:
    """(N,): the mean over an example's values."""
    return (x - other).flatten(1).double().square().mean(1)


def _principal(train: Tensor, x: Tensor, components: int) -> Tensor:
    """x (N, D) projected on the first principal components of the training examples."""
    middle = train.double().mean(0)
    centred = train.double() - middle
    kept = min(components, *centred.shape)
    if len(middle) <= LARGE:
        directions = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -kept:]
    else:  # the same directions, from the smaller matrix
        values, vectors = torch.linalg.eigh(centred @ centred.T)
        directions = centred.T @ vectors[:, -kept:] / values[-kept:].clamp(min=1e-12).sqrt()
    return (middle + (x.double() - middle) @ directions @ directions.T).to(x.dtype)


EVALUATION = Evaluation(
    "reconstruction",
    "Reconstruction",
    "How much of an example comes back when it is encoded and decoded, beside principal components of that size.",
    ReconstructionSettings,
    _admits,
    _run,
)
