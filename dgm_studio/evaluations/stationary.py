"""Where a chain over a few bits comes to rest, exactly: against the data, and against what its samples say."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, describe
from dgm_studio.evaluations.states import kl, probability_curve
from dgm_studio.reports import Cell, Column, Report, Table
from dgm_studio.subject import Subject
from models.capabilities import ListsTransitions, RunsChain, ScoresExactly
from models.estimation.enumeration import all_states
from models.estimation.measure import Kind
from models.settings import Settings, setting
from models.signs import raised
from models.spec import DataSpec, Support

LARGEST = 10  # bits: a matrix of 2^20 probabilities
MOMENTS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)  # transitions after which chains are looked at


class StationarySettings(Settings):
    chains: int = setting(
        20_000,
        title="Chains",
        help="Chains that begin without data and are counted.",
        ge=10,
        le=10**6,
    )
    transitions: int = setting(100, title="Transitions", help="Of each of them.", ge=1, le=10_000)


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    few_bits = spec.support is Support.BITS and spec.dimensions <= LARGEST
    return few_bits and issubclass(model, ListsTransitions) and issubclass(model, RunsChain)


def stationary(transitions: Tensor) -> Tensor:
    """The distribution that transitions (S, S) leave as it is, rows from each state: (S,). Unique where every state can
    be reached."""
    size = len(transitions)
    equations = transitions.t() - torch.eye(size, dtype=transitions.dtype)
    equations[-1] = 1  # one of them follows from the others; probabilities sum to 1
    right = torch.zeros(size, dtype=transitions.dtype)
    right[-1] = 1
    found = torch.linalg.solve(equations, right).clamp(min=0)
    return found / found.sum()


def _run(subject: Subject, settings: StationarySettings) -> Iterator[float | Report]:
    model, spec, dataset = subject.model, subject.spec, subject.dataset
    bits = spec.dimensions
    states = torch.cat(list(all_states(bits, torch.empty(0, device=subject.device)))).reshape(-1, *spec.event_shape)
    transitions = model.transition_probabilities(states).double().cpu()
    rest = stationary(transitions / transitions.sum(1, keepdim=True))
    yield 0.3
    rows: list[tuple[Cell, ...]] = []

    def row(name: str, p: Tensor, exact: float, kind: Kind, protocol: str) -> None:
        distance = 0.5 * (p - rest).abs().sum().item()
        rows.append((name, distance, exact, kl(p.log(), rest.log()), str(kind), protocol))

    target = None
    if dataset.density is not None:
        target = dataset.density.log_prob(states.double().cpu()).exp()
        row("the data's distribution", target, 0.0, Kind.EXACT, f"{dataset.provenance.title}, all probabilities known")
    else:
        target = _counted(dataset.train.x, bits)
        row("training examples", target, 0.0, Kind.EXACT, describe(dataset, dataset.train, "training"))
    if isinstance(model, ScoresExactly):
        of_model = model.log_prob(states).double().cpu().exp()
        row("the model's own P(x)", of_model, 0.0, Kind.EXACT, f"{raised(2, bits)} states")
    n = settings.chains
    draws = rest.multinomial(n, replacement=True, generator=torch.Generator().manual_seed(0))
    as_good = 0.5 * (torch.bincount(draws, minlength=2**bits).double() / n - rest).abs().sum().item()
    x = model.start_chain(n, subject.generator).x
    moments = {*[k for k in MOMENTS if k < settings.transitions], settings.transitions}
    for k in range(1, settings.transitions + 1):
        x = model.transition(x, generator=subject.generator).x
        if k in moments:
            said = f"{n} chains that began without data, counted"
            row(f"chains after {k}", _counted(x, bits), as_good, Kind.ESTIMATE, said)
        yield 0.3 + 0.65 * k / settings.transitions
    columns = (
        Column("Stationary distribution π against"),
        Column("Total variation", "number", "probability", 4),
        Column("As many exact draws", "number", "probability", 4),
        Column("KL(p‖π)", "number", "nats", 4),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    )
    second = torch.linalg.eigvals(transitions).abs().sort(descending=True).values[1].item()
    number = raised(2, bits)
    note = (
        f"π solves π = π T for the matrix T of all {number} × {number} transitions. The second largest eigenvalue of T "
        f"is {second:.4f}: what is left of a start falls by this factor with each transition, in the end."
    )
    yield Table("Where the chain comes to rest", columns, tuple(rows), note)
    yield probability_curve(str(rows[0][0]), target, rest)


def _counted(x: Tensor, bits: int) -> Tensor:
    """The frequency of each state among examples (N, *event): (2^bits,)."""
    numbers = x.flatten(1).long().cpu() @ (1 << torch.arange(bits - 1, -1, -1))
    return torch.bincount(numbers, minlength=2**bits).double() / len(x)


EVALUATION = Evaluation(
    "stationary",
    "Stationary distribution",
    "Where a chain over a few bits comes to rest, exactly: against the data, and against chains that run.",
    StationarySettings,
    _admits,
    _run,
)
