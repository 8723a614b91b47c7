"""The free-energy gap: the overfitting of an energy model without its normaliser."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dgm_studio.evaluations.base import (
    Evaluation,
    chunks,
    describe,
    difference_interval,
    mean_interval,
    training_examples,
)
from dgm_studio.reports import Column, Curves, Note, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import HasFreeEnergy
from models.estimation.measure import Kind
from models.settings import NoSettings
from models.spec import DataSpec


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, HasFreeEnergy)


def _run(subject: Subject, settings: NoSettings) -> Iterator[float | Report]:
    """log Z cancels in the difference of mean free energies (Hinton, 2012, section 6)."""
    test = subject.dataset.test
    train = training_examples(subject.dataset, subject, len(test))
    energies = []
    for start, x in ((0.0, train), (0.5, test.x)):
        parts = []
        for fraction, part in chunks(x, subject.device):
            parts.append(subject.model.free_energy(part).cpu().double())
            yield start + 0.5 * fraction
        energies.append(torch.cat(parts))
    trained, held = energies
    gap, low, high = difference_interval(held, trained)
    yield Table(
        "Mean free energy",
        (
            Column("Examples"),
            Column("Mean F(x)", "number", "nats"),
            Column("95 % interval", "interval", "nats"),
            Column("Kind", "kind"),
        ),
        (
            ("training", *mean_interval(trained), str(Kind.ESTIMATE)),
            ("held out", *mean_interval(held), str(Kind.ESTIMATE)),
            ("gap: held out − training", gap, (low, high), str(Kind.ESTIMATE)),
        ),
        f"{describe(subject.dataset, test)}, and the first {len(train)} training examples.",
    )
    yield _histogram(trained, held)
    if low > 0:
        text = f"Held-out examples have {gap:.2f} nats more free energy: the model prefers what it was trained on."
        yield Note("Overfitting", f"{text} Remedies: weight decay, fewer hidden units, an earlier step.", "warn")
    else:
        yield Note("No gap", "Training and held-out examples are equally likely, within the interval.", "good")


def _histogram(trained: Tensor, held: Tensor) -> Curves:
    both = torch.cat([trained, held]).cpu().numpy()
    edges = np.histogram_bin_edges(both, bins=int(np.clip(np.sqrt(len(both)), 8, 40)))
    centres = (edges[1:] + edges[:-1]) / 2
    series = tuple(
        Series(name, centres, np.histogram(values.cpu().numpy(), edges, density=True)[0])
        for name, values in (("training", trained), ("held out", held))
    )
    return Curves("Distribution of free energies", "free energy F(x) (nats)", "density (1/nat)", series)


EVALUATION = Evaluation(
    "free-energy",
    "Free-energy gap",
    "Mean free energy of training against held-out examples: a growing gap is overfitting.",
    NoSettings,
    _admits,
    _run,
)
