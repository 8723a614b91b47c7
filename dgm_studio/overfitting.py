"""Does a run learn its training examples by heart? What is held out then gets worse while training gets better.

A run is looked at hundreds of times, and the best of many values is always better than the last one, so the rule is
made for whole runs: of those whose held-out values only scatter about a level, each correlated with the next by up to
0.8, it may take 1 in 100 for overfitting. Simulated with 500 to 8000 runs each: 0.4 % in 40 looks, 0.5 % in 60, 0.6 %
in 120, 0.4 % in 360 (tests/dgm_studio/test_doctor.py has fewer runs). With more correlation it is wrong more often: at
0.9, a form of the rule with the same limit told 2 % in 40 looks and 7 % in 120. In 114 stored runs of all kinds,
held-out values about their trend were correlated by -0.1 (median), and in one of ten by more than 0.6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dgm_studio.treatment import slower
from models.learning.base import FROM, Quantity, Symptom, Ways
from models.settings import Settings

MEASURED = 15  # times that held-out values were measured, at least
SMOOTHED = 5  # values in a moving mean
LOST = 0.03  # of what was gained from the first held-out value to the best one
NOISE = 8.0  # standard deviations of a held-out value
CORRELATED = 0.8  # at most, from one held-out value to the next, for this to be so much
WRONGLY = 0.01  # of runs, at most, that are told though their held-out values only scatter
SINCE = 0.2  # of the steps of a session have passed since the best value


class Overfitting:
    """Follows the first quantity that a learner reports of training and of held-out examples and of which it says which
    way is better."""

    def __init__(self, quantities: Sequence[Quantity], settings: Settings | None) -> None:
        self._quantities = [quantity for quantity in quantities if quantity.goal]
        self._settings = settings
        self._training: dict[str, list[float]] = {q.key: [] for q in self._quantities}  # since the last held-out value
        self._points: dict[str, list[tuple[int, float, float]]] = {q.key: [] for q in self._quantities}

    def hear(self, values: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> bool:
        """What was reported, by key: steps and values. Whether a held-out value is among it."""
        new = False
        for key, seen in self._training.items():
            if key in values:
                seen += values[key][1].tolist()
            steps, held_out = values.get(f"valid/{key}", (np.empty(0), np.empty(0)))
            if len(steps) and seen:
                self._points[key].append((int(steps[-1]), float(held_out[-1]), float(np.mean(seen))))
                seen.clear()
                new = True
        return new

    def seen(self) -> Symptom | None:
        for quantity in self._quantities:
            points = self._points[quantity.key]
            if points:
                return self._of(quantity, points) if len(points) >= MEASURED else None
        return None

    def _of(self, quantity: Quantity, points: list[tuple[int, float, float]]) -> Symptom | None:
        sign = 1 if quantity.goal == "higher" else -1
        steps, raw, training = (np.array(column, dtype=np.float64) for column in zip(*points, strict=True))
        held, trained = _moving(raw, SMOOTHED), _moving(training, SMOOTHED)
        at = steps[SMOOTHED - 1 :]
        best = int((sign * held).argmax())
        lost, gained = sign * (held[best] - held[-1]), sign * (held[best] - held[0])
        long_ago = at[-1] - at[best] >= SINCE * (at[-1] - steps[0])
        better = sign * (trained[-1] - trained[best]) > 0
        if not (long_ago and better and lost > max(LOST * gained, NOISE * scatter(raw))):
            return None
        # ends of a moving mean: its middle says best where the best is
        step = int(steps[best + SMOOTHED // 2])
        name = quantity.title
        return Symptom(
            "overfitting",
            "Overfitting: what is held out gets worse while training goes on getting better.",
            f"{name}, held out, was best around step {step:,}: {held[best]:.4g}; it is {held[-1]:.4g} now. In training "
            f"it went from {trained[best]:.4g} to {trained[-1]:.4g} meanwhile. Means of {SMOOTHED} measurements; told "
            f"when {LOST:.0%} of what was gained is lost again, beyond {NOISE:g} standard deviations of the scatter. "
            f"By scatter alone that happens in at most {WRONGLY:.0%} of runs, each with all its measurements, if "
            f"values are correlated with the next by no more than {CORRELATED:g}.",
            "Keep the state of then, or go on from it more slowly; a smaller model or more data learn less by heart.",
            self._ways(step),
        )

    def _ways(self, step: int) -> Ways:
        ways = slower(self._settings, 10, **{FROM: step})
        decay = getattr(self._settings, "weight_decay", None)
        if isinstance(decay, float):
            more = max(10 * decay, 1e-3)
            ways[f"weight decay {more:g}"] = {"weight_decay": more, FROM: step}
        return ways


def scatter(values: np.ndarray) -> float:
    """The standard deviation of one value about its curve, told from how that bends, a - 2 b + c, over single values
    and over means of three: what scatters slowly shows there alone. The larger of the two. (n >= 9 values) -> σ."""
    means = _moving(values, 3)
    bends = means[6:] - 2 * means[3:-3] + means[:-6]
    # of independent values a bend has variance (1 + 4 + 1) σ²
    return max(_deviation(np.diff(values, 2)) / float(np.sqrt(6)), _deviation(bends) / float(np.sqrt(2)))


def _deviation(values: np.ndarray) -> float:
    """That of a normal distribution with the same median of absolute deviations. A few values do not change it: those
    of the beginning, where a model learns fast."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _moving(values: np.ndarray, width: int) -> np.ndarray:
    return np.convolve(values, np.full(width, 1 / width), mode="valid")
