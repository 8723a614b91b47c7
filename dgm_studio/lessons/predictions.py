"""What a claim predicts of a figure, and the figure over seeds that it is held against."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from dgm_studio.number_texts import power, signed

_NUMBER = r"[+\-−]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"
_FORM = re.compile(rf"(?P<sign>[<>])\s*(?P<bound>{_NUMBER})|(?P<middle>{_NUMBER})\s*±\s*(?P<around>{_NUMBER})")


class BadPrediction(ValueError):
    """A text that is no prediction; the sentence says which there are."""


@dataclass(frozen=True)
class Prediction:
    """Where a figure has to be: strictly between two ends, of which one may be infinite."""

    text: str
    low: float
    high: float

    def holds(self, spread: Spread) -> bool:
        """Whether the whole interval is there. A figure that is no number is nowhere."""
        return self.low < spread.low and spread.high < self.high

    @property
    def worded(self) -> str:
        """As it is said: more than 0.5."""
        return signed(self.text.replace(">", "more than ", 1).replace("<", "less than ", 1)).replace("  ", " ")

    @classmethod
    def read(cls, text: str) -> Prediction:
        """Raises BadPrediction."""
        found = _FORM.fullmatch(text.strip())
        if not found:
            raise BadPrediction(f"{text!r} is none of '> 1', '< 1' and '1 ± 0.1'")
        if found["sign"]:
            bound = _float(found["bound"])
            ends = (bound, math.inf) if found["sign"] == ">" else (-math.inf, bound)
        else:
            middle, around = _float(found["middle"]), _float(found["around"])
            ends = middle - around, middle + around
        return cls(text.strip(), *ends)


@dataclass(frozen=True)
class Spread:
    """The values of a figure, one for each seed, their mean, and its 95 % interval by Student's t. Of one value, the
    interval is that value: it says nothing of other seeds."""

    values: tuple[float, ...]
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value; no number where one of them is none."""
        n = len(values)
        mean = sum(values) / n
        if n == 1 or not math.isfinite(mean):
            return cls(tuple(values), mean, mean, mean)
        from scipy.special import stdtrit

        deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
        half = float(stdtrit(n - 1, 0.975)) * deviation / math.sqrt(n)
        return cls(tuple(values), mean, mean - half, mean + half)

    def text(self, decimals: int, unit: str = "") -> str:
        """The mean, and the interval in brackets if there is one."""
        mean = told(self.mean, decimals) + (f" {unit}" if unit else "")
        ends = f" [{told(self.low, decimals)}, {told(self.high, decimals)}]"
        return mean + ends if len(self.values) > 1 else mean


def told(value: float, decimals: int) -> str:
    """A figure as it is printed, with at most six that matter; one that would be rounded to 0 with a power of ten."""
    if value == 0:
        return "0"
    if math.isfinite(value):
        if abs(value) < 0.5 * 10**-decimals:
            return power(value)
        decimals = max(0, min(decimals, 5 - math.floor(math.log10(abs(value)))))
    # here, as numpy comes with it, for which the first paint of the window need not wait
    from dgm_studio.table_texts import number

    return number(value, decimals)


def _float(text: str) -> float:
    return float(text.replace("−", "-"))
