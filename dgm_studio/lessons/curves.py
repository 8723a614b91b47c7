"""Which training curves a run can have: what its learner declares, held out as well, and modes where they are known.

Which of them it has is seen when it has run: a learner may report some things of small models alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dgm_studio.config import RunConfig
from dgm_studio.lessons.entries import Metric, ShowCurve
from dgm_studio.lessons.format import Lesson

if TYPE_CHECKING:
    from models.learning.base import Quantity

HELD_OUT = "valid/"  # before a key: of validation examples


def curves_of(config: RunConfig) -> Mapping[str, Quantity]:
    """What each curve that the run can have is of, by its key. Raises UnknownKey."""
    from dgm_studio.modes import QUANTITIES  # and torch with it, for which a list of lessons need not wait
    from models.catalog import learning

    declared = learning(config.learner).learner.quantities
    return {prefix + of.key: of for prefix in ("", HELD_OUT) for of in declared} | {of.key: of for of in QUANTITIES}


def quantity_of(lesson: Lesson, show: ShowCurve) -> Quantity:
    """What the curve of a show is of. Raises LessonError where none of its runs can have it."""
    there: dict[str, Quantity] = {}
    for run in lesson.runs_of(show):
        there |= curves_of(lesson.runs[run].config())
    if show.curve not in there:
        place = ("shows", list(lesson.shows).index(show.key), "curve")
        raise lesson.error(place, f"no run here has a curve {show.curve!r} (there are: {', '.join(there)})")
    return there[show.curve]


def check_curves(lesson: Lesson) -> None:
    """Every curve that is named is one that a run of it can have. Raises LessonError."""
    for show in lesson.shows.values():
        if isinstance(show, ShowCurve):
            quantity_of(lesson, show)
    for key, run in lesson.values():
        quantity, there = lesson.quantities[key], curves_of(lesson.runs[run].config())
        if isinstance(quantity, Metric) and quantity.metric not in there:
            problem = f"the run {run!r} has no curve {quantity.metric!r} (there are: {', '.join(there)})"
            raise lesson.error(("quantities", key, "metric"), problem)
