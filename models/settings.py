"""Settings are declared once: the declaration is the form, the command line, the check and the JSON in the project."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

SHOWN = 5  # problems that a sentence names
NAME = 100  # characters of a name that are shown


class Settings(BaseModel):
    """Base of every group of settings. Unknown fields and values out of bounds are errors; instances are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())


class NoSettings(Settings):
    """For a model or learner that has nothing to set."""


@dataclass(frozen=True, eq=False)  # so that a type with names has a hash, as types have
class Names:
    """What values of a choice are called where people read them, and not the file or the command line:
    `Annotated[Literal["relu", "tanh"], Names({"relu": "ReLU"})]`. Those that are left out are called what they are."""

    of: Mapping[Any, str]


def setting(
    default: Any,
    *,
    title: str,
    help: str,
    unit: str = "",
    reference: str = "",
    log: bool = False,
    zero: str = "",
    **bounds: Any,
) -> Any:
    """Declare one field: what it is called, what it does, unit, where the literature defines it, bounds.

    `log` says that the value spans decades (a learning rate), so that an editor steps by factors. `zero` is what a 0
    is called that is no amount: "off", "all".
    """
    extra: JsonDict = {"unit": unit, "reference": reference, "log": log, "zero": zero}
    return Field(default, title=title, description=help, json_schema_extra=extra, **bounds)


def unit_of(info: FieldInfo) -> str:
    """The unit that a field was declared with, or nothing."""
    return str(info.json_schema_extra.get("unit", "")) if isinstance(info.json_schema_extra, dict) else ""


def names_of(info: FieldInfo) -> dict[Any, str]:
    """The values of a field that have a name of their own, and that name."""
    names = {value: name for rule in info.metadata if isinstance(rule, Names) for value, name in rule.of.items()}
    zero = info.json_schema_extra.get("zero") if isinstance(info.json_schema_extra, dict) else ""
    return {**names, 0: str(zero)} if zero else names


def name_of(info: FieldInfo, value: Any) -> str | None:
    """What this value of a field is called; None where its own text says it."""
    return next((name for named, name in names_of(info).items() if named == value), None)


class SettingsError(ValueError):
    """Settings that do not hold. `problems` lists (field, what is wrong with it); the sentence names the first few, and
    the file that they come from if there is one."""

    def __init__(self, where: str, problems: list[tuple[str, str]], file: str = "") -> None:
        self.problems = problems
        lines = []
        for field, text in problems[:SHOWN]:
            place = ".".join(part for part in (where, field) if part)
            lines.append(": ".join(part for part in (place, text) if part))
        if len(problems) > SHOWN:
            lines.append(f"and {len(problems) - SHOWN} more")
        text = "; ".join(lines)
        if file:
            between = ": " if where or problems[0][0] else " "
            text = f"{file}{between}{text.rstrip('.')}{'' if text.endswith('?') else '.'}"
        super().__init__(printable(text))


def printable(text: str) -> str:
    """The text without signs that a terminal would obey. Names in files from elsewhere can hold any."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)


S = TypeVar("S", bound=Settings)


def read_settings(cls: type[S], values: Mapping[str, Any], where: str, file: str = "") -> S:
    """Build `cls` from plain values. Raises SettingsError that names each field that is unknown or does not fit."""
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        problems = []
        for item in error.errors():
            field = ".".join(str(part) for part in item["loc"])
            if item["type"] == "extra_forbidden":
                problems.append((field[-NAME:], _unknown(cls, item["loc"])))
            else:
                said = item["msg"].removeprefix("Value error, ")
                problems.append((field[-NAME:], f"{said} (it was {reprlib.repr(item['input'])})"))
        raise SettingsError(where, problems, file) from None


def _unknown(cls: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """What is said about a setting that there is not: which there are in its group, and which may have been meant."""
    for part in place[:-1]:
        inner = cls.model_fields[str(part)].annotation
        cls = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else cls
    meant = get_close_matches(str(place[-1])[:NAME], cls.model_fields, 1)
    hint = f". Did you mean {meant[0]}?" if meant else ""
    return f"unknown setting (there are: {', '.join(cls.model_fields) or 'none'}){hint}"
