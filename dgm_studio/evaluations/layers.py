"""What each layer of a deep model is worth: its bound on the likelihood with one layer, with two, and so on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, describe, most_log_prob, stage
from dgm_studio.reports import Column, Note, Report, Table
from dgm_studio.subject import Subject
from models.capabilities import AddsLayers, Anneals, BoundsFreeEnergy, SumsExactly, TooLarge
from models.estimation.annealing import annealed_lower_bound
from models.estimation.likelihood import free_energy_lower_bound
from models.estimation.measure import Measure, ended
from models.settings import Settings, setting
from models.spec import DataSpec


class LayersSettings(Settings):
    temperatures: int = setting(
        2000,
        title="Temperatures",
        help="Intermediate distributions of annealed importance sampling, where log Z cannot be summed.",
        reference="Salakhutdinov & Murray (2008)",
        ge=10,
        le=10_000_000,
    )
    chains: int = setting(100, title="Chains", help="Annealed chains whose weights are averaged.", ge=2, le=100_000)


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return all(issubclass(model, one) for one in (AddsLayers, BoundsFreeEnergy, Anneals, SumsExactly))


def _run(subject: Subject, settings: LayersSettings) -> Iterator[float | Report]:
    x, where = subject.dataset.test.x.to(subject.device), describe(subject.dataset, subject.dataset.test)
    layers = subject.model.layers()
    measures: list[Measure] = []
    for n in range(1, layers + 1):
        work = _bound(subject, settings, subject.model.with_layers(n), x, where)
        measures.append(ended((yield from stage(work, (n - 1) / layers, 1 / layers)), most=most_log_prob(subject)))
    yield _table(measures)
    for n, measure in enumerate(measures):
        if measure.doubt:
            yield Note(f"Not to be trusted: {_name(n)}", measure.doubt, "warn")


def _bound(
    subject: Subject, settings: LayersSettings, model: Any, x: Tensor, where: str
) -> Generator[float, None, Measure]:
    try:
        return (yield from free_energy_lower_bound(model, x, where, subject.generator))
    except TooLarge:
        data = subject.dataset.train.x
        work = annealed_lower_bound(model, x, where, data, settings.temperatures, settings.chains, subject.generator)
        return (yield from work)


def _name(n: int) -> str:
    return "the lowest machine alone" if n == 0 else f"{n + 1} layers"


def _table(measures: list[Measure]) -> Table:
    columns = (
        Column("Model"),
        Column("Bound on log p(x)", "number", "nats per example"),
        Column("95 % interval", "interval", "nats per example"),
        Column("Gain", "number", "nats"),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    )
    rows = []
    for n, m in enumerate(measures):
        gain = m.value - measures[n - 1].value if n else float("nan")
        said = " ".join(f"{text.rstrip('.')}." for text in (m.protocol, m.note) if text)
        rows.append((_name(n), m.value, (m.low, m.high), gain, str(m.kind), said))
    note = (
        "The bound of the lowest machine is its log p(x). Intervals are mostly of the examples, which all rows share: "
        "a gain may be surer than they look."
    )
    return Table("Bound on log p(x), layer by layer", columns, tuple(rows), note)


EVALUATION = Evaluation(
    "layers",
    "Bound per layer",
    "How the bound on the likelihood of held-out data changes as layers are added.",
    LayersSettings,
    _admits,
    _run,
)
