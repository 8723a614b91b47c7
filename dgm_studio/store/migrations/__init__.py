"""Older formats become today's in memory, one step at a time; the file on disk changes at the first save.

Step N lives in `to_N.py` as `migrate(items) -> items`: all datasets of a project in format N - 1, by path, as those of
format N. A fixture of every format stays in the tests for good.
"""

from __future__ import annotations

from importlib import import_module

from dgm_studio.store import format as fmt
from dgm_studio.store.saving import Item


def migrated(items: dict[str, Item], schema: int) -> dict[str, Item]:
    """`items` of a project in format `schema`, as they would stand in today's."""
    for version in range(schema + 1, fmt.SCHEMA + 1):
        items = import_module(f"{__name__}.to_{version}").migrate(items)
    return items
