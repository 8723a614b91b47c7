"""The two sides of the evidence lower bound: what the code costs, and what is lost (Alemi et al., 2018)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, chunks, describe, mean_interval
from dgm_studio.inference import Subject
from dgm_studio.reports import Bars, Column, Note, Points, Report, Series, Table
from models.capabilities import BoundsEvidence, Encodes
from models.settings import Settings, setting
from models.spec import DataSpec

ACTIVE = 0.01  # Burda et al. (2016), section 5.2: a unit is active when Var_x(E_q[z|x]) exceeds this


class RateDistortionSettings(Settings):
    draws: int = setting(8, title="Draws", help="Samples of z per example for the reconstruction term.", ge=1, le=1000)


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, BoundsEvidence)


def _run(subject: Subject, settings: RateDistortionSettings) -> Iterator[float | Report]:
    model, dataset = subject.model, subject.dataset
    distortions, rates, kls, means = [], [], [], []
    for fraction, x in chunks(dataset.test.x, subject.device):
        distortion = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        for draw in range(settings.draws):
            elbo = model.elbo(x, subject.generator)
            distortion -= elbo.reconstruction.double() / settings.draws
            yield fraction - len(x) / len(dataset.test) * (1 - (draw + 1) / settings.draws)
        distortions.append(distortion)
        rates.append(elbo.kl.double())
        kls.append(elbo.kl_per_dimension.double())
        if isinstance(model, Encodes):
            means.append(model.encode(x).mean.double())
    distortion, rate = torch.cat(distortions), torch.cat(rates)
    protocol = f"{describe(dataset, dataset.test)}, {settings.draws} draws of z each."
    yield _table(distortion, rate, protocol)
    if means:
        yield from _units(torch.cat(kls).mean(0), torch.cat(means))
    yield _plane(subject, distortion.mean().item(), rate.mean().item())


def _table(distortion: Tensor, rate: Tensor, protocol: str) -> Table:
    columns = (
        Column("Quantity"),
        Column("Mean", "number", "nats per example"),
        Column("95 % interval", "interval", "nats per example"),
    )
    named = (("Distortion −E[log p(x|z)]", distortion), ("Rate KL(q‖p)", rate), ("ELBO", -distortion - rate))
    rows = tuple((name, *mean_interval(values)) for name, values in named)
    return Table("Rate and distortion", columns, rows, protocol)


def _units(kl: Tensor, means: Tensor) -> Iterator[Report]:
    """Bars of each unit's KL, the largest first, and a sentence on those that carry nothing."""
    variance = means.var(0)
    order = kl.argsort(descending=True)
    active = (variance > ACTIVE)[order]
    total, alive = len(kl), int(active.sum())
    how = f"variance over test examples of the posterior mean > {ACTIVE:g} (Burda et al., 2016)"
    yield Bars(
        "KL of each latent unit",
        "latent unit, sorted by KL",
        "KL (nats)",
        tuple(f"z{i + 1}" for i in order.tolist()),
        kl[order].cpu().numpy(),
        active.byte().cpu().numpy(),
        "active",
        f"Active: {how}.",
    )
    said = f"{alive} of {total} latent units are active ({how})."
    remedy = "Remedies: anneal the KL weight from 0, a smaller KL weight, a weaker decoder."
    if alive == total:
        yield Note("No collapse", said, "good")
    elif alive:
        text = f"{said} The posterior of the other {total - alive} equals the prior: they carry no information on x."
        yield Note("Some units collapsed", f"{text} With more units than the data need this is no fault.", "warn")
    else:
        yield Note("Posterior collapse", f"{said} The decoder ignores z. {remedy}", "bad")


def _plane(subject: Subject, distortion: float, rate: float) -> Points:
    test = subject.dataset.test.x.numpy()
    examples = hashlib.sha256(np.ascontiguousarray(test).tobytes()).hexdigest()
    negative = distortion + rate
    step = _round(max(abs(negative), 1.0) / 10)
    near = round(negative / step)
    iso = tuple(float(step * (near + i)) for i in range(-4, 5))
    return Points(
        "Rate–distortion plane",
        "rate KL(q‖p) (nats)",
        "distortion −E[log p(x|z)] (nats)",
        (Series(f"step {subject.step}", np.array([rate]), np.array([distortion])),),
        "On a dashed line the ELBO is constant; towards the lower left it is higher. Other measured steps and runs on "
        "the same test examples are drawn too.",
        iso,
        "−ELBO",
        plane=f"rate-distortion {subject.spec.support} {examples[:16]}",
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
