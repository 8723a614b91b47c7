"""How well a model's chain mixes: how long it remembers, and how many independent draws a second is worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, describe, stage
from dgm_studio.questions.chains import joint_energy, move
from dgm_studio.reports import Column, Curves, Note, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import NOTHING_HELD, ChainState, HasFreeEnergy, LearnsInPhases, RunsChain, TooLarge
from models.estimation.measure import Kind
from models.estimation.mixing import SHORTEST, Mixing, mixing
from models.settings import Settings, setting
from models.spec import DataSpec
from models.tempering import ladder, tempered_sweep

DIFFER = 1.05  # R̂ above which chains are said not to agree; Vehtari et al. (2021) ask for 1.01 before figures are used
LONG = 50  # memories that a chain must last until its own estimate of them can be trusted (Sokal, 1997, section 3)
REPORT_EVERY = 20  # transitions between two reports of progress

Statistic: TypeAlias = Callable[[ChainState], Tensor]


class MixingSettings(Settings):
    chains: int = setting(50, title="Chains", help="Chains that are followed, each on its own.", ge=2, le=10_000)
    transitions: int = setting(
        1000, title="Transitions", help="Transitions of each chain that are judged.", ge=SHORTEST, le=1_000_000
    )
    discarded: int = setting(
        100, title="Discarded first", help="Transitions before these, which depend on the start.", ge=0, le=1_000_000
    )
    start: Literal["half and half", "noise", "data"] = setting(
        "half and half",
        title="Start",
        help="Where chains begin. Half and half shows whether chains from noise find where those from data are.",
        reference="Gelman & Rubin (1992)",
    )
    temperatures: int = setting(
        6,
        title="Temperatures",
        help="For machines with an energy: replicas for the chain with parallel tempering; 1 leaves it out.",
        reference="Desjardins et al. (2010)",
        ge=1,
        le=200,
    )
    hottest: float = setting(
        4.0,
        title="Hottest temperature",
        help="Of parallel tempering.",
        reference="Desjardins et al. (2010)",
        gt=1,
        le=1000,
    )


@dataclass(frozen=True)
class _Followed:
    """What was seen along the chains of one kind."""

    name: str
    values: dict[str, Tensor]  # by statistic: (C, N)
    seconds: float  # that the chains took, without what was measured on them
    sweeps: int  # of the machine, in each transition


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, RunsChain)


def _without_effect(model: type) -> tuple[str, ...]:
    return () if issubclass(model, LearnsInPhases) else ("temperatures", "hottest")


def _run(subject: Subject, settings: MixingSettings) -> Iterator[float | Report]:
    statistics = _statistics(subject)
    tempered = settings.temperatures > 1 and isinstance(subject.model, LearnsInPhases)
    share = 1 / (1 + settings.temperatures) if tempered else 1.0
    followed = [(yield from stage(_plain(subject, settings, statistics), 0.0, share))]
    if tempered:
        followed.append((yield from stage(_tempered(subject, settings, statistics), share, 1 - share)))
    judged = [
        (chain, {name: mixing(values) for name, values in chain.values.items() if values.isfinite().all()})
        for chain in followed
    ]
    yield _table(subject, settings, judged)
    for name in statistics:
        found = [(chain.name, of_each[name]) for chain, of_each in judged if name in of_each]
        if any(math.isfinite(m.time) for _, m in found):
            yield _curves(name, found)
    for chain, of_each in judged:
        yield _verdict(chain, of_each, settings)
    if tempered:
        yield from _comparison(judged)


def _statistics(subject: Subject) -> dict[str, Statistic]:
    """Numbers by which a state is followed: (B,) each."""
    model, test = subject.model, subject.dataset.test.x.to(subject.device)
    found: dict[str, Statistic] = {}
    if isinstance(model, LearnsInPhases):
        found["energy"] = lambda state: joint_energy(model, state)
    elif isinstance(model, HasFreeEnergy):
        try:
            model.free_energy(test[:1])
            found["free energy"] = lambda state: model.free_energy(state.x)
        except TooLarge:
            pass
    found["mean activity"] = lambda state: state.x.flatten(1).mean(1)
    centred = test.flatten(1) - test.flatten(1).mean(0)
    if len(test) > 1 and centred.any():
        direction = torch.linalg.svd(centred.double(), full_matrices=False)[2][0].to(test)
        found["first principal component"] = lambda state: state.x.flatten(1) @ direction
    return found


def _start(subject: Subject, settings: MixingSettings) -> Tensor:
    """(C, *event): from noise, from test examples, or the first half from noise and the rest from test examples."""
    n, generator = settings.chains, subject.generator
    noise: Tensor = subject.model.start_chain(n, generator).x
    if settings.start == "noise":
        return noise
    test = subject.dataset.test.x.to(subject.device)
    data = test[torch.randint(len(test), (n,), generator=generator, device=test.device)]
    half = n // 2 if settings.start == "half and half" else 0
    return torch.cat([noise[:half], data[half:]])


def _plain(
    subject: Subject, settings: MixingSettings, statistics: dict[str, Statistic]
) -> Generator[float, None, _Followed]:
    state = move(subject.model, _state(_start(subject, settings)), NOTHING_HELD, 1.0, subject.generator)

    def step() -> ChainState:
        nonlocal state
        state = move(subject.model, state, NOTHING_HELD, 1.0, subject.generator)
        return state

    return (yield from _follow("plain", subject, settings, statistics, step, 1))


def _tempered(
    subject: Subject, settings: MixingSettings, statistics: dict[str, Statistic]
) -> Generator[float, None, _Followed]:
    model, generator = subject.model, subject.generator
    temperatures = ladder(settings.temperatures, settings.hottest)
    v = torch.stack([_start(subject, settings) for _ in temperatures])
    h = torch.stack([model.draw_hidden(model.hidden_given(x, generator), generator) for x in v])

    def step() -> ChainState:
        nonlocal v, h
        reached = tempered_sweep(model, v, h, temperatures, generator)
        v, h = reached.v, reached.h
        return ChainState(v[0], v[0], (h[0],))

    return (yield from _follow("tempered", subject, settings, statistics, step, len(temperatures)))


def _state(x: Tensor) -> ChainState:
    return ChainState(x, x)


def _follow(
    name: str,
    subject: Subject,
    settings: MixingSettings,
    statistics: dict[str, Statistic],
    step: Callable[[], ChainState],
    sweeps: int,
) -> Generator[float, None, _Followed]:
    seen: dict[str, list[Tensor]] = {key: [] for key in statistics}
    total, seconds = settings.discarded + settings.transitions, 0.0
    for i in range(total):
        begin = perf_counter()
        state = step()
        if subject.device.type == "cuda":
            torch.cuda.synchronize(subject.device)
        if i >= settings.discarded:
            seconds += perf_counter() - begin
            for key, statistic in statistics.items():
                seen[key].append(statistic(state))
        if i % REPORT_EVERY == 0:
            yield i / total
    return _Followed(name, {key: torch.stack(values, 1) for key, values in seen.items()}, seconds, sweeps)


def _table(subject: Subject, settings: MixingSettings, judged: list[tuple[_Followed, dict[str, Mixing]]]) -> Table:
    columns = (
        Column("Chain"),
        Column("Followed by"),
        Column("Memory τ", "number", "transitions", 1),
        Column("Effective samples", "number", "of all", 0),
        Column("Effective samples", "number", "per second", 0),
        Column("R̂", "number", decimals=3),
        Column("Kind", "kind"),
    )
    rows = tuple(
        (chain.name, name, m.time, m.effective, m.effective / chain.seconds, m.r_hat, str(Kind.ESTIMATE))
        for chain, of_each in judged
        for name, m in of_each.items()
    )
    replicas = f"Tempered: {settings.temperatures} temperatures up to {settings.hottest:g}. " if len(judged) > 1 else ""
    start = {"noise": "from noise", "data": "from test examples", "half and half": "half from noise, half from data"}
    note = (
        f"{settings.chains} chains, {start[settings.start]}; {settings.transitions} transitions of each, after "
        f"{settings.discarded} that were discarded; {describe(subject.dataset, subject.dataset.test)}. {replicas}"
        "τ is the integrated autocorrelation time: as many transitions give one independent draw. R̂ compares chains, "
        "each in halves, and is 1 where they agree."
    )
    return Table("How fast chains forget", columns, rows, note)


def _curves(name: str, found: list[tuple[str, Mixing]]) -> Curves:
    """Up to where the longest memory is over."""
    longest = max(m.time for _, m in found if math.isfinite(m.time))
    shown = min(len(found[0][1].autocorrelation), max(20, math.ceil(4 * longest)))
    lags = torch.arange(shown).double().numpy()
    series = tuple(
        Series(chain, lags, m.autocorrelation[:shown].numpy()) for chain, m in found if math.isfinite(m.time)
    )
    return Curves(f"Autocorrelation of the {name}", "lag (transitions)", "autocorrelation", series)


def _verdict(chain: _Followed, of_each: dict[str, Mixing], settings: MixingSettings) -> Note:
    title = f"Chains: {chain.name}"
    if len(of_each) < len(chain.values):
        broken = ", ".join(name for name in chain.values if name not in of_each)
        return Note(title, f"The chains left all bounds: {broken} is not a number any more.", "bad")
    moving = {name: m for name, m in of_each.items() if math.isfinite(m.time)}
    if not moving:
        return Note(
            title, "Nothing that is followed ever changed: the chains stand still, or the model is one state.", "warn"
        )
    apart, r_hat = max(((name, m.r_hat) for name, m in moving.items()), key=lambda item: item[1])
    slow, time = max(((name, m.time) for name, m in moving.items()), key=lambda item: item[1])
    if r_hat > DIFFER:
        text = (
            f"They do not mix: after {settings.discarded + settings.transitions} transitions the {apart} of different "
            f"chains, or of a chain's two halves, still lies apart (R̂ = {r_hat:.2f}, 1 where chains agree). What is "
            "estimated from them, samples too, depends on where they began."
        )
        return Note(title, text, "warn")
    if settings.transitions < LONG * time:
        text = (
            f"They agree (R̂ = {r_hat:.3f}), but a memory of {time:.0f} transitions ({slow}) in chains of "
            f"{settings.transitions} is estimated roughly: follow them for {math.ceil(LONG * time / 100) * 100}."
        )
        return Note(title, text)
    return Note(
        title, f"They mix: R̂ is at most {r_hat:.3f}, and the longest memory {time:.1f} transitions ({slow}).", "good"
    )


def _comparison(judged: list[tuple[_Followed, dict[str, Mixing]]]) -> Iterator[Note]:
    """What tempering brings for the number that a plain chain remembers longest, at equal numbers of sweeps."""
    (_, slow), (tempered, fast) = judged
    common = [
        name for name in slow if name in fast and math.isfinite(slow[name].time) and math.isfinite(fast[name].time)
    ]
    if not common:
        return
    name = max(common, key=lambda key: slow[key].time)
    gain = slow[name].time / fast[name].time
    text = (
        f"By the {name}, a round of tempering is worth {gain:.2f} plain transitions, and costs {tempered.sweeps} "
        f"sweeps: {gain / tempered.sweeps:.2f} times as many effective samples for the same work."
    )
    if max(m.r_hat for m in slow.values() if math.isfinite(m.time)) > DIFFER:
        text += " Where plain chains do not agree, their own memory is underestimated, and tempering gains more."
    yield Note("Parallel tempering", text)


EVALUATION = Evaluation(
    "mixing",
    "Mixing of the chain",
    "How many transitions the model's chain remembers, and how many independent samples it gives.",
    MixingSettings,
    _admits,
    _run,
    _without_effect,
)
