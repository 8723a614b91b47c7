"""Every state of a few bits: do the probabilities sum to one, and how far are they from those of the data?"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from dgm_studio.evaluations.base import Evaluation, describe, stage
from dgm_studio.reports import Cell, Column, Curves, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import HasFreeEnergy, ScoresExactly, SumsExactly
from models.estimation.enumeration import LIMIT, all_states
from models.estimation.measure import Kind
from models.settings import NoSettings
from models.signs import raised
from models.spec import DataSpec, Support

AT_ONCE = 2048  # states that a model scores together
SHOWN = 512  # states in the curve


def can_be_summed(model: type, spec: DataSpec) -> bool:
    """Whether every state has a probability, and there are few enough of them."""
    few_bits = spec.support is Support.BITS and spec.dimensions <= LIMIT
    return few_bits and (issubclass(model, ScoresExactly) or _has_energy(model))


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return can_be_summed(model, spec)


def _has_energy(model: type) -> bool:
    return issubclass(model, HasFreeEnergy) and issubclass(model, SumsExactly)


def _run(subject: Subject, settings: NoSettings) -> Iterator[float | Report]:
    log_p, log_partition = yield from stage(scores(subject), 0.0, 0.95)
    yield _sums(log_p, log_partition, subject.spec.dimensions)
    yield from _divergences(subject, log_p)


def scores(subject: Subject) -> Generator[float, None, tuple[Tensor, float | None]]:
    """log p of every state, (2^D,) float64 on the CPU in the order of `all_states`, and the log Z that it rests on."""
    model, spec = subject.model, subject.spec
    log_partition = None
    if _has_energy(type(model)):
        log_partition = (yield from stage(model.log_partition_in_parts(), 0.0, 0.5)).item()
    like = torch.empty(0, device=subject.device)
    parts: list[Tensor] = []
    for states in all_states(spec.dimensions, like, AT_ONCE):
        x = states.reshape(-1, *spec.event_shape)
        scored = model.log_prob(x) if log_partition is None else -model.free_energy(x)
        parts.append(scored.double().cpu())
        done = len(parts) * AT_ONCE / 2**spec.dimensions
        yield min(1.0, done if log_partition is None else 0.5 + done / 2)
    return torch.cat(parts) - (log_partition or 0.0), log_partition


def given_all_others(log_p: Tensor, bits: int) -> Tensor:
    """Σ_i log p(x_i | all other bits) of every state, from log p of every state: (2^bits,) -> the same."""
    numbers = torch.arange(2**bits, device=log_p.device)
    total = torch.zeros_like(log_p)
    for i in range(bits):
        total += F.logsigmoid(log_p - log_p[numbers ^ (1 << i)])
    return total


def _sums(log_p: Tensor, log_partition: float | None, bits: int) -> Table:
    columns = (
        Column("Over all states, the sum of"),
        Column("Sum", "number", "", 6),
        Column("Its logarithm", "number", "nats", 6),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    )
    each: list[tuple[str, Tensor, str]] = [
        ("P(x)", log_p, "as the model gives it"),
        (
            "Π P(x_i | all other bits)",
            given_all_others(log_p, bits),
            "the conditionals of the same distribution, but each given all other bits instead of those before it",
        ),
    ]
    if log_partition is not None:
        said = f"log Z = {log_partition:.6f}, summed over the units that the model sums over"
        each[0] = ("P(x)", log_p, said)
        each.append(("exp(−F(x))", log_p + log_partition, "without log Z"))
    rows: list[tuple[Cell, ...]] = []
    for name, values, protocol in each:
        total = values.logsumexp(0)
        rows.append((name, total.exp().item(), total.item(), str(Kind.EXACT), f"{raised(2, bits)} states; {protocol}"))
    note = "Probabilities sum to 1, but for rounding: the model computes in 32 bits, the sum is in 64."
    return Table("Sums over all states", columns, tuple(rows), note)


def _divergences(subject: Subject, log_q: Tensor) -> Iterator[Report]:
    """Of the model q from the frequencies of training examples, and from the data's own p where it is known."""
    bits, dataset = subject.spec.dimensions, subject.dataset
    targets: list[tuple[str, Tensor, str]] = []
    if dataset.density is not None:
        states = torch.cat(list(all_states(bits, torch.empty(0, dtype=torch.float64))))
        log_p = dataset.density.log_prob(states.reshape(-1, *subject.spec.event_shape))
        targets.append(("the data's distribution", log_p, f"{dataset.provenance.title}, every probability known"))
    if not dataset.draws_bits:
        numbers = dataset.train.x.flatten(1).long() @ (1 << torch.arange(bits - 1, -1, -1))
        found = torch.bincount(numbers, minlength=2**bits).double() / len(numbers)
        targets.append(("training examples", found.log(), describe(dataset, dataset.train, "training")))
    columns = (
        Column("Model q against p"),
        Column("KL(p‖q)", "number", "nats", 5),
        Column("KL(q‖p)", "number", "nats", 5),
        Column("Total variation", "number", "probability", 5),
        Column("Entropy of p", "number", "nats", 4),
        Column("Entropy of q", "number", "nats", 4),
        Column("Kind", "kind"),
        Column("Protocol", "detail"),
    )
    rows: list[tuple[Cell, ...]] = []
    for name, log_p, protocol in targets:
        p, q = log_p.exp(), log_q.exp()
        values = (kl(log_p, log_q), kl(log_q, log_p), 0.5 * (p - q).abs().sum().item())
        entropies = (_entropy(log_p), _entropy(log_q))
        rows.append((name, *values, *entropies, str(Kind.EXACT), f"{raised(2, bits)} states; {protocol}"))
    if rows:
        yield Table("Divergence from the data, over all states", columns, tuple(rows))
        yield probability_curve(targets[0][0], targets[0][1].exp(), log_q.exp())


def kl(log_p: Tensor, log_q: Tensor) -> float:
    """Infinite where q says that something does not occur which does."""
    possible = log_p > -torch.inf
    return (log_p[possible].exp() * (log_p[possible] - log_q[possible])).sum().item()


def _entropy(log_p: Tensor) -> float:
    return torch.special.entr(log_p.exp()).sum().item()


def probability_curve(name: str, p: Tensor, q: Tensor) -> Curves:
    """p and q of every state, by falling p."""
    order = p.argsort(descending=True, stable=True)[:SHOWN]
    rank = torch.arange(len(order)).double().numpy() + 1
    series = (Series(name, rank, p[order].numpy()), Series("model", rank, q[order].numpy()))
    shown = f"the {SHOWN} most probable" if len(order) < len(p) else "all"
    title = "Probability of each state"
    return Curves(title, f"states ({shown}), the most probable first", "probability", series)


EVALUATION = Evaluation(
    "states",
    "All states",
    "Every state of a few bits: whether the probabilities sum to one, and how far they are from those of the data.",
    NoSettings,
    _admits,
    _run,
)
