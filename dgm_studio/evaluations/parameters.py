"""How many parameters a likelihood depends on, which masks can make far fewer than are stored."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from dgm_studio.evaluations.base import Evaluation
from dgm_studio.reports import Cell, Column, Report, Table
from dgm_studio.subject import Subject
from models.capabilities import HasFreeEnergy, ScoresExactly, SumsLatent
from models.estimation.measure import Kind
from models.settings import Settings, setting
from models.spec import DataSpec, Support

AT_ONCE = 50  # examples whose gradient is recorded together
FEW = 4  # examples that are enough where each meets every state of the latent variables: no pixel hides a weight then


class ParametersSettings(Settings):
    examples: int = setting(
        200,
        title="Examples",
        help="Made of fair coins, whose gradient says which parameters matter. Four are enough, and no more are taken, "
        "where log p(x) is summed over latent states.",
        ge=2,
        le=100_000,
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return spec.support is Support.BITS and issubclass(model, ScoresExactly)


def _run(subject: Subject, settings: ParametersSettings) -> Iterator[float | Report]:
    """Of each parameter, whether log p(x) of any example changes with it. Fair coins, because a pixel that is never on
    would hide the weights that hear it.

    Probabilities sum to 1, so that a parameter in use changes some differences of log p(x) between examples: with
    weights that sum to 0 the gradient is that of such differences. They are those of -F(x) too, where the model has
    it, and log Z is not asked for: it is a sum over more states than can be visited for all but small machines."""
    model = subject.model
    named = dict(model.named_parameters())
    used = {name: torch.zeros_like(value, dtype=torch.bool) for name, value in named.items()}
    log_score = (lambda v: -model.free_energy(v)) if isinstance(model, HasFreeEnergy) else model.log_prob
    sums = isinstance(model, SumsLatent) and not isinstance(model, HasFreeEnergy)
    examples = min(settings.examples, FEW) if sums else settings.examples
    half = torch.full((examples, *subject.spec.event_shape), 0.5, device=subject.device)
    x = torch.bernoulli(half, generator=subject.generator)
    for begin in range(0, len(x), AT_ONCE):
        part = x[begin : begin + AT_ONCE]
        with torch.enable_grad():
            # at random, so that no two examples' gradients cancel
            weight = torch.rand(len(part), generator=subject.generator, device=subject.device)
            differences = ((weight - weight.mean()) * log_score(part)).sum()
            gradients = torch.autograd.grad(differences, list(named.values()), allow_unused=True)
        for name, gradient in zip(named, gradients, strict=True):
            if gradient is not None:
                used[name] |= gradient != 0
        yield min(1.0, (begin + AT_ONCE) / len(x))
    columns = (
        Column("Parameter"),
        Column("Shape"),
        Column("Stored", "number", decimals=0),
        Column("In use", "number", decimals=0),
        Column("Kind", "kind"),
    )
    rows: list[tuple[Cell, ...]] = []
    stored = in_use = 0.0
    for name, value in named.items():
        of_it, count = float(value.numel()), float(used[name].sum())
        rows.append((name, "×".join(map(str, value.shape)) or "1", of_it, count, str(Kind.EXACT)))
        stored, in_use = stored + of_it, in_use + count
    rows.append(("all", "", stored, in_use, str(Kind.EXACT)))
    note = (
        f"In use: log p(x) of at least one of {examples} examples of fair coins changes with it. The others "
        "are masked, so that no bit hears of itself or of later ones; speak to units that are never on; or are an "
        "encoder's, for which the likelihood does not ask."
    )
    yield Table("Parameters", columns, tuple(rows), note)


EVALUATION = Evaluation(
    "parameters",
    "Parameters",
    "How many parameters are stored, and how many of them the likelihood depends on.",
    ParametersSettings,
    _admits,
    _run,
)
