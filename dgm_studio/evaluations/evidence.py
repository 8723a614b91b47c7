"""The evidence of all training data, from below: what a posterior over parameters is judged by."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from dgm_studio.evaluations.base import Evaluation, chunks, describe
from dgm_studio.inference import Subject
from dgm_studio.reports import Column, Report, Table
from models.capabilities import HasConjugatePosterior, StartsFromData
from models.estimation.measure import Kind
from models.learning.base import Learner
from models.settings import NoSettings
from models.spec import DataSpec


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    """Where the posterior over parameters is what is learned; other rules leave it at a point, or at the prior."""
    return issubclass(learner, Learner) and HasConjugatePosterior in learner.needs


def _run(subject: Subject, settings: NoSettings) -> Iterator[float | Report]:
    """Each example's factor at its best, given the factors of the parameters as they are at this step."""
    train = subject.dataset.train
    local = torch.zeros((), device=subject.device)
    for fraction, x in chunks(train.x, subject.device):
        local = local + subject.model.local_statistics(x)["local_bound"]
        yield fraction
    bound = subject.model.evidence_bound(local).item()
    n, share = len(train), local.item()
    rows = (
        ("log p(all training data), at least", bound, bound / n, str(Kind.LOWER_BOUND)),
        ("its part from the examples", share, share / n, str(Kind.EXACT)),
        ("KL(q‖p) of the parameters", share - bound, (share - bound) / n, str(Kind.EXACT)),
    )
    columns = (
        Column("Quantity"),
        Column("All examples", "number", "nats", 2),
        Column("Share of one", "number", "nats per example", 4),
        Column("Kind", "kind"),
    )
    empirical = isinstance(subject.model, StartsFromData)
    prior = " The prior's place and scale are those of the data seen first." if empirical else ""
    yield Table(
        "Evidence lower bound of the training set",
        columns,
        rows,
        f"{describe(subject.dataset, train, 'training')}, all together: parameters are integrated out, so that a model "
        f"with more of them is not better by that alone. No sampling error.{prior}",
    )


EVALUATION = Evaluation(
    "evidence",
    "Evidence of all data",
    "A lower bound on log p(all training data), with parameters integrated out: for choosing between models.",
    NoSettings,
    _admits,
    _run,
)
