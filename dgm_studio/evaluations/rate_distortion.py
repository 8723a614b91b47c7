"""The two sides of the evidence lower bound: what the code costs, and what is lost (Alemi et al., 2018)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, checksum, describe, gives_densities, most_log_prob
from dgm_studio.number_texts import indexed
from dgm_studio.reports import Bars, Column, Note, Points, Report, Series, Table
from dgm_studio.subject import Subject
from models.estimation.active_units import ACTIVE
from models.estimation.likelihood import Bound, evidence_lower_bound, has_bound
from models.estimation.measure import ended
from models.settings import Settings, setting
from models.spec import DataSpec, Support

MEANING_OF_ACTIVE = f"variance over test examples of the posterior mean > {ACTIVE:g} (Burda et al., 2016)"


class RateDistortionSettings(Settings):
    draws: int = setting(8, title="Draws", help="Samples of z per example for the reconstruction term.", ge=1, le=1000)


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return has_bound(model)


def _run(subject: Subject, settings: RateDistortionSettings) -> Iterator[float | Report]:
    dataset = subject.dataset
    x, where = dataset.test.x.to(subject.device), describe(dataset, dataset.test)
    bound = yield from evidence_lower_bound(subject.model, x, where, settings.draws, subject.generator)
    yield _table(bound, most_log_prob(subject))
    yield _units(bound)
    yield _plane(subject, -bound.reconstruction.value, bound.kl.value)
    if bound.active is not None:
        yield _collapse(bound.active)


def _table(bound: Bound, most: float) -> Table:
    columns = (
        Column("Quantity"),
        Column("Mean", "number", "nats per example"),
        Column("95 % interval", "interval", "nats per example"),
        Column("Kind", "kind"),
    )
    measures = (ended(bound.elbo, most=most), ended(bound.reconstruction, most=most), ended(bound.kl, 0.0))
    rows = tuple((m.name, m.value, (m.low, m.high), str(m.kind)) for m in measures)
    return Table("Evidence lower bound and its terms", columns, rows, f"{bound.elbo.protocol}.")


def _units(bound: Bound) -> Bars:
    """The KL of each latent unit, the largest first; all are marked where no encoder says which are active."""
    kl = bound.kl_per_dimension
    order = kl.argsort(descending=True)
    active = torch.ones_like(kl, dtype=torch.bool) if bound.active is None else bound.active[order]
    return Bars(
        "KL of each latent unit",
        "latent unit, sorted by KL",
        "KL (nats)",
        tuple(indexed("z", i) for i in order.tolist()),
        kl[order].cpu().numpy(),
        active.byte().cpu().numpy(),
        "" if bound.active is None else "active",
        "" if bound.active is None else f"Active: {MEANING_OF_ACTIVE}.",
    )


def _collapse(active: Tensor) -> Note:
    """A sentence on the units that carry nothing."""
    total, alive = len(active), int(active.sum())
    said = f"{alive} of {total} latent units are active."
    if alive == total:
        return Note("No collapse", said, "good")
    if alive:
        rest = "The posterior mean of the rest hardly depends on x."
        return Note(
            "Some units collapsed", f"{said} {rest} With more units than the data need this is no fault.", "warn"
        )
    remedy = "Remedies: anneal the KL weight from 0, free bits, an auxiliary loss, a weaker decoder."
    return Note("Posterior collapse", f"{said} The decoder ignores z. {remedy}", "bad")


def _plane(subject: Subject, distortion: float, rate: float) -> Points:
    examples = checksum(subject.dataset.test.x)
    support = subject.spec.support
    scored = f"densities at {support}" if support is not Support.REALS and gives_densities(subject) else str(support)
    negative = distortion + rate
    step = _round(max(abs(negative), 1.0) / 20)
    near = round(negative / step)
    iso = tuple(float(step * (near + i)) for i in range(-10, 11))
    return Points(
        "Rate–distortion plane",
        "rate KL(q‖p) (nats)",
        "distortion −E[log p(x|z)] (nats)",
        (Series(f"step {subject.step}", np.array([rate]), np.array([distortion])),),
        "On a dashed line the ELBO is constant; towards the lower left it is higher. Other measured steps and runs on "
        "the same test examples are drawn too.",
        iso,
        "−ELBO",
        square=True,
        plane=f"rate-distortion {scored} {examples}",
    )


def _round(value: float) -> float:
    """The nearest of 1, 2, 5 times a power of ten below `value`."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(m * power for m in (1, 2, 5) if m * power <= value))


EVALUATION = Evaluation(
    "rate-distortion",
    "KL against reconstruction",
    "What the code costs and what is lost; which latent units carry information.",
    RateDistortionSettings,
    _admits,
    _run,
)
