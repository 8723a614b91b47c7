"""What stands as JSON in a project, and where the datasets of a run lie."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args
from uuid import uuid4

import numpy as np
from pydantic import BaseModel, ConfigDict

from dgm_studio.store.saving import Item

Status = Literal["new", "training", "finished", "stopped", "failed", "interrupted"]

_NUMBER = re.compile(r"0|[1-9][0-9]{0,14}")


class Strict(BaseModel):
    """What stands as JSON in a project: exactly these fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Best(Strict):
    """The checkpoint with the best value of a quantity on held-out data."""

    step: int
    key: str
    value: float


class Merged(Strict):
    """The newest training session that is part of the run. Sessions begun at an earlier save are older than it. With
    `until`, only what it did up to that step is."""

    saves: int
    session: str
    until: int | None = None


class Noted(Strict):
    """Something that was noticed in the run at `step`: see events.Finding."""

    step: int
    kind: str
    text: str
    measured: str
    remedy: str = ""
    changes: dict[str, dict[str, Any]] = {}


class Origin(Strict):
    """The run of another project that this one was copied from."""

    project: str  # id
    file: str  # name
    run: str  # id
    name: str


class RunRecord(Strict):
    """A run but for its arrays. `deleted`: ISO time, UTC; empty while it is part of the project. `demanded`: steps of
    states that somebody asked to keep."""

    name: str
    status: Status
    created: str
    config: dict[str, Any]
    message: str = ""
    notes: str = ""
    tags: list[str] = []
    findings: list[Noted] = []
    deleted: str = ""
    parent: tuple[str, int] | None = None
    origin: Origin | None = None
    provenance: dict[str, Any] = {}
    best: Best | None = None
    demanded: list[int] = []
    merged: Merged | None = None

    @staticmethod
    def read(value: Any) -> RunRecord:
        """Raises pydantic's ValidationError."""
        if isinstance(value, dict) and isinstance(value.get("parent"), list):
            value = {**value, "parent": tuple(value["parent"])}  # JSON has no tuples
        return RunRecord.model_validate(value)


class ProjectRecord(Strict):
    """What a project knows of itself. `saves` counts them, and tells which of two states is the newer."""

    id: str
    saves: int = 0
    notes: str = ""
    order: list[str]


def known_status(text: str) -> Status:
    """Raises ValueError for anything that is no status."""
    for status in get_args(Status):
        if status == text:
            return status
    raise ValueError(f"{text!r} is no status of a run")


def new_id() -> str:
    """Of a run."""
    return uuid4().hex[:12]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_tags(text: str) -> list[str]:
    """The tags in `text`, between commas, each once."""
    return list(dict.fromkeys(tag for part in text.split(",") if (tag := " ".join(part.split()))))


def laid_out(items: Mapping[str, Item]) -> bool:
    """Whether these are the datasets of a run, each in its place."""
    for place, item in items.items():
        head, *rest = place.split("/")
        match head, rest:
            case "config", []:
                good = True
            case "metrics", ["step" | "value" as kind, name]:
                other = items.get(f"metrics/{'value' if kind == 'step' else 'step'}/{name}")
                dtype = "int64" if kind == "step" else "float32"
                good = other is not None and _described(item) == (dtype, _described(other)[1])
                good = good and len(_described(item)[1]) == 1
            case "frames", ["means" | "draws", number]:
                good = _NUMBER.fullmatch(number) is not None and len(_described(item)[1]) >= 1
            case (("checkpoints" | "evaluations"), [number, _, *_]):
                good = _NUMBER.fullmatch(number) is not None
            case _:
                good = False
        if not good:
            return False
    return True


def _described(item: Item) -> tuple[str, tuple[int, ...]]:
    return (item.dtype.name, item.shape) if isinstance(item, np.ndarray) else (item.entry.dtype, item.entry.shape)
