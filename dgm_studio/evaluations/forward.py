"""The forward algorithm against the sum over every path of hidden states: what they say, and what they cost."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, describe
from dgm_studio.reports import Column, Curves, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import ExplainsSequences, HiddenStates, ScoresExactly
from models.estimation.path_sums import all_paths, emission_log_probs, path_log_probs, state_posteriors
from models.settings import Settings, setting
from models.spec import DataSpec, Support

PATHS = 2**16  # at most: more of them take seconds
REPEATS = 5  # the shortest time of so many is what counts
ROUNDS = 20  # the same, of long sequences
TOGETHER = 64  # sequences at once, where the forward algorithm's time is measured


class ForwardSettings(Settings):
    longest: int = setting(
        8000,
        title="Longest sequence",
        help="The forward algorithm is timed on sequences of up to so many steps, made of test sequences end to end.",
        unit="steps",
        ge=1000,
        le=1_000_000,
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, ExplainsSequences) and issubclass(model, ScoresExactly)


def _run(subject: Subject, settings: ForwardSettings) -> Iterator[float | Report]:
    model = copy.deepcopy(subject.model).cpu().double()
    test = subject.dataset.test
    x = test.x.cpu() if subject.dataset.spec.support is not Support.REALS else test.x.cpu().double()
    chain: HiddenStates = model.hidden_states()
    states = len(chain.initial)
    long = x.reshape(-1, *x.shape[2:])  # all test sequences, one after the other
    turned = replace(chain, transition=chain.transition.roll(1, 0))
    rows, away = [], {"": 0.0, "posterior": 0.0, "turned": 0.0}
    most = int(math.log(PATHS) / math.log(states))
    for steps in range(1, most + 1):
        part = long[:steps][None]
        paths = all_paths(states, steps)
        of_paths = _seconds(partial(_evidence, chain, part[0], paths))
        of_forward = _seconds(partial(model.log_prob, part))
        forward = float(model.log_prob(part))
        emitted = emission_log_probs(chain, part[0])
        joint = path_log_probs(chain, emitted, paths)
        posterior = state_posteriors(joint, paths, states)
        away[""] = max(away[""], abs(forward - float(joint.logsumexp(0))))
        away["posterior"] = max(away["posterior"], float((model.explain(part).posterior[0] - posterior).abs().max()))
        away["turned"] = max(away["turned"], abs(forward - _evidence(turned, part[0], paths)))
        rows.append((float(steps), float(len(paths)), forward, float(joint.logsumexp(0)), of_forward, of_paths))
        yield 0.5 * steps / most
    where = f"{describe(subject.dataset, test)}, the first steps of the first"
    yield _sums(rows, where)
    yield _agreement(away)
    lengths = [settings.longest // 2**k for k in (4, 3, 2, 1, 0)]
    sequences = []
    for length in lengths:
        copies = -(-length * TOGETHER // len(long))
        many = long.repeat(copies, *[1] * (long.ndim - 1))[: length * TOGETHER]
        sequences.append(many.reshape(TOGETHER, length, *x.shape[2:]))
    seconds = [math.inf] * len(lengths)
    for number in range(ROUNDS):  # of all lengths in turn: what else the machine does meets them alike
        seconds = [min(s, _once(partial(model.log_prob, many))) for s, many in zip(seconds, sequences, strict=True)]
        yield 0.5 + 0.5 * (number + 1) / ROUNDS
    yield _cost(rows, lengths, seconds)
    yield _curves(rows, lengths, seconds)


def _evidence(chain: HiddenStates, x: Tensor, paths: Tensor) -> float:
    return float(path_log_probs(chain, emission_log_probs(chain, x), paths).logsumexp(0))


def _once(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _seconds(work: Callable[[], Any]) -> float:
    return min(_once(work) for _ in range(REPEATS))


def _sums(rows: Sequence[tuple[float, ...]], where: str) -> Table:
    columns = (
        Column("Steps", "number", decimals=0),
        Column("Paths", "number", decimals=0),
        Column("log P(x), forward", "number", "nats", 6),
        Column("log P(x), all paths", "number", "nats", 6),
        Column("Forward", "number", "s", 5),
        Column("All paths", "number", "s", 5),
    )
    return Table("Forward and all paths", columns, tuple(rows), f"{where}. Times: the shortest of {REPEATS}.")


def _agreement(away: dict[str, float]) -> Table:
    names = {
        "": "log P(x)",
        "posterior": "P(h_t | x)",
        "turned": "log P(x), paths with the rows of the transitions exchanged",
    }
    columns = Column("Quantity"), Column("Largest difference", "number", decimals=8)
    rows = tuple((names[key], value) for key, value in away.items())
    return Table("Do recursion and sum agree?", columns, rows, "Over all lengths of the table above.")


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.polyfit(x, y, 1)[0])


def _cost(rows: Sequence[tuple[float, ...]], lengths: list[int], seconds: list[float]) -> Table:
    """How times grow: as a power of the length, and by a factor at each step."""
    half = rows[len(rows) // 2 :]  # short sums take the time of calls, not of paths
    steps, of_paths = np.array([r[0] for r in half]), np.log([r[5] for r in half])
    length, of_forward = np.array(lengths, float), np.log(seconds)
    found = (
        ("forward algorithm", _slope(np.log(length), of_forward), math.exp(_slope(length, of_forward))),
        ("all paths", _slope(np.log(steps), of_paths), math.exp(_slope(steps, of_paths))),
    )
    columns = (
        Column("Way"),
        Column("Time ~ length to the power of", "number", decimals=2),
        Column("Factor at each further step", "number", decimals=4),
    )
    note = (
        f"Least squares through logarithms of the times: {TOGETHER} sequences of {lengths[0]} to {lengths[-1]} steps, "
        f"and one of {steps[0]:.0f} to {steps[-1]:.0f} steps."
    )
    return Table("How the time grows", columns, found, note)


def _curves(rows: Sequence[tuple[float, ...]], lengths: list[int], seconds: list[float]) -> Curves:
    """For one sequence."""
    each = np.array(seconds) / TOGETHER
    series = (
        Series("forward algorithm", np.log10(lengths), np.log10(each)),
        Series("all paths", np.log10([r[0] for r in rows]), np.log10([r[5] for r in rows])),
    )
    return Curves("Time of one sequence", "log₁₀ of steps", "log₁₀ of seconds", series)


EVALUATION = Evaluation(
    "forward",
    "Forward algorithm and all paths",
    "The evidence by recursion and as a sum over every path of hidden states: the same, at another cost.",
    ForwardSettings,
    _admits,
    _run,
    timed=True,
)
