"""What the code knows of the factors that examples were made from, unit by unit and as a whole."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Literal

import torch
from torch import Tensor

from dgm_studio.datasets.base import Split
from dgm_studio.evaluations.base import Evaluation, chunks, describe, training_examples
from dgm_studio.number_texts import indexed
from dgm_studio.reports import NOT_MEASURED, Column, HeatMap, Note, Report, Table
from dgm_studio.subject import Subject
from models.capabilities import Encodes
from models.estimation.disentanglement import (
    GROUPS,
    Information,
    Probe,
    binned,
    binned_factors,
    mutual_information_gap,
    probe,
)
from models.estimation.measure import Kind, Measure
from models.settings import Settings, setting
from models.spec import DataSpec, Factor, FactorKind

FEWEST = 30  # examples with a known factor, in each part
SHOWN = 40  # latent units in the picture


class DisentanglementSettings(Settings):
    codes: Literal["draws", "means"] = setting(
        "draws",
        title="Codes",
        help="Information is counted of one draw of q(z | x) for each example, or of its mean. Means of units that "
        "carry hardly anything move too little to be decoded, and still tell factors when they are put into bins.",
        reference="draws: Chen et al. (2018), equation 5; means: Locatello et al. (2019)",
    )
    bins: int = setting(
        20,
        title="Bins",
        help="Of each latent unit and each continuous factor, with about as many examples each.",
        reference="Locatello et al. (2019), appendix C",
        ge=2,
        le=200,
    )
    examples: int = setting(
        10_000,
        title="Training examples",
        help="From which mutual information is counted and probes learn, at most.",
        ge=100,
        le=1_000_000,
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, Encodes) and (len(spec.factors) > 0 or spec.classes > 1)


def _run(subject: Subject, settings: DisentanglementSettings) -> Iterator[float | Report]:
    dataset = subject.dataset
    factors = _factors(subject.spec)
    learned, test = _known(dataset.train, settings.examples), _known(dataset.test, None)
    if min(len(learned), len(test)) < FEWEST:
        text = f"{len(learned)} training and {len(test)} test examples have known factors or labels; {FEWEST} are few."
        yield Note(NOT_MEASURED, text)
        return
    x = training_examples(dataset, subject, int(learned[-1]) + 1)[learned.to(subject.device)]
    codes, drawn = yield from _codes(subject, x, 0.0, 0.3)
    held, _ = yield from _codes(subject, dataset.test.x[test], 0.3, 0.1)
    values, true = _values(dataset.train)[learned], _values(dataset.test)[test]
    yield 0.5
    counted = drawn if settings.codes == "draws" else codes
    what = "one draw of q(z|x) each" if settings.codes == "draws" else "means of q(z|x)"
    where = (
        f"{describe(dataset, dataset.train, 'training')}, of which {len(learned):,} are counted; {what}, and "
        f"factors that are no categories, in {settings.bins} bins of equal counts; adjusted for chance; interval by "
        f"leaving out each of {GROUPS} parts in turn"
    )
    in_bins = binned(counted, settings.bins), binned_factors(values, factors, settings.bins)
    shuffle = torch.Generator().manual_seed(subject.step)  # codes are counted on the CPU
    gap, found = mutual_information_gap(*in_bins, where, shuffle)
    yield 0.7
    probes = []
    for k, factor in enumerate(factors):
        probes.append(probe(codes, values[:, k], held, true[:, k], factor))
        yield 0.7 + 0.3 * (k + 1) / len(factors)
    fitted = f"fitted to the means of q(z|x) of {len(learned):,} training examples"
    protocol = f"{fitted}, measured on {describe(dataset, dataset.test)}"
    yield _table(factors, gap, found, probes, protocol)
    yield _picture(factors, found)
    yield from _notes(factors, found, probes)


def _factors(spec: DataSpec) -> tuple[Factor, ...]:
    return spec.factors or (Factor("label", FactorKind.CATEGORICAL, spec.class_names),)


def _known(split: Split, limit: int | None) -> Tensor:
    """The places of the first examples whose factors, or else labels, are known."""
    places = torch.arange(len(split)) if split.factors is not None else (split.y >= 0).nonzero().flatten()
    return places[:limit]


def _values(split: Split) -> Tensor:
    return split.y[:, None].float() if split.factors is None else split.factors


def _codes(subject: Subject, x: Tensor, start: float, share: float) -> Generator[float, None, tuple[Tensor, Tensor]]:
    """Means of q(z | x), and one draw of each: (N, latent) on the CPU."""
    means, draws = [], []
    for done, part in chunks(x, subject.device):
        posterior = subject.model.encode(part)
        means.append(posterior.mean.double().cpu())
        draws.append(posterior.sample(1, subject.generator)[0].double().cpu())
        yield start + share * done
    return torch.cat(means), torch.cat(draws)


def _table(factors: tuple[Factor, ...], gap: Measure, found: Information, probes: list[Probe], protocol: str) -> Table:
    values, units = found.best
    rows: list[tuple[str | float | tuple[float, float], ...]] = []
    several = len(factors) > 1
    for k, (factor, one) in enumerate(zip(factors, probes, strict=True)):
        best = [indexed("z", unit) for unit in units[k].tolist()]
        second = f"{best[1]} {values[k, 1]:.2f}" if found.shared.shape[1] > 1 else "no other"
        details = (
            f"Best unit {best[0]} knows {values[k, 0]:.2f} of the factor's {found.entropy[k]:.2f} nats; "
            f"second {second}. Probe: {one.name}; without codes {one.chance:.2f}."
        )
        probed = (one.value, (one.low, one.high), one.chance)
        none = (float("nan"), float("nan"))
        interval = none if several else (gap.low, gap.high)
        rows.append((factor.name, found.gaps[k].item(), interval, *probed, str(Kind.ESTIMATE), details))
    if several:
        nothing = (float("nan"), (float("nan"), float("nan")), float("nan"))
        rows.append(("mean of all: MIG", gap.value, (gap.low, gap.high), *nothing, str(gap.kind), f"{gap.protocol}."))
    columns = (
        Column("Factor"),
        Column("Information gap", "number", "part of entropy", 3),
        Column("95 % interval", "interval", decimals=3),
        Column("Linear probe", "number", "R² or accuracy", 3),
        Column("95 % interval", "interval", decimals=3),
        Column("Without codes", "number", decimals=3),
        Column("Kind", "kind"),
        Column("Details", "detail"),
    )
    note = (
        f"Information gap: what the best unit knows of a factor less what the second best does (Chen et al., 2018): "
        f"{gap.protocol}. Linear probe: R², of sine and cosine where a factor is circular, and accuracy of a logistic "
        f"regression for categories; {protocol}. A code that is the factors has 1 in both; a rotated one only in the "
        f"probe."
    )
    return Table("Factors in the code", columns, tuple(rows), note)


def _picture(factors: tuple[Factor, ...], found: Information) -> HeatMap:
    """The units that know most, in their own order."""
    values = found.normalised
    kept = values.amax(0).argsort(descending=True)[:SHOWN].sort().values
    note = "Adjusted for chance: 0 is what independent values give, 1 a factor that is known wholly."
    if len(kept) < values.shape[1]:
        note += f" The {len(kept)} of {values.shape[1]} units that know most of any factor."
    return HeatMap(
        "Information of factor and latent unit",
        values[:, kept].numpy(),
        "mutual information, part of the factor's entropy",
        note,
        tuple(factor.name for factor in factors),
        tuple(indexed("z", k) for k in kept.tolist()),
    )


def _notes(factors: tuple[Factor, ...], found: Information, probes: list[Probe]) -> Iterator[Note]:
    circular = [factor.name for factor in factors if factor.kind is FactorKind.CIRCULAR]
    if circular:
        yield Note(
            f"Circular: {', '.join(circular)}",
            "A circle needs two units without a break, its sine and its cosine, so that a good code of it has a small "
            "information gap. The probe, which reads both, is the fairer figure.",
        )
    lost = [
        factor.name
        for factor, best, one in zip(factors, found.normalised.amax(1), probes, strict=True)
        if best < 0.05 and one.low < one.chance + 0.05
    ]
    if lost:
        yield Note("Not in the code", f"Hardly anything is known of: {', '.join(lost)}.", "warn")


EVALUATION = Evaluation(
    "disentanglement",
    "Factors in the code",
    "Which latent unit knows which true factor or label: information gap (MIG) and linear probes.",
    DisentanglementSettings,
    _admits,
    _run,
)
