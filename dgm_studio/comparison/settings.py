"""The settings of several runs beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from dgm_studio.config import DataChoice, RunConfig, TrainingSettings
from dgm_studio.datasets.base import BadData
from dgm_studio.datasets.sources import source
from dgm_studio.reports import Cell, Column, Table
from models import catalog
from models.settings import Settings, SettingsError, name_of, read_settings, unit_of

GROUPS = ("Model", "Learning", "Data", "Training")
NONE = "–"  # a run that has no such setting


@dataclass(frozen=True)
class Row:
    """One setting. `values` has a text for each run; None where it has no such setting."""

    group: str  # one of GROUPS
    title: str
    help: str
    values: tuple[str | None, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class _Value:
    group: str
    title: str
    help: str
    text: str


def compared(configs: Sequence[RunConfig | None]) -> list[Row]:
    """Every setting that at least one of these runs has, with its value in each, defaults included; None is a run whose
    settings this studio cannot read. Settings of two families are one row where group, field and title are the same."""
    each = [dict(_values(config)) if config is not None else {} for config in configs]
    rows: dict[tuple[str, str, str], Row] = {}
    for run in each:
        for key, value in run.items():
            if key not in rows:
                texts = tuple(other[key].text if key in other else None for other in each)
                rows[key] = Row(value.group, value.title, value.help, texts)
    return [row for group in GROUPS for row in rows.values() if row.group == group]


def as_table(rows: Sequence[Row], names: Sequence[str], title: str = "Settings that differ") -> Table:
    """The rows as a report, a column for each run."""
    columns = (Column("Group"), Column("Setting"), *(Column(name) for name in names))
    cells: tuple[tuple[Cell, ...], ...] = tuple(
        (row.group, row.title, *(NONE if value is None else value for value in row.values)) for row in rows
    )
    return Table(title, columns, cells)


def _values(config: RunConfig) -> Iterator[tuple[tuple[str, str, str], _Value]]:
    family, learning = catalog.family(config.family), catalog.learning(config.learner)
    yield _one("Model", "family", "Family", "What kind of distribution it is.", family.title)
    yield from _fields("Model", family.settings, config.model)
    yield _one("Learning", "learner", "Learns by", "The rule by which its parameters change.", learning.title)
    yield from _fields("Learning", learning.settings, config.learning)
    for number, domain in enumerate(config.data.domains):
        yield from _data(domain, "Second domain: " if number else "")
    yield from _fields("Training", TrainingSettings, config.training.model_dump())


def _data(choice: DataChoice, before: str) -> Iterator[tuple[tuple[str, str, str], _Value]]:
    try:
        chosen = source(choice.source)
        title = chosen.title
        fields = list(_fields("Data", chosen.settings, choice.settings, before))
    except BadData:  # of a newer studio
        title = choice.source
        fields = [_one("Data", key, f"{before}{key}", "", _text(value)) for key, value in choice.settings.items()]
    yield _one("Data", f"{before}source", f"{before}Data", "Where the examples come from.", title)
    yield from fields
    for key in ("binarization", "levels", "split_seed"):
        yield _field("Data", key, DataChoice.model_fields[key], getattr(choice, key), before)


def _fields(
    group: str, schema: type[Settings], given: Mapping[str, Any], before: str = ""
) -> Iterator[tuple[tuple[str, str, str], _Value]]:
    try:
        values = read_settings(schema, given, group).model_dump()
    except SettingsError:  # written by another version of the studio: what is there is shown
        values = dict(given)
    for key, value in values.items():
        yield _field(group, key, schema.model_fields.get(key), value, before)


def _field(
    group: str, key: str, info: FieldInfo | None, value: Any, before: str
) -> tuple[tuple[str, str, str], _Value]:
    if info is None:
        return _one(group, f"{before}{key}", f"{before}{key}", "", _text(value))
    said = name_of(info, value) or f"{_text(value)} {unit_of(info)}".rstrip()
    return _one(group, f"{before}{key}", f"{before}{info.title or key}", info.description or "", said)


def _one(group: str, key: str, title: str, help_: str, text: str) -> tuple[tuple[str, str, str], _Value]:
    return (group, key, title), _Value(group, title, help_, text)


def _text(value: Any) -> str:
    """A value as it is read aloud."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}".replace("-", "−")
        case None:
            return NONE
        case dict():
            return ", ".join(f"{key} {_text(item)}" for key, item in value.items()) or NONE
        case list() | tuple():
            return ", ".join(_text(item) for item in value) or NONE
        case _:
            return str(value)
