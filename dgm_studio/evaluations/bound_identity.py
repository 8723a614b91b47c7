"""The evidence, the bound and what the bound lacks, each computed for itself, for several distributions Q."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, describe
from dgm_studio.reports import Column, Part, Report, StackedBars, Table
from dgm_studio.subject import Subject
from dgm_studio.table_texts import number
from models.capabilities import EnumeratesLatent, ScoresExactly, TooLarge
from models.estimation.latent_enumeration import best_factorial, bound, divergence, factorial_log_prob
from models.settings import Settings, setting
from models.signs import raised
from models.spec import DataSpec

MOST = 12  # latent bits, whose states meet every example, for every Q
SWEEPS = 30  # of coordinate ascent: more change the bound by less than what is shown


class BoundIdentitySettings(Settings):
    examples: int = setting(
        50, title="Examples", help="How many of the first test examples, at most, are looked at.", ge=2, le=1000
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, EnumeratesLatent) and issubclass(model, ScoresExactly)


def _run(subject: Subject, settings: BoundIdentitySettings) -> Iterator[float | Report]:
    """In double precision. log p(x) is the model's own sum, layer by layer; the bound is a mean under Q of log p(x, h)
    and log Q(h); the divergence needs the posterior alone, which is p(x, h) normalised over states."""
    model = copy.deepcopy(subject.model).cpu().double()
    states = model.latent_states()
    if len(states) > 2**MOST:
        raise TooLarge(
            f"Every state of all latent bits is looked at for each example, and here are {len(states)}; up to "
            f"{raised(2, MOST)} can be. Use at most {MOST} hidden units in all."
        )
    test = subject.dataset.test
    x = test.x[: settings.examples].cpu().double()
    evidence, log_joint = model.log_prob(x), model.log_joint_of(x, states)
    posterior = log_joint.log_softmax(1)
    yield 0.2
    of_network = model.log_recognition_of(x, states)
    means = torch.logit(of_network.exp() @ states, eps=1e-6)
    best, _ = best_factorial(log_joint, states, means, SWEEPS)
    yield 0.9
    found = {
        "posterior": posterior,
        "best factorial": factorial_log_prob(best, states),
        "recognition": of_network,
        "of another example": of_network.roll(1, 0),
        "uniform": torch.full_like(log_joint, -math.log(len(states))),
    }
    where = f"{describe(subject.dataset, test)}, the first {len(x)} of them, all {len(states)} states of h"
    yield _terms(found, log_joint, posterior, evidence, where)
    yield _bars(found, log_joint, posterior, evidence)
    yield _sums(found, log_joint, posterior, evidence)


def _terms(found: Mapping[str, Tensor], log_joint: Tensor, posterior: Tensor, evidence: Tensor, where: str) -> Table:
    rows = []
    for name, log_q in found.items():
        elbo, kl = bound(log_q, log_joint), divergence(log_q, posterior)
        reverse = divergence(posterior, log_q)
        rows.append((name, elbo.mean().item(), kl.mean().item(), (elbo + kl).mean().item(), reverse.mean().item()))
    columns = (
        Column("Q(h)"),
        Column("ELBO(Q)", "number", "nats", 4),
        Column("KL(Q‖P(h|x))", "number", "nats", 4),
        Column("Sum", "number", "nats", 4),
        Column("KL(P(h|x)‖Q)", "number", "nats", 4),
    )
    note = f"{where}. Means over examples, by enumeration. log P(x) is {number(evidence.mean().item(), 4)} nats."
    return Table("The three terms", columns, tuple(rows), note)


def _bars(found: Mapping[str, Tensor], log_joint: Tensor, posterior: Tensor, evidence: Tensor) -> StackedBars:
    """Turned over, so that everything is above 0."""
    divergences = torch.stack([divergence(log_q, posterior).mean() for log_q in found.values()])
    bounds = torch.stack([bound(log_q, log_joint).mean() for log_q in found.values()])
    parts = (
        Part("−log P(x)", (-evidence.mean()).expand(len(found)).numpy()),
        Part("KL(Q‖P(h|x))", divergences.numpy()),
    )
    note = "What an example costs. The stack ends where −ELBO(Q), computed without either part, stands."
    return StackedBars(
        "Evidence and divergence make the bound", "Q", "nats", tuple(found), parts, (-bounds).numpy(), "−ELBO(Q)", note
    )


def _sums(found: Mapping[str, Tensor], log_joint: Tensor, posterior: Tensor, evidence: Tensor) -> Table:
    """Over all Q but the posterior, for which any divergence from it is 0."""
    others = [log_q for name, log_q in found.items() if name != "posterior"]
    completed = {
        "ELBO(Q) + KL(Q‖P(h|x))": [bound(q, log_joint) + divergence(q, posterior) for q in others],
        "ELBO(Q) + KL(P(h|x)‖Q)": [bound(q, log_joint) + divergence(posterior, q) for q in others],
        "ELBO(Q) + KL(Q‖P(h|another x))": [bound(q, log_joint) + divergence(q, posterior.roll(1, 0)) for q in others],
    }
    rows = []
    for name, sums in completed.items():
        away = (torch.stack(sums) - evidence).abs()
        rows.append((name, away.mean().item(), away.max().item()))
    columns = (
        Column("Sum"),
        Column("Mean distance", "number", "nats", 9),
        Column("Largest distance", "number", "nats", 9),
    )
    note = "From log P(x), over all these Q but the posterior, and all examples."
    return Table("How far sums are from log P(x)", columns, tuple(rows), note)


EVALUATION = Evaluation(
    "bound-identity",
    "Evidence, bound and divergence",
    "log P(x) = ELBO(Q) + KL(Q‖P(h|x)), each term for itself, by enumeration of all hidden states.",
    BoundIdentitySettings,
    _admits,
    _run,
)
