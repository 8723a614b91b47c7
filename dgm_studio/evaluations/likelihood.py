"""The likelihood of held-out data, by every measure that the model admits, each saying what kind of number it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor

from dgm_studio.basis import NOTHING, Basis
from dgm_studio.evaluations.base import (
    Evaluation,
    are_discrete,
    basis_of,
    describe,
    diagnosis,
    most_log_prob,
    stage,
    training_examples,
)
from dgm_studio.reports import Column, Curves, Note, Report, Series, Table
from dgm_studio.subject import Subject
from dgm_studio.table_texts import cell_text
from dgm_studio.written import is_text
from models.capabilities import (
    Anneals,
    AnnealsHidden,
    BoundsFreeEnergy,
    Decodes,
    Ensembles,
    HasFreeEnergy,
    ScoresExactly,
    ScoresGivenCode,
    SumsExactly,
    TooLarge,
    WeighsEvidence,
)
from models.estimation.annealing import annealed_log_likelihood, annealed_lower_bound, reverse_log_likelihood
from models.estimation.decoder_annealing import annealed_code_likelihood
from models.estimation.likelihood import (
    Weighted,
    ensemble_log_likelihood,
    evidence_lower_bound,
    exact_log_likelihood,
    free_energy_gap,
    free_energy_lower_bound,
    has_bound,
    pseudo_likelihood,
    weighted_bounds,
)
from models.estimation.measure import Check, Kind, Measure, bits_per_dimension, ended, mean_measure
from models.estimation.quadrature import quadrature_log_likelihood
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support

Measuring: TypeAlias = Generator[float, None, Measure | list[Measure] | Weighted]


GAP = 1.0  # nats between annealed and reverse, below which both are said to have converged
ANNEALED, REVERSED = "log p(x), annealed", "log p(x), reverse annealing"


class LikelihoodSettings(Settings):
    importance_samples: int = setting(
        500,
        title="Importance samples k",
        help="Draws of z per example for the importance-weighted bound; more are tighter.",
        reference="Burda et al. (2016), k",
        ge=1,
        le=100_000,
    )
    temperatures: int = setting(
        10_000,
        title="Temperatures",
        help="Intermediate distributions of annealed importance sampling, for energy models.",
        reference="Neal (2001); Salakhutdinov & Murray (2008)",
        ge=10,
        le=10_000_000,
    )
    chains: int = setting(
        100, title="Chains", help="Annealed chains whose weights are averaged, for energy models.", ge=2, le=100_000
    )
    reverse_examples: int = setting(
        200,
        title="Reverse examples",
        help="Test examples, drawn at random, from which the reverse bound anneals back, for energy models.",
        reference="Burda et al. (2015)",
        ge=2,
        le=1_000_000,
    )
    code_temperatures: int = setting(
        200,
        title="Temperatures for a code",
        help="Between the prior of a continuous code and its posterior, for models that decode one; more are tighter.",
        reference="Wu et al. (2017)",
        ge=2,
        le=1_000_000,
    )
    code_chains: int = setting(
        8,
        title="Chains for a code",
        help="Annealed codes whose weights are averaged, for each example.",
        ge=1,
        le=10_000,
    )
    code_examples: int = setting(
        20,
        title="Examples with an annealed code",
        help="Test examples, drawn at random, whose codes are annealed; 0 anneals none. As many simulated ones follow.",
        zero="none",
        ge=0,
        le=1_000_000,
    )


def has_likelihood(model: type) -> bool:
    """Whether at least one measure applies to models of this class, on any data."""
    if has_bound(model) or any(issubclass(model, one) for one in (ScoresExactly, WeighsEvidence)):
        return True
    return any(admits(model) for admits in (_enumerable, _annealed, _bounded_exactly, _bounded_by_annealing))


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return has_likelihood(model)


def _without_effect(model: type) -> tuple[str, ...]:
    weighed = () if issubclass(model, WeighsEvidence) else ("importance_samples",)
    annealed = () if _annealed(model) or _bounded_by_annealing(model) else ("temperatures", "chains")
    code = () if _decoded(model) else ("code_temperatures", "code_chains", "code_examples")
    return weighed + annealed + code + (() if _reversed(model) else ("reverse_examples",))


def _run(subject: Subject, settings: LikelihoodSettings) -> Iterator[float | Report]:
    measures: list[Measure] = []
    bases: list[Basis] = []
    refused: list[str] = []
    weighted: list[Weighted] = []
    spec, most = subject.spec, most_log_prob(subject)
    todo = _measurings(subject, settings)
    total, done = sum(task.weight for task in todo), 0
    for task in todo:
        try:
            found = yield from stage(task.measure(), done / total, task.weight / total)
        except TooLarge as error:
            if str(error) not in refused:
                refused.append(str(error))
        else:
            if isinstance(found, Weighted):
                weighted.append(found)
                found = found.measure
            new = found if isinstance(found, list) else [found]
            new = [ended(m, most=most) if m.likelihood else m for m in new]
            measures += new
            rest_on = [basis_of(m, task.x, task.where, spec.support, task.way) for m in new]
            bases += [replace(b, better=NOTHING) for b in rest_on] if _densities_of_bits(spec, most) else rest_on
        done += task.weight
    density = subject.dataset.density
    if density is not None:
        x = subject.dataset.test.x
        values = density.log_prob(x.double().cpu())
        where = describe(subject.dataset, subject.dataset.test)
        own = ended(mean_measure("log p(x) under the data's own distribution", values, Kind.EXACT, where), most=most)
        measures.append(own)
        bases.append(replace(basis_of(own, x, where, spec.support), quantity=""))
    yield _table(subject, measures, bases, most)
    for text in refused:
        yield Note("The exact likelihood was not measured", text)
    for measure in measures:
        if measure.doubt:
            yield Note(f"Not to be trusted: {measure.name}", measure.doubt, "warn")
    yield from diagnosis([*measures, *_between(measures)])
    for bound in weighted:
        yield _curve(bound)


def _between(measures: list[Measure]) -> Iterator[Measure]:
    """What estimates that err to opposite sides say of each other."""
    forward, reverse = ([m for m in measures if m.name == name] for name in (ANNEALED, REVERSED))
    for too_good, too_bad in zip(forward, reverse, strict=False):
        gap = too_good.value - too_bad.value
        found = f"{gap:+.2f} nats"
        check = Check("Annealed less reverse: the truth is to lie between", found, f"below {GAP:g} nat", gap < GAP)
        yield replace(too_good, checks=(check,))


def _curve(found: Weighted) -> Curves:
    k = found.draws.double()
    series = Series("bound", k.log2().numpy(), found.bounds.cpu().numpy())
    note = (
        f"From the same draws, of which fewer at a time. A bound that still rises at k = {found.draws[-1]} is still "
        "below log p(x)."
    )
    return Curves("How the importance-weighted bound moves with k", "log₂ k", "nats per example", (series,), note)


@dataclass(frozen=True)
class _Task:
    """One way to measure: about how long it takes beside the others, and of which examples. `way` says how it was set,
    where its protocol says more than that."""

    weight: int
    measure: Callable[[], Measuring]
    x: Tensor
    where: str
    way: str | None = None


def _measurings(subject: Subject, settings: LikelihoodSettings) -> list[_Task]:
    """What this model admits, the surest first."""
    model, generator = subject.model, subject.generator
    x, where = subject.dataset.test.x.to(subject.device), describe(subject.dataset, subject.dataset.test)
    found: list[_Task] = []
    annealing = f"annealed importance sampling, {settings.chains} chains, {settings.temperatures} temperatures"
    bounded = "F(x) bounded by the approximate posterior"
    if isinstance(model, Ensembles):
        found.append(_Task(model.members(), partial(ensemble_log_likelihood, model, x, where), x, where))
    elif isinstance(model, ScoresExactly) or _enumerable(type(model)):
        found.append(_Task(1, partial(exact_log_likelihood, model, x, where), x, where))
    if subject.spec.layout is Layout.POINTS and isinstance(model, HasFreeEnergy):
        measure = partial(quadrature_log_likelihood, model, x, where, subject.dataset.train.x.to(x))
        found.append(_Task(2, measure, x, where, "log Z by quadrature"))
    if has_bound(type(model)):
        found.append(_Task(1, partial(_elbo, model, x, where, generator), x, where))
    if isinstance(model, WeighsEvidence):
        k = settings.importance_samples
        found.append(_Task(20, partial(weighted_bounds, model, x, where, k, generator), x, where))
    if _decoded(type(model)) and settings.code_examples > 0:
        chosen, some = _drawn(x, settings.code_examples, where, generator)
        measure = partial(annealed_code_likelihood, model, chosen, some, settings.code_temperatures)
        found.append(_Task(20, partial(measure, settings.code_chains, generator), chosen, some))
    if _bounded_exactly(type(model)):
        way = f"{bounded}; log Z by enumeration"
        found.append(_Task(1, partial(free_energy_lower_bound, model, x, where, generator), x, where, way))
    data, steps = subject.dataset.train.x, settings.temperatures
    if _bounded_by_annealing(type(model)):
        measure = partial(annealed_lower_bound, model, x, where, data, steps, settings.chains, generator)
        found.append(_Task(20, measure, x, where, f"{bounded}; log Z by {annealing}"))
    if _annealed(type(model)):
        either = partial(_annealed_or_bounded, model, x, where, data, steps, settings.chains, generator)
        found.append(_Task(20, either, x, where, f"log Z by {annealing}"))
    if _reversed(type(model)):
        chosen, some = _drawn(x, settings.reverse_examples, where, generator)
        measure = partial(reverse_log_likelihood, model, chosen, some, data, steps, 1, generator)
        found.append(_Task(30, measure, chosen, some))
    if isinstance(model, HasFreeEnergy):
        if subject.spec.support is Support.BITS:
            found.append(_Task(2, partial(pseudo_likelihood, model, x, where, generator=generator), x, where))
        train = subject.dataset.train
        learned, against = training_examples(subject.dataset, subject), describe(subject.dataset, train, "training")
        found.append(_Task(1, partial(free_energy_gap, model, learned, x, where, against), x, where))
    return found


def _drawn(x: Tensor, n: int, where: str, generator: torch.Generator) -> tuple[Tensor, str]:
    """n of the examples at random, and what is said of them."""
    chosen = torch.randperm(len(x), generator=generator, device=x.device)[:n]
    return x[chosen], f"{where}, of which {len(chosen)} at random" if len(chosen) < len(x) else where


def _decoded(model: type) -> bool:
    """Whether a continuous code can be annealed to the posterior of each example."""
    return issubclass(model, Decodes) and issubclass(model, ScoresGivenCode)


def _enumerable(model: type) -> bool:
    return issubclass(model, HasFreeEnergy) and issubclass(model, SumsExactly)


def _annealed(model: type) -> bool:
    return issubclass(model, HasFreeEnergy) and issubclass(model, Anneals)


def _bounded_exactly(model: type) -> bool:
    return issubclass(model, BoundsFreeEnergy) and issubclass(model, SumsExactly)


def _bounded_by_annealing(model: type) -> bool:
    """Without a free energy, that is: where it is known, a bound on it says less."""
    return issubclass(model, BoundsFreeEnergy) and issubclass(model, Anneals) and not issubclass(model, HasFreeEnergy)


def _reversed(model: type) -> bool:
    """Whether the annealed path can be gone back from an example."""
    return _annealed(model) or (issubclass(model, Anneals) and issubclass(model, AnnealsHidden))


def _annealed_or_bounded(
    model: Any, x: Tensor, where: str, data: Tensor, temperatures: int, chains: int, generator: torch.Generator
) -> Measuring:
    """With a bound on the free energy where it exists but cannot be summed."""
    try:
        return (yield from annealed_log_likelihood(model, x, where, data, temperatures, chains, generator))
    except TooLarge:
        if not isinstance(model, BoundsFreeEnergy):
            raise
    return (yield from annealed_lower_bound(model, x, where, data, temperatures, chains, generator))


def _elbo(model: Any, x: Tensor, where: str, generator: torch.Generator) -> Measuring:
    return (yield from evidence_lower_bound(model, x, where, generator=generator)).elbo


def _table(subject: Subject, measures: list[Measure], bases: list[Basis], most: float) -> Table:
    spec = subject.spec
    of_each = "character" if is_text(spec.symbols) else "dimension"
    length = Column("Code length", "number", f"bits per {of_each}", 3)
    columns = (
        Column("Measure"),
        Column("Value", "number", "nats per example"),
        Column("95 % interval", "interval", "nats per example"),
        Column("Kind", "kind"),
        length,
        Column("Protocol", "detail"),
    )
    rows = []
    for m in measures:
        bits, coded = math.nan, ""
        if m.likelihood:
            code = bits_per_dimension(m, spec.dimensions)
            coded = f"Code length, 95 % interval: {cell_text(length, (code.low, code.high))} {length.unit}"
            bits = code.value
        said = " ".join(f"{text.rstrip('.')}." for text in (m.protocol, m.note, coded) if text)
        rows.append((m.name, m.value, (m.low, m.high), str(m.kind), bits, said))
    return Table(
        "Log-likelihood of the test set",
        columns,
        tuple(rows),
        " ".join(_notes(spec, measures, subject.dataset.density is not None, most)),
        tuple(bases),
    )


def _densities_of_bits(spec: DataSpec, most: float) -> bool:
    """Whether log p(x), which is never above `most`, is not a probability's although data are discrete."""
    return are_discrete(spec) and most > 0


def _notes(spec: DataSpec, measures: list[Measure], density_known: bool, most: float) -> Iterator[str]:
    if spec.support is Support.UNIT:
        yield (
            "The data are grey values, not bits: under a Bernoulli likelihood these numbers are a cross-entropy, not "
            "the probability of anything, and under a Gaussian one densities; choose a binarisation to compare models."
        )
    if _densities_of_bits(spec, most):
        yield (
            "The data are bits, and the likelihood is Gaussian: these are densities, not the probability of anything, "
            "and may be positive; choose a Bernoulli likelihood to compare models."
        )
    if spec.support is Support.REALS:
        yield "The data are real numbers: these are densities, which change with the data's scale and may be positive."
    if any(m.kind in (Kind.LOWER_BOUND, Kind.UPPER_BOUND) for m in measures):
        yield "A lower bound in nats is an upper bound as a code length."
    if density_known:
        yield "On average no model gives more than the data's own distribution does; on some examples it can by chance."


EVALUATION = Evaluation(
    "likelihood",
    "Likelihood",
    "How probable held-out data are: every measure this model admits, with its kind and interval.",
    LikelihoodSettings,
    _admits,
    _run,
    _without_effect,
)
