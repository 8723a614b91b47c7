"""`list`: what the studio has, by the keys that other commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from dgm_studio.commands.output import Output
from dgm_studio.lessons.reading import lessons, unreadable
from dgm_studio.presets import presets
from models.settings import Settings

Kind = Literal["families", "learners", "datasets", "presets", "lessons"]


def list_(kind: Kind, *, json: bool = False) -> int:
    """List families, learners, datasets, presets or lessons with what can be set.

    Parameters
    ----------
    kind
        What to list.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    entries = _LISTS[kind]()
    for entry in entries:
        output.say(f"{entry['key']}  {entry['title']}", style="bold")
        if entry["summary"]:
            output.say(f"    {entry['summary']}")
        for name, field in entry.get("settings", {}).items():
            output.say(f"    {name} = {field['default']!r}  {field['title']}{_bounds(field)}")
    if not entries:
        output.say(f"There are no {kind}.")
    output.document(entries)
    return 0


def _families() -> list[dict[str, Any]]:
    from models.catalog import FAMILIES

    return [
        {
            "key": family.key,
            "title": family.title,
            "summary": family.summary,
            "group": family.group,
            "lecture": family.lecture,
            "learners": list(family.learners),
            "data": family.data,
            "binarization": family.binarization,
            "other": family.other,
            "settings": _fields(family.settings),
        }
        for family in FAMILIES
    ]


def _learners() -> list[dict[str, Any]]:
    from models.catalog import FAMILIES, LEARNINGS

    return [
        {
            "key": rule.key,
            "title": rule.title,
            "summary": (rule.learner.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " "),
            "lecture": rule.lecture,
            "families": [family.key for family in FAMILIES if rule.key in family.learners],
            "settings": _fields(rule.settings),
        }
        for rule in LEARNINGS
    ]


def _datasets() -> list[dict[str, Any]]:
    from dgm_studio.datasets.sources import SOURCES

    return [
        {
            "key": source.key,
            "title": source.title,
            "summary": source.summary if source.available() else f"{source.summary} Not on this machine.",
            "available": source.available(),
            "settings": _fields(source.settings),
        }
        for source in SOURCES
    ]


def _presets() -> list[dict[str, Any]]:
    return [
        {
            "key": entry.key,
            "title": entry.title,
            "summary": entry.summary,
            "group": entry.group,
            "config": entry.config.model_dump(mode="json"),
        }
        for entry in presets()
    ]


def _lessons() -> list[dict[str, Any]]:
    return [
        {
            "key": entry.key,
            "title": entry.title,
            "summary": entry.claim,
            "part": entry.part,
            "minutes": entry.minutes,
            "seeds": entry.seeds,
        }
        for entry in lessons()
    ] + [{"key": key, "title": "cannot be read", "summary": str(error)} for key, error in unreadable().items()]


_LISTS: dict[Kind, Callable[[], list[dict[str, Any]]]] = {
    "families": _families,
    "learners": _learners,
    "datasets": _datasets,
    "presets": _presets,
    "lessons": _lessons,
}


_SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def _fields(settings: type[Settings]) -> dict[str, dict[str, Any]]:
    """Name -> title, help, default and bounds, as `--set` takes them."""
    schema = settings.model_json_schema()
    fields = {}
    for name, described in schema.get("properties", {}).items():
        entry = {"title": described.get("title", name), "help": described.get("description", "")}
        for key in ("default", "type", "unit", "reference", "zero"):
            entry[key] = described.get(key)
        for key in ("enum", *_SIGNS):
            if key in described:
                entry[key] = described[key]
        fields[name] = entry
    return fields


def _bounds(field: dict[str, Any]) -> str:
    """The values that a field takes, in brackets, or nothing."""
    if "enum" in field:
        return f" ({', '.join(map(str, field['enum']))})"
    sides = [f"{sign} {field[key]:g}" for key, sign in _SIGNS.items() if key in field]
    if field["zero"]:
        sides.append(f"0: {field['zero']}")
    return f" ({', '.join(sides)})" if sides else ""
