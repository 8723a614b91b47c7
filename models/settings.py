"""Settings are declared once: the declaration is the form, the command line, the check and the JSON in the project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict


class Settings(BaseModel):
    """Base of every group of settings. Unknown fields and values out of bounds are errors; instances are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())


class NoSettings(Settings):
    """For a model or learner that has nothing to set."""


def setting(
    default: Any, *, title: str, help: str, unit: str = "", reference: str = "", log: bool = False, **bounds: Any
) -> Any:
    """Declare one field: what it is called, what it does, unit, where the literature defines it, bounds.

    `log` says that the value spans decades (a learning rate), so that an editor steps by factors.
    """
    extra: JsonDict = {"unit": unit, "reference": reference, "log": log}
    return Field(default, title=title, description=help, json_schema_extra=extra, **bounds)


class SettingsError(ValueError):
    """Settings that do not hold. `problems` lists (field, what is wrong with it)."""

    def __init__(self, where: str, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        places = (f"{where}.{field}" if field else where for field, _ in problems)
        super().__init__("; ".join(f"{place}: {text}" for place, (_, text) in zip(places, problems, strict=True)))


S = TypeVar("S", bound=Settings)


def read_settings(cls: type[S], values: Mapping[str, Any], where: str) -> S:
    """Build `cls` from plain values. Raises SettingsError that names each field that is unknown or does not fit."""
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        problems = []
        for item in error.errors():
            field = ".".join(str(part) for part in item["loc"])
            if item["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields) or "none"
                problems.append((field, f"unknown setting (there are: {known})"))
            else:
                problems.append((field, f"{item['msg']} (it was {item['input']!r})"))
        raise SettingsError(where, problems) from None
