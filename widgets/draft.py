"""The settings of the next run: edited on the right, undone and redone, and turned into a run by Train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from dgm_studio.config import (
    DataChoice,
    RunConfig,
    TrainingSettings,
    carried_over,
    default_data,
    of_domains,
    takes_back,
)
from models import catalog
from models.catalog import Recipe


def default_config(family: str) -> RunConfig:
    """A run of `family` with everything at its default."""
    entry = catalog.family(family)
    return RunConfig(family=family, learner=entry.learners[0], data=default_data(entry))


def completed(config: RunConfig) -> RunConfig:
    """The same run with every setting written out, so that later defaults cannot change what it means. Raises
    UnknownKey or SettingsError."""
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    return config.model_copy(update={"model": recipe.model.model_dump(), "learning": recipe.learner.model_dump()})


class _Change(QUndoCommand):
    # Successive changes of one field are one step of undo.
    def __init__(self, draft: Draft, after: RunConfig, text: str, field: str) -> None:
        super().__init__(text)
        self._draft, self._before, self._after, self._field = draft, draft.config, after, field

    def redo(self) -> None:
        self._draft._show(self._after)

    def undo(self) -> None:
        self._draft._show(self._before)

    def id(self) -> int:
        return hash(self._field) % 2**31 if self._field else -1

    def mergeWith(self, other: QUndoCommand) -> bool:
        assert isinstance(other, _Change)
        if other._field != self._field:
            return False
        self._after = other._after
        return True


class Draft(QObject):
    """A RunConfig that a person edits. `changed(config)` after each edit, undo and redo."""

    changed = Signal(object)

    def __init__(self, config: RunConfig, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.config = config
        self.stack = QUndoStack(self)

    def load(self, config: RunConfig) -> None:
        """Show the settings of a run; what was edited before can no longer be undone."""
        self.stack.clear()
        self._show(config)

    def replace(self, config: RunConfig, text: str) -> None:
        """An edit of several fields at once."""
        self._edit(config, text, "")

    def set_family(self, key: str) -> None:
        """Another family, with its own learner and settings; data that was chosen, steps, batches and seed stay."""
        if key != self.config.family:
            data = carried_over(self.config.data, catalog.family(self.config.family), catalog.family(key))
            kept = {"data": data, "training": self.config.training}
            self._edit(default_config(key).model_copy(update=kept), f"family {catalog.family(key).title}", "")

    def set_learner(self, key: str) -> None:
        """Another way to learn, at its defaults."""
        if key != self.config.learner:
            title = catalog.learning(key).title
            self._edit(self.config.model_copy(update={"learner": key, "learning": {}}), f"learns by {title}", "")

    def set_source(
        self, key: str, settings: Mapping[str, Any] | None = None, domain: int = 0, text: str = "data"
    ) -> None:
        """Another source of data, of two domains of the first or (1) the second. `text`: what is undone."""
        changed = self.domain(domain).model_copy(update={"source": key, "settings": dict(settings or {})})
        data = self._with_domain(changed, domain)
        if data != self.config.data:
            self._edit(self.config.model_copy(update={"data": data}), text, "")

    def set_field(self, group: str, field: str, value: Any, domain: int = 0) -> None:
        """Set one setting of "model", "learning", "training", "data" or (of the data's source) "source"; of two domains
        of the first or (1) the second."""
        config, choice = self.config, self.domain(domain)
        update: dict[str, Any]
        if group in ("model", "learning"):
            update = {group: {**getattr(config, group), field: value}}
        elif group == "source":
            changed = choice.model_copy(update={"settings": {**choice.settings, field: value}})
            update = {"data": self._with_domain(changed, domain)}
        elif group == "data":
            change = {field: value, **takes_back(field, value)}
            changed = DataChoice.model_validate({**choice.model_dump(), **change})
            update = {"data": self._with_domain(changed, domain)}
        else:
            update = {"training": TrainingSettings.model_validate({**config.training.model_dump(), field: value})}
        after = config.model_copy(update=update)
        if after != config:
            of = "other." if domain else ""
            self._edit(after, field.replace("_", " "), f"{of}{group}.{field}")

    def domain(self, number: int) -> DataChoice:
        """The choice of one domain; by default where there is no second yet."""
        domains = self.config.data.domains
        return domains[number] if number < len(domains) else DataChoice()

    def _with_domain(self, changed: DataChoice, number: int) -> DataChoice:
        first, *second = self.config.data.domains
        return of_domains(first, changed) if number else of_domains(changed, *second)

    def _edit(self, after: RunConfig, text: str, field: str) -> None:
        self.stack.push(_Change(self, after, text, field))

    def _show(self, config: RunConfig) -> None:
        self.config = config
        self.changed.emit(config)
