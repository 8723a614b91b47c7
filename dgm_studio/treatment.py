"""What a finding says that may help, as settings of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dgm_studio.config import RunConfig
from models import catalog
from models.catalog import Recipe, UnknownKey
from models.learning.base import ANEW, LEARNER
from models.settings import SettingsError


def treated(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig | None:
    """The settings of a run with these changes (see `models.learning.base.Ways`); None where there are no such
    settings, or the family does not learn so."""
    changes = dict(changes)
    learner = changes.pop(LEARNER, config.learner)
    changes.pop(ANEW, None)
    try:
        known = catalog.learning(learner).settings.model_fields
        learning = {name: value for name, value in config.learning.items() if name in known} | changes
        Recipe.read(config.family, learner, config.model, learning)
    except (SettingsError, UnknownKey):
        return None
    return config.model_copy(update={LEARNER: learner, "learning": learning})


def title_of(way: str, changes: Mapping[str, Any]) -> str:
    """What a button says that trains a run by these changes."""
    return f"Train anew with {way}" if begins_anew(changes) else f"Branch with {way}"


def begins_anew(changes: Mapping[str, Any]) -> bool:
    """Whether a run with these changes cannot go on from a kept state."""
    return bool(changes.get(ANEW))
