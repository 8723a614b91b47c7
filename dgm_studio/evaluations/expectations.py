"""Expectations of a model of few bits, exactly and by its chain: what learning from samples rests on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, stage
from dgm_studio.evaluations.states import can_be_summed, scores
from dgm_studio.reports import Column, Curves, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import RunsChain
from models.estimation.enumeration import CHUNK, all_states
from models.estimation.measure import Kind
from models.settings import Settings, setting
from models.signs import raised
from models.spec import DataSpec

MOMENTS = (
    1,
    2,
    3,
    5,
    10,
    20,
    30,
    50,
    100,
    200,
    300,
    500,
    1000,
    2000,
    5000,
)  # transitions, at which chains are looked at


class ExpectationsSettings(Settings):
    chains: int = setting(
        5000, title="Chains", help="Chains that begin without data, and over which is averaged.", ge=10, le=10**6
    )
    transitions: int = setting(100, title="Transitions", help="Of each of them.", ge=1, le=10_000)


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return can_be_summed(model, spec) and issubclass(model, RunsChain)


def _run(subject: Subject, settings: ExpectationsSettings) -> Iterator[float | Report]:
    model, spec, n = subject.model, subject.spec, settings.chains
    log_p, _ = yield from stage(scores(subject), 0.0, 0.4)
    parts = zip(all_states(spec.dimensions, log_p), log_p.softmax(0).split(CHUNK), strict=True)
    exact = torch.stack([_expectations(states, p) for states, p in parts]).sum(0)
    by_draws = (exact * (1 - exact) / n).mean().sqrt().item()  # x_i x_j is a bit as well
    x = model.start_chain(n, subject.generator).x
    every = torch.full((n,), 1 / n, dtype=torch.float64)
    found = [(0, _size(_expectations(x.flatten(1).double().cpu(), every) - exact))]
    moments = {*[k for k in MOMENTS if k < settings.transitions], settings.transitions}
    for k in range(1, settings.transitions + 1):
        x = model.transition(x, generator=subject.generator).x
        if k in moments:
            found.append((k, _size(_expectations(x.flatten(1).double().cpu(), every) - exact)))
        yield 0.4 + 0.6 * k / settings.transitions
    rows = tuple((f"{k} transitions", error, by_draws, error / by_draws, str(Kind.ESTIMATE)) for k, error in found)
    columns = (
        Column("Chains after"),
        Column("Error", "number", decimals=4),
        Column("Of exact draws", "number", decimals=4),
        Column("Ratio", "number", decimals=2),
        Column("Kind", "kind"),
    )
    note = (
        f"Root mean square over all E[x_i] and E[x_i x_j] of {n} chains that began without data, against sums over all "
        f"{raised(2, spec.dimensions)} states; beside it what as many independent draws from the model itself are "
        f"wrong by, in closed form."
    )
    yield Table("Expectations by the chain", columns, rows, note)
    places, errors = np.log10([k for k, _ in found[1:]]), np.log10([error for _, error in found[1:]])
    series = Series("chains", places, errors), Series("exact draws", places, np.full(len(places), np.log10(by_draws)))
    yield Curves("What the chain's expectations are wrong by", "log₁₀ of transitions", "log₁₀ of the error", series)


def _expectations(x: Tensor, weights: Tensor) -> Tensor:
    """Σ_n w_n x_i x_j for i ≤ j, of bits: (N, D), (N,) -> (D (D + 1) / 2,). Where i = j it is the mean of x_i."""
    rows, columns = torch.triu_indices(x.shape[1], x.shape[1])
    return ((weights[:, None] * x).t() @ x)[rows, columns]


def _size(values: Tensor) -> float:
    return values.square().mean().sqrt().item()


EVALUATION = Evaluation(
    "expectations",
    "Expectations by the chain",
    "Means of bits and of pairs over all states, exactly, against averages over chains: how long until they agree?",
    ExpectationsSettings,
    _admits,
    _run,
)
