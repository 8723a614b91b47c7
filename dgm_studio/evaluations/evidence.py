"""The evidence of all training data, from below: what a posterior over parameters is judged by."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from dgm_studio.evaluations.base import Evaluation, chunks, describe
from dgm_studio.reports import Column, Curves, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import Frames, HasConjugatePosterior, KeepsFrames, StartsFromData
from models.estimation.measure import Kind
from models.learning.base import Learner
from models.settings import NoSettings
from models.spec import DataSpec

ROUNDING = 1e-6  # of a value: a single float has about 1e-7


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
    if isinstance(subject.learner, KeepsFrames):
        frames = subject.learner.frames()
        if len(frames.steps) > 1:
            yield _ascent(frames)
            yield _way(frames)


def _ascent(frames: Frames) -> Table:
    """Of what the learner itself reported at the steps whose components it kept."""
    values = frames.values.double().cpu()
    rises = values.diff()
    fell = rises < -ROUNDING * values[1:].abs()
    columns = (
        Column("Of the bound"),
        Column("Value", "number", decimals=6),
    )
    rows = (
        ("intervals between kept steps", len(rises)),
        ("intervals in which it fell", int(fell.sum())),
        ("share of intervals in which it fell", float(fell.double().mean())),
        ("largest fall, nats per example", float((-rises).clamp(min=0).max())),
        ("rise from first to last, nats per example", float(values[-1] - values[0])),
    )
    note = (
        "Coordinate ascent cannot lower the bound, which it computes from all examples. The stochastic version reports "
        "an estimate from one minibatch. Changes below the precision of single floats count for none."
    )
    return Table("Did the bound rise at every step?", columns, rows, note)


def _way(frames: Frames) -> Curves:
    steps, values = frames.steps.cpu().double().numpy(), frames.values.cpu().double().numpy()
    line = Series("as the learner reported it", steps, values)
    return Curves("The bound along learning", "step", "nats per example", (line,))


EVALUATION = Evaluation(
    "evidence",
    "Evidence of all data",
    "A lower bound on log p(all training data), with parameters integrated out: for choosing between models.",
    NoSettings,
    _admits,
    _run,
)
