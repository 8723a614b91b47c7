"""A number together with what it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from torch import Tensor


class Kind(StrEnum):
    """How a measured value relates to the true one. Values of different kinds are never compared silently."""

    EXACT = "exact"
    LOWER_BOUND = "lower bound"
    UPPER_BOUND = "upper bound"
    ESTIMATE = "estimate"


@dataclass(frozen=True)
class Check:
    """One way to see whether an estimator has converged."""

    what: str  # that was looked at
    found: str
    wanted: str
    passed: bool


@dataclass(frozen=True)
class Measure:
    """`low` and `high` are a 95 % interval for the mean over examples (and over the estimator's own draws, where it
    has any); equal to `value` for a quantity without sampling error."""

    name: str
    value: float
    low: float
    high: float
    kind: Kind
    unit: str  # "nats per example", "bits per dimension", ...
    protocol: str  # data, binarisation, number of examples, samples, temperatures: enough to repeat it
    note: str = ""
    doubt: str = ""  # why neither value nor interval is to be trusted, where it is not
    likelihood: bool = True  # whether it is one, or bounds one: only then is it a code length
    checks: tuple[Check, ...] = ()


def mean_measure(name: str, values: Tensor, kind: Kind, protocol: str, unit: str = "nats per example") -> Measure:
    """The mean of per-example values (N,) with a normal 95 % interval of the mean."""
    values = values.double()
    mean = values.mean().item()
    half = 1.96 * values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return Measure(name, mean, mean - half, mean + half, kind, unit, protocol)


def ended(measure: Measure, least: float = -math.inf, most: float = math.inf) -> Measure:
    """The same with an interval that ends where the quantity does: no value of it is below `least` or above `most`, so
    neither is their mean, and the interval holds it as often as before. An estimate that lies beyond stays in it."""
    low, high = max(measure.low, min(least, measure.value)), min(measure.high, max(most, measure.value))
    return replace(measure, low=low, high=high)


def wilson(share: float, n: float, z: float = 1.96) -> tuple[float, float]:
    """Wilson's (1927) 95 % interval for a share of n independent events: it stays inside 0…1 and is not empty at its
    ends."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)  # rounding may pass the ends


def bits_per_dimension(measure: Measure, dimensions: int) -> Measure:
    """A log-likelihood in nats per example as a code length in bits per dimension; bounds change sides."""
    flip = {Kind.LOWER_BOUND: Kind.UPPER_BOUND, Kind.UPPER_BOUND: Kind.LOWER_BOUND}
    scale = -1 / (dimensions * math.log(2))
    return replace(
        measure,
        value=measure.value * scale,
        low=measure.high * scale,
        high=measure.low * scale,
        kind=flip.get(measure.kind, measure.kind),
        unit="bits per dimension",
    )
