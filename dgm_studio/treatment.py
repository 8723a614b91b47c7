"""What a finding says that may help, as settings of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dgm_studio.config import RunConfig
from models import catalog
from models.catalog import Recipe, UnknownKey
from models.learning.base import ANEW, FROM, LEARNER, Ways
from models.settings import Settings, SettingsError


def treated(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig | None:
    """The settings of a run with these changes (see `models.learning.base.Ways`); None where there are no such
    settings, or the family does not learn so."""
    changes = dict(changes)
    learner = changes.pop(LEARNER, config.learner)
    changes.pop(ANEW, None)
    changes.pop(FROM, None)
    try:
        known = catalog.learning(learner).settings.model_fields
        learning = {name: value for name, value in config.learning.items() if name in known} | changes
        Recipe.read(config.family, learner, config.model, learning)
    except (SettingsError, UnknownKey):
        return None
    return config.model_copy(update={LEARNER: learner, "learning": learning})


def title_of(way: str, changes: Mapping[str, Any]) -> str:
    """What a button says that trains a run by these changes."""
    if begins_anew(changes):
        return f"Train anew with {way}"
    return f"Branch from step {changes[FROM]:,} with {way}" if FROM in changes else f"Branch with {way}"


def begins_anew(changes: Mapping[str, Any]) -> bool:
    """Whether a run with these changes cannot go on from a kept state."""
    return bool(changes.get(ANEW))


def state_for(steps: Sequence[int], changes: Mapping[str, Any]) -> int:
    """Which of the kept states, of these steps in order, a run with these changes goes on from."""
    before = [step for step in steps if step <= changes.get(FROM, steps[-1])]
    return before[-1] if before else steps[0]


def slower(settings: Settings | None, divisor: int, **also: Any) -> Ways:
    """A way to go on with learning rates that are so much smaller, where the learner has any; `also` goes with it."""
    values = settings.model_dump() if settings is not None else {}
    names = ["learning_rate"] if "learning_rate" in values else [name for name in values if name.endswith("_rate")]
    rates = {name: values[name] / divisor for name in names if values[name]}
    if not rates:
        return {}
    part = {3: "a third", 10: "a tenth"}[divisor]
    return {f"{part} of the learning rate{'s' if len(rates) > 1 else ''}": {**rates, **also}}
